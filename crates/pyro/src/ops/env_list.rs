//! `pyro env list`.

use crate::environments::EnvironmentList;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the environments of the catalog and whether each is installed.
///
/// Reads the cache only; never downloads or builds.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvListRequest {}

/// `pyro env list`.
pub struct EnvList;

impl Operation for EnvList {
    const NAME: &'static str = "env_list";
    const CLI: &'static [&'static str] = &["env", "list"];
    const PYTHON: Option<&'static str> = None;
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &["pyro env list", "pyro env list --json"];
    type Request = EnvListRequest;
    type Response = EnvironmentList;

    fn run(pyro: &Pyro, _: Self::Request, _: &Context) -> Result<Self::Response> {
        pyro.environments.list()
    }
}
