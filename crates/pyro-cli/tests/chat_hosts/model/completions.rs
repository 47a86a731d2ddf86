//! Chat completions.
//!
//! Owns: where results and tools are in a request, and the chunks of an answer.

use super::{Next, Received, list, text};
use serde_json::{Value, json};

pub fn results(body: &Value) -> Vec<Received> {
    list(&body["messages"])
        .filter(|message| message["role"] == "tool")
        .map(|message| Received {
            text: text(&message["content"]),
        })
        .collect()
}

pub fn offered(body: &Value) -> Vec<String> {
    list(&body["tools"])
        .filter_map(|tool| tool["function"]["name"].as_str())
        .map(str::to_owned)
        .collect()
}

pub fn events(number: usize, next: Next) -> String {
    let (delta, reason) = match next {
        Next::Call(tool, arguments) => {
            let function = json!({"name": tool, "arguments": arguments.to_string()});
            let call = json!({"index": 0, "id": format!("call_{number}"), "type": "function", "function": function});
            (
                json!({"role": "assistant", "tool_calls": [call]}),
                "tool_calls",
            )
        }
        Next::End => (json!({"role": "assistant", "content": "DONE"}), "stop"),
    };
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "fake",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        })
    };
    format!(
        "data: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        chunk(delta, Value::Null),
        chunk(json!({}), json!(reason))
    )
}
