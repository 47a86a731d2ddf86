//! Whole results: every text in one, whatever field it is in.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Redactor;
use crate::error::{Error, Result};

impl Redactor {
    /// `result` without secrets in any of its texts, and how many were replaced.
    ///
    /// # Errors
    /// `encode`, when it is no JSON.
    pub fn result<T: Serialize + DeserializeOwned>(&self, result: T) -> Result<(T, u64)> {
        if self.is_none() {
            return Ok((result, 0));
        }
        let failed = |error: serde_json::Error| Error::runtime("encode", error.to_string());
        let mut value = serde_json::to_value(&result).map_err(failed)?;
        match self.strings(&mut value) {
            0 => Ok((result, 0)),
            replaced => Ok((serde_json::from_value(value).map_err(failed)?, replaced)),
        }
    }

    fn strings(&self, value: &mut Value) -> u64 {
        match value {
            Value::String(text) => {
                let (shown, replaced) = self.range(text.as_bytes(), 0..text.len());
                if replaced > 0 {
                    *text = String::from_utf8_lossy(&shown).into_owned();
                }
                replaced
            }
            Value::Array(values) => values.iter_mut().map(|value| self.strings(value)).sum(),
            Value::Object(fields) => fields.values_mut().map(|value| self.strings(value)).sum(),
            _ => 0,
        }
    }
}
