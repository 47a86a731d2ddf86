//! A request to the agent and its reply, on a link made by hand.

use pyro_proto::messages::Request;
use pyro_proto::{Incoming, Link};
use std::time::{Duration, Instant};

pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("after 1970").as_nanos()).expect("before 2554")
}

pub fn ask(link: &Link, request: &Request) -> String {
    let stream = link
        .open(&serde_json::to_vec(request).expect("JSON"))
        .expect("a stream");
    loop {
        if let Incoming::Close(reply) = stream
            .receive(Some(Instant::now() + Duration::from_secs(60)))
            .expect("a reply")
        {
            return String::from_utf8_lossy(&reply).into_owned();
        }
    }
}
