//! `pyro workspace service start`.

use crate::command_line::CommandLine;
use crate::input_rules::Rule;
use crate::published_ports::PublishedPorts;
use crate::secret_env::SecretEnvs;
use crate::workspaces::services::payloads::{self, RestartPolicy};
use crate::workspaces::services::{NewService, WantedReadiness};
use crate::{Context, Effect, Operation, Pyro, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Start a command that runs until it is stopped, and wait until it is ready.
///
/// It belongs to the workspace: it goes on whatever becomes of this call, and ends
/// with the workspace's machine. At most one condition makes it ready, looked at
/// inside the guest: a file, a connection, an HTTP answer of 2xx or 3xx, or a
/// command that ends with 0. `localhost` means 127.0.0.1 and ::1; other hosts have
/// to be addresses of the guest itself; https is not looked at. Without a condition
/// it has to live for half a second.
///
/// It is `running` when it is ready. It is `failed` when it ended before
/// (`process_exited_before_ready`, with its exit code) or was not ready in time
/// (`readiness_timeout`, and it was ended); the command line exits with 1 then.
/// When its first process ends, whatever else it started is ended, too.
///
/// Its published ports are open from its readiness to its end, also while it is
/// started again; when one cannot be opened the service is ended and `failed`
/// (`published_port_failed`).
///
/// A name that runs cannot be started again; one that ended is replaced, with its
/// log. A running service alone does not keep its workspace from being powered off
/// when nobody uses it; commands, calls and connections do.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceStartRequest {
    /// Id or unique name of a workspace
    #[arg(value_name = "WORKSPACE")]
    pub workspace_id: String,
    /// Name of the service: up to 64 letters, digits, dots, dashes and underscores
    #[arg(value_name = "SERVICE")]
    pub service_name: String,
    /// Command for `/bin/sh -lc` in the guest
    #[command(flatten)]
    pub command: CommandLine,
    /// Its working directory, below /workspace; made when it is missing
    #[arg(long, value_name = "DIR", default_value_t = cwd())]
    #[serde(default = "cwd")]
    pub cwd: String,
    /// Ready when something is at this path below /workspace
    #[arg(long, value_name = "PATH")]
    #[serde(default)]
    pub ready_file: Option<String>,
    /// Ready when HOST:PORT takes a connection in the guest
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(default)]
    pub ready_tcp: Option<String>,
    /// Ready when a GET of this http URL in the guest is answered with 2xx or 3xx
    #[arg(long, value_name = "URL")]
    #[serde(default)]
    pub ready_http: Option<String>,
    /// Ready when this command ends with 0, in the service's directory; 10 seconds each time
    #[arg(long, value_name = "COMMAND")]
    #[serde(default)]
    pub ready_command: Option<String>,
    /// Seconds until it has to be ready, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = ready_timeout_seconds())]
    #[serde(default = "ready_timeout_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub ready_timeout_seconds: u64,
    /// Milliseconds between two looks, 1 to 60000
    #[arg(long, value_name = "MS", default_value_t = ready_interval_ms())]
    #[serde(default = "ready_interval_ms")]
    #[schemars(range(min = 1, max = 60_000))]
    pub ready_interval_ms: u64,
    /// When to start it again after it was ready once: pauses of 1 to 30 seconds in between
    #[arg(long, value_name = "POLICY", default_value = "no", value_parser = policy_parser())]
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Most restarts in a row, 0 to 1000; a run of a minute begins the count anew
    #[arg(long, value_name = "N", default_value_t = max_restarts())]
    #[serde(default = "max_restarts")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_restarts: u32,
    /// Secrets it gets in variables: the secret's name to the variable's
    #[command(flatten)]
    #[serde(default)]
    pub secret_env: SecretEnvs,
    /// Ports of this host, on 127.0.0.1 only, that lead to it once it is ready
    #[command(flatten)]
    #[serde(default)]
    pub published_ports: PublishedPorts,
    /// Look every so many seconds, 1 to 3600, whether it is still ready, and show it as `healthy`
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    #[schemars(range(min = 1, max = 3600))]
    pub health_interval_seconds: Option<u64>,
}

/// What makes it ready.
const READY: &[&str] = &["ready_file", "ready_tcp", "ready_http", "ready_command"];

fn cwd() -> String {
    crate::workspaces::payloads::WORKSPACE_PATH.into()
}

fn ready_timeout_seconds() -> u64 {
    30
}

fn ready_interval_ms() -> u64 {
    500
}

fn max_restarts() -> u32 {
    5
}

fn policy_parser() -> impl TypedValueParser<Value = RestartPolicy> {
    // The possible values are the names of these, so one always matches.
    PossibleValuesParser::new(RestartPolicy::ALL.map(RestartPolicy::as_str)).map(|name| {
        let named = |policy: &RestartPolicy| policy.as_str() == name;
        RestartPolicy::ALL
            .into_iter()
            .find(named)
            .unwrap_or_default()
    })
}

/// `pyro workspace service start`.
pub struct ServiceStart;

impl Operation for ServiceStart {
    const NAME: &'static str = "service_start";
    const CLI: &'static [&'static str] = &["workspace", "service", "start"];
    const PYTHON: Option<&'static str> = Some("start_service");
    const EFFECT: Effect = Effect::Changes;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro workspace service start demo web --ready-http http://localhost:8000/ -- python3 -m http.server 8000",
        "pyro workspace service start demo app --ready-tcp localhost:3000 --publish 8080:3000 -- npm start",
        "pyro workspace service start demo db --ready-tcp localhost:5432 --ready-timeout-seconds 120 -- ./run-db",
        "pyro workspace service start demo worker --restart on-failure -- ./worker",
    ];
    const RULES: &'static [Rule] = &[
        Rule::Needs("ready_timeout_seconds", READY),
        Rule::Needs("ready_interval_ms", READY),
        Rule::Needs("max_restarts", &["restart"]),
        Rule::Needs("health_interval_seconds", READY),
    ];
    type Request = ServiceStartRequest;
    type Response = payloads::Service;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        let service = NewService {
            command: request.command.checked()?.to_owned(),
            name: request.service_name,
            cwd: request.cwd,
            readiness: WantedReadiness {
                file: request.ready_file,
                tcp: request.ready_tcp,
                http: request.ready_http,
                command: request.ready_command,
            },
            ready_timeout_seconds: request.ready_timeout_seconds,
            ready_interval_ms: request.ready_interval_ms,
            restart: request.restart,
            max_restarts: request.max_restarts,
            health_interval_seconds: request.health_interval_seconds,
            ports: request.published_ports.0,
            secret_env: request.secret_env.0,
        };
        pyro.workspaces.start_service(
            &request.workspace_id,
            &service,
            context.events,
            context.cancel,
        )
    }
}
