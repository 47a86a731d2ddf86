//! Every sentence of the engine that names a command or a flag, as a model
//! would be told it.
//!
//! ```text
//!   sources --tokens--> string literals --words: `pyro …`, --flag--> sentences
//!     each names what there is; and on each surface: tools and inputs of it,
//!     and what only a person can do says so
//! ```
//!
//! Owns: that no word of a hint can change without this translation. Refuses:
//! what translations look like, which `advice` tests by example.

use super::advice::{FLAGS, SERVER, STEPS, commands, next, translated};
use crate::boundary::admit;
use crate::config::Config;
use crate::config::tests::each_surface;
use crate::tools;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use pyro::{Context, ops};
use std::collections::BTreeSet;
use std::path::Path;

/// What an error or a notice may come from.
const CRATES: [&str; 4] = ["pyro", "pyro-engine", "pyro-vmm", "pyro-gateway"];
/// Commands of the program that are no operations.
const OTHER_COMMANDS: [&str; 3] = ["pyro mcp serve", "pyro mcp tools", "pyro supervise"];
/// Flags of other programs.
const OTHER_FLAGS: [&str; 1] = ["--version"];
/// Literals that only look like commands: the names of a certificate.
const NO_COMMANDS: [&str; 2] = ["pyro workspace authority", "pyro workspace"];

/// A string literal of a source.
struct Literal {
    text: String,
    /// Whether it is an argument of `hint`.
    is_hint: bool,
}

/// The literals outside of tests, attributes and examples.
fn literals(tokens: TokenStream, is_hint: bool, found: &mut Vec<Literal>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut word = String::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                tokens.next_if(|next| matches!(next, TokenTree::Punct(_)));
                if let Some(TokenTree::Group(attribute)) = tokens.peek() {
                    let is_test = attribute.stream().to_string() == "cfg (test)";
                    tokens.next();
                    let ends = |token: &TokenTree| match token {
                        TokenTree::Group(body) => body.delimiter() == Delimiter::Brace,
                        TokenTree::Punct(mark) => mark.as_char() == ';',
                        _ => false,
                    };
                    if is_test {
                        tokens.find(ends);
                    }
                }
            }
            TokenTree::Ident(ident) => {
                word = ident.to_string();
                if word == "EXAMPLES" {
                    tokens.find(
                        |token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';'),
                    );
                }
                continue;
            }
            TokenTree::Group(group) => {
                let of_hint = word == "hint" || word == "or_hint";
                literals(group.stream(), is_hint || of_hint, found);
            }
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push(Literal {
                        text: text.value(),
                        is_hint,
                    });
                }
            }
            TokenTree::Punct(_) => {}
        }
        word.clear();
    }
}

fn sources(folder: &Path, found: &mut Vec<Literal>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            literals(text.parse().unwrap(), false, found);
        }
    }
}

fn all() -> Vec<Literal> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for name in CRATES {
        sources(&crates.join(name).join("src"), &mut found);
    }
    found
}

/// Words of it that are flags.
fn flags(text: &str) -> Vec<String> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(|word| word.trim_end_matches('-').to_owned())
        .collect()
}

/// What follows `pyro ` in it, where that is the beginning of a command.
fn named_commands(text: &str) -> Vec<&str> {
    let groups: BTreeSet<&str> = ops::TABLE
        .iter()
        .filter_map(|row| row.cli.first().copied())
        .chain(
            OTHER_COMMANDS
                .iter()
                .filter_map(|one| one.split(' ').nth(1)),
        )
        .collect();
    text.match_indices("pyro ")
        .map(|(at, _)| &text[at..])
        .filter(|rest| {
            let first = rest.split(' ').nth(1).unwrap_or_default();
            groups.contains(first.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()))
        })
        .collect()
}

/// Those which name a command or a flag.
fn sentences() -> Vec<Literal> {
    let known = |flag: &String| FLAGS.contains_key(flag) || SERVER.contains(flag);
    let mut all = all();
    all.retain(|literal| {
        let text = &literal.text;
        let is_sentence = text.contains(' ') && !NO_COMMANDS.contains(&text.as_str());
        let names = || !named_commands(text).is_empty() || flags(text).iter().any(known);
        is_sentence && (names() || (literal.is_hint && !flags(text).is_empty()))
    });
    assert!(all.len() > 80, "looked in the wrong place: {}", all.len());
    all
}

/// Whether a text has these words, and not only as a part of others.
fn has_words(text: &str, words: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(words)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + words.len()..].starts_with(part))
}

#[test]
fn hints_name_what_there_is() {
    for literal in sentences() {
        let text = &literal.text;
        for rest in named_commands(text) {
            let mut known = ops::TABLE.iter().flat_map(commands);
            let is_known = known.any(|command| {
                rest.strip_prefix(command.as_str())
                    .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
            });
            let is_other = OTHER_COMMANDS.iter().any(|other| rest.starts_with(other));
            assert!(is_known || is_other, "no such command: {text}");
        }
        for flag in flags(text).iter().filter(|_| literal.is_hint) {
            let known = FLAGS.contains_key(flag) || SERVER.contains(flag);
            let known = known || OTHER_FLAGS.contains(&flag.as_str());
            assert!(known, "no such flag: {flag} in {text}");
        }
    }
}

/// Fails where something is left that a model of this server cannot use.
fn is_of_a_model(config: &Config, told: &str) {
    let tools: BTreeSet<&str> = config.surface.tools().collect();
    let says_whose = told.contains("that is for the user, in a terminal")
        || told.contains("that is a flag of `pyro mcp serve`");
    for row in ops::TABLE {
        let is_offered = tools.contains(row.name);
        // Tools of one word are words.
        let named = row.name.contains('_') && has_words(told, row.name);
        assert!(is_offered || !named, "{} is no tool here: {told}", row.name);
        for command in commands(row).filter(|_| is_offered) {
            assert!(!has_words(told, &command), "{command} is left: {told}");
        }
    }
    let plain = told.replace("`pyro mcp serve`", "");
    assert!(named_commands(&plain).is_empty() || says_whose, "{told}");
    for flag in flags(told) {
        for (row, input) in FLAGS.get(&flag).into_iter().flatten() {
            let offered = tools.contains(row.name) && tools::offers(config, row, input);
            assert!(!offered, "{flag} is {input} of {}: {told}", row.name);
        }
        let known = FLAGS.contains_key(&flag) || SERVER.contains(&flag);
        assert!(!known || says_whose, "{flag}: {told}");
    }
}

/// Each surface as it is, and with all that an operator can allow.
fn surfaces() -> Vec<Config> {
    let widest = "--network-policy egress+published-ports --allow-host-compat";
    let both = [each_surface(""), each_surface(widest)];
    both.into_iter()
        .flatten()
        .map(|(_, config)| config)
        .collect()
}

#[test]
fn every_sentence_is_told_in_words_of_the_surface() {
    let sentences = sentences();
    for config in surfaces() {
        for literal in &sentences {
            is_of_a_model(&config, &translated(&config, &literal.text));
        }
    }
}

#[test]
fn a_flag_is_one_input_of_all_tools() {
    let (_, full) = each_surface("").remove(2);
    let tools: BTreeSet<&str> = full.surface.tools().collect();
    for (flag, uses) in &*FLAGS {
        let inputs: BTreeSet<&str> = uses
            .iter()
            .filter(|(row, _)| tools.contains(row.name))
            .map(|(_, input)| input.as_str())
            .collect();
        assert!(inputs.len() <= 1, "{flag} is {inputs:?}");
    }
}

#[test]
fn inputs_of_a_rule_are_offered_together() {
    for config in surfaces() {
        for name in config.surface.tools() {
            let row = ops::named(name).unwrap();
            for rule in row.rules {
                let offered = |input: &str| tools::offers(&config, row, input);
                if !offered(rule.input()) {
                    continue;
                }
                // Its error says to give one of them, or to leave one out.
                for other in rule.others() {
                    assert!(offered(other), "{name}: {} without {other}", rule.input());
                }
            }
        }
    }
}

#[test]
fn an_input_that_would_do_nothing_is_refused_in_inputs() {
    let (_, config) = each_surface("").remove(1);
    let row = ops::named("workspace_file_list").unwrap();
    let sent = serde_json::json!({ "workspace_id": "none", "regex": true });
    let request = admit(&config, row, sent.as_object().unwrap().clone()).unwrap();
    let error = (row.call)(&config.pyro, request, &Context::quiet()).unwrap_err();
    assert_eq!(
        (error.code, next(&config, row.name, &error).as_str()),
        ("missing_input", "give search as well, or leave regex out")
    );
}

#[test]
fn codes_with_a_step_of_their_own_are_the_engines() {
    let all = all();
    for (code, ..) in STEPS {
        let known = all.iter().any(|literal| literal.text == *code);
        assert!(known, "no error has the code {code}");
    }
}
