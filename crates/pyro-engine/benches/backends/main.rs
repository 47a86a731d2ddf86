//! The backends side by side: cold boot, clone, one command, and what the VMM
//! itself costs.
//!
//! Firecracker's clone is paired with the same done by hand: the program
//! without a jail, `snapshot/load`, the agent's hello and one command. A
//! backend that this host cannot run is left out with the reason. Run it by
//! `make bench`, or with Firecracker by `make lab-bench`.

#[path = "../start/asking.rs"]
mod asking;
#[path = "../start/pairs.rs"]
mod pairs;

mod by_hand;
mod overhead;

use by_hand::ByHand;
use pairs::Pair;
use pyro_engine::environments::Installed;
use pyro_engine::guest::{Command, Guest, KEPT_BYTES};
use pyro_engine::start::{self, DEFAULT_SCRATCH_MIB, Scratch, Started, Wanted};
use pyro_engine::vms::payloads::BackendChoice;
use pyro_engine::{Cancel, Environments, Layout, NoEvents};
use pyro_vmm::firecracker::{Firecracker, FirecrackerBinary};
use std::io::Write;
use std::time::{Duration, Instant};

const MEM_MIB: u32 = 512;

/// One backend and what it runs.
struct Bench<'a> {
    layout: &'a Layout,
    installed: &'a Installed,
    backend: BackendChoice,
}

fn main() {
    let rounds = std::env::var("PYRO_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7);
    let layout = Layout::from_env().expect("HOME is set");
    let installed = Environments::new(&layout)
        .ensure("debian:12", &NoEvents, &Cancel::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut out = std::io::stdout().lock();
    let mut show = |line: &str| writeln!(out, "{line}").expect("stdout is open");
    let bench = |backend| Bench {
        layout: &layout,
        installed: &installed,
        backend,
    };
    show(pairs::HEADING);
    let firecracker = pyro_vmm::kvm::survey().reason.map_or_else(
        || FirecrackerBinary::find(&layout.cache).map_err(|error| error.to_string()),
        Err,
    );
    let qemu = bench(BackendChoice::Qemu);
    drop(qemu.start());
    let binary = match firecracker {
        Err(reason) => {
            let clones = Pair::measure(rounds, || qemu.clone_and_exec(), || qemu.exec());
            show(&clones.row("qemu: clone to first exec", "one exec", ""));
            show(&format!("\nfirecracker is left out: {reason}"));
            return;
        }
        Ok(binary) => binary,
    };
    let fire = bench(BackendChoice::Firecracker);
    drop(fire.start());
    let by_hand = ByHand::new(&binary, &installed);
    let pair = Pair::measure(
        rounds,
        || fire.clone_and_exec(),
        || by_hand.clone_and_exec(),
    );
    show(&pair.row(
        "firecracker: clone to first exec",
        "by hand: snapshot/load + one exec",
        "at most 1.3",
    ));
    let pair = Pair::measure(rounds, || fire.clone_and_exec(), || qemu.clone_and_exec());
    show(&pair.row("firecracker: clone to first exec", "qemu: the same", ""));
    let pair = Pair::measure(
        rounds.div_ceil(2),
        || fire.cold_and_exec(&binary),
        || fire.clone_and_exec(),
    );
    show(&pair.row(
        "firecracker: cold boot to first exec",
        "firecracker: clone to first exec",
        "at least 8",
    ));
    let pair = Pair::measure(rounds, || fire.exec(), || qemu.exec());
    show(&pair.row("firecracker: one exec", "qemu: one exec", ""));
    let mut started = fire.start();
    show(&overhead::line(started.guest.machine().pids()[0]));
}

impl Bench<'_> {
    fn scratch(&self) -> Scratch {
        Scratch::create(self.layout, DEFAULT_SCRATCH_MIB).expect("a scratch disk")
    }

    fn wanted<'a>(&'a self, scratch: &'a Scratch) -> Wanted<'a> {
        Wanted {
            installed: self.installed,
            vcpu_count: 1,
            mem_mib: MEM_MIB,
            hostname: "bench",
            backend: self.backend,
            scratch,
            baseline: None,
            reader: false,
            gateway: None,
        }
    }

    fn start(&self) -> Started {
        let scratch = self.scratch();
        start::start(
            self.layout,
            &self.wanted(&scratch),
            &NoEvents,
            &Cancel::default(),
        )
        .unwrap_or_else(|error| panic!("{error}"))
    }

    fn clone_and_exec(&self) -> Duration {
        let began = Instant::now();
        let mut started = self.start();
        assert_eq!(started.start_kind, "template");
        run(&mut started.guest);
        began.elapsed()
    }

    fn exec(&self) -> Duration {
        let mut started = self.start();
        run(&mut started.guest);
        let began = Instant::now();
        run(&mut started.guest);
        began.elapsed()
    }

    /// The same kernel and agent without a template.
    fn cold_and_exec(&self, binary: &FirecrackerBinary) -> Duration {
        let scratch = self.scratch();
        let backend = Firecracker {
            binary: binary.clone(),
        };
        let began = Instant::now();
        let mut guest = start::cold_boot(&self.wanted(&scratch), &backend, &Cancel::default())
            .unwrap_or_else(|error| panic!("{error}"));
        run(&mut guest);
        began.elapsed()
    }
}

fn run(guest: &mut Guest) {
    let command = Command {
        shell: "true",
        timeout: Duration::from_secs(60),
        stdin: None,
        env: Default::default(),
        redactor: Default::default(),
        kept_bytes: KEPT_BYTES,
    };
    let finished = guest
        .exec(command, &NoEvents, &Cancel::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(finished.exited.exit_code, 0);
}
