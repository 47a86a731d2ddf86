//! DNS messages.
//!
//! Owns: reading a guest's question, writing what is asked of a resolver,
//! reading its reply, writing the answer. Refuses: everything that is not one
//! plain question; it looks at counts before anything is allocated for them.

use crate::rules::HostName;
use simple_dns::rdata::{OPT, RData};
use simple_dns::{
    CLASS, Label, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question as Asking, RCODE,
    ResourceRecord, TYPE,
};

/// What fits a packet everywhere.
pub const UDP_BYTES: u16 = 1232;

/// Most bytes of a question. Names are at most 255.
pub const QUESTION_BYTES: usize = 1024;

const HEADER_BYTES: usize = 12;

/// A guest's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The guest's number for it.
    pub id: u16,
    /// As it was spelled: some clients check.
    spelled: String,
    /// The name.
    pub name: HostName,
    /// The type of record.
    pub kind: TYPE,
    recursion_desired: bool,
    /// How many bytes a reply by UDP may have; None without EDNS.
    udp_bytes: Option<u16>,
}

/// A message that gets no answer, or only a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Not a question; silence, so that nothing is reflected.
    Ignored,
    /// A question that is refused with a code, and why.
    Coded(u16, RCODE, &'static str),
}

fn counts(bytes: &[u8]) -> Option<[u16; 4]> {
    let at = |index: usize| -> Option<u16> {
        Some(u16::from_be_bytes([
            *bytes.get(index)?,
            *bytes.get(index + 1)?,
        ]))
    };
    Some([at(4)?, at(6)?, at(8)?, at(10)?])
}

/// Reads a guest's question.
pub fn read_question(bytes: &[u8]) -> Result<Question, Unreadable> {
    if bytes.len() < HEADER_BYTES || bytes[2] & 0x80 != 0 {
        return Err(Unreadable::Ignored);
    }
    let id = u16::from_be_bytes([bytes[0], bytes[1]]);
    let coded = |code, why| Unreadable::Coded(id, code, why);
    if bytes.len() > QUESTION_BYTES {
        return Err(coded(RCODE::FormatError, "a question longer than any name"));
    }
    if bytes[2] & 0x78 != 0 {
        return Err(coded(RCODE::NotImplemented, "not a plain question"));
    }
    let malformed = || coded(RCODE::FormatError, "a malformed question");
    match counts(bytes) {
        Some([1, 0, 0, 0..=2]) => {}
        _ => return Err(malformed()),
    }
    let packet = Packet::parse(bytes).map_err(|_| malformed())?;
    if packet.opcode() != OPCODE::StandardQuery {
        return Err(malformed());
    }
    let asking = packet.questions.first().ok_or_else(malformed)?;
    if asking.qclass != QCLASS::CLASS(CLASS::IN) {
        return Err(coded(RCODE::Refused, "a class other than IN"));
    }
    let QTYPE::TYPE(kind) = asking.qtype else {
        return Err(coded(RCODE::NotImplemented, "all records, or a whole zone"));
    };
    let spelled =
        text(&asking.qname).ok_or_else(|| coded(RCODE::Refused, "not the name of a host"))?;
    let name =
        HostName::parse(&spelled).map_err(|_| coded(RCODE::Refused, "not the name of a host"))?;
    Ok(Question {
        id,
        spelled,
        name,
        kind,
        recursion_desired: packet.has_flags(PacketFlag::RECURSION_DESIRED),
        udp_bytes: packet.opt().map(|opt| opt.udp_packet_size),
    })
}

/// A name as text, if no part holds a dot or anything that needs escaping.
pub fn text(name: &Name<'_>) -> Option<String> {
    let parts: Option<Vec<&str>> = name
        .as_bytes()
        .map(|part| {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
            part.iter()
                .all(plain)
                .then(|| std::str::from_utf8(part).ok())
                .flatten()
        })
        .collect();
    Some(parts?.join("."))
}

fn wire_name(text: &str) -> Name<'static> {
    let labels: Vec<_> = text
        .split('.')
        .map(|part| Label::new_unchecked(part.as_bytes().to_vec()))
        .collect();
    Name::new_with_labels(&labels)
}

fn asking(text: &str, kind: TYPE) -> Asking<'static> {
    Asking::new(
        wire_name(text),
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    )
}

fn edns() -> OPT<'static> {
    OPT {
        opt_codes: Vec::new(),
        udp_packet_size: UDP_BYTES,
        version: 0,
    }
}

/// What is asked of a resolver.
pub fn write_query(id: u16, name: &HostName, kind: TYPE) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(asking(name.as_str(), kind));
    *packet.opt_mut() = Some(edns());
    packet.build_bytes_vec().ok()
}

/// What a resolver said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its code.
    pub code: RCODE,
    /// Whether there was more than fits a packet.
    pub truncated: bool,
    /// Its answers, as they came.
    pub answers: Vec<ResourceRecord<'static>>,
}

/// Reads a reply, if it is one to this very question.
pub fn read_reply(bytes: &[u8], id: u16, name: &HostName, kind: TYPE) -> Option<Reply> {
    let [questions, answers, authorities, more] = counts(bytes)?;
    if questions != 1 || answers > 512 || authorities > 128 || more > 128 {
        return None;
    }
    let packet = Packet::parse(bytes).ok()?;
    let asked = packet.questions.first()?;
    let echoed = packet.id() == id
        && packet.has_flags(PacketFlag::RESPONSE)
        && packet.opcode() == OPCODE::StandardQuery
        && asked.qtype == QTYPE::TYPE(kind)
        && asked.qclass == QCLASS::CLASS(CLASS::IN)
        && text(&asked.qname)?.eq_ignore_ascii_case(name.as_str());
    echoed.then(|| Reply {
        code: packet.rcode(),
        truncated: packet.has_flags(PacketFlag::TRUNCATION),
        answers: packet
            .answers
            .into_iter()
            .map(ResourceRecord::into_owned)
            .collect(),
    })
}

impl Question {
    /// The answer in bytes. By UDP, one that does not fit says so instead.
    pub fn write_reply(
        &self,
        code: RCODE,
        records: &[ResourceRecord<'static>],
        by_udp: bool,
    ) -> Option<Vec<u8>> {
        let mut packet = Packet::new_reply(self.id);
        packet.set_flags(PacketFlag::RECURSION_AVAILABLE);
        if self.recursion_desired {
            packet.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        *packet.rcode_mut() = code;
        packet.questions.push(asking(&self.spelled, self.kind));
        packet.answers = records.to_vec();
        if self.udp_bytes.is_some() {
            *packet.opt_mut() = Some(edns());
        }
        let bytes = packet.build_bytes_vec_compressed().ok()?;
        let most = if by_udp {
            self.udp_bytes.unwrap_or(512).clamp(512, UDP_BYTES)
        } else {
            u16::MAX
        };
        if bytes.len() <= usize::from(most) {
            return Some(bytes);
        }
        packet.answers.clear();
        packet.set_flags(PacketFlag::TRUNCATION);
        packet.build_bytes_vec_compressed().ok()
    }
}

/// A code for a message whose question is not repeated.
pub fn write_code(id: u16, code: RCODE) -> Option<Vec<u8>> {
    let mut packet = Packet::new_reply(id);
    *packet.rcode_mut() = code;
    packet.build_bytes_vec().ok()
}

/// The address of a record, if it is one.
pub fn ipv4(record: &ResourceRecord<'_>) -> Option<std::net::IpAddr> {
    match &record.rdata {
        RData::A(a) => Some(std::net::Ipv4Addr::from(a.address).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question(name: &str, kind: TYPE) -> Vec<u8> {
        write_query(7, &HostName::parse(name).unwrap(), kind).unwrap()
    }

    #[test]
    fn a_question_is_read_and_echoed_as_it_was_spelled() {
        let mut packet = Packet::new_query(9);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(asking("wWw.Example.ORG", TYPE::A));
        let question = read_question(&packet.build_bytes_vec().unwrap()).unwrap();
        assert_eq!(question.name.as_str(), "www.example.org");
        let reply = question.write_reply(RCODE::NameError, &[], true).unwrap();
        let reply = Packet::parse(&reply).unwrap();
        assert_eq!(text(&reply.questions[0].qname).unwrap(), "wWw.Example.ORG");
        assert_eq!((reply.id(), reply.rcode()), (9, RCODE::NameError));
    }

    #[test]
    fn counts_are_looked_at_before_anything_is_allocated() {
        let mut bytes = question("example.org", TYPE::A);
        bytes[6] = 0xff;
        assert!(matches!(
            read_question(&bytes),
            Err(Unreadable::Coded(7, RCODE::FormatError, _))
        ));
        bytes[6] = 0;
        bytes[5] = 2;
        assert!(read_question(&bytes).is_err());
        bytes[5] = 1;
        assert!(read_question(&bytes).is_ok());
        bytes[2] |= 0x80;
        assert_eq!(read_question(&bytes), Err(Unreadable::Ignored));
    }

    #[test]
    fn a_name_with_a_dot_inside_a_part_is_no_host() {
        let mut packet = Packet::new_query(9);
        let labels = [
            Label::new_unchecked(&b"a.example"[..]),
            Label::new_unchecked(&b"org"[..]),
        ];
        packet.questions.push(Asking::new(
            Name::new_with_labels(&labels),
            QTYPE::TYPE(TYPE::A),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        assert!(matches!(
            read_question(&packet.build_bytes_vec().unwrap()),
            Err(Unreadable::Coded(9, RCODE::Refused, _))
        ));
    }

    #[test]
    fn a_reply_to_something_else_is_none() {
        let name = HostName::parse("example.org").unwrap();
        let other = HostName::parse("example.net").unwrap();
        let question = read_question(&question("example.org", TYPE::A)).unwrap();
        let reply = question.write_reply(RCODE::NoError, &[], true).unwrap();
        assert!(read_reply(&reply, 7, &name, TYPE::A).is_some());
        assert!(read_reply(&reply, 8, &name, TYPE::A).is_none());
        assert!(read_reply(&reply, 7, &other, TYPE::A).is_none());
        assert!(read_reply(&reply, 7, &name, TYPE::TXT).is_none());
        let query = write_query(7, &name, TYPE::A).unwrap();
        assert!(
            read_reply(&query, 7, &name, TYPE::A).is_none(),
            "a question is no reply"
        );
    }

    #[test]
    fn what_does_not_fit_a_packet_says_so() {
        let question = read_question(&question("example.org", TYPE::A)).unwrap();
        let records: Vec<_> = (0..200)
            .map(|number| {
                ResourceRecord::new(
                    wire_name("example.org"),
                    CLASS::IN,
                    60,
                    RData::A(simple_dns::rdata::A { address: number }),
                )
            })
            .collect();
        let short = question
            .write_reply(RCODE::NoError, &records, true)
            .unwrap();
        assert!(short.len() <= usize::from(UDP_BYTES));
        let read = Packet::parse(&short).unwrap();
        assert!(read.has_flags(PacketFlag::TRUNCATION) && read.answers.is_empty());
        let whole = question
            .write_reply(RCODE::NoError, &records, false)
            .unwrap();
        assert_eq!(Packet::parse(&whole).unwrap().answers.len(), 200);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_question_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(question) = read_question(&bytes) {
                prop_assert!(question.write_reply(RCODE::Refused, &[], true).is_some());
            }
        }

        #[test]
        fn a_damaged_question_is_no_panic(at in 0usize..64, value: u8, cut in 0usize..64) {
            let mut bytes = question("some.name.example.org", TYPE::A);
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % length);
            let _ = read_question(&bytes);
        }

        #[test]
        fn a_damaged_reply_is_no_panic(at in 0usize..200, value: u8, cut in 0usize..200) {
            let asked = read_question(&question("some.name.example.org", TYPE::A)).unwrap();
            let record = ResourceRecord::new(
                wire_name("some.name.example.org"), CLASS::IN, 60,
                RData::CNAME(wire_name("other.example.org").into()),
            );
            let mut bytes = asked.write_reply(RCODE::NoError, &[record], true).unwrap();
            let length = bytes.len();
            bytes[at % length] = value;
            bytes.truncate(length - cut % length);
            let _ = read_reply(&bytes, 7, &asked.name, TYPE::A);
        }
    }
}
