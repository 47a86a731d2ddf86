//! What pieces of text look like.

use super::history::History;
use super::plain::{Plain, plain};
use proptest::prelude::*;

fn shown(pieces: &[&str]) -> Plain {
    sized(40, 6, pieces)
}

/// All pieces are shown; the picture of the last.
fn sized(cols: u16, rows: u16, pieces: &[&str]) -> Plain {
    let mut history = History::new(cols, rows);
    let mut cursor = 0;
    for piece in pieces {
        cursor = history.end();
        history.push(piece);
    }
    plain(&history.replay(cursor, history.end()).unwrap())
}

fn text(pieces: &[&str]) -> String {
    shown(pieces).text
}

#[test]
fn ordinary_output_is_as_it_was_printed() {
    assert_eq!(text(&["a\r\n\r\nb\r\n"]), "a\n\nb\n");
    assert_eq!(text(&["pyro$ "]), "pyro$ ");
    assert_eq!(text(&["no newline"]), "no newline");
    // More than the screen has rows, and rows wider than it.
    let many: String = (0..20).map(|n| format!("line {n}\r\n")).collect();
    assert_eq!(text(&[&many]), many.replace('\r', ""));
    let long = "x".repeat(100);
    assert_eq!(
        text(&[&format!("{long}\r\nend\r\n")]),
        format!("{long}\nend\n")
    );
}

#[test]
fn a_line_that_is_continued_is_shown_whole_and_the_others_not_again() {
    assert_eq!(
        text(&["pyro$ old\r\nold\r\npyro$ ", "ls\r\na  b\r\npyro$ "]),
        "pyro$ ls\na  b\npyro$ "
    );
    assert_eq!(text(&["one\r\ntwo", ""]), "");
    assert_eq!(text(&["one\r\ntwo", "\x1b[0m"]), "");
    assert_eq!(text(&["pyro$ ", "\r\npyro$ "]), "pyro$\npyro$ ");
}

#[test]
fn overwritten_text_is_gone() {
    assert_eq!(text(&["  0%\r 50%\r100%\r\ndone\r\n"]), "100%\ndone\n");
    assert_eq!(
        text(&["downloading  10%", "\rdownloading  90%"]),
        "downloading  90%"
    );
    // What a shell does when somebody types and corrects.
    assert_eq!(text(&["pyro$ lx\x08\x1b[Ks\r\n"]), "pyro$ ls\n");
    assert_eq!(text(&["a\r\nb\r\nc\r\n", "\x1b[3A\x1b[Knew"]), "new\nb\nc");
    assert_eq!(
        text(&["a\r\nb\r\n", "\x1b[2Axyz\x1b[2B\rend"]),
        "xyz\nb\nend"
    );
}

#[test]
fn colours_titles_and_unknown_sequences_are_nothing() {
    assert_eq!(
        text(&["\x1b]0;title\x07\x1b[1;31mred\x1b[0m\x1b[?2004h \x1b(Bplain\x1b[m\r\n"]),
        "red plain\n"
    );
    assert_eq!(text(&["a\x1bP1$r0m\x1b\\b\x1b_x\x1b\\c\x07d\0e"]), "abcde");
    assert_eq!(text(&["\x1b(0lqk\x1b(B\r\n"]), "┌─┐\n");
    assert_eq!(text(&["a\tb\r\n"]), "a       b\n");
}

#[test]
fn wide_and_combined_characters_are_whole() {
    assert_eq!(text(&["日本語 и ü 😀\r\n"]), "日本語 и ü 😀\n");
    assert_eq!(sized(5, 4, &["日本語\r\nx"]).text, "日本語\nx");
    assert_eq!(text(&["日本\x08\x08x\r\n"]), "日x\n");
}

#[test]
fn a_full_screen_program_shows_its_screen_and_leaves_no_trace() {
    let begin = "pyro$ top\r\n\x1b[?1049h\x1b[H\x1b[2Jtop - 12:00\x1b[3;1HPID  CMD\x1b[4;2H17 init";
    let first = shown(&["pyro$ ", &begin[6..]]);
    assert!(first.alternate);
    assert_eq!(first.text, "pyro$ top\ntop - 12:00\n\nPID  CMD\n 17 init");
    // One cell changes, the screen is shown; nothing changes, nothing is.
    let second = shown(&[begin, "\x1b[1;7H13"]);
    assert_eq!(second.text, "top - 13:00\n\nPID  CMD\n 17 init");
    assert_eq!(shown(&[begin, "\x1b[1;1H"]).text, "");
    let left = shown(&[begin, "\x1b[6;1Hbye\x1b[?1049lpyro$ "]);
    assert_eq!((left.text.as_str(), left.alternate), ("pyro$ ", false));
    assert_eq!(
        text(&["pyro$ less x\r\n\x1b[?1049hcontents\x1b[?1049lpyro$ "]),
        "pyro$ less x\npyro$ "
    );
}

#[test]
fn a_cleared_screen_does_not_take_back_what_was_read() {
    assert_eq!(
        text(&["a\r\nb\r\npyro$ ", "clear\r\n\x1b[H\x1b[2J\x1b[3Jpyro$ "]),
        "pyro$ clear\npyro$ "
    );
    assert_eq!(text(&["a\r\nb\r\n\x1bcnew\r\n"]), "a\nb\nnew\n");
}

#[test]
fn a_new_size_is_no_output_and_wraps_what_comes() {
    let mut history = History::new(10, 5);
    history.push("0123456789abc\r\npyro$ ");
    history.resize(20, 5);
    let cursor = history.end();
    history.push("echo 0123456789\r\n");
    let picture = plain(&history.replay(cursor, history.end()).unwrap());
    assert_eq!(picture.text, "pyro$ echo 0123456789\n");
    let whole = plain(&history.replay(0, history.end()).unwrap());
    assert_eq!(whole.text, "0123456789abc\npyro$ echo 0123456789\n");
}

#[test]
fn a_few_characters_cannot_make_an_endless_text() {
    let line = "\x1b[H\x1b[40CX\x1b[2J";
    let much = line.repeat(60_000);
    let picture = shown(&[&much]);
    assert!(
        picture.text.len() < 3 * 1024 * 1024,
        "{}",
        picture.text.len()
    );
    assert!(picture.text.starts_with('['), "{:?}", &picture.text[..50]);
    assert_eq!(text(&["x\x1b[65535b"]).trim_end(), "x".repeat(41));
}

/// Text as programs write it, and worse.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z ]{1,12}",
        2 => Just("\r\n".to_owned()),
        1 => "[日本語éü😀]{1,5}",
        1 => Just("\r".to_owned()),
        1 => Just("\x08".to_owned()),
        1 => Just("\t".to_owned()),
        2 => "\x1b\\[[0-9]{0,2}(;[0-9]{0,2})?[A-HJKLMPSTX@`a-z]",
        1 => "\x1b\\[\\?(1049|1047|25|7|6)[hl]",
        1 => "\x1b[78DEHMc=>]",
        1 => "\x1b\\][0-9];[a-z]{0,5}(\x07|\x1b\\\\)",
        1 => "\x1b[()][0AB]",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn cut(text: &str, count: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(count)
        .map(|piece| piece.iter().collect())
        .collect()
}

proptest! {
    #[test]
    fn however_it_came_it_looks_the_same(soup in soup(), count in 1_usize..9, from in 0_u64..300) {
        let mut whole = History::with_bounds(20, 5, 64, 1 << 20);
        whole.push(&soup);
        let mut pieces = History::with_bounds(20, 5, 64, 1 << 20);
        for piece in cut(&soup, count) {
            pieces.push(&piece);
        }
        let from = from.min(whole.end());
        prop_assert_eq!(
            plain(&whole.replay(from, whole.end()).unwrap()),
            plain(&pieces.replay(from, pieces.end()).unwrap())
        );
    }

    #[test]
    fn a_checkpoint_is_as_good_as_the_beginning(soup in soup(), from in 0_u64..300) {
        let mut whole = History::with_bounds(20, 5, 1 << 20, 1 << 20);
        whole.push(&soup);
        let mut kept = History::with_bounds(20, 5, 32, 1 << 20);
        kept.push(&soup);
        let from = from.min(whole.end());
        prop_assert_eq!(
            plain(&whole.replay(from, whole.end()).unwrap()),
            plain(&kept.replay(from, kept.end()).unwrap())
        );
    }
}
