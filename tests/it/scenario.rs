//! Scenario files as people write them: every diagnostic word for word, the schema, and the built-in ones.

mod cases;
mod properties;
mod schema;

use coalmine::scenario::{self, Files, Plan, Problem, builtin};

/// A scenario without any problem.
const GOOD: &str = include_str!("scenario/good.yaml");

/// Manifest files that the tests need beyond the built-in ones.
struct TestFiles;

impl Files for TestFiles {
    fn read(&self, name: &str) -> Result<String, String> {
        match name {
            "broken.yaml" => Ok("kind: Canary\n  metadata: [\n".to_owned()),
            "list.yaml" => Ok("kind: List\nitems:\n  - kind: Service\n    metadata: {name: a}\n".to_owned()),
            // Upstream's own shape without an autoscaler: the one pod may be missing.
            "one-pod.yaml" => builtin::manifest("podinfo/deployment.yaml")
                .map(|it| it.replace("maxUnavailable: 0", "maxUnavailable: 1")),
            _ => builtin::Embedded.read(name),
        }
    }
}

fn load(text: &str) -> (Option<Plan>, Vec<Problem>) {
    scenario::load("base.yaml", text, &TestFiles)
}

fn render(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect()
}

/// The good file with some of its text replaced.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the good file has no `{from}`");
        text.replacen(from, to, 1)
    })
}

#[test]
fn the_good_file_has_no_problems() {
    let (plan, problems) = load(GOOD);
    assert_eq!(render(&problems), "");
    assert!(plan.is_some());
}
