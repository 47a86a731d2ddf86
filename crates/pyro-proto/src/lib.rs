//! What the host and the guest agent say to each other, and how it is framed.
//!
//! Owns: the messages ([`messages`]), how they name files ([`path`]), the frame format ([`frame`]) and the
//! multiplexer that turns one byte stream into many request streams with
//! flow control ([`link`]); joining sockets with such streams ([`reactor`]); and the
//! archive format both sides read and write ([`tar`]).
//!
//! Refuses: opening anything. A caller brings a reader and a writer, or a
//! socket; whether they are a virtio-serial port, a vsock connection or a
//! socket pair is not known here. Every length that arrives is checked before it is used,
//! because the other side may be a hostile guest.
//!
//! ```text
//!   host                                             agent
//!    |-- HELLO {protocol, nonce} ---------------------->|
//!    |<------------------- WELCOME {protocol, nonce} ---|   anything before it is dropped
//!    |-- OPEN #1 {request} ---------------------------->|
//!    |-- DATA #1 ch0 stdin --->        <- DATA #1 ch1 --|   bounded by credits
//!    |<----------------------------- CLOSE #1 {reply} --|   exactly one per stream
//! ```

pub mod frame;
pub mod link;
pub mod messages;
pub mod path;
pub mod reactor;
pub mod tar;

pub use frame::FrameError;
pub use link::{Incoming, Link, LinkError, Stream};
