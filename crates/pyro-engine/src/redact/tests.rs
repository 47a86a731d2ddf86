//! The rules of redaction, on any text, any secrets and any pieces.

use proptest::prelude::*;

use super::{MARKER, Redactor, encodings, forms};

/// What should come out, by the definition alone: every occurrence of every
/// form, those that overlap as one.
fn by_definition(values: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut occurrences = values
        .iter()
        .flat_map(|value| forms::of(value))
        .flat_map(|form| {
            (0..text.len())
                .filter(|&at| text[at..].starts_with(&form))
                .map(|at| (at, at + form.len()))
                .collect::<Vec<_>>()
        })
        .collect::<Vec<_>>();
    occurrences.sort_unstable();
    let (mut out, mut shown) = (Vec::new(), 0);
    for (begin, end) in occurrences {
        if begin >= shown {
            out.extend_from_slice(&text[shown..begin]);
            out.extend_from_slice(MARKER.as_bytes());
        }
        shown = shown.max(end);
    }
    out.extend_from_slice(&text[shown..]);
    out
}

fn in_pieces(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts = cuts
        .iter()
        .map(|cut| cut % (text.len() + 1))
        .collect::<Vec<_>>();
    cuts.sort_unstable();
    cuts.push(text.len());
    let (mut stream, mut out, mut from) = (redactor.stream(), Vec::new(), 0);
    for (turn, cut) in cuts.into_iter().enumerate() {
        let piece = &text[from..cut];
        out.append(&mut if turn % 2 == 0 {
            stream.push(piece)
        } else {
            stream.pass(piece.to_vec())
        });
        from = cut;
    }
    out.append(&mut stream.finish());
    out
}

/// Few letters, so that values overlap themselves and each other.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 1..9),
        prop::collection::vec(any::<u8>(), 1..40),
    ]
}

/// Text in which values, forms and beginnings of them are likely.
fn text(values: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let shown = values
        .iter()
        .flat_map(|value| forms::of(value).into_iter().chain([value.clone()]))
        .collect::<Vec<_>>();
    let whole = prop::sample::select(shown.clone());
    let part = (prop::sample::select(shown), any::<prop::sample::Index>())
        .prop_map(|(form, at)| form[..at.index(form.len())].to_vec());
    let noise = prop::collection::vec(prop::sample::select(b"ab\n ".to_vec()), 0..6);
    prop::collection::vec(prop_oneof![whole, part, noise], 0..12).prop_map(|parts| parts.concat())
}

fn values_and_text() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    prop::collection::vec(value(), 1..4)
        .prop_flat_map(|values| (Just(values.clone()), text(values)))
}

proptest! {
    #[test]
    fn any_pieces_show_what_the_definition_says(
        (values, text) in values_and_text(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let redactor = Redactor::new(&values);
        let expected = by_definition(&values, &text);
        prop_assert_eq!(&in_pieces(&redactor, &text, &cuts), &expected);
        let every = (0..text.len()).collect::<Vec<_>>();
        prop_assert_eq!(&in_pieces(&redactor, &text, &every), &expected);
        prop_assert_eq!(&redactor.bytes(&text), &expected);
    }

    /// What stands in a range is the same however it is paged.
    #[test]
    fn pages_show_no_half_of_a_secret((values, text) in values_and_text(), limit in 1_usize..30) {
        let redactor = Redactor::new(&values);
        let whole = redactor.range(&text, 0..text.len());
        prop_assert_eq!(&whole.0, &by_definition(&values, &text));
        let context = redactor.context_bytes();
        for start in (0..text.len()).step_by(limit) {
            let end = (start + limit).min(text.len());
            let from = start.saturating_sub(context);
            let known = &text[from..(end + context).min(text.len())];
            let page = redactor.range(known, start - from..end - from);
            prop_assert_eq!(page, redactor.range(&text, start..end));
        }
    }

    /// However a long line is cut, at most three bytes of an end are left.
    #[test]
    fn a_part_shows_no_half_of_a_secret(
        value in "[a-z0-9]{8,60}",
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let text = format!("<<{value}>>");
        let (from, to) = (from.index(text.len()), to.index(text.len()));
        let part = &text[from.min(to)..from.max(to)];
        let shown = Redactor::new([&value]).part(part);
        for piece in value.as_bytes().windows(4) {
            let piece = std::str::from_utf8(piece).expect("text");
            prop_assert!(!shown.contains(piece), "{} of {}", shown, part);
        }
    }

    /// Looking finds what replacing finds.
    #[test]
    fn a_look_finds_the_same((values, text) in values_and_text(), cut in any::<prop::sample::Index>()) {
        let redactor = Redactor::new(&values);
        let (mut looked, mut pushed) = (redactor.stream(), redactor.stream());
        let cut = cut.index(text.len() + 1);
        for piece in [&text[..cut], &text[cut..]] {
            looked.look(piece);
            let _ = pushed.push(piece);
        }
        prop_assert!(looked.found().eq(pushed.found()));
    }

    /// Letters that the marker does not have, so that the marker makes none.
    #[test]
    fn no_value_comes_out(
        value in "[a-z0-9]{4,40}",
        before in "[ -~]{0,20}",
        after in "[ -~]{0,20}",
    ) {
        let redactor = Redactor::new([&value]);
        let shown = redactor.text(&format!("{before}{value}{after}"));
        prop_assert!(!shown.contains(&value), "{shown}");
        prop_assert!(shown.contains(MARKER));
    }

    #[test]
    fn other_text_passes_as_it_is(text in "[ -Z\\n]{0,200}", cuts in prop::collection::vec(any::<usize>(), 0..9)) {
        let redactor = Redactor::new(["~~{secret}~~"]);
        prop_assume!(!text.contains("7e7e") && !text.contains("7E7E"));
        prop_assert_eq!(in_pieces(&redactor, text.as_bytes(), &cuts), text.as_bytes());
    }

    /// However a value is put into what is encoded.
    #[test]
    fn base64_is_found_anywhere(
        value in prop::collection::vec(any::<u8>(), 8..200),
        before in prop::collection::vec(any::<u8>(), 0..7),
        after in prop::collection::vec(any::<u8>(), 0..7),
    ) {
        let whole = [&before[..], &value, &after].concat();
        let encoded = encodings::base64_unpadded(&whole, encodings::STANDARD);
        let shown = Redactor::new([&value]).bytes(&encoded);
        let shown = String::from_utf8(shown).expect("base64 is text");
        let rest = shown.replace(MARKER, "").len();
        // A character at each end belongs to the neighbour as well.
        prop_assert!(rest <= (before.len() + after.len()).div_ceil(3) * 4 + 4, "{shown}");
    }

    /// Released bytes are few, and the rest of the secret is still replaced.
    #[test]
    fn a_pause_shows_little(value in "[a-z0-9]{4,60}", at in any::<prop::sample::Index>()) {
        let redactor = Redactor::new([&value]);
        let at = at.index(value.len());
        let mut stream = redactor.stream();
        let mut shown = stream.push(&value.as_bytes()[..at]);
        prop_assert_eq!(stream.held(), at);
        shown.append(&mut stream.release());
        prop_assert!(shown.len() < 4.min(value.len() / 4).max(1));
        prop_assert_eq!(&shown, &value.as_bytes()[..shown.len()]);
        shown.append(&mut stream.push(&value.as_bytes()[at..]));
        shown.append(&mut stream.release());
        shown.append(&mut stream.finish());
        let shown = String::from_utf8(shown).expect("text");
        prop_assert!(shown.ends_with(MARKER), "{}", shown);
    }
}

#[test]
fn ordinary_text_is_not_delayed() {
    let mut stream = Redactor::new(["kettle7-and-more"]).stream();
    assert_eq!(stream.push(b"no such thing\n"), b"no such thing\n");
    assert_eq!(stream.push(b"the kettle went\n"), b"the kettle went\n");
    assert_eq!(stream.push(b" kett"), b" ");
    assert_eq!(stream.held(), 4);
    assert_eq!(stream.release(), b"", "a quarter of it may not be shown");
    assert_eq!(stream.push(b"ing"), b"ketting");
    assert_eq!(stream.push(b"$ k"), b"$ ");
    assert_eq!(stream.release(), b"k", "a prompt may end so");
    assert_eq!(stream.push(b"ettle7-and-more$ "), b"[REDACTED]$ ");
    assert_eq!(stream.replaced(), 1);
    assert_eq!(stream.found().collect::<Vec<_>>(), [0]);
}

#[test]
fn the_usual_forms_are_found() {
    let redactor = Redactor::new(["it's a \"key\"/\u{e9}\nwith two lines\n"]);
    for (shown, expected) in [
        (
            "it's a \"key\"/\u{e9}\r\nwith two lines\r\n",
            "[REDACTED]\r\n",
        ),
        ("it's a \"key\"/\u{e9}\nwith two lines", "[REDACTED]"),
        (
            "it%27s%20a%20%22key%22%2F%C3%A9%0Awith%20two%20lines",
            "[REDACTED]",
        ),
        ("it%27s+a+%22key%22%2f%c3%a9%0awith+two+lines", "[REDACTED]"),
        (
            "{\"it's a \\\"key\\\"/\\u00e9\\nwith two lines\\n\"}",
            "{\"[REDACTED]\\n\"}",
        ),
        (
            "'it'\\''s a \"key\"/\u{e9}\nwith two lines'",
            "'[REDACTED]'",
        ),
        (
            "$'it\\'s a \"key\"/\\303\\251\\nwith two lines'",
            "$'[REDACTED]'",
        ),
        (
            "+with two lines\n-it's a \"key\"/\u{e9}",
            "+[REDACTED]\n-[REDACTED]",
        ),
    ] {
        assert_eq!(redactor.text(shown), expected, "{shown}");
    }
}

#[test]
fn short_values_are_left_alone() {
    for short in ["", "a", "abc", " ab "] {
        let redactor = Redactor::new([short]);
        assert_eq!(redactor.text("abc and a"), "abc and a");
    }
    assert!(Redactor::new(["abc"]).is_none());
    assert!(Redactor::none().is_none());
    assert_eq!(Redactor::none().stream().push(b"x"), b"x");
    assert_eq!(format!("{:?}", Redactor::new(["wxyz"])).find("wxyz"), None);
}

/// 64 KiB of one byte begins and ends everywhere, and still costs its length.
#[test]
fn long_values_cost_their_length() {
    let same = vec![b'x'; 64 << 10];
    let redactor = Redactor::new([&same]);
    let flood = vec![b'x'; 1 << 20];
    assert_eq!(redactor.bytes(&flood), MARKER.as_bytes());
    let same = vec![b'x'; 8 << 10];
    let redactor = Redactor::new([&same]);
    let mut stream = redactor.stream();
    let mut shown = Vec::new();
    for byte in &same {
        shown.append(&mut stream.push(std::slice::from_ref(byte)));
    }
    shown.append(&mut stream.finish());
    assert_eq!(shown, MARKER.as_bytes());
    let mut almost = same;
    almost.pop();
    assert_eq!(redactor.bytes(&almost), almost);
}
