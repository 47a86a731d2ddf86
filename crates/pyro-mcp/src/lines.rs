//! Frames on two streams of bytes: one JSON object per line.
//!
//! ```text
//!   a frame                      handed on
//!   a request that is no JSON    -32700, when its id can be told: half of an emoji, say
//!   no JSON                      dropped: an answer might be answered in turn
//!   JSON, but no frame; a batch  -32600, with its id where it has one
//!   longer than the bound        -32600, and dropped as it comes
//! ```
//!
//! The transport of rmcp drops all but the first, or answers them without an
//! id, so that a client waits for ever.
//!
//! Owns: lines, their bound, what is said about bad ones. Refuses: knowing any
//! method.

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
    /// The rest of a line that is too long.
    skipping: bool,
    /// One word about a bad line is on its way; the next line waits for it.
    refusal: Option<JoinHandle<()>>,
}

enum Line {
    Whole,
    TooLong,
    End,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Send + Unpin + 'static> Lines<R, W> {
    pub fn new(read: R, write: W, most_bytes: usize) -> Self {
        Self {
            read: BufReader::new(read),
            write: Arc::new(Mutex::new(Some(write))),
            line: Vec::new(),
            most_bytes,
            skipping: false,
            refusal: None,
        }
    }

    /// The next line, in `self.line`. May be dropped while it waits: what was
    /// read stays.
    async fn next(&mut self) -> io::Result<Line> {
        loop {
            let bytes = self.read.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(Line::End);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |at| at + 1);
            let fits = self.line.len() + taken <= self.most_bytes;
            if !self.skipping && fits {
                self.line.extend_from_slice(&bytes[..taken]);
            }
            self.read.consume(taken);
            let was_skipping = self.skipping;
            self.skipping = end.is_none() && (was_skipping || !fits);
            if !was_skipping && !fits {
                self.line.clear();
                return Ok(Line::TooLong);
            }
            if end.is_some() && !was_skipping {
                return Ok(Line::Whole);
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
                Ok(Line::TooLong) => {
                    let what = format!("a message has at most {} bytes", self.most_bytes);
                    self.refuse(ErrorData::invalid_request(what, None), None);
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
        Err(error) => match id_of(line) {
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

/// The id of what would be a request, if only some value in it were one: hosts
/// send halves of surrogate pairs, and wait for an answer.
fn id_of(line: &[u8]) -> Option<RequestId> {
    let (mut depth, mut at) = (0_usize, 0);
    let (mut id, mut is_request) = (None, false);
    while let Some(byte) = line.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => {
                let end = string_end(line, at)?;
                let name = &line[at..end];
                at = end;
                let value = line[at..].trim_ascii_start().strip_prefix(b":");
                if let Some(value) = value.filter(|_| depth == 1) {
                    is_request |= name == b"\"method\"";
                    if name == b"\"id\"" {
                        let value = value.trim_ascii_start();
                        let end = match value.first() {
                            Some(b'"') => string_end(value, 0)?,
                            _ => value.iter().position(|byte| b",} ".contains(byte))?,
                        };
                        id = serde_json::from_slice(&value[..end]).ok();
                    }
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    id.filter(|_| is_request && depth == 0)
}

/// Where the string that begins `at` is over.
fn string_end(line: &[u8], at: usize) -> Option<usize> {
    let mut escaped = false;
    let rest = line.get(at + 1..)?.iter();
    let last = rest.copied().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    last.map(|last| at + last + 2)
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
            "{PING}\r\nnot json\n[{PING}]\n{{\"jsonrpc\":\"2.0\",\"id\":9}}\n{}\n\n{PING}\n{{\"cut",
            "x".repeat(200)
        );
        let (frames, said) = through(input.into_bytes(), 100, 16).await;
        assert_eq!(frames, 2);
        let said: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0]["error"]["message"]
                .as_str()
                .unwrap()
                .contains("batch")
        );
        assert_eq!(said[1]["id"], 9);
        assert!(
            said[2]["error"]["message"]
                .as_str()
                .unwrap()
                .contains("100")
        );
    }

    fn id(line: &[u8]) -> Option<String> {
        id_of(line).map(|id| id.to_string())
    }

    #[test]
    fn a_request_that_is_no_json_is_answered() {
        let call = |id: &str, text: &[u8]| {
            let before =
                format!(r#"{{"params":{{"id":4,"a":["}}"]}}, "id" : {id},"method":"x","b":"#);
            [before.as_bytes(), text, b"}\r\n"].concat()
        };
        for text in [
            &br#""\ud83d""#[..],
            b"\"\xff\"",
            b"1e999",
            &[b"[".repeat(500), b"]".repeat(500)].concat(),
        ] {
            assert_eq!(id(&call("7", text)), Some("7".to_owned()));
            assert_eq!(id(&call(r#""a\"}""#, text)), Some("a\"}".to_owned()));
            let Read::Bad(error, Some(_)) = read(&call("7", text)) else {
                panic!("{text:?} is a bad line");
            };
            assert_eq!(error.code.0, -32700);
        }
        // No request, no id, or not whole.
        for line in [
            &br#"{"id":1,"result":"\ud83d"}"#[..],
            br#"{"method":"x","a":"\ud83d"}"#,
            br#"{"method":"x","a":{"id":1,"b":"\ud83d"}}"#,
            br#"{"id":1,"method":"x""#,
            br#"{"id":1,"method":"x"#,
            br#"{"id":"\ud83d","method":"x"}"#,
            br#"{"id":1"method""#,
            b"}",
            b"\"",
        ] {
            assert_eq!(id(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    proptest! {
        #[test]
        fn an_id_is_found_whatever_else_is_there(
            text in prop::collection::vec(any::<u8>(), 0..60),
            number: i64,
        ) {
            let _ = id_of(&text);
            // What a string can hold, whether or not it is Unicode.
            let mut text = text;
            text.retain(|byte| !b"\"\\\n".contains(byte));
            let line = [
                &br#"{"a":""#[..],
                &text,
                format!(r#"","id":{number},"method":"x"}}"#).as_bytes(),
            ].concat();
            prop_assert_eq!(id(&line), Some(number.to_string()));
        }

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
