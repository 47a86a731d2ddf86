//! The Responses API, with Codex's namespaces of tools.
//!
//! Owns: where results and tools are in a request, and the events of an answer.

use super::{Next, Received, list, named_events, text};
use serde_json::{Value, json};

pub fn results(body: &Value) -> Vec<Received> {
    list(&body["input"])
        .filter(|item| item["type"] == "function_call_output")
        .map(|item| Received {
            text: text(&item["output"]),
        })
        .collect()
}

pub fn offered(body: &Value) -> Vec<String> {
    list(&body["tools"])
        .flat_map(|tool| match tool["type"].as_str() {
            Some("namespace") => list(&tool["tools"]).collect(),
            _ => vec![tool],
        })
        .filter_map(|tool| tool["name"].as_str())
        .map(str::to_owned)
        .collect()
}

pub fn events(number: usize, next: Next) -> String {
    let item = match next {
        Next::Call(tool, arguments) => json!({
            "type": "function_call", "id": format!("fc_{number}"), "call_id": format!("call_{number}"),
            "namespace": "mcp__pyro", "name": tool, "arguments": arguments.to_string(),
        }),
        Next::End => json!({
            "type": "message", "id": "msg_1", "role": "assistant",
            "content": [{"type": "output_text", "text": "DONE"}],
        }),
    };
    let usage = json!({
        "input_tokens": 1, "input_tokens_details": null, "output_tokens": 1,
        "output_tokens_details": null, "total_tokens": 2,
    });
    named_events(&[
        json!({"type": "response.created", "response": {"id": "resp_1"}}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"id": "resp_1", "usage": usage}}),
    ])
}
