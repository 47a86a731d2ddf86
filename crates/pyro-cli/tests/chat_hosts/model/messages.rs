//! The Messages API.
//!
//! Owns: where results and tools are in a request, and the events of an answer.

use super::{Next, Received, list, named_events, text};
use serde_json::{Value, json};

pub fn results(body: &Value) -> Vec<Received> {
    list(&body["messages"])
        .filter(|message| message["role"] == "user")
        .flat_map(|message| list(&message["content"]))
        .filter(|part| part["type"] == "tool_result")
        .map(|part| Received {
            text: text(&part["content"]),
        })
        .collect()
}

pub fn offered(body: &Value) -> Vec<String> {
    list(&body["tools"])
        .filter_map(|tool| tool["name"].as_str())
        .map(str::to_owned)
        .collect()
}

pub fn events(body: &Value, number: usize, next: Next) -> String {
    let (block, delta, stop) = match next {
        Next::Call(tool, arguments) => (
            json!({"type": "tool_use", "id": format!("toolu_{number:04}"), "name": tool, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": arguments.to_string()}),
            "tool_use",
        ),
        Next::End => (
            json!({"type": "text", "text": ""}),
            json!({"type": "text_delta", "text": "DONE"}),
            "end_turn",
        ),
    };
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    let message = json!({
        "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    named_events(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ])
}
