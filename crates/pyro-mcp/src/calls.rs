//! One call of a tool: off the protocol's threads, cancelled with it.
//!
//! Owns: the way from arguments to a result. Refuses: what a result looks
//! like, and what is allowed.

use crate::config::Config;
use crate::tools::Tool;
use crate::{boundary, results};
use pyro::{Cancel, Context, Error, NoEvents};
use rmcp::RoleServer;
use rmcp::model::{CallToolResult, JsonObject};
use rmcp::service::RequestContext;
use std::sync::Arc;

/// Calls it and waits for the end.
pub async fn call(
    config: &Arc<Config>,
    tool: &Tool,
    arguments: JsonObject,
    context: RequestContext<RoleServer>,
) -> CallToolResult {
    let row = tool.row;
    let request = tool
        .checked(arguments)
        .and_then(|request| boundary::admit(config, row, request));
    let request = match request {
        Ok(request) => request,
        Err(error) => return results::failure(&error),
    };
    let cancel = Cancel::default();
    let (config, asked) = (config.clone(), cancel.clone());
    let mut work = tokio::task::spawn_blocking(move || {
        let context = Context {
            events: &NoEvents,
            cancel: &asked,
            stdin: None,
        };
        (row.call)(&config.pyro, request, &context)
    });
    let ended = tokio::select! {
        ended = &mut work => ended,
        () = context.ct.cancelled() => {
            cancel.cancel();
            work.await
        }
    };
    match ended {
        Ok(Ok(response)) => results::success(row, boundary::shown(row, response)),
        Ok(Err(error)) => results::failure(&error),
        Err(error) => results::failure(&Error::runtime("crashed", error.to_string())),
    }
}
