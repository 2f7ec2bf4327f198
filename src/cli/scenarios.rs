//! `coalmine scenarios list | show | check | schema`: what they print, and their exit code.

use crate::scenario::{self, Problem, Severity, builtin};
use std::fmt::Write as _;

/// Everything is as it should be.
const OK: u8 = 0;
/// Bad usage, or a file with errors.
const BAD: u8 = 2;

/// What a command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// For stdout.
    pub out: String,
    /// For stderr.
    pub err: String,
    /// Exit code.
    pub code: u8,
}

/// Names and titles of the built-in scenarios.
#[must_use]
pub fn list() -> Output {
    let names = builtin::names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut out = String::new();
    for name in names {
        // Built-in scenarios have no errors; a test holds them to it.
        let title = builtin::load(name).and_then(|(plan, _)| plan).map(|plan| plan.title).unwrap_or_default();
        let _ = writeln!(out, "{name:width$}  {title}");
    }
    Output { out, err: String::new(), code: OK }
}

/// The file of a built-in scenario, ready to be saved anywhere and changed.
#[must_use]
pub fn show(name: &str) -> Output {
    let Some(text) = builtin::text(name) else {
        let near = scenario::problem::nearest(name, &builtin::names()).map(|it| format!("; did you mean `{it}`?"));
        let err = format!("there is no built-in scenario `{name}`{}\n", near.unwrap_or_default());
        return Output { out: String::new(), err, code: BAD };
    };
    let schema = format!("# yaml-language-server: $schema={}\n", scenario::SCHEMA_ID);
    // Beside another file, the manifests in the binary have another name.
    let out = schema + &text.replace("../manifests/", "builtin:");
    Output { out, err: String::new(), code: OK }
}

/// Every problem of every file, then one line each.
#[must_use]
pub fn check(names: &[String]) -> Output {
    let (mut out, mut err, mut code) = (String::new(), String::new(), OK);
    for name in names {
        match scenario::open(name) {
            Ok((_, problems)) => {
                for problem in &problems {
                    let _ = writeln!(out, "{problem}");
                }
                let (errors, warnings) = count(&problems);
                let _ = writeln!(out, "{name}: {}", summary(errors, warnings));
                code = code.max(if errors > 0 { BAD } else { OK });
            }
            Err(error) => {
                let _ = writeln!(err, "{error}");
                code = BAD;
            }
        }
    }
    Output { out, err, code }
}

fn count(problems: &[Problem]) -> (usize, usize) {
    let errors = problems.iter().filter(|it| it.severity == Severity::Error).count();
    (errors, problems.len() - errors)
}

fn summary(errors: usize, warnings: usize) -> String {
    let many = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, n) => format!("ok, with {}", many(n, "warning")),
        (n, 0) => many(n, "error"),
        (e, w) => format!("{}, {}", many(e, "error"), many(w, "warning")),
    }
}

/// The JSON Schema of scenario files.
#[must_use]
pub fn schema() -> Output {
    let text = serde_json::to_string_pretty(&scenario::schema()).unwrap_or_default();
    Output { out: text + "\n", err: String::new(), code: OK }
}
