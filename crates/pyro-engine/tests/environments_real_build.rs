//! Real builds with mmdebstrap, as root and as an ordinary user: what comes
//! out, and what is left when they are cancelled or killed.
//!
//! Each needs the network and takes up to a minute; run or skip them all by
//! the prefix `real_build_`. What this machine cannot do is skipped with the
//! reason on stderr. `driver` is no test: the others start this program again
//! as it, to have a process of another user, and one to kill.
#![allow(clippy::print_stderr)]

use pyro_engine::environments::GuestKernel;
use pyro_engine::{Cancel, Environments, Event, EventSink, Layout, NoEvents};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const NAME: &str = "debian:12-base";
const VERB: &str = "PYRO_TEST_VERB";
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Cancels when the build is this far.
struct CancelAt(u64, Cancel);

impl EventSink for CancelAt {
    fn event(&self, event: Event) {
        if matches!(event, Event::Progress { done, .. } if done >= self.0) {
            self.1.cancel();
        }
    }
}

fn layout(cache: &Path) -> Layout {
    Layout {
        cache: cache.to_owned(),
        state: cache.join("state"),
    }
}

#[test]
fn driver() {
    let Ok(verb) = std::env::var(VERB) else {
        return;
    };
    let environments = Environments::new(&Layout::from_env().expect("a cache is named"));
    let cancel = Cancel::default();
    match verb.as_str() {
        "pull" => {
            let pulled = environments.pull(NAME, &NoEvents, &cancel).expect("pulls");
            assert_eq!(pulled.source, "mmdebstrap");
        }
        "begin" => {
            let cancelled = environments.pull(NAME, &CancelAt(1, cancel.clone()), &cancel);
            assert_eq!(cancelled.expect_err("cancelled").code, "cancelled");
        }
        "read-only" => {
            environments.open(NAME).expect("opens");
            let pulled = environments.pull(NAME, &NoEvents, &cancel).expect("pulls");
            assert_eq!(pulled.source, "cache");
            let refused = environments.build(NAME, GuestKernel::Debian, &NoEvents, &cancel);
            assert_eq!(refused.expect_err("refused").code, "read_only");
        }
        "fails" => {
            let error = environments.pull(NAME, &NoEvents, &cancel);
            let error = error.expect_err("fails");
            eprintln!("code={} {error} hint={:?}", error.code, error.hint);
        }
        other => panic!("no verb {other}"),
    }
}

/// A cache, and who works on it.
struct Site {
    folder: tempfile::TempDir,
    user: Option<TestUser>,
}

impl Site {
    fn new(user: Option<TestUser>) -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let program = folder.path().join("driver");
        let this = std::env::current_exe().expect("known");
        // by another process: a program open for writing here while another
        // test forks would be "text file busy"
        output(
            "cp",
            &[
                this.to_str().expect("text"),
                program.to_str().expect("text"),
            ],
        );
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("chmod");
        if let Some(user) = &user {
            chown(folder.path(), Some(user.id), Some(user.id)).expect("chown");
        }
        Self { folder, user }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn command(&self, verb: &str, before: &[&str]) -> Command {
        let program = self.folder.path().join("driver").display().to_string();
        let mut words: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
        if let Some(user) = &self.user {
            let (uid, gid) = (
                format!("--reuid={}", user.id),
                format!("--regid={}", user.id),
            );
            // it starts the program itself, so that the child is the driver
            words.extend(["setpriv".to_owned(), uid, gid, "--clear-groups".to_owned()]);
        }
        words.extend([program, "--exact".to_owned(), "driver".to_owned()]);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg("--nocapture")
            .current_dir("/")
            .env(VERB, verb)
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.cache())
            .env("PYRO_STATE_DIR", self.folder.path().join("state"))
            .env("HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn drive(&self, verb: &str, before: &[&str]) -> ExitStatus {
        self.command(verb, before).status().expect("starts")
    }

    /// Processes of builds in this cache, by the variable they all have.
    fn processes(&self) -> usize {
        let needle = format!("P_OUT={}", self.cache().display());
        let needle = needle.as_bytes();
        let all = std::fs::read_dir("/proc").expect("proc").flatten();
        all.filter(|entry| {
            std::fs::read(entry.path().join("environ"))
                .is_ok_and(|text| text.windows(needle.len()).any(|part| part == needle))
        })
        .count()
    }

    fn partials(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.cache().join("linux-x86_64")) else {
            return Vec::new();
        };
        let paths = entries.map(|entry| entry.expect("readable").path());
        paths
            .filter(|path| path.to_string_lossy().contains("/.partial-"))
            .collect()
    }

    fn assert_nothing_runs(&self) {
        wait_until("no process is left", || self.processes() == 0);
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("proc");
        let cache = self.cache().display().to_string();
        assert!(!mounts.contains(&cache), "{mounts}");
    }

    /// Starts a pull and kills it when packages are being unpacked.
    fn kill_mid_build(&self, variables: &[(&str, &str)]) {
        let mut command = self.command("pull", &[]);
        command.envs(variables.iter().copied());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starts");
        wait_until("mmdebstrap works", || {
            assert!(child.try_wait().expect("waits").is_none(), "ended early");
            // unshare, PID 1, build, watcher, cat, mmdebstrap and what it starts
            self.processes() >= 7
        });
        std::thread::sleep(Duration::from_secs(8));
        assert!(self.processes() > 0, "over too soon to be killed");
        child.kill().expect("kills");
        child.wait().expect("ends");
        self.assert_nothing_runs();
        assert_eq!(
            self.partials().len(),
            1,
            "kill -9 leaves the partial folder"
        );
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        let late = started.elapsed() > Duration::from_secs(30);
        assert!(!late, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A user of this machine that lives as long as the test.
struct TestUser {
    name: String,
    id: u32,
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl TestUser {
    /// Needs root; useradd gives it subordinate ids.
    fn make(suffix: &str) -> Option<Self> {
        let _turn = ONE_AT_A_TIME.lock();
        let name = format!("pyrotest{}{suffix}", std::process::id());
        let made = Command::new("useradd")
            .args(["--no-create-home", &name])
            .env("PATH", PATH)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            return skip("useradd does not work here");
        }
        let id = output("id", &["-u", &name]);
        let id = id.trim().parse().expect("a number");
        let ranges = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
        let has_ranges = ranges.contains(&format!("{name}:"));
        let user = Self { name, id };
        if has_ranges {
            Some(user)
        } else {
            skip("useradd gives no subordinate ids here")
        }
    }
}

impl Drop for TestUser {
    fn drop(&mut self) {
        // a user whose name stays is no failure of the test
        let _ = Command::new("userdel")
            .arg(&self.name)
            .env("PATH", PATH)
            .stderr(Stdio::null())
            .status();
    }
}

fn skip<T>(reason: &str) -> Option<T> {
    eprintln!("skipped: {reason}");
    None
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn has_mmdebstrap() -> Option<()> {
    let version = Command::new("mmdebstrap").arg("--version").output();
    if version.is_ok() {
        Some(())
    } else {
        skip("mmdebstrap is not installed")
    }
}

/// Somebody without root: this user, or one made for the test.
fn ordinary(suffix: &str) -> Option<Site> {
    has_mmdebstrap()?;
    if !is_root() {
        return Some(Site::new(None));
    }
    TestUser::make(suffix).map(|user| Site::new(Some(user)))
}

fn root() -> Option<Site> {
    has_mmdebstrap()?;
    if is_root() {
        Some(Site::new(None))
    } else {
        skip("needs root")
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command
        .args(arguments)
        .env("PATH", PATH)
        .output()
        .expect(program);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

fn check_images(site: &Site) {
    let environments = Environments::new(&layout(&site.cache()));
    let open = environments.open(NAME).expect("opens");
    let rootfs = open.rootfs.path.to_str().expect("text");
    output("e2fsck", &["-fn", rootfs]);
    let debugfs = |request: &str| output("debugfs", &["-R", request, rootfs]);
    assert!(!debugfs("stats -h").contains("has_journal"));
    let passwd = debugfs("stat /usr/bin/passwd");
    assert!(passwd.contains("Mode:  04755"), "modes are kept: {passwd}");
    let shadow = debugfs("stat /etc/shadow");
    let owner = shadow.contains("User:     0   Group:    42");
    assert!(owner, "owners are kept: {shadow}");
    assert!(debugfs("cat /etc/apt/sources.list").contains(" bookworm main"));
    assert!(debugfs("stat /etc/hostname").contains("File not found"));
    assert!(debugfs("stat /etc/resolv.conf").contains("Size: 0"));
    let dep = format!("/usr/lib/modules/{}/modules.dep.bin", open.kernel_release);
    assert!(debugfs(&format!("stat {dep}")).contains("Type: regular"));

    let kernel = std::fs::read(&open.kernel.path).expect("read");
    assert!(kernel.starts_with(b"\x7fELF") && kernel.len() > 16 << 20);
    let modules = std::fs::read(&open.modules.path).expect("read");
    assert!(modules.starts_with(b"070701"));
    for name in ["mods/000-", "virtio_blk.ko", "virtio-rng.ko", "overlay.ko"] {
        let found = modules
            .windows(name.len())
            .any(|part| part == name.as_bytes());
        assert!(found, "{name}");
    }

    // an independent tool, and a fast one in debug builds too
    for image in [
        &open.rootfs,
        &open.kernel,
        &open.kernel_bzimage,
        &open.modules,
    ] {
        let sum = output("sha256sum", &[image.path.to_str().expect("text")]);
        assert!(sum.starts_with(&image.digest), "{sum}");
    }
    let info = environments.inspect(NAME).expect("known");
    let manifest = std::fs::read(info.install_manifest.expect("installed")).expect("read");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("json");
    for package in ["bash", "ca-certificates", "procps"] {
        assert!(manifest["packages"][package].is_string(), "{package}");
    }
    let started = Instant::now();
    environments.open(NAME).expect("opens");
    let quick = started.elapsed() < Duration::from_millis(100);
    assert!(quick, "opening reads no image");
}

#[test]
fn real_build_as_root() {
    let Some(site) = root() else { return };
    assert!(site.drive("pull", &[]).success());
    site.assert_nothing_runs();
    assert!(site.partials().is_empty());
    check_images(&site);
    let cache = site.cache().display().to_string();
    let script =
        format!("mount --bind {cache} {cache} && mount -o remount,bind,ro {cache} && exec \"$@\"");
    let before = ["unshare", "--mount", "sh", "-c", script.as_str(), "sh"];
    assert!(site.drive("read-only", &before).success());
}

#[test]
fn real_build_as_an_ordinary_user() {
    let Some(site) = ordinary("a") else { return };
    assert!(site.drive("pull", &[]).success());
    site.assert_nothing_runs();
    assert!(site.partials().is_empty());
    check_images(&site);
}

#[test]
fn real_build_cancelled_leaves_nothing() {
    if has_mmdebstrap().is_none() {
        return;
    }
    let site = Site::new(None);
    let cancel = Cancel::default();
    let environments = Environments::new(&layout(&site.cache()));
    let cancelled = environments.pull(NAME, &CancelAt(25, cancel.clone()), &cancel);
    assert_eq!(cancelled.expect_err("cancelled").code, "cancelled");
    // at once, not after a while: cancelling waits for the last process
    assert_eq!(site.processes(), 0);
    site.assert_nothing_runs();
    assert!(site.partials().is_empty());
    let images = std::fs::read_dir(site.cache().join(".images")).expect("made");
    assert_eq!(images.count(), 0);
}

#[test]
fn real_build_killed_leaves_nothing_running_and_is_swept() {
    let Some(site) = root() else { return };
    site.kill_mid_build(&[]);
    let cache = site.cache().display().to_string();
    let files = output("find", &[&cache, "-type", "f", "-size", "+0"]);
    assert_eq!(files, "", "the tree was in memory");
    assert!(site.drive("begin", &[]).success());
    assert!(site.partials().is_empty(), "{:?}", site.partials());
}

#[test]
fn real_build_killed_in_a_folder_is_swept_by_its_user() {
    let Some(site) = ordinary("b") else { return };
    site.kill_mid_build(&[("PYRO_BUILD_IN_FOLDER", "1")]);
    let tree = site.partials()[0].join("work/tree/var/lib");
    assert!(tree.exists(), "the tree was in the folder");
    assert!(site.drive("begin", &[]).success());
    assert!(site.partials().is_empty(), "{:?}", site.partials());
}

/// What a pull says that cannot work.
fn failure(site: &Site, before: &[&str]) -> String {
    let output = site.command("fails", before).output().expect("starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(site.partials().is_empty());
    text
}

#[test]
fn real_build_says_what_is_missing() {
    let Some(site) = root() else { return };
    std::fs::create_dir(site.cache()).expect("mkdir");
    let cache = site.cache().display().to_string();
    let with_mount = |mount: String| format!("mount -t tmpfs {mount} && exec \"$@\"");

    let script = with_mount(format!("-o size=64m x {cache}"));
    let text = failure(&site, &["unshare", "--mount", "sh", "-c", &script, "sh"]);
    assert!(text.contains("code=no_space"), "{text}");

    let text = failure(&site, &["unshare", "--net"]);
    let network = text.contains("code=no_network") && text.contains("PYRO_DEBIAN_MIRROR");
    assert!(network, "{text}");

    // a PATH without mmdebstrap: everything is looked for in one tmpfs
    let script = with_mount("x /usr/bin".to_owned());
    let text = failure(&site, &["unshare", "--mount", "sh", "-c", &script, "sh"]);
    assert!(text.contains("apt-get install mmdebstrap"), "{text}");

    let Some(user) = TestUser::make("c") else {
        return;
    };
    let all = "1-4000000000";
    output(
        "usermod",
        &["--del-subuids", all, "--del-subgids", all, &user.name],
    );
    let text = failure(&Site::new(Some(user)), &[]);
    let namespaces = text.contains("code=no_user_namespaces") && text.contains("usermod");
    assert!(namespaces, "{text}");
}
