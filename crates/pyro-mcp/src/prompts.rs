//! The recipes of `docs/use-cases/` as prompts.
//!
//! ```text
//!  docs/use-cases/NAME.md   # title     --> title
//!                           paragraph   --> description
//!                           ```prompt   --> text, with {blanks} --filled--> prompts/get
//!                                            `tools` it names   --> offered by its mode,
//!                                            and by profiles that have them all
//! ```
//!
//! Owns: which blanks a recipe has and what stands in one that was left empty.
//! Refuses: a second copy of any text; that one is on the page.

use pyro::surface::{Mode, Surface};
use rmcp::ErrorData;
use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::Value;

struct Recipe {
    name: &'static str,
    /// The mode it is written for.
    mode: Mode,
    page: &'static str,
    blanks: &'static [Blank],
}

struct Blank {
    name: &'static str,
    description: &'static str,
    /// What it reads when it was left empty; none for one that must be given.
    otherwise: Option<&'static str>,
}

/// The recipe of a page, by the page's name.
macro_rules! recipe {
    ($name:literal, $mode:ident, $blanks:expr) => {
        Recipe {
            name: $name,
            mode: Mode::$mode,
            page: include_str!(concat!("../../../docs/use-cases/", $name, ".md")),
            blanks: $blanks,
        }
    };
}

const fn needed(name: &'static str, description: &'static str) -> Blank {
    Blank {
        name,
        description,
        otherwise: None,
    }
}

const fn or(name: &'static str, otherwise: &'static str, description: &'static str) -> Blank {
    Blank {
        name,
        description,
        otherwise: Some(otherwise),
    }
}

const REPORT: &str = "File name of the report";
const CHECK: Blank = needed("check_command", "Command that passes when all is well");

const RECIPES: &[Recipe] = &[
    recipe!(
        "cold-start-validation",
        ColdStart,
        &[
            or(
                "start_command",
                "as its documentation says",
                "How the application is started, otherwise as its documentation says"
            ),
            or("report", "cold-start.md", REPORT),
        ]
    ),
    recipe!(
        "repro-fix-loop",
        ReproFix,
        &[
            needed("failing_command", "Command that fails and shall pass"),
            or("patch", "fix.patch", "File name of the patch"),
        ]
    ),
    recipe!(
        "parallel-workspaces",
        ReproFix,
        &[needed("task", "What shall be solved"), CHECK]
    ),
    recipe!(
        "untrusted-inspection",
        Inspect,
        &[
            or(
                "question",
                "what does it do when it is installed, built or run, and is any of that harmful?",
                "What you want to know, otherwise whether it is harmful"
            ),
            or("report", "inspection.md", REPORT),
        ]
    ),
    recipe!(
        "review-eval",
        ReviewEval,
        &[
            needed("question", "What the review shall answer"),
            CHECK,
            or("report", "review.md", REPORT),
        ]
    ),
];

/// What `prompts/list` shows on a surface.
pub fn offered(surface: Surface) -> Vec<Prompt> {
    on(surface).map(Recipe::wire).collect()
}

/// What `prompts/get` answers.
///
/// # Errors
/// An unknown name or argument, one that is no text, one that is missing; each
/// with what there is.
pub fn filled(
    surface: Surface,
    name: &str,
    arguments: &JsonObject,
) -> Result<GetPromptResult, ErrorData> {
    let Some(recipe) = on(surface).find(|recipe| recipe.name == name) else {
        let names: Vec<_> = on(surface).map(|recipe| recipe.name).collect();
        let there_is = match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        return refused(format!(
            "unknown prompt {name:?}; this server has {there_is}"
        ));
    };
    let text = recipe.filled(arguments)?;
    let mut result = GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]);
    result.description = Some(recipe.description());
    Ok(result)
}

fn on(surface: Surface) -> impl Iterator<Item = &'static Recipe> {
    RECIPES.iter().filter(move |recipe| match surface {
        Surface::Mode(mode) => recipe.mode == mode,
        // An inspection rests on what only its mode takes away.
        Surface::Profile(_) => recipe.mode != Mode::Inspect && recipe.has_its_tools(surface),
    })
}

fn refused<T>(text: String) -> Result<T, ErrorData> {
    Err(ErrorData::invalid_params(text, None))
}

impl Recipe {
    fn title(&self) -> &'static str {
        let first = self.page.lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }

    /// The first paragraph of its page, in one line.
    fn description(&self) -> String {
        let paragraph = self.page.split("\n\n").nth(1).unwrap_or_default();
        paragraph.replace('\n', " ")
    }

    fn text(&self) -> &'static str {
        let after = self.page.split_once("```prompt\n").map(|(_, after)| after);
        let inside = after.and_then(|after| after.split_once("\n```"));
        inside.map_or("", |(text, _)| text)
    }

    /// What its text has between backticks.
    fn quoted(&self) -> impl Iterator<Item = &'static str> {
        self.text().split('`').skip(1).step_by(2)
    }

    fn tools(&self) -> impl Iterator<Item = &'static str> {
        self.quoted()
            .filter(|word| pyro::ops::named(word).is_some())
    }

    fn has_its_tools(&self, surface: Surface) -> bool {
        self.tools()
            .all(|tool| surface.tools().any(|offered| offered == tool))
    }

    fn wire(&self) -> Prompt {
        let blanks = self.blanks.iter();
        let arguments = blanks.map(|blank| {
            PromptArgument::new(blank.name)
                .with_description(blank.description)
                .with_required(blank.otherwise.is_none())
        });
        Prompt::new(
            self.name,
            Some(self.description()),
            Some(arguments.collect()),
        )
        .with_title(self.title())
    }

    fn filled(&self, arguments: &JsonObject) -> Result<String, ErrorData> {
        let known = |name: &str| self.blanks.iter().any(|blank| blank.name == name);
        if let Some(name) = arguments.keys().find(|name| !known(name)) {
            let names: Vec<_> = self.blanks.iter().map(|blank| blank.name).collect();
            return refused(format!(
                "prompt {} has no argument {name:?}; it has {}",
                self.name,
                names.join(", ")
            ));
        }
        let mut pieces = self.text().split('{');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
            text.push_str(self.value(name, arguments)?);
            text.push_str(rest);
        }
        Ok(text)
    }

    /// What stands in a blank. Hosts send an empty text for what a person left
    /// out.
    fn value<'a>(&self, name: &str, arguments: &'a JsonObject) -> Result<&'a str, ErrorData> {
        let given = match arguments.get(name) {
            Some(Value::String(text)) => text.trim(),
            Some(Value::Null) | None => "",
            Some(other) => {
                return refused(format!(
                    "argument {name} of prompt {} is {other}, it must be a text",
                    self.name
                ));
            }
        };
        let blank = self.blanks.iter().find(|blank| blank.name == name);
        match (given, blank.and_then(|blank| blank.otherwise)) {
            ("", Some(otherwise)) => Ok(otherwise),
            ("", None) => refused(format!(
                "argument {name} of prompt {} is missing: {}",
                self.name,
                blank.map_or("", |blank| blank.description)
            )),
            (given, _) => Ok(given),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyro::surface::Profile;
    use serde_json::json;
    use std::collections::BTreeSet;

    fn with(arguments: Value) -> JsonObject {
        serde_json::from_value(arguments).unwrap()
    }

    fn names(surface: Surface) -> Vec<String> {
        let prompts = offered(surface).into_iter();
        prompts.map(|prompt| prompt.name).collect()
    }

    /// The text of an answer, or the message of a refusal.
    fn answer(mode: Mode, name: &str, arguments: Value) -> Result<String, String> {
        let result = filled(Surface::Mode(mode), name, &with(arguments));
        let result = result.map_err(|error| error.message.to_string())?;
        let message = serde_json::to_value(&result.messages[0]).unwrap();
        assert_eq!(message["role"], "user");
        Ok(message["content"]["text"].as_str().unwrap().to_owned())
    }

    #[test]
    fn each_is_offered_where_its_tools_are() {
        let of_mode = |mode| names(Surface::Mode(mode));
        assert_eq!(of_mode(Mode::ColdStart), ["cold-start-validation"]);
        let fixing = ["repro-fix-loop", "parallel-workspaces"];
        assert_eq!(of_mode(Mode::ReproFix), fixing);
        assert_eq!(of_mode(Mode::Inspect), ["untrusted-inspection"]);
        assert_eq!(of_mode(Mode::ReviewEval), ["review-eval"]);
        assert_eq!(names(Surface::Profile(Profile::WorkspaceCore)), fixing);
        assert_eq!(names(Surface::Profile(Profile::WorkspaceFull)).len(), 4);
        for recipe in RECIPES {
            let mode = Surface::Mode(recipe.mode);
            assert!(recipe.has_its_tools(mode), "{}", recipe.name);
        }
        assert!(names(Surface::Profile(Profile::VmRun)).is_empty());
    }

    #[test]
    fn pages_have_all_that_a_prompt_is_made_of() {
        for recipe in RECIPES {
            let name = recipe.name;
            assert!(
                !recipe.title().contains('#') && recipe.title().len() > 5,
                "{name}"
            );
            assert!(recipe.description().len() > 80, "{name}");
            assert!(recipe.text().lines().count() > 5, "{name}");
            let in_text: BTreeSet<_> = recipe
                .text()
                .split('{')
                .skip(1)
                .map(|piece| piece.split_once('}').expect("an end").0)
                .collect();
            let blanks = recipe.blanks.iter().map(|blank| blank.name);
            assert_eq!(in_text, blanks.collect(), "{name}");
            // Outside its text the page tells a reader about each blank.
            let page = recipe.page.replace(recipe.text(), "");
            for blank in recipe.blanks {
                assert!(
                    page.contains(&format!("`{{{}}}`", blank.name)),
                    "{name}: {}",
                    blank.name
                );
            }
        }
    }

    #[test]
    fn what_a_text_quotes_is_a_tool_or_an_input_of_one() {
        for recipe in RECIPES {
            assert!(recipe.tools().count() >= 5, "{}", recipe.name);
            let rows = recipe.tools().filter_map(pyro::ops::named);
            let schemas: Vec<_> = rows.map(|row| (row.request_schema)().to_value()).collect();
            for word in recipe.quoted() {
                let input = |schema: &Value| !schema["properties"][word].is_null();
                assert!(
                    pyro::ops::named(word).is_some() || schemas.iter().any(input),
                    "{}: {word}",
                    recipe.name
                );
            }
        }
    }

    #[test]
    fn blanks_are_filled_once() {
        let text = answer(
            Mode::ReproFix,
            "repro-fix-loop",
            json!({"failing_command": "sh {patch}"}),
        );
        let text = text.unwrap();
        assert!(
            text.contains("The failing command is: sh {patch}\n"),
            "{text}"
        );
        assert!(text.contains("(patch: true) to fix.patch."), "{text}");
        let empty = json!({"failing_command": "make", "patch": ""});
        let text = answer(Mode::ReproFix, "repro-fix-loop", empty).unwrap();
        assert!(
            text.contains("to fix.patch.") && !text.contains('{'),
            "{text}"
        );
        let chosen = json!({"report": "a.md", "question": "is it safe?"});
        let text = answer(Mode::Inspect, "untrusted-inspection", chosen).unwrap();
        assert!(
            text.contains("/workspace/a.md") && text.contains("is it safe?"),
            "{text}"
        );
    }

    #[test]
    fn a_refusal_says_what_there_is() {
        for (mode, name, arguments, message) in [
            (
                Mode::Inspect,
                "repro-fix-loop",
                json!({}),
                "unknown prompt \"repro-fix-loop\"; this server has untrusted-inspection",
            ),
            (
                Mode::Inspect,
                "untrusted-inspection",
                json!({"path": "x"}),
                "prompt untrusted-inspection has no argument \"path\"; it has question, report",
            ),
            (
                Mode::Inspect,
                "untrusted-inspection",
                json!({"report": 3}),
                "argument report of prompt untrusted-inspection is 3, it must be a text",
            ),
            (
                Mode::ReproFix,
                "repro-fix-loop",
                json!({"failing_command": " "}),
                "argument failing_command of prompt repro-fix-loop is missing: \
                 Command that fails and shall pass",
            ),
        ] {
            assert_eq!(answer(mode, name, arguments), Err(message.to_owned()));
        }
        let nothing = filled(Surface::Profile(Profile::VmRun), "x", &with(json!({})));
        let message = nothing.unwrap_err().message;
        assert_eq!(message, "unknown prompt \"x\"; this server has none");
    }
}
