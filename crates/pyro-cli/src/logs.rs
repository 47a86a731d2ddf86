//! Diagnostics on stderr, only when `PYRO_LOG` asks, for example
//! `PYRO_LOG=debug` or `PYRO_LOG=pyro_vmm=trace`.

use tracing_subscriber::EnvFilter;

pub fn start() {
    let Some(filter) = std::env::var_os("PYRO_LOG").filter(|filter| !filter.is_empty()) else {
        return;
    };
    // A directive that cannot be parsed is skipped, not fatal: a diagnostic
    // setting must not stop the program that it is to diagnose.
    let filter = EnvFilter::builder().parse_lossy(filter.to_string_lossy());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
}
