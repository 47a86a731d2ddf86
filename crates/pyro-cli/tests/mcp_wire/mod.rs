//! A client of `pyro mcp serve` that writes and reads the frames itself.
//!
//! Owns: the server's process, which ends with it. Refuses: knowing any tool.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Client {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    count: u64,
}

/// What a tool answered.
#[derive(Debug)]
pub struct Answer {
    pub is_error: bool,
    pub text: String,
    pub structured: Value,
}

impl Client {
    /// Starts the command and shakes hands.
    pub fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut client = Self {
            requests: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
            count: 0,
        };
        let hello = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let greeting = client.ask("initialize", &hello);
        assert!(greeting["result"]["serverInfo"].is_object(), "{greeting}");
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    /// One request and its whole answer; what comes in between is passed over.
    pub fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.count += 1;
        let id = self.count;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).unwrap();
            assert!(read > 0, "the server is gone");
            let frame: Value = serde_json::from_str(&line).unwrap();
            if frame["id"] == id {
                return frame;
            }
        }
    }

    pub fn call(&mut self, tool: &str, arguments: Value) -> Answer {
        let parameters = json!({"name": tool, "arguments": arguments});
        let frame = self.ask("tools/call", &parameters);
        let result = &frame["result"];
        let texts = result["content"].as_array().into_iter().flatten();
        let texts: Vec<_> = texts.filter_map(|one| one["text"].as_str()).collect();
        assert!(!texts.is_empty(), "{tool}: {frame}");
        Answer {
            is_error: result["isError"] == true,
            text: texts.join("\n"),
            structured: result["structuredContent"].clone(),
        }
    }

    /// The error's text; it has to be one, with all of `words` in it.
    pub fn refused(&mut self, tool: &str, arguments: Value, words: &[&str]) -> String {
        let answer = self.call(tool, arguments.clone());
        assert!(answer.is_error, "{tool} {arguments}: {answer:?}");
        // Strict clients refuse an error with one.
        assert!(answer.structured.is_null(), "{answer:?}");
        for word in words {
            assert!(
                answer.text.contains(word),
                "{tool} {arguments}: no {word:?} in {}",
                answer.text
            );
        }
        answer.text
    }

    fn send(&mut self, frame: &Value) {
        let requests = self.requests.as_mut().unwrap();
        requests.write_all(format!("{frame}\n").as_bytes()).unwrap();
        requests.flush().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
