//! Settings of Claude Code and whether it starts a user's `pyro mcp serve`
//! with them: what the real program does, and so what pyro has to say.
//!
//! The first [`MOST_TELLING`] are tried with the real program in the suite of
//! chat hosts; all were, by hand.

/// Files below the system's folder (`etc/`), the user's (`home/`) and the
/// project (`project/`), and whether the server starts.
pub struct Case {
    pub files: &'static [(&'static str, &'static str)],
    pub starts: bool,
}

const SETTINGS: &str = "etc/claude-code/managed-settings.json";
const SERVERS: &str = "etc/claude-code/managed-mcp.json";
const DROP_IN: &str = "etc/claude-code/managed-settings.d/10.json";
const USER: &str = "home/.claude/settings.json";
const PROJECT: &str = "project/.claude/settings.json";

const ALLOW: &str = r#"{"allowedMcpServers": [{"serverName": "pyro"}]}"#;
const ALLOW_OTHER: &str = r#"{"allowedMcpServers": [{"serverName": "x"}]}"#;
const DENY: &str = r#"{"deniedMcpServers": [{"serverName": "pyro"}]}"#;

pub const MOST_TELLING: usize = 8;

const fn case(files: &'static [(&'static str, &'static str)], starts: bool) -> Case {
    Case { files, starts }
}

pub const CASES: &[Case] = &[
    case(&[(SERVERS, r#"{"mcpServers": {}}"#)], false),
    case(&[(SETTINGS, DENY)], false),
    case(&[(SETTINGS, ALLOW_OTHER), (USER, ALLOW)], true),
    case(
        &[
            (
                SETTINGS,
                r#"{"allowManagedMcpServersOnly": true, "allowedMcpServers": []}"#,
            ),
            (USER, ALLOW),
        ],
        false,
    ),
    case(
        &[(
            SETTINGS,
            r#"{"allowedMcpServers": [{"serverCommand": ["${NONE:-pyro}", "mcp", "serve"]}]}"#,
        )],
        true,
    ),
    case(
        &[(
            SETTINGS,
            r#"{"allowedMcpServers": [{"serverName": "pyro"}, {"serverCommand": ["y"]}]}"#,
        )],
        false,
    ),
    case(
        &[(SETTINGS, r#"{"strictPluginOnlyCustomization": ["mcp"]}"#)],
        false,
    ),
    case(&[(DROP_IN, "{")], false),
    case(&[(SETTINGS, "{}")], true),
    case(&[(SETTINGS, "")], true),
    case(&[(SETTINGS, "[]")], false),
    case(&[(SETTINGS, "{ /* a comment */ }")], false),
    case(&[(SETTINGS, ALLOW)], true),
    case(&[(SETTINGS, ALLOW_OTHER)], false),
    case(
        &[(
            SETTINGS,
            r#"{"allowedMcpServers": [{"serverName": "PYRO"}]}"#,
        )],
        false,
    ),
    case(&[(SETTINGS, r#"{"allowedMcpServers": []}"#)], false),
    case(&[(SETTINGS, r#"{"allowedMcpServers": "x"}"#)], false),
    case(
        &[(SETTINGS, r#"{"allowedMcpServers": [{"odd": 1}]}"#)],
        false,
    ),
    case(
        &[(
            SETTINGS,
            r#"{"allowedMcpServers": [{"serverName": "pyro"}, {"serverUrl": "https://x/*"}]}"#,
        )],
        true,
    ),
    case(&[(SETTINGS, ALLOW_OTHER), (DROP_IN, ALLOW)], true),
    case(&[(SETTINGS, ALLOW_OTHER), (PROJECT, ALLOW)], true),
    case(&[(USER, r#"{"allowedMcpServers": []}"#)], false),
    case(&[(USER, r#"{"allowedMcpServers": "x"}"#)], true),
    case(&[(PROJECT, r#"{"allowedMcpServers": []}"#)], false),
    case(
        &[
            (USER, ALLOW_OTHER),
            (SETTINGS, r#"{"allowManagedMcpServersOnly": true}"#),
        ],
        true,
    ),
    case(
        &[
            (
                SETTINGS,
                r#"{"allowManagedMcpServersOnly": true, "allowedMcpServers": []}"#,
            ),
            (DROP_IN, r#"{"allowManagedMcpServersOnly": false}"#),
            (USER, ALLOW),
        ],
        true,
    ),
    case(&[(USER, DENY)], false),
    case(&[(PROJECT, DENY)], false),
    case(&[(SETTINGS, ALLOW), (USER, DENY)], false),
    case(&[("etc/claude-code/managed-settings.d/10.txt", DENY)], true),
    case(
        &[("etc/claude-code/managed-settings.d/.10.json", DENY)],
        true,
    ),
    case(&[(SETTINGS, r#"{"deniedMcpServers": "x"}"#)], true),
    case(
        &[(
            SETTINGS,
            r#"{"deniedMcpServers": [{"serverCommand": ["pyro", "mcp", "serve"]}]}"#,
        )],
        false,
    ),
    case(
        &[(
            SETTINGS,
            r#"{"deniedMcpServers": [{"serverCommand": ["pyro"]}]}"#,
        )],
        true,
    ),
    case(
        &[(SETTINGS, r#"{"strictPluginOnlyCustomization": true}"#)],
        false,
    ),
    case(
        &[(SETTINGS, r#"{"strictPluginOnlyCustomization": "mcp"}"#)],
        false,
    ),
    case(
        &[(SETTINGS, r#"{"strictPluginOnlyCustomization": ["skills"]}"#)],
        true,
    ),
    case(
        &[(USER, r#"{"strictPluginOnlyCustomization": ["mcp"]}"#)],
        true,
    ),
    case(&[(SERVERS, "{")], false),
    case(
        &[(SERVERS, r#"{"mcpServers": {"pyro": {"command": "other"}}}"#)],
        false,
    ),
];
