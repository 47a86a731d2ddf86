//! `pyro host doctor`: which chat hosts know the server.

use crate::chat_host_options::{Given, LaunchOptions};
use crate::server_options::ServerOptions;
use crate::{Context, Effect, Operation, Pyro, Result};
use pyro_engine::chat_hosts::doctor;
pub use pyro_engine::chat_hosts::payloads::HostsReport;
use pyro_engine::chat_hosts::places::Surroundings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show which chat hosts know the server, and what differs.
///
/// Without flags, the options that an entry has are taken for what was wanted;
/// with flags, the entry is compared with them. Nothing is written, and no
/// server is started; where one is to start on another machine, ssh asks that
/// machine for its pyro.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostDoctorRequest {
    /// OpenCode's file, when it is not the usual one; other hosts do not look at it
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub config_path: Option<String>,
    /// Exit with 125 when a host is drifted or missing, or the project has a problem
    #[arg(long)]
    #[serde(default)]
    pub strict: bool,
    /// How the hosts should start the server
    #[command(flatten)]
    #[serde(default)]
    pub launch: LaunchOptions,
    /// What the server should offer
    #[command(flatten)]
    #[serde(default)]
    pub server: ServerOptions,
}

/// `pyro host doctor`.
pub struct HostDoctor;

impl Operation for HostDoctor {
    const NAME: &'static str = "host_doctor";
    const CLI: &'static [&'static str] = &["host", "doctor"];
    const PYTHON: Option<&'static str> = Some("host_doctor");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro host doctor",
        "pyro host doctor --mode repro-fix --project-path ~/src/app",
        "pyro host doctor --strict --json",
    ];
    type Request = HostDoctorRequest;
    type Response = HostsReport;

    fn run(pyro: &Pyro, request: Self::Request, _: &Context) -> Result<Self::Response> {
        let around = Surroundings::of_this_process(pyro.layout())?;
        let given = Given {
            launch: &request.launch,
            server: &request.server,
            scope: None,
            config_path: request.config_path.as_deref(),
        };
        let wish = given.wish(&around)?;
        // A project that is gone is a finding, not the end of the report.
        let problem = given.check(pyro, &around).err().map(|error| {
            let hint = error.hint.map(|hint| format!("; {hint}"));
            error.message + hint.as_deref().unwrap_or_default()
        });
        doctor::report(&wish, &around, problem)
    }
}
