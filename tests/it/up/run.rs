//! `coalmine run --clock wall`: the lab that it makes is one that others can join while it plays, and nothing is left of it.

use super::command::{User, signal, wait_for_end};
use crate::real::find;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A run that plays, and what it still has to say. Dropping it kills it.
struct Run {
    child: Child,
    says: BufReader<ChildStdout>,
    /// What it told to type.
    join: String,
}

impl Run {
    /// Returns once others can join.
    #[expect(clippy::zombie_processes, reason = "whoever starts it ends it, or the test has failed")]
    fn start(user: &User, line: &str) -> Self {
        let mut child = user.command(line).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        loop {
            let mut line = String::new();
            assert_ne!(says.read_line(&mut line).unwrap(), 0, "it ended before anybody could join");
            if let Some((_, join)) = line.trim_end().split_once("let kubectl join done: ") {
                return Self { join: join.to_owned(), child, says };
            }
        }
    }

    fn pid(&self) -> u64 {
        self.child.id().into()
    }

    /// How it ended, and the last that it said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.says.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LINE: &str = "run 500-storm --clock wall --lines";

#[test]
fn others_join_a_run_and_nothing_is_left_of_it() {
    let user = User::new();
    let first = Run::start(&user, LINE);
    assert_eq!(first.join, "eval \"$(coalmine env --lab run)\"");
    let lab = user.lab("run");
    assert_eq!((&lab["state"], &lab["run"], &lab["pid"]), (&"Ready".into(), &"500-storm".into(), &first.pid().into()));
    joins(&user, &first.join);

    let second = Run::start(&user, LINE);
    assert!(second.join.contains("--lab run-2)"), "another run has a lab of its own: {}", second.join);
    signal(second.pid(), "KILL");
    wait_for_end(second.pid());
    assert_eq!(user.lab("run-2")["state"], "Stale");

    let named = Run::start(&user, &format!("{LINE} --name mine"));
    assert!(named.join.contains("--lab mine)"), "{}", named.join);
    assert!(!user.left("run-2"), "the next run sweeps what a killed one left");
    let taken = user.types(&format!("{LINE} --name mine"));
    assert!(taken.exit == 3 && taken.err.contains("the lab `mine` is there already"), "{taken:?}");
    let down = user.types("down --lab mine");
    assert_eq!((down.exit, named.end().0), (0, Some(130)), "`down` ends a run as Ctrl-C does");
    assert!(!user.left("mine"));

    signal(first.pid(), "INT");
    let (exit, said) = first.end();
    assert!(exit == Some(130) && said.contains("interrupted"), "{exit:?} {said}");
    assert!(!user.left("run"));
}

/// What was told works when it is typed: in a shell, with kubectl where there is one.
fn joins(user: &User, eval: &str) {
    let binary = env!("CARGO_BIN_EXE_coalmine");
    let then = if find("kubectl").is_some() { "kubectl get deployments -A" } else { "cat \"$KUBECONFIG\"" };
    let script = format!("coalmine() {{ {binary} \"$@\"; }}; {eval} && {then}");
    let output = Command::new("sh").args(["-c", &script]).env("XDG_STATE_HOME", user.folder()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let wanted = if then.starts_with("kubectl") { "ingress-nginx-controller" } else { "coalmine-run" };
    assert!(said.contains(wanted), "{said} {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_name_is_for_a_lab_that_others_can_join() {
    let user = User::new();
    for (line, why) in [
        ("run 500-storm --name mine", "add --clock wall"),
        ("run 500-storm --name mine --clock simulated", "add --clock wall"),
        ("run 500-storm --clock wall --name mine --lab other", "cannot be used with"),
    ] {
        let came = user.types(line);
        assert!(came.exit == 2 && came.err.contains(why), "{line}: {came:?}");
    }
}
