//! A VMM that fails at the wrong moment.
//!
//! Owns: killing it while it boots, freezes and loads, refusals in the middle
//! of its configuration, altered files. The host must be as before each time.

use super::subject::{Place, Subject, assert_gone, output};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Kills the VMM of this process once it has lived for a time.
struct Killer {
    enough: Arc<AtomicBool>,
    killed: Arc<Mutex<Vec<u32>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Killer {
    /// `ready` says from the VMM's process id whether it is time.
    fn once(ready: impl Fn(u32) -> bool + Send + 'static) -> Self {
        let (enough, killed) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (stop, list): (_, Arc<Mutex<Vec<u32>>>) = (enough.clone(), Arc::clone(&killed));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let vmm = below(std::process::id())
                    .into_iter()
                    .find(|pid| is_vmm(*pid) && ready(*pid));
                if let Some(vmm) = vmm {
                    let status = std::process::Command::new("kill")
                        .args(["-9", &vmm.to_string()])
                        .status();
                    if status.is_ok_and(|status| status.success()) {
                        list.lock().unwrap().push(vmm);
                        return;
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self {
            enough,
            killed,
            thread: Some(thread),
        }
    }

    fn killed(mut self) -> Vec<u32> {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.killed.lock().unwrap().clone()
    }
}

fn below(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in text.split_whitespace().filter_map(|text| text.parse().ok()) {
            found.push(child);
            found.extend(below(child));
        }
    }
    found
}

fn is_vmm(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.starts_with("firecracker") || name.starts_with("qemu"))
}

fn has_vmm(subject: Subject) -> bool {
    subject.capabilities().templates
}

fn assert_clean(place: &Place, pids: &[u32]) {
    assert_gone(pids);
    assert_eq!(
        below(std::process::id()),
        Vec::<u32>::new(),
        "no process is left"
    );
    for folder in [
        place.layout.templates(),
        place.layout.scratch(),
        place.layout.state.clone(),
    ] {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(
                !name.starts_with(".partial-") && !name.starts_with(".pyro-naming-"),
                "{} is left in {}",
                name,
                folder.display()
            );
        }
    }
}

pub fn killed_while_it_boots_or_freezes(subject: Subject) {
    if !has_vmm(subject) {
        return;
    }
    let place = Place::with_own_templates();
    // With some memory written it is under way; the template's state file
    // is written last.
    let began = Instant::now();
    let killer = Killer::once(move |_| began.elapsed() > Duration::from_millis(700));
    let started = subject.try_start(&place, "one", 1);
    let killed = killer.killed();
    assert_eq!(killed.len(), 1, "there was one to kill");
    // What was lost was the template, so a cold boot has taken its place.
    if let Ok(mut started) = started {
        assert_eq!(started.start_kind, "cold_boot");
        assert_eq!(output(&mut started.guest, "echo works"), "works");
    }
    assert_clean(&place, &killed);

    let folder = place.layout.templates();
    let killer = Killer::once(move |_| {
        let partial = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with(".partial-"));
        partial.is_some_and(|entry| {
            entry
                .path()
                .join("state")
                .metadata()
                .is_ok_and(|metadata| metadata.len() > 0)
        })
    });
    let started = subject.try_start(&place, "two", 1);
    let killed = killer.killed();
    if let Ok(mut started) = started {
        assert_eq!(output(&mut started.guest, "echo works"), "works");
    }
    assert_clean(&place, &killed);
    let mut started = subject.start(&place);
    assert_eq!(started.start_kind, "template", "nothing half-made was kept");
    assert_eq!(output(&mut started.guest, "echo works"), "works");
}

pub fn killed_while_it_loads(subject: Subject) {
    if !has_vmm(subject) {
        return;
    }
    let place = Place::with_own_templates();
    drop(subject.start(&place));
    for delay_ms in [0, 20, 60] {
        let killer = Killer::once(move |_| {
            std::thread::sleep(Duration::from_millis(delay_ms));
            true
        });
        let started = subject.try_start(&place, "one", 1);
        let killed = killer.killed();
        match started {
            Ok(mut started) => {
                let answer =
                    super::subject::try_run(&mut started.guest, "true", Duration::from_secs(30));
                drop((answer.map(drop), started));
            }
            Err(error) => assert!(error.hint.is_some(), "{error}"),
        }
        assert_clean(&place, &killed);
    }
    let mut started = subject.start(&place);
    assert_eq!(output(&mut started.guest, "echo works"), "works");
}

pub fn a_refusal_undoes_everything(subject: Subject) {
    if !has_vmm(subject) {
        return;
    }
    let place = Place::with_own_templates();
    // More than Firecracker's 32 and than QEMU's 288; the engine's own bound
    // is not asked here.
    let too_many = if subject == Subject::Firecracker {
        64
    } else {
        4096
    };
    let error = subject
        .try_start(&place, "many", too_many)
        .map(drop)
        .unwrap_err();
    assert!(
        ["vmm_control", "vmm_start"].contains(&error.code),
        "{}: {error}",
        error.code
    );
    assert!(error.message.to_lowercase().contains("cpu"), "{error}");
    assert_clean(&place, &[]);
}

pub fn an_altered_or_truncated_template_is_made_anew(subject: Subject) {
    if !has_vmm(subject) {
        return;
    }
    let place = Place::with_own_templates();
    drop(subject.start(&place));
    let damages: [fn(&Path); 2] = [
        |template| {
            let state = File::options()
                .write(true)
                .open(template.join("state"))
                .unwrap();
            state.set_len(1000).unwrap();
        },
        |template| {
            let mut file = File::options()
                .read(true)
                .write(true)
                .open(template.join("memory"))
                .unwrap();
            file.seek(SeekFrom::Start(0x10_0000)).unwrap();
            let mut page = [0; 16];
            file.read_exact(&mut page).unwrap();
            file.seek(SeekFrom::Start(0x10_0000)).unwrap();
            file.write_all(&page.map(|byte| !byte)).unwrap();
        },
    ];
    for damage in damages {
        let before = template(&place);
        damage(&before);
        let mut started = subject.start(&place);
        assert_eq!(started.start_kind, "template", "made anew");
        assert_eq!(output(&mut started.guest, "echo works"), "works");
    }
}

fn template(place: &Place) -> PathBuf {
    let entries = std::fs::read_dir(place.layout.templates())
        .unwrap()
        .flatten();
    entries
        .map(|entry| entry.path())
        .find(|path| path.join("state").exists())
        .expect("there is a template")
}

/// Sockets have names of 107 bytes at most; a machine has none on the host.
pub fn long_paths_do_not_matter(subject: Subject) {
    let place = Place::below(&"long-".repeat(40));
    let mut started = subject.start(&place);
    assert_eq!(output(&mut started.guest, "echo works"), "works");
}
