//! Firecracker's API: HTTP with JSON over a Unix socket.
//!
//! Owns: one connection that is kept for all requests, the requests as types,
//! and Firecracker's own words when it refuses one. Refuses: their order; that
//! is the machine's. The fields are those of upstream's
//! `src/firecracker/swagger/firecracker.yaml`, version 1.12.

use crate::error::VmmError;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long any answer may take: the longest writes a guest's memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Firecracker's answers are some hundred bytes; its metrics go elsewhere.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// `PUT /machine-config`.
#[derive(Clone, Debug, Serialize)]
pub struct MachineConfig {
    /// Virtual CPUs, 1 to 32.
    pub vcpu_count: u32,
    /// Memory in MiB.
    pub mem_size_mib: u32,
    /// Whether KVM notes written pages, for [`SnapshotType::Diff`].
    pub track_dirty_pages: bool,
}

/// `PUT /boot-source`.
#[derive(Clone, Debug, Serialize)]
pub struct BootSource {
    /// Kernel as ELF.
    pub kernel_image_path: String,
    /// Initial RAM file system.
    pub initrd_path: String,
    /// Kernel command line.
    pub boot_args: String,
}

/// `PUT /drives/{drive_id}`.
#[derive(Clone, Debug, Serialize)]
pub struct Drive {
    /// Its name in the API.
    pub drive_id: String,
    /// The image.
    pub path_on_host: String,
    /// Firecracker then adds `root=`; never for pyro's.
    pub is_root_device: bool,
    /// Whether the guest may only read it.
    pub is_read_only: bool,
    /// What a flush of the guest does.
    pub cache_type: CacheType,
}

/// What a flush of the guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CacheType {
    /// Nothing.
    Unsafe,
    /// It reaches the host's disk.
    Writeback,
}

/// `PUT /vsock`.
#[derive(Clone, Debug, Serialize)]
pub struct Vsock {
    /// The guest's address.
    pub guest_cid: u32,
    /// Firecracker listens there, and dials `<uds_path>_<port>`.
    pub uds_path: String,
}

/// `PUT /network-interfaces/{iface_id}`.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkInterface {
    /// Its name in the API.
    pub iface_id: String,
    /// The TAP device.
    pub host_dev_name: String,
    /// The guest's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_mac: Option<String>,
}

/// `PUT /logger`.
#[derive(Clone, Debug, Serialize)]
pub struct Logger {
    /// A file or FIFO that exists.
    pub log_path: String,
    /// `Error`, `Warning`, `Info`, `Debug`.
    pub level: String,
}

/// `PUT /metrics`.
#[derive(Clone, Debug, Serialize)]
pub struct Metrics {
    /// A file or FIFO.
    pub metrics_path: String,
}

/// `PUT /actions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Starts the configured machine.
    InstanceStart,
    /// Writes the metrics now.
    FlushMetrics,
    /// Presses Ctrl+Alt+Del.
    SendCtrlAltDel,
}

/// `PATCH /vm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum VmState {
    /// All vCPUs halted.
    Paused,
    /// Running again.
    Resumed,
}

/// What a snapshot's memory file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SnapshotType {
    /// Every page.
    Full,
    /// The pages written since the start; the others are holes.
    Diff,
}

/// `PUT /snapshot/create`.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotCreate {
    /// Which pages.
    pub snapshot_type: SnapshotType,
    /// Device state goes there.
    pub snapshot_path: String,
    /// Memory goes there.
    pub mem_file_path: String,
}

/// `PUT /snapshot/load`.
#[derive(Clone, Debug, Serialize)]
pub struct SnapshotLoad {
    /// Device state.
    pub snapshot_path: String,
    /// Memory.
    pub mem_backend: MemoryBackend,
    /// Whether to run at once.
    pub resume_vm: bool,
}

/// Where a clone's memory comes from.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryBackend {
    /// A file, mapped privately.
    pub backend_type: &'static str,
    /// Its path.
    pub backend_path: String,
}

/// A connection to one Firecracker.
#[derive(Debug)]
pub struct Api {
    socket: UnixStream,
    /// What arrived and was not consumed.
    pending: Vec<u8>,
}

impl Api {
    /// Talks over a connected socket.
    ///
    /// # Errors
    /// [`VmmError::Io`].
    pub fn new(socket: UnixStream) -> Result<Self, VmmError> {
        socket
            .set_read_timeout(Some(ANSWER_TIMEOUT))
            .and_then(|()| socket.set_write_timeout(Some(ANSWER_TIMEOUT)))
            .map_err(VmmError::io("bound the API's answers in time"))?;
        Ok(Self {
            socket,
            pending: Vec::new(),
        })
    }

    /// Machine, before the start.
    ///
    /// # Errors
    /// [`VmmError::Control`] with Firecracker's words, as every request here.
    pub fn machine_config(&mut self, config: &MachineConfig) -> Result<(), VmmError> {
        self.put("/machine-config", config)
    }

    /// Kernel.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn boot_source(&mut self, source: &BootSource) -> Result<(), VmmError> {
        self.put("/boot-source", source)
    }

    /// A block device; the guest numbers them in the order of these calls.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn drive(&mut self, drive: &Drive) -> Result<(), VmmError> {
        self.put(&format!("/drives/{}", drive.drive_id), drive)
    }

    /// The vsock device.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn vsock(&mut self, vsock: &Vsock) -> Result<(), VmmError> {
        self.put("/vsock", vsock)
    }

    /// A network device.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn network_interface(&mut self, interface: &NetworkInterface) -> Result<(), VmmError> {
        let path = format!("/network-interfaces/{}", interface.iface_id);
        self.put(&path, interface)
    }

    /// The random number device.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn entropy(&mut self) -> Result<(), VmmError> {
        self.put("/entropy", &serde_json::json!({}))
    }

    /// Where the log goes.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn logger(&mut self, logger: &Logger) -> Result<(), VmmError> {
        self.put("/logger", logger)
    }

    /// Where the metrics go.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn metrics(&mut self, metrics: &Metrics) -> Result<(), VmmError> {
        self.put("/metrics", metrics)
    }

    /// Something that happens once.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn action(&mut self, action: Action) -> Result<(), VmmError> {
        self.put("/actions", &serde_json::json!({ "action_type": action }))
    }

    /// Halts or continues the vCPUs.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn vm_state(&mut self, state: VmState) -> Result<(), VmmError> {
        self.request("PATCH", "/vm", Some(&serde_json::json!({ "state": state })))
            .map(drop)
    }

    /// Freezes a paused machine.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn snapshot_create(&mut self, snapshot: &SnapshotCreate) -> Result<(), VmmError> {
        self.put("/snapshot/create", snapshot)
    }

    /// Makes a machine of a snapshot, in a Firecracker that has none.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn snapshot_load(&mut self, snapshot: &SnapshotLoad) -> Result<(), VmmError> {
        self.put("/snapshot/load", snapshot)
    }

    /// What Firecracker says it is: `{"firecracker_version": …}`.
    ///
    /// # Errors
    /// As [`Self::machine_config`].
    pub fn version(&mut self) -> Result<Value, VmmError> {
        self.request::<Value>("GET", "/version", None)
    }

    fn put(&mut self, path: &str, body: &impl Serialize) -> Result<(), VmmError> {
        self.request("PUT", path, Some(body)).map(drop)
    }

    fn request<T: Serialize>(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&T>,
    ) -> Result<Value, VmmError> {
        let broken = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => VmmError::TimedOut {
                what: format!("{method} {path}"),
                seconds: ANSWER_TIMEOUT.as_secs(),
            },
            _ => VmmError::io(format!("talk to Firecracker about {path}"))(error),
        };
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| broken(error.into()))?,
            None => Vec::new(),
        };
        // One write: Firecracker wakes once.
        let mut message = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        message.extend(body);
        self.socket.write_all(&message).map_err(broken)?;
        let (status, answer) = self.answer().map_err(broken)?;
        if (200..300).contains(&status) {
            return Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null));
        }
        let words = serde_json::from_slice::<Value>(&answer)
            .ok()
            .and_then(|value| value["fault_message"].as_str().map(str::to_owned))
            .unwrap_or_else(|| format!("status {status}: {}", String::from_utf8_lossy(&answer)));
        Err(VmmError::Control {
            command: format!("{method} {path}"),
            detail: words.trim().to_owned(),
        })
    }

    fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        loop {
            if let Some((status, body, consumed)) = parse(&self.pending)? {
                self.pending.drain(..consumed);
                return Ok((status, body));
            }
            let mut buffer = [0; 4096];
            let count = self.socket.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.pending.extend_from_slice(&buffer[..count]);
        }
    }
}

/// Status, body and length of one answer; none when more has to come.
fn parse(bytes: &[u8]) -> io::Result<Option<(u16, Vec<u8>, usize)>> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() > MAX_ANSWER_BYTES => {
            return Err(bad("an endless header"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(&error.to_string())),
    };
    let length = match response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
    {
        None => 0,
        Some(header) => std::str::from_utf8(header.value)
            .ok()
            .and_then(|text| text.trim().parse::<usize>().ok())
            .filter(|length| *length <= MAX_ANSWER_BYTES)
            .ok_or_else(|| bad("a content length that makes no sense"))?,
    };
    let status = response.code.ok_or_else(|| bad("no status"))?;
    Ok(bytes
        .get(head..head + length)
        .map(|body| (status, body.to_owned(), head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;

    #[test]
    fn answers_come_in_any_pieces() {
        let text = b"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\nHTTP/1.1 400 \r\nContent-Length: 22\r\n\r\n{\"fault_message\":\"no\"}";
        for cut in 0..text.len() {
            let _ = parse(&text[..cut]).unwrap();
        }
        let (status, body, used) = parse(text).unwrap().unwrap();
        assert_eq!((status, body.len()), (204, 0));
        let (status, body, _) = parse(&text[used..]).unwrap().unwrap();
        assert_eq!(status, 400);
        assert_eq!(body, b"{\"fault_message\":\"no\"}");
        assert!(parse(b"HTTP/1.1 200 \r\nContent-Length: 99999999999\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn requests_are_what_firecracker_reads_and_a_refusal_has_its_words() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || {
            let mut reader = io::BufReader::new(theirs);
            let mut seen = Vec::new();
            for answer in ["204", "400"] {
                let mut length = 0;
                let mut first = String::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if first.is_empty() {
                        first.clone_from(&line);
                    }
                    if let Some(text) = line.strip_prefix("Content-Length: ") {
                        length = text.trim().parse().unwrap();
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                seen.push(format!("{first}{}", String::from_utf8(body).unwrap()));
                let words = if answer == "400" {
                    "{\"fault_message\":\"no such file\"}"
                } else {
                    ""
                };
                write!(
                    reader.get_mut(),
                    "HTTP/1.1 {answer} \r\nContent-Length: {}\r\n\r\n{words}",
                    words.len()
                )
                .unwrap();
            }
            seen
        });
        let mut api = Api::new(ours).unwrap();
        api.action(Action::InstanceStart).unwrap();
        let error = api
            .snapshot_load(&SnapshotLoad {
                snapshot_path: "state".into(),
                mem_backend: MemoryBackend {
                    backend_type: "File",
                    backend_path: "memory".into(),
                },
                resume_vm: true,
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "PUT /snapshot/load failed: no such file");
        let seen = server.join().unwrap();
        assert_eq!(
            seen[0],
            "PUT /actions HTTP/1.1\r\n{\"action_type\":\"InstanceStart\"}"
        );
        assert!(seen[1].contains("\"backend_type\":\"File\""), "{}", seen[1]);
        assert!(api.version().is_err(), "a closed socket is an error");
    }
}
