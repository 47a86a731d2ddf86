//! What a command finds in its guest.

use crate::machine::{ENVIRONMENT, Place, text};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

#[test]
fn a_real_kernel_runs_the_real_git() {
    let result = Place::new().json(
        &[],
        "uname -a; cat /proc/sys/kernel/random/boot_id; . /etc/os-release; echo $ID $VERSION_ID; git --version",
    );
    let stdout = result["stdout"].as_str().unwrap();
    assert!(
        stdout.contains("debian 12\n") && stdout.contains("git version 2."),
        "{stdout}"
    );
    // A Debian host may have the very release of the guest.
    let host = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(
        !stdout.contains(host.trim()),
        "the guest's kernel is not the host's: {stdout}"
    );
    assert_eq!(result["exit_code"], 0);
    let way = (&result["backend"], &result["execution_mode"]);
    assert!(
        way == (&"qemu".into(), &"guest_serial".into())
            || way == (&"firecracker".into(), &"guest_vsock".into()),
        "{result}"
    );
    assert_eq!(result["start_kind"], "template");
    assert_eq!(result["cleanup"]["deleted"], true);
    assert_eq!(result["environment"], ENVIRONMENT);
}

#[test]
fn the_compiler_of_the_build_environment_makes_a_program_that_exits_7() {
    let place = Place::new();
    place.install("debian:12-build");
    let output = place
        .pyro(&[
            "run",
            "debian:12-build",
            "--",
            "sh",
            "-c",
            "echo 'int main(){return 7;}' > a.c && gcc a.c && ./a.out",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", text(&output.stderr));
}

#[test]
fn the_machine_is_a_sane_one() {
    let line = "echo $HOME $LANG $(id -u) $(pwd); hostname; findmnt -no FSTYPE / /run /tmp 2>/dev/null || cut -d' ' -f2,3 /proc/mounts; \
                touch /usr/bin/x /root/x /tmp/x /run/x /workspace/x /etc/x && echo writable; mv /usr/share/doc /usr/share/papers && echo renamed; \
                ls /dev/null /dev/ptmx /dev/shm /dev/urandom > /dev/null && echo devices; grep -c . /proc/cpuinfo > /dev/null && nproc; ls /sys/class/net";
    let result = Place::new().json(&["--vcpu-count", "2", "--mem-mib", "512"], line);
    let stdout = result["stdout"].as_str().unwrap();
    assert_eq!(result["exit_code"], 0, "{result}");
    assert!(
        stdout.starts_with("/root C.UTF-8 0 /workspace\n"),
        "{stdout}"
    );
    for word in [
        "overlay", "tmpfs", "writable", "renamed", "devices", "\n2\n", "\nlo",
    ] {
        assert!(stdout.contains(word), "{word} in {stdout}");
    }
    assert!(
        !stdout.contains("eth0"),
        "no network was asked for: {stdout}"
    );
}

#[test]
fn the_kernel_loads_what_a_command_needs_by_itself() {
    let line = "ip link add b0 type bridge && ip link add v0 type veth && echo links; \
                mount -t squashfs /dev/null /mnt; grep squashfs /proc/filesystems";
    let result = Place::new().json(&[], line);
    let stdout = result["stdout"].as_str().unwrap();
    assert!(
        stdout.contains("links\n") && stdout.contains("\tsquashfs\n"),
        "{result}"
    );
}

#[test]
fn guest_seconds_are_host_seconds() {
    let mut client = Place::new()
        .run("date +%s%N; sleep 6; date +%s%N")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut reading = || {
        let guest: f64 = lines.next().unwrap().unwrap().parse().unwrap();
        let host = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (guest / 1e9, host.as_secs_f64())
    };
    let (first, second) = (reading(), reading());
    assert!(client.wait().unwrap().success());
    // Both sides of the same two moments, so a loaded host disturbs both.
    let rate = (second.0 - first.0) / (second.1 - first.1);
    assert!(
        (0.9..1.1).contains(&rate),
        "a guest second is {rate} host seconds"
    );
    for (guest, host) in [first, second] {
        assert!((guest - host).abs() < 3.0, "guest {guest}, host {host}");
    }
}

#[test]
fn two_clones_share_no_randomness_and_no_boot_id() {
    let place = Place::new();
    let draw = || {
        place.json(&[], "od -An -tx1 -N32 /dev/urandom; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname")
    };
    let (first, second) = (draw(), draw());
    assert_eq!(first["start_kind"], "template");
    let lines = |value: &serde_json::Value| {
        value["stdout"]
            .as_str()
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (one, other) in lines(&first).iter().zip(&lines(&second)) {
        assert_ne!(one, other);
    }
}

#[test]
fn five_at_once_do_not_disturb_each_other() {
    let place = Place::new();
    let running: Vec<_> = (0..5)
        .map(|number| {
            let line =
                format!("echo {number} > /root/mine; sleep 1; cat /root/mine; exit {number}");
            place
                .run(&line)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for (number, client) in running.into_iter().enumerate() {
        let output = client.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(i32::try_from(number).unwrap()),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stdout), format!("{number}\n"));
    }
}
