//! The script: parts, cases, and the shell that plays them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Longest time of one case, in seconds; then it is killed and its exit code is 124.
const PATIENCE_S: &str = "60";

/// The script for servers alone, and the one for servers with controllers.
pub const SERVER: &str = "script";
pub const CONTROLLERS: &str = "controllers";

/// One file of the script; its namespace has its name.
#[derive(Clone)]
pub struct Part {
    pub name: String,
    pub cases: Vec<Case>,
}

/// A sentence and the shell lines below it.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub command: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kubectl")
}

/// Every part of a script, in the order of the file names, whose leading number orders them and is no part of the name.
pub fn all(script: &str) -> Vec<Part> {
    let mut files: Vec<_> = std::fs::read_dir(folder().join(script)).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| part(file)).collect()
}

/// The parts that this run plays.
pub fn read(script: &str) -> Vec<Part> {
    let wanted = std::env::var("COALMINE_KUBECTL_PARTS").unwrap_or_default();
    let wanted: Vec<_> = wanted.split(',').filter(|it| !it.is_empty()).collect();
    all(script).into_iter().filter(|it| wanted.is_empty() || wanted.contains(&it.name.as_str())).collect()
}

fn part(file: &Path) -> Part {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let name = stem.split_once('-').map_or(stem, |(_, name)| name).to_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let cases = text.split("\n## ").skip(1).map(|block| {
        let (name, command) = block.split_once('\n').unwrap();
        Case { name: name.trim().to_owned(), command: command.trim().to_owned() }
    });
    Part { cases: cases.collect(), name }
}

/// What one case said.
#[derive(PartialEq, Eq)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl fmt::Display for Said {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "exit {}\n{}", self.code, self.out)?;
        if self.err.is_empty() { Ok(()) } else { write!(to, "--- stderr\n{}", self.err) }
    }
}

impl Said {
    /// What the real server said (`-`) and what this one says instead (`+`), without the lines at both ends that agree.
    pub fn against(&self, real: &Self) -> String {
        let (ours, real) = (self.to_string(), real.to_string());
        let (ours, real): (Vec<_>, Vec<_>) = (ours.split('\n').collect(), real.split('\n').collect());
        let begin = ours.iter().zip(&real).take_while(|(a, b)| a == b).count();
        let rest = ours.len().min(real.len()) - begin;
        let end = ours.iter().rev().zip(real.iter().rev()).take_while(|(a, b)| a == b).count().min(rest);
        let lines = |sign: &str, of: &[&str]| -> String {
            of[begin..of.len() - end].iter().map(|it| format!("{sign} {it}\n")).collect()
        };
        lines("-", &real) + &lines("+", &ours)
    }
}

/// Where the cases of one part run: its own kubeconfig, whose context names its namespace.
pub struct Shell {
    home: PathBuf,
    kubeconfig: PathBuf,
}

impl Shell {
    pub fn of(part: &Part, home: &Path, kubeconfig: &str) -> Self {
        let file = home.join(format!("{}.kubeconfig", part.name));
        std::fs::write(&file, kubeconfig.replace("NAMESPACE", &part.name)).unwrap();
        let shell = Self { home: home.to_owned(), kubeconfig: file };
        let made = shell.run(&format!("kubectl create namespace {}", part.name));
        assert_eq!(made.code, 0, "the namespace of {} is made: {made}", part.name);
        shell
    }

    pub fn run(&self, command: &str) -> Said {
        let mut shell = Command::new("timeout");
        shell.args([PATIENCE_S, "sh", "-c", command]).current_dir(folder().join("manifests")).stdin(Stdio::null());
        shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        shell.env("HOME", &self.home).env("TMPDIR", &self.home).env("KUBECONFIG", &self.kubeconfig);
        let output = shell.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { out: text(&output.stdout), err: text(&output.stderr), code: output.status.code().unwrap_or(-1) }
    }
}
