//! `pyro doctor`: what this machine can do and what to mend.

use crate::doctor::{self, Report};
use crate::project::{ProjectOptions, Readiness, current_folder};
use crate::vm_spec;
use crate::{Context, Effect, Error, Layout, Operation, Pyro, Result};
use pyro_engine::layout::PLATFORM;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Show what this machine can do, and each problem with its remedy.
///
/// Changes nothing and needs no working VM, unless --probe asks for one.
#[derive(Clone, Debug, clap::Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoctorRequest {
    /// Platform to check; there is one
    #[arg(long, value_name = "PLATFORM", default_value = PLATFORM)]
    #[serde(default = "platform")]
    pub platform: String,
    /// Environment whose readiness for the daily loop is shown
    #[arg(long, value_name = "ENVIRONMENT", default_value = vm_spec::ENVIRONMENT)]
    #[serde(default = "vm_spec::environment")]
    pub environment: String,
    /// Also boot one VM, run `true` in it and report how that went
    #[arg(long)]
    #[serde(default)]
    pub probe: bool,
    /// Exit with 125 when there is any issue
    #[arg(long)]
    #[serde(default)]
    pub strict: bool,
    /// The project source that is looked at; without any, the Git work tree pyro was started in
    #[command(flatten)]
    #[serde(default)]
    pub project: ProjectOptions,
}

fn platform() -> String {
    PLATFORM.to_owned()
}

/// `pyro doctor`.
pub struct Doctor;

impl Operation for Doctor {
    const NAME: &'static str = "doctor";
    const CLI: &'static [&'static str] = &["doctor"];
    const PYTHON: Option<&'static str> = Some("doctor");
    const EFFECT: Effect = Effect::Reads;
    const EXAMPLES: &'static [&'static str] = &[
        "pyro doctor",
        "pyro doctor --probe",
        "pyro doctor --strict --json",
        "pyro doctor --project-path .",
    ];
    type Request = DoctorRequest;
    type Response = Report;

    fn run(pyro: &Pyro, request: Self::Request, context: &Context) -> Result<Self::Response> {
        if request.platform != PLATFORM {
            return Err(Error::invalid(
                "unknown_platform",
                format!("unknown platform {:?}", request.platform),
            )
            .hint(format!("give --platform {PLATFORM}, or leave it out")));
        }
        let layout: &Layout = &pyro.layout;
        let source = current_folder().and_then(|cwd| request.project.source(&cwd));
        // Wrong words are a wrong request; a project that is not there is a finding.
        let source = match source {
            Err(error) if ["conflict", "invalid_request"].contains(&error.code) => {
                return Err(error);
            }
            source => source,
        };
        let mut report = doctor::report(layout, &pyro.environments, &request.environment)?;
        let named = request.project.project_path.as_deref();
        report.add_project(Readiness::look(&source, named, context.cancel));
        if request.probe {
            let backend = pyro.backend(None)?;
            let spec = vm_spec::default_spec(&request.environment, false, backend);
            let result = pyro.vms.run(
                &pyro.environments,
                &spec,
                "true",
                vm_spec::timeout_seconds(),
                None,
                context.events,
                context.cancel,
            );
            report.add_probe(result);
        }
        Ok(report)
    }
}
