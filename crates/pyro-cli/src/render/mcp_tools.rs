//! What tools cost a model, as a table.

use serde_json::Value;

/// A row per tool or surface, the total, and how tokens were counted.
pub fn costs(costs: &Value) -> String {
    let rows = costs["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let of_all = costs["surface"].is_null();
    let first = if of_all { "surface" } else { "tool" };
    let mut lines = vec![format!(
        "{first:<24}{:>6}{:>14}{:>14}{:>14}{:>14}",
        if of_all { "tools" } else { "" },
        "model bytes",
        "~tokens",
        "list bytes",
        "~tokens"
    )];
    let row = |row: &Value, name: &str| {
        let number = |field: &str| row[field].as_u64().unwrap_or_default();
        let count = match of_all {
            true => row["tool_count"].to_string(),
            false => String::new(),
        };
        format!(
            "{name:<24}{count:>6}{:>14}{:>14}{:>14}{:>14}",
            number("model_bytes"),
            number("model_tokens"),
            number("list_bytes"),
            number("list_tokens")
        )
    };
    lines.extend(
        rows.iter()
            .map(|each| row(each, each["name"].as_str().unwrap_or_default())),
    );
    if let total @ Value::Object(_) = &costs["total"] {
        let surface = costs["surface"].as_str().unwrap_or_default();
        lines.push(row(total, &format!("{surface}, all")));
        lines.push(format!(
            "instructions: {} characters",
            costs["instructions_chars"]
        ));
    }
    lines.push(
        "model: name, description and inputs, which hosts put before each question; list: all of \
         tools/list; tokens: bytes / 4"
            .to_owned(),
    );
    lines.join("\n") + "\n"
}
