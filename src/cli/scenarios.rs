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
    let schema = "# For editors: coalmine scenarios schema > scenario.json\n\
                  # yaml-language-server: $schema=scenario.json\n"
        .to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_title_for_every_scenario() {
        let output = list();
        assert_eq!(output.out.lines().count(), builtin::names().len());
        assert!(
            output.out.lines().all(|line| line.split_once("  ").is_some_and(|(_, title)| !title.trim().is_empty()))
        );
        assert!(output.out.starts_with("healthy-release"), "{}", output.out);
    }

    #[test]
    fn an_unknown_name_is_bad_usage_and_says_what_was_meant() {
        let output = show("500-strom");
        assert_eq!((output.code, output.out.as_str()), (2, ""));
        assert_eq!(output.err, "there is no built-in scenario `500-strom`; did you mean `500-storm`?\n");
        let output = check(&["nowhere/at-all.yaml".to_owned(), "500-storm".to_owned()]);
        assert_eq!((output.code, output.out.as_str()), (2, "500-storm: ok\n"));
        assert!(output.err.starts_with("there is no scenario `nowhere/at-all.yaml`"), "{}", output.err);
    }

    #[test]
    fn a_bad_file_is_2_and_a_surprising_one_is_0() {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            check(&[path.to_str().unwrap().to_owned()])
        };
        let good = show("500-storm").out;
        let bad = run("bad.yaml", &good.replace("onWeight: 10", "onWeight: ten").replace("tag: 6.9.3", "tga: 6.9.3"));
        assert_eq!(bad.code, 2);
        assert!(bad.out.ends_with("bad.yaml: 2 errors\n"), "{}", bad.out);
        let surprising = run("surprising.yaml", &good.replace("constant: 100", "constant: 1"));
        assert_eq!(surprising.code, 0);
        assert!(surprising.out.ends_with("surprising.yaml: ok, with 1 warning\n"), "{}", surprising.out);
        // Manifests are found beside the file.
        let canary = builtin::manifest("podinfo/canary.yaml").unwrap();
        std::fs::write(folder.path().join("canary.yaml"), canary.replace("interval: 15s", "interval: 5s")).unwrap();
        let beside = run("beside.yaml", &good.replace("builtin:podinfo/canary.yaml", "canary.yaml"));
        assert!(beside.out.starts_with(folder.path().to_str().unwrap()), "{}", beside.out);
        assert!(beside.out.contains("canary.yaml:27:15: warning: Flagger makes an interval of 5s"), "{}", beside.out);
    }

    #[test]
    fn the_schema_is_json() {
        let schema: serde_json::Value = serde_json::from_str(&schema().out).unwrap();
        assert_eq!(schema["title"], "Scenario");
    }
}
