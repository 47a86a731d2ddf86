//! What client and background lab say to each other.
//!
//! One connection is one request: a line of JSON with the client's standard
//! streams beside it, answered by a line of JSON. The lab reads and writes the
//! streams themselves, so no byte of a command passes through here.
//!
//! Owns: both lines and the passing of descriptors. Refuses: another user; the
//! socket is in a folder of mode 0700.

use crate::job::Job;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Longest line; a command is far shorter.
const MAX_LINE: usize = 1 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Comes with stdin, stdout and stderr.
    Run(Job),
    /// End the lab.
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    Exited(u8),
    Failed {
        message: String,
        hint: Option<String>,
    },
    Stopping,
}

pub fn send(
    mut socket: &UnixStream,
    request: &Request,
    files: &[BorrowedFd<'_>],
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(files));
    }
    // The descriptors go with the first byte.
    sendmsg(
        socket,
        &[IoSlice::new(&line[..1])],
        &mut beside,
        SendFlags::NOSIGNAL,
    )?;
    socket.write_all(&line[1..])
}

pub fn receive(socket: &UnixStream) -> std::io::Result<(Request, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut line = vec![0];
    let got = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut line)],
        &mut beside,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if got.bytes == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let files = beside
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    read_line(socket, &mut line)?;
    Ok((serde_json::from_slice(&line)?, files))
}

pub fn reply(mut socket: &UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    socket.write_all(&line)
}

pub fn answer(socket: &UnixStream) -> std::io::Result<Answer> {
    let mut line = Vec::new();
    read_line(socket, &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

fn read_line(socket: &UnixStream, line: &mut Vec<u8>) -> std::io::Result<()> {
    BufReader::new(socket)
        .take(MAX_LINE as u64)
        .read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        Ok(())
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::time::Duration;

    #[test]
    fn a_request_brings_its_files() {
        let (client, server) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let job = Job::new(["true"], Duration::from_secs(1));
        send(&client, &Request::Run(job.clone()), &[writer.as_fd()]).unwrap();
        drop(writer);
        let (request, files) = receive(&server).unwrap();
        assert!(matches!(request, Request::Run(got) if got == job));
        for file in files {
            File::from(file).write_all(b"here").unwrap();
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
        reply(&server, &Answer::Exited(7)).unwrap();
        assert!(matches!(answer(&client).unwrap(), Answer::Exited(7)));
    }

    #[test]
    fn half_a_request_is_none() {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(b"\"Stop").unwrap();
        drop(client);
        assert!(receive(&server).is_err());
    }
}
