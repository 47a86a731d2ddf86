//! Frames on two streams of bytes: one JSON object per line.
//!
//! ```text
//!   a frame                      handed on
//!   a request that is no JSON    -32700, when its id can be told: half of an emoji, say
//!   no JSON                      dropped: an answer might be answered in turn
//!   JSON, but no frame; a batch  -32600, with its id where it has one
//!   longer than the bound        -32600, with its id; dropped as it comes
//! ```
//!
//! The transport of rmcp drops all but the first, or answers them without an
//! id, so that a client waits for ever.
//!
//! Owns: lines, their bound, what is said about bad ones. Refuses: knowing any
//! method.

mod request_id;

use request_id::IdFinder;
use rmcp::RoleServer;
use rmcp::model::{ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::Value;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

type Frame = RxJsonRpcMessage<RoleServer>;
type Answer = TxJsonRpcMessage<RoleServer>;

/// Both streams.
pub struct Lines<R, W> {
    read: BufReader<R>,
    /// None once it is closed.
    write: Arc<Mutex<Option<W>>>,
    line: Vec<u8>,
    most_bytes: usize,
    /// A line that is too long, while the rest of it comes.
    too_long: Option<IdFinder>,
    /// One word about a bad line is on its way; the next line waits for it.
    refusal: Option<JoinHandle<()>>,
}

enum Line {
    Whole,
    TooLong(Option<RequestId>),
    End,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Send + Unpin + 'static> Lines<R, W> {
    pub fn new(read: R, write: W, most_bytes: usize) -> Self {
        Self {
            read: BufReader::new(read),
            write: Arc::new(Mutex::new(Some(write))),
            line: Vec::new(),
            most_bytes,
            too_long: None,
            refusal: None,
        }
    }

    /// The next line, in `self.line`. May be dropped while it waits: what was
    /// read stays.
    async fn next(&mut self) -> io::Result<Line> {
        loop {
            let bytes = self.read.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(match self.too_long.take() {
                    Some(_) => Line::TooLong(None),
                    None => Line::End,
                });
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |at| at + 1);
            if self.too_long.is_none() && self.line.len() + taken > self.most_bytes {
                let mut finder = IdFinder::default();
                finder.take(&std::mem::take(&mut self.line));
                self.too_long = Some(finder);
            }
            match &mut self.too_long {
                Some(finder) => finder.take(&bytes[..taken]),
                None => self.line.extend_from_slice(&bytes[..taken]),
            }
            self.read.consume(taken);
            if end.is_some() {
                return Ok(match self.too_long.take() {
                    Some(finder) => Line::TooLong(finder.found()),
                    None => Line::Whole,
                });
            }
        }
    }

    fn refuse(&mut self, error: ErrorData, id: Option<RequestId>) {
        let send = write(self.write.clone(), Answer::error(error, id));
        // Whether it arrives is the client's business.
        self.refusal = Some(tokio::spawn(async move { drop(send.await) }));
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: Answer) -> impl Future<Output = io::Result<()>> + Send + 'static {
        write(self.write.clone(), item)
    }

    async fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(refusal) = &mut self.refusal {
                let _ = refusal.await;
                self.refusal = None;
            }
            match self.next().await {
                Ok(Line::Whole) => {}
                Ok(Line::TooLong(id)) => {
                    let what = format!("a message has at most {} bytes", self.most_bytes);
                    self.refuse(ErrorData::invalid_request(what, None), id);
                    continue;
                }
                Ok(Line::End) | Err(_) => return None,
            }
            let line = std::mem::take(&mut self.line);
            match read(&line) {
                Read::Frame(frame) => return Some(*frame),
                Read::Nothing => {}
                Read::Bad(error, id) => self.refuse(error, id),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        drop(self.write.lock().await.take());
        Ok(())
    }
}

async fn write<W>(to: Arc<Mutex<Option<W>>>, frame: Answer) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut bytes = serde_json::to_vec(&frame)?;
    bytes.push(b'\n');
    let mut to = to.lock().await;
    let to = to.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    to.write_all(&bytes).await?;
    to.flush().await
}

enum Read {
    Frame(Box<Frame>),
    Nothing,
    Bad(ErrorData, Option<RequestId>),
}

/// What a line is.
fn read(line: &[u8]) -> Read {
    let error = match serde_json::from_slice(line) {
        Ok(frame) => return Read::Frame(Box::new(frame)),
        Err(error) => error,
    };
    let bad = |what: String, id| Read::Bad(ErrorData::invalid_request(what, None), id);
    match serde_json::from_slice::<Value>(line) {
        Err(error) => match IdFinder::in_line(line) {
            Some(id) => {
                let what = format!(
                    "the message is no JSON: {error}; strings have to be whole Unicode, and numbers small"
                );
                Read::Bad(ErrorData::parse_error(what, None), Some(id))
            }
            None => Read::Nothing,
        },
        Ok(Value::Array(_)) => bad(
            "batches are not part of MCP; send one message per line".to_owned(),
            None,
        ),
        // A notification, or an answer nobody waits for.
        Ok(Value::Object(fields))
            if !fields.contains_key("id") && fields.contains_key("method")
                || fields.contains_key("result")
                || fields.contains_key("error") =>
        {
            Read::Nothing
        }
        Ok(Value::Object(mut fields)) => {
            let id = fields
                .remove("id")
                .and_then(|id| serde_json::from_value(id).ok());
            bad(format!("not a message of MCP: {error}"), id)
        }
        Ok(_) => bad("a message is a JSON object".to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends in pieces; what comes out, and what is answered.
    async fn through(input: Vec<u8>, most_bytes: usize, piece: usize) -> (usize, String) {
        let (mut there, read) = tokio::io::duplex(piece);
        let (write, mut answers) = tokio::io::duplex(1 << 20);
        let mut lines = Lines::new(read, write, most_bytes);
        let sent = tokio::spawn(async move { there.write_all(&input).await });
        let mut frames = 0;
        while lines.receive().await.is_some() {
            frames += 1;
        }
        sent.await.unwrap().unwrap();
        lines.close().await.unwrap();
        let mut said = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut answers, &mut said)
            .await
            .unwrap();
        (frames, said)
    }

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

    #[tokio::test]
    async fn bad_lines_are_answered_with_their_id_and_good_ones_pass() {
        let input = format!(
            "{PING}\r\nnot json\n[{PING}]\n{{\"jsonrpc\":\"2.0\",\"id\":9}}\n{}\n\n{PING}\n{}\n{{\"cut",
            "x".repeat(200),
            PING.replace("ping\"", &format!("ping\",\"a\":\"{}\"", "x".repeat(200))),
        );
        let (frames, said) = through(input.into_bytes(), 100, 16).await;
        assert_eq!(frames, 2);
        let said: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(
            said[0]["error"]["message"]
                .as_str()
                .unwrap()
                .contains("batch")
        );
        assert_eq!(said[1]["id"], 9);
        for (said, id) in [(&said[2], Value::Null), (&said[3], 1.into())] {
            assert!(
                said["error"]["message"].as_str().unwrap().contains("100"),
                "{said}"
            );
            assert_eq!(said["id"], id);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_between_frames_are_survived(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..150), 0..12),
            piece in 1usize..64,
        ) {
            let mut input = Vec::new();
            for mut line in lines {
                line.retain(|byte| *byte != b'\n');
                input.extend(line);
                input.extend(format!("\n{PING}\n").bytes());
            }
            let pings = input.windows(PING.len()).filter(|at| *at == PING.as_bytes()).count();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (frames, _) = runtime.block_on(through(input, 100, piece));
            prop_assert!(frames >= pings);
        }
    }
}
