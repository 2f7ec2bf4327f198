//! What CI types: the workflows and the pages of docs/ name files that are there and commands that can be typed, and the
//! example of a team (docs/examples/team) comes out as docs/TEAM-CI.md says.

use assert_cmd::Command;
use clap::Parser as _;
use coalmine::cli::Cli;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const TEAM: &str = "docs/examples/team";
const WORKFLOWS: [&str; 2] = [".github/workflows/kind.yaml", "docs/examples/team/workflow.yaml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The steps of a workflow's jobs.
fn steps(workflow: &str) -> Vec<Value> {
    let document: Value = serde_saphyr::from_str(&read(workflow)).unwrap_or_else(|why| panic!("{workflow}: {why}"));
    let jobs = document["jobs"].as_object().unwrap_or_else(|| panic!("{workflow} has no jobs"));
    let steps = jobs.values().flat_map(|job| job["steps"].as_array().cloned().unwrap_or_default());
    steps.collect()
}

/// The commands of a script that call coalmine, also those inside `$(…)`.
fn calls(script: &str) -> Vec<String> {
    let script = script.replace("\\\n", " ");
    let inner = script.lines().flat_map(|line| line.split("$(").flat_map(|it| it.split(')'))).map(str::trim);
    inner.filter(|it| it.starts_with("coalmine ")).map(str::to_owned).collect()
}

/// Fails with clap's words where a command cannot be typed.
fn can_be_typed(command: &str, place: &str) {
    // Up to what the shell takes for itself.
    let words = command.split_whitespace().take_while(|it| !it.starts_with(['#', '>', '|', '&', ';']));
    let words: Vec<&str> = words.map(|it| it.trim_matches(['"', '\''])).collect();
    if let Err(why) = Cli::try_parse_from(words) {
        panic!("{place}: {command}\n{why}");
    }
}

#[test]
fn workflows_call_what_is_there_with_pinned_actions() {
    for workflow in WORKFLOWS {
        let steps = steps(workflow);
        let scripts: Vec<&str> = steps.iter().filter_map(|it| it["run"].as_str()).collect();
        let calls: Vec<String> = scripts.iter().flat_map(|it| calls(it)).collect();
        assert!(calls.len() >= 4, "{workflow}: {calls:?}");
        calls.iter().for_each(|it| can_be_typed(it, workflow));
        let used: Vec<&str> = steps.iter().filter_map(|it| it["uses"].as_str()).collect();
        assert!(!used.is_empty(), "{workflow}");
        let text = read(workflow);
        for action in used {
            let (_, version) = action.split_once('@').expect("an action has a version");
            let pinned = version.len() == 40 && version.bytes().all(|it| it.is_ascii_hexdigit());
            assert!(pinned && text.contains(&format!("{action} # v")), "{workflow}: {action} is not pinned");
        }
    }
}

#[test]
fn the_workflow_runs_the_versions_of_the_lab() {
    let (workflow, images) = (read(WORKFLOWS[0]), read("lab/images.yaml"));
    let after = |text: &str, word: &str| {
        let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no {word}"));
        rest.split(|it: char| it.is_whitespace() || it == '@').next().unwrap_or_default().to_owned()
    };
    assert_eq!(after(&workflow, "KUBECTL: "), after(&images, "kindest/node:"), "kubectl is the node's");
    let least = after(&read("Cargo.toml"), "rust-version = \"");
    assert!(after(&workflow, "RUST: ").starts_with(least.trim_end_matches('"')), "Rust is Cargo.toml's: {least}");
    for scenario in ["healthy-release", "500-storm", "latency-spike"] {
        assert!(workflow.contains(&format!("coalmine run {scenario} --lab kind")), "{scenario}");
    }
}

/// Lines of code of a page: indented or fenced.
fn code(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && (fenced || line.starts_with("    "))
    });
    lines.map(str::trim).collect()
}

#[test]
fn every_command_of_the_pages_can_be_typed() {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|it| it.unwrap().path());
    let docs = docs.filter(|it| it.extension().is_some_and(|it| it == "md"));
    pages.extend(docs.map(|it| format!("docs/{}", it.file_name().unwrap().display())));
    pages.sort();
    let mut typed = 0;
    for page in pages {
        for line in code(&read(&page)) {
            // Words that stand for something of the reader's.
            let line = line.replace("SCENARIO", "500-storm").replace("RECORD", "record.jsonl").replace("NAME", "name");
            for command in calls(&line) {
                can_be_typed(&command, &page);
                typed += 1;
            }
        }
    }
    assert!(typed > 20, "{typed} commands were found");
}

/// A copy of the example in which something is changed.
struct Example(tempfile::TempDir);

impl Example {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["deploy", "ci"] {
            fs::create_dir(folder.path().join(part)).unwrap();
            for file in fs::read_dir(root().join(TEAM).join(part)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), folder.path().join(part).join(file.file_name())).unwrap();
            }
        }
        Self(folder)
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Exit code and what was printed.
    fn types(&self, command: &str) -> (i32, String) {
        let words = command.split_whitespace().skip(1);
        let mut program = Command::cargo_bin("coalmine").unwrap();
        let output = program.args(words).current_dir(self.0.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }
}

#[test]
fn the_example_of_a_team_comes_out_as_its_page_says() {
    let example = Example::new();
    let scripts = steps(WORKFLOWS[1]).iter().filter_map(|it| it["run"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    for command in scripts.iter().flat_map(|it| calls(it)) {
        let (exit, said) = example.types(&command);
        assert_eq!(exit, 0, "{command}\n{said}");
        assert!(!command.contains("check") || !said.contains("warning"), "{said}");
    }
    for file in ["report.md", "junit.xml", "report.html", "result.json", "record.jsonl"] {
        assert!(example.path("out/bad-release").join(file).is_file(), "{file}");
    }
    example.replace("ci/bad-release.yaml", "poisson: 200", "poisson: 20");
    let (exit, said) = example.types("coalmine run ci/bad-release.yaml");
    assert_eq!(exit, 1, "{said}");
    let page = read("docs/TEAM-CI.md");
    let shown = page.split("```text\n").nth(2).and_then(|it| it.split("```").next()).expect("the failure");
    for line in shown.lines() {
        assert!(said.contains(line), "the page shows `{line}`, and coalmine says:\n{said}");
    }
    let (_, yaml) = page.split_once("```yaml\n").expect("the scenario");
    let (yaml, _) = yaml.split_once("```").expect("its end");
    assert_eq!(yaml, read("docs/examples/team/ci/bad-release.yaml"), "the page shows the file");
}
