//! The recipes of `docs/use-cases/`, the daily loop and difficult checkouts on
//! real guests, through `pyro mcp serve` as a chat host starts it.
//!
//! ```text
//!  Project (a Git checkout) --> Site: pyro mcp serve --mode M --project-path P
//!                                 ^ Chat: tools/call, prompts/get
//!  end, also by a panic: the server's input ends, every workspace is deleted
//! ```
//!
//! `USE_CASE_ENVIRONMENT` and `DAILY_LOOP_ENVIRONMENT` choose another
//! environment than debian:12. What builds one has the prefix `real_build_`.

#![allow(clippy::print_stderr)] // a test that is skipped says why

mod chat;
mod chat_path;
mod cold_start_validation;
mod daily_loop;
mod difficult_checkout;
mod parallel_workspaces;
mod project;
mod repro_fix_loop;
mod review_eval;
mod site;
mod untrusted_inspection;
