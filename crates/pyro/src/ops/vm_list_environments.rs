//! `vm_list_environments`: the catalog as an array, for tools and Python; the
//! command line has `env list`, which also tells the catalog's version.

use crate::environments::Environment;
use crate::{Context, Effect, Operation, Pyro, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// List the environments a VM can be made of and whether each is installed.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmListEnvironmentsRequest {}

/// The array, wrapped because a tool's structured result is an object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentArray {
    /// In catalog order.
    pub result: Vec<Environment>,
}

/// `vm_list_environments`.
pub struct VmListEnvironments;

impl Operation for VmListEnvironments {
    const NAME: &'static str = "vm_list_environments";
    const CLI: &'static [&'static str] = &[];
    const PYTHON: Option<&'static str> = Some("list_environments");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[];
    type Request = VmListEnvironmentsRequest;
    type Response = EnvironmentArray;

    fn run(pyro: &Pyro, _: Self::Request, _: &Context) -> Result<Self::Response> {
        Ok(EnvironmentArray {
            result: pyro.environments.list()?.environments,
        })
    }
}
