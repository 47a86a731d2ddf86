//! A person's terminal on a shell: a real one, in raw mode and back.

use super::Desk;
use super::shells::Shell;
use crate::machine::{eventually, text};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A terminal with `pyro workspace shell attach` on it.
struct Person {
    keys: File,
    slave: File,
    before: Termios,
    shown: Arc<Mutex<String>>,
    client: Child,
}

impl Person {
    fn attach(desk: &Desk, words: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = File::from(ioctl_tiocgptpeer(&master, flags).unwrap());
        set_size(&slave, 70, 20);
        let before = tcgetattr(&slave).unwrap();
        let pyro = desk
            .place
            .pyro(&[&["workspace", "shell", "attach"], words].concat());
        // Its own session, with this as its terminal.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(pyro.get_program());
        command.args(pyro.get_args()).env_clear();
        for (name, value) in pyro.get_envs() {
            command.env(name, value.unwrap());
        }
        let end = || Stdio::from(slave.try_clone().unwrap());
        let client = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, kept) = (keys.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = screen.read(&mut bytes) {
                let text = text(&bytes[..count]);
                kept.lock().unwrap().push_str(&text);
            }
        });
        Self {
            keys,
            slave,
            before,
            shown,
            client,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn until(&self, wanted: &str) {
        eventually(wanted, || self.shown.lock().unwrap().contains(wanted));
        self.shown.lock().unwrap().clear();
    }

    /// Waits for its end: its code, and that the terminal is as it was.
    fn end(&mut self) -> Option<i32> {
        let status = self.client.wait().unwrap();
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(
            (after.local_modes, after.input_modes, after.output_modes),
            (
                self.before.local_modes,
                self.before.input_modes,
                self.before.output_modes
            )
        );
        status.code()
    }

    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        !modes.contains(LocalModes::ICANON) && !modes.contains(LocalModes::ISIG)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.client.kill();
    }
}

fn set_size(terminal: &File, cols: u16, rows: u16) {
    let size = Winsize {
        ws_col: cols,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn a_person_comes_goes_and_comes_back() {
    let desk = Desk::new();
    desk.create("desk");
    let mut person = Person::attach(&desk, &["desk"]);
    person.until("pyro$ ");
    assert!(person.is_raw());
    person.press("stty size; x=7\r");
    person.until("20 70");
    let list = desk.done(&["shell", "list", "desk"]);
    assert_eq!(list["shells"][0]["attached"], 1, "{list}");
    let id = list["shells"][0]["shell_id"].as_str().unwrap().to_owned();

    // Ctrl-C is the guest's, and another size too.
    person.press("sleep 100\r");
    eventually("it sleeps", || desk.count("desk", "sleep").trim() == "1");
    person.press("\x03");
    person.until("pyro$ ");
    set_size(&person.slave, 90, 25);
    eventually("the size went along", || {
        desk.done(&["shell", "list", "desk"])["shells"][0]["cols"] == 90
    });
    person.press("stty size\r");
    person.until("25 90");

    // Ctrl-] leaves, and the shell goes on; what it showed is there again.
    person.press("echo ke\"\"pt\r");
    person.until("kept");
    person.press("\x1d");
    assert_eq!(person.end(), Some(0));
    let told = person.shown.lock().unwrap().clone();
    assert!(told.contains("come back with"), "{told:?}");
    let mut person = Person::attach(&desk, &["desk", &id]);
    person.until("kept");
    person.press("echo again-$x\r");
    person.until("again-7");

    // A signal ends the client, not the shell, and gives the terminal back.
    let client = crate::machine::family(person.client.id());
    let pyro = Pid::from_raw(i32::try_from(*client.last().unwrap()).unwrap()).unwrap();
    kill_process(pyro, Signal::TERM).unwrap();
    assert_eq!(person.end(), Some(143));
    let mut person = Person::attach(&desk, &["desk", &id]);
    person.until("pyro$ ");
    let client = crate::machine::family(person.client.id());
    let pyro = Pid::from_raw(i32::try_from(*client.last().unwrap()).unwrap()).unwrap();
    kill_process(pyro, Signal::KILL).unwrap();
    person.client.wait().unwrap();
    eventually("the terminal is gone", || {
        desk.done(&["shell", "list", "desk"])["shells"][0]["attached"] == 0
    });
    let shell = desk.done(&["shell", "read", "desk", &id, "--plain"]);
    assert!(
        shell["output"].as_str().unwrap().contains("again-7"),
        "{shell}"
    );

    // One that was opened for a person goes with its program; one that was not
    // stays to be read.
    let mut person = Person::attach(&desk, &["desk"]);
    person.until("pyro$ ");
    person.press("exit 4\r");
    assert_eq!(person.end(), Some(4));
    let mut person = Person::attach(&desk, &["desk", &id]);
    person.until("pyro$ ");
    person.press("exit 5\r");
    assert_eq!(person.end(), Some(5));
    let list = desk.done(&["shell", "list", "desk"]);
    assert_eq!(
        (&list["count"], &list["shells"][0]["exit_code"]),
        (&1.into(), &5.into()),
        "{list}"
    );
    // Nothing was opened by the way.
    drop(Shell::open(&desk, "desk"));
    assert_eq!(desk.done(&["shell", "list", "desk"])["count"], 2);
}
