//! README.md and docs/commands.md are true: their console blocks are run in a
//! sealed environment and must print what stands there. (That all other
//! commands parse is tested beside the tree.)

use std::process::Command;

/// Commands and what follows them, from every ```console block.
fn sessions() -> Vec<(String, String)> {
    let mut sessions: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    let pages = [
        include_str!("../../../README.md"),
        include_str!("../../../docs/commands.md"),
    ];
    for line in pages.iter().flat_map(|page| page.lines()) {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), sessions.last_mut()) {
                (Some(command), _) => sessions.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => {
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => panic!("output without a command: {line}"),
            }
        }
    }
    sessions
}

#[test]
fn commands_print_what_the_pages_show() {
    let sessions = sessions();
    assert!(sessions.len() >= 2);
    let sealed = tempfile::tempdir().unwrap();
    for (command, shown) in sessions {
        let words = shell_words::split(&command).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pyro"))
            .args(&words[1..])
            .env("PYRO_ENVIRONMENT_CACHE_DIR", sealed.path().join("cache"))
            .env("PYRO_STATE_DIR", sealed.path().join("state"))
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8(printed).unwrap(), shown, "{command}");
    }
}
