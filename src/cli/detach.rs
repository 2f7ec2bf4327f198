//! A lab in a process of its own: this program again, in its own session, with a file for what it has to say.

use super::Exit;
use super::interrupt::Interrupts;
use super::terminal::{complain, say};
use crate::home::{Home, HomeError, LabName};
use rustix::process::{Pid, Signal, kill_process, setsid};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What the lab's process writes to its stdout, a pipe, once the lab is ready.
const READY: &str = "ready\n";
/// How much of a failed lab's log is shown, from its end.
const TAIL_BYTES: u64 = 8 << 10;

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DetachError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{did}: {why}")]
    Io { did: &'static str, why: io::Error },
}

fn failed(did: &'static str) -> impl FnOnce(io::Error) -> DetachError {
    move |why| DetachError::Io { did, why }
}

/// In the lab's process: a terminal that is closed no longer ends it. It fails only where that is so already.
pub(crate) fn leave_session() {
    let _ = setsid();
}

/// In the lab's process: tells the one that started it.
pub(crate) fn say_ready() {
    say(READY);
}

/// Starts the lab's process with this process's own arguments and waits until the lab is ready, or is not to be.
pub(crate) async fn start(home: &Home, name: &LabName, interrupts: &mut Interrupts) -> Result<Exit, DetachError> {
    let (log, path) = home.log(name)?;
    let mut child = spawn(&log, path)?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut said = String::new();
    let mut lines = BufReader::new(stdout);
    let Some(read) = interrupts.or(lines.read_line(&mut said)).await else {
        end(&mut child).await.map_err(failed("the lab's process could not be ended"))?;
        return Ok(Exit::Interrupted);
    };
    read.map_err(failed("the lab's process could not be heard"))?;
    if said == READY {
        return Ok(Exit::AsExpected);
    }
    // It ends without a lab of its own: it has failed, or somebody else was faster.
    let status = child.wait().await.map_err(failed("the lab's process could not be waited for"))?;
    let exit = match status.code() {
        Some(0) => return Ok(Exit::AsExpected),
        Some(2) => Exit::Usage,
        _ => Exit::Lab,
    };
    complain(&tail(log).map_err(failed("the lab's log could not be read"))?);
    if status.code().is_none() {
        complain(&format!("coalmine: the lab's process was ended: {status}\n"));
    }
    Ok(exit)
}

fn spawn(log: &File, path: PathBuf) -> Result<Child, DetachError> {
    let program = std::env::current_exe().map_err(failed("this program cannot find itself"))?;
    let stderr = log.try_clone().map_err(failed("the log could not be opened twice"))?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--detached").arg(path);
    // Its folder may go while the lab lives.
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    command.spawn().map_err(failed("the lab's process could not be started"))
}

/// Asks the process to end, as a person's Ctrl-C would, and waits for it.
async fn end(child: &mut Child) -> io::Result<()> {
    if let Some(pid) = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process(pid, Signal::TERM);
    }
    child.wait().await.map(drop)
}

fn tail(mut log: File) -> io::Result<String> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
