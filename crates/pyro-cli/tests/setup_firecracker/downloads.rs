//! Downloads from a server on this machine: whole, refused, stalled.

use crate::site::{DEADLINE, Site, refused, stderr, stdout, until};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
