//! Names that no output of a model may have, wherever it goes.
//!
//! Owns: the list: what a program of the host would run or obey when it meets
//! it. Pure. Refuses: looking at the disk.

use std::ffi::OsStr;
use std::path::Path;

/// Git's own folder, as a name and as the short name that Windows gives it.
const GIT: [&str; 2] = [".git", "git~1"];

/// Files and folders that configure or instruct a chat host.
const CHAT_HOSTS: [&str; 32] = [
    ".mcp.json",
    "mcp.json",
    "opencode.json",
    "opencode.jsonc",
    ".opencode",
    ".codex",
    ".agents",
    ".gemini",
    ".copilot",
    ".cursor",
    ".cursorrules",
    ".vscode",
    ".windsurf",
    ".windsurfrules",
    ".clinerules",
    ".roo",
    ".roomodes",
    ".continue",
    ".kiro",
    ".junie",
    ".amazonq",
    ".trae",
    ".qwen",
    "qwen.md",
    "copilot-instructions.md",
    ".zed",
    ".aider.conf.yml",
    ".goosehints",
    "agents.md",
    "agents.override.md",
    "claude.local.md",
    "gemini.md",
];
/// The same by how they begin: `.claude`, `.claude.json`, `.claude-plugin`.
const CHAT_HOST_STARTS: [&str; 2] = [".claude", "claude.md"];

/// Whether a `.git` is on the way, also one that is about to be made.
pub fn is_in_git(path: &Path) -> bool {
    path.iter()
        .any(|name| GIT.contains(&as_compared(name).as_str()))
}

/// Whether a name configures or instructs a chat host.
pub fn is_of_a_chat_host(path: &Path) -> bool {
    path.iter().any(is_chat_hosts_name)
}

fn is_chat_hosts_name(name: &OsStr) -> bool {
    let name = as_compared(name);
    CHAT_HOSTS.contains(&name.as_str())
        || CHAT_HOST_STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether `path` goes into a hidden file or folder of `home`.
pub fn is_hidden_in(home: &Path, path: &Path) -> bool {
    let first = path
        .strip_prefix(home)
        .ok()
        .and_then(|rest| rest.iter().next());
    first.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// A name as file systems that fold names may compare it: without case,
/// characters that do not show, and dots or spaces at its end.
pub fn as_compared(name: &OsStr) -> String {
    let shown = name.to_string_lossy();
    let folded: String = shown
        .chars()
        .filter(|letter| !is_ignorable(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    match folded.trim_end_matches(['.', ' ']) {
        "" => folded,
        trimmed => trimmed.to_owned(),
    }
}

/// Unicode's Default_Ignorable_Code_Point, but for unassigned ones.
fn is_ignorable(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_refused(path: &str) -> bool {
        is_in_git(Path::new(path)) || is_of_a_chat_host(Path::new(path))
    }

    #[test]
    fn git_and_chat_hosts_are_known_however_they_are_spelled() {
        for path in [
            ".git",
            "a/.GIT/hooks/x",
            ".Git./config",
            ".g\u{200c}it/hooks",
            "GIT~1/x",
            ".git ",
            ".mcp.json",
            "sub/opencode.jsonc",
            ".claude/settings.json",
            ".claude.json",
            ".codex/config.toml",
            "CLAUDE.md",
            "Agents.MD",
            "p/.clinerules/a.md",
            ".github/copilot-instructions.md",
        ] {
            assert!(is_refused(path), "{path}");
        }
        for path in [
            "gitignore",
            ".gitignore",
            ".github/x",
            "a.git",
            "report.md",
            "codex",
            "...",
            "",
        ] {
            assert!(!is_refused(path), "{path}");
        }
    }

    #[test]
    fn hidden_files_of_a_home_are_those_right_in_it() {
        let hidden = |path: &str| is_hidden_in(Path::new("/home/u"), Path::new(path));
        assert!(hidden("/home/u/.bashrc") && hidden("/home/u/.config/autostart/x"));
        assert!(!hidden("/home/u/work/.x") && !hidden("/home/u") && !hidden("/srv/.x"));
    }

    proptest! {
        #[test]
        fn case_and_invisible_letters_change_nothing(
            upper in prop::collection::vec(any::<bool>(), 4),
            place in 0..4_usize,
            letter in prop::sample::select(vec!['\u{200b}', '\u{feff}', '\u{ad}', '\u{e0001}']),
            before in "[a-z]{0,8}",
            after in "[a-z]{0,8}",
        ) {
            let mut name = String::new();
            for (at, one) in ".git".chars().enumerate() {
                if at == place {
                    name.push(letter);
                }
                name.push(if upper[at] { one.to_ascii_uppercase() } else { one });
            }
            let path = Path::new(&before).join(name).join(after);
            prop_assert!(is_in_git(&path));
        }

        #[test]
        fn a_name_with_another_letter_is_another(name in "[a-z]{1,12}", letter in "[a-su-z]") {
            let path = Path::new(&name).join(format!(".gi{letter}"));
            prop_assert!(!is_in_git(&path));
        }
    }
}
