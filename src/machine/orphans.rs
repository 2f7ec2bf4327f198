//! Commands that a coalmine started and that went on when it was killed. They would undo what its successor does.

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};
use std::path::Path;
use std::time::Duration;

/// How long the kernel may take over a kill.
const ENDED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Ends every process of a program (`kind`) that has `argument` among its arguments, and what it started; says whether there
/// was one. Whoever calls knows that none of them is wanted.
pub async fn end_orphans(program: &str, argument: &str) -> bool {
    let until = tokio::time::Instant::now() + ENDED_WITHIN;
    let mut any = false;
    loop {
        let found: Vec<Pid> = processes().into_iter().filter(|it| it.is(program, argument)).map(|it| it.pid).collect();
        if found.is_empty() || tokio::time::Instant::now() >= until {
            return any;
        }
        any = true;
        found.into_iter().for_each(end);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `machine` starts each program as the leader of a group; one that is none was started otherwise and goes alone.
fn end(process: Pid) {
    // It may have ended by itself meanwhile: then there is nothing to end.
    let _ = if getpgid(Some(process)) == Ok(process) {
        kill_process_group(process, Signal::KILL)
    } else {
        kill_process(process, Signal::KILL)
    };
}

struct Process {
    pid: Pid,
    arguments: Vec<String>,
}

impl Process {
    fn is(&self, program: &str, argument: &str) -> bool {
        let named = self.arguments.first().and_then(|it| Path::new(it).file_name());
        named.is_some_and(|it| it == program) && self.arguments.iter().any(|it| it == argument)
    }
}

/// All that live, as far as this user may see them. A dead process that nobody has waited for has no arguments any more.
fn processes() -> Vec<Process> {
    match std::fs::read_dir("/proc") {
        Ok(entries) => entries.flatten().filter_map(|it| of_proc(&it.path())).collect(),
        Err(_) => of_ps(),
    }
}

fn of_proc(folder: &Path) -> Option<Process> {
    let pid = Pid::from_raw(folder.file_name()?.to_str()?.parse().ok()?)?;
    let line = std::fs::read(folder.join("cmdline")).ok()?;
    let arguments = line.split(|it| *it == 0).map(|it| String::from_utf8_lossy(it).into_owned()).collect();
    Some(Process { pid, arguments })
}

/// Where there is no /proc (macOS). Arguments with spaces in them fall apart, and their process is not found.
fn of_ps() -> Vec<Process> {
    let listed = std::process::Command::new("ps").args(["-axww", "-o", "pid=,command="]).output();
    let listed = listed.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default();
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        let pid = Pid::from_raw(words.next()?.parse().ok()?)?;
        Some(Process { pid, arguments: words.map(str::to_owned).collect() })
    };
    listed.lines().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// A process called `name` with a child of its own, both waiting for ever.
    fn process(folder: &Path, name: &str, argument: &str) -> std::process::Child {
        let program = folder.join(name);
        if !program.exists() {
            std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
        }
        let script = "sleep 600 & echo started; wait";
        let mut command = Command::new(program);
        command.args(["-c", script, argument]).process_group(0).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut started = [0; 8];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut started).unwrap();
        child
    }

    fn group(leader: &std::process::Child) -> Pid {
        Pid::from_raw(i32::try_from(leader.id()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_program_is_ended_by_its_name_and_an_argument_with_what_it_started_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut ours = process(folder.path(), "kind", "/state/a/kubeconfig");
        let others = [("kind", "/state/b/kubeconfig"), ("kubectl", "/state/a/kubeconfig")];
        let mut others = others.map(|(name, argument)| process(folder.path(), name, argument));
        let waited = tokio::task::spawn_blocking(move || {
            let group = group(&ours);
            ours.wait().map(|_| group)
        });
        assert!(end_orphans("kind", "/state/a/kubeconfig").await);
        let group_of_ours = waited.await.unwrap().unwrap();
        let gone = async {
            while rustix::process::test_kill_process_group(group_of_ours).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(ENDED_WITHIN, gone).await.is_ok(), "what it started lives on");
        assert!(!end_orphans("kind", "/state/a/kubeconfig").await, "it is gone");
        for other in &mut others {
            assert_eq!(other.try_wait().unwrap(), None, "somebody else's");
            kill_process_group(group(other), Signal::KILL).unwrap();
            other.wait().unwrap();
        }
    }
}
