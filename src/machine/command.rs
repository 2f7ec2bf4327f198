//! Other programs: found on PATH, run with a limit, their output bounded, and ended with whoever waits for them.

use super::Environment;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// Of each of a program's two streams, so many of the last lines are kept.
const MAX_LINES: usize = 2000;
/// A longer line is cut here.
const MAX_LINE_BYTES: usize = 64 << 10;

/// A program on PATH.
#[derive(Debug, Clone)]
pub struct Tool {
    pub name: &'static str,
    pub path: PathBuf,
    /// Variables that it gets besides this process's own.
    pub variables: Vec<(String, OsString)>,
}

/// What a program printed, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// None: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Which stream a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Stdout,
    Stderr,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("there is no `{name}` on PATH. {install}")]
    Missing { name: &'static str, install: &'static str },
    #[error("`{command}` could not be run: {why}")]
    Start { command: String, why: std::io::Error },
    #[error("`{command}` had not ended after {} and was stopped", crate::model::duration::go(*limit))]
    TooLong { command: String, limit: Duration },
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub args: &'a [&'a str],
    pub stdin: &'a [u8],
    pub limit: Duration,
}

impl Tool {
    /// Looks on PATH of `environment`. `install` says in a sentence how one gets it.
    pub fn find(name: &'static str, environment: &Environment, install: &'static str) -> Result<Self, CommandError> {
        let missing = CommandError::Missing { name, install };
        let Some(path) = environment.get("PATH") else { return Err(missing) };
        let here = std::env::current_dir().unwrap_or_default();
        match which::which_in(name, Some(path), here) {
            Ok(path) => Ok(Self { name, path, variables: Vec::new() }),
            Err(_) => Err(missing),
        }
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it and gives its last lines and its exit code, whatever that is. Dropping the future ends the program.
    pub async fn run(&self, call: Call<'_>, line: &mut (dyn FnMut(From, &str) + Send)) -> Result<Output, CommandError> {
        let command = || format!("{} {}", self.name, call.args.join(" "));
        let mut running =
            Running::start(self, call.args).map_err(|why| CommandError::Start { command: command(), why })?;
        match tokio::time::timeout(call.limit, running.finish(call.stdin, line)).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(why)) => Err(CommandError::Start { command: command(), why }),
            Err(_) => Err(CommandError::TooLong { command: command(), limit: call.limit }),
        }
    }

    /// [`Tool::run`] for short questions: nothing on its stdin, lines heard by nobody.
    pub async fn ask(&self, args: &[&str], limit: Duration) -> Result<Output, CommandError> {
        self.run(Call { args, stdin: &[], limit }, &mut |_, _| {}).await
    }
}

/// A program in a process group of its own, so that a person's Ctrl-C reaches this process only, and the group ends here.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(tool: &Tool, args: &[&str]) -> std::io::Result<Self> {
        let mut command = Command::new(&tool.path);
        command.args(args).envs(tool.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|it| Pid::from_raw(i32::try_from(it).ok()?));
        Ok(Self { child, group })
    }

    async fn finish(&mut self, stdin: &[u8], line: &mut (dyn FnMut(From, &str) + Send)) -> std::io::Result<Output> {
        let mut input = self.child.stdin.take();
        let mut stdout = Lines::of(self.child.stdout.take());
        let mut stderr = Lines::of(self.child.stderr.take());
        let feed = async {
            if let Some(mut input) = input.take() {
                // A program that does not want all of it has its own reasons, and its own exit code.
                let _ = input.write_all(stdin).await;
            }
        };
        let listen = async {
            while !(stdout.ended && stderr.ended) {
                tokio::select! {
                    biased;
                    text = stdout.next(), if !stdout.ended => if let Some(text) = text { line(From::Stdout, &text) },
                    text = stderr.next(), if !stderr.ended => if let Some(text) = text { line(From::Stderr, &text) },
                }
            }
        };
        tokio::join!(feed, listen);
        let status = self.child.wait().await?;
        // The group may go on without its leader (a daemon that it started): that is not ours to end.
        self.group = None;
        Ok(Output { code: status.code(), stdout: stdout.kept(), stderr: stderr.kept() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It is gone, or it was never ours: nothing is left to end.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A stream's lines; the last [`MAX_LINES`] are kept.
struct Lines<R> {
    reader: Option<BufReader<R>>,
    last: std::collections::VecDeque<String>,
    ended: bool,
    /// What has been read of the line that has not ended: kept here so that a dropped `next` loses nothing.
    partial: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn of(stream: Option<R>) -> Self {
        Self {
            ended: stream.is_none(),
            reader: stream.map(BufReader::new),
            last: std::collections::VecDeque::new(),
            partial: Vec::new(),
        }
    }

    async fn next(&mut self) -> Option<String> {
        let reader = self.reader.as_mut()?;
        loop {
            let (ends, used) = match reader.fill_buf().await {
                Ok([]) | Err(_) => {
                    self.ended = true;
                    break;
                }
                Ok(bytes) => {
                    let end = bytes.iter().position(|it| *it == b'\n');
                    let part = &bytes[..end.unwrap_or(bytes.len())];
                    let room = MAX_LINE_BYTES.saturating_sub(self.partial.len());
                    self.partial.extend_from_slice(&part[..part.len().min(room)]);
                    (end.is_some(), part.len() + usize::from(end.is_some()))
                }
            };
            reader.consume(used);
            if ends {
                return Some(self.keep());
            }
        }
        (!self.partial.is_empty()).then(|| self.keep())
    }

    fn keep(&mut self) -> String {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.partial)).trim_end().to_owned();
        if self.last.len() == MAX_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text.clone());
        text
    }

    fn kept(self) -> String {
        self.last.into_iter().collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn shell() -> Tool {
        Tool::find("sh", &Environment::of_this_process(), "").unwrap()
    }

    #[tokio::test]
    async fn a_program_is_heard_line_by_line_and_its_exit_code_is_told() {
        let mut heard = Vec::new();
        let script = "read word; echo out $word; echo err >&2; printf no-newline; exit 3";
        let call = Call { args: &["-c", script], stdin: b"hello\n", limit: LIMIT };
        let output = shell().run(call, &mut |from, line| heard.push((from, line.to_owned()))).await.unwrap();
        assert_eq!(output, Output { code: Some(3), stdout: "out hello\nno-newline".into(), stderr: "err".into() });
        assert!(
            heard.contains(&(From::Stdout, "out hello".to_owned()))
                && heard.contains(&(From::Stderr, "err".to_owned()))
        );
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
        // The first line comes from a grandchild that says its number and stays.
        let mut number = String::new();
        let call = Call { args: &["-c", "sh -c 'echo $$; sleep 600'"], stdin: &[], limit: Duration::from_millis(500) };
        let result = shell().run(call, &mut |_, line| line.clone_into(&mut number)).await;
        assert!(matches!(result, Err(CommandError::TooLong { .. })), "{result:?}");
        let number = number.trim().to_owned();
        // Killed, though it takes the kernel a moment; a dead one that nobody has reaped yet is a Z.
        let lives = || std::fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|it| !it.contains(") Z"));
        let gone = async {
            while lives() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(LIMIT, gone).await.is_ok(), "{number} lives on");
    }

    #[tokio::test]
    async fn endless_output_is_bounded() {
        let call = Call { args: &["-c", "yes | head -c 1000000; head -c 100000 /dev/zero"], stdin: &[], limit: LIMIT };
        let output = shell().run(call, &mut |_, _| {}).await.unwrap();
        assert_eq!(output.stdout.lines().count(), MAX_LINES);
        assert!(output.stdout.len() <= MAX_LINES * 2 + MAX_LINE_BYTES);
    }

    #[test]
    fn a_missing_program_is_named_with_how_to_get_it() {
        let error = Tool::find("kind", &Environment::of(&[("PATH", "/nowhere")]), "Get it.").unwrap_err();
        assert_eq!(error.to_string(), "there is no `kind` on PATH. Get it.");
    }
}
