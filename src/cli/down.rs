//! `coalmine down`: ends a lab and removes what was written down about it.

use super::args::DownArgs;
use super::terminal::{self, complain, say};
use super::{Exit, real};
use crate::home::{Home, HomeError, LabKind, LabName, State};
use crate::lab::real::RealError;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// How often it is looked whether the lab is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a lab may take to end in order; then its process is killed, which ends an embedded lab just as well.
const END_WITHIN: Duration = Duration::from_secs(10);
/// How long the kernel may take over a kill.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Why a lab is still there.
#[derive(Debug, thiserror::Error)]
enum DownError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Real(#[from] RealError),
    #[error("its process {pid} could not be signalled: {why}")]
    Signal { pid: u32, why: std::io::Error },
    #[error("its process {0} lives on, even killed: look at what holds it up (`ps -o stat,wchan {0}`)")]
    Undead(u32),
    #[error("another process is making or removing it: wait for that, or end it")]
    Held,
    #[error("a process holds its lock and is not written down: `fuser` on the lock file finds it")]
    NoProcess,
}

pub(crate) fn down(args: &DownArgs) -> Exit {
    let ended = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let name = &args.lab.name;
    let ended = match ended {
        Ok(runtime) => runtime.block_on(async {
            let home = Home::of_user()?;
            end(&home, name, args.forget).await
        }),
        Err(error) => {
            complain(&terminal::failure("the runtime could not be made", &error));
            return Exit::Lab;
        }
    };
    match ended {
        Ok(was_there) => {
            let text = if was_there { "is gone" } else { "is not there" };
            say(&format!("the lab `{name}` {text}\n"));
            Exit::AsExpected
        }
        Err(error) => {
            complain(&terminal::failure(&format!("the lab `{name}` is still there"), &error));
            Exit::Lab
        }
    }
}

/// Says whether anything was there.
async fn end(home: &Home, name: &LabName, forget: bool) -> Result<bool, DownError> {
    let Some(found) = home.find(name)? else {
        // Files without a record are what a `down` left that was killed while it removed them.
        home.forget(name)?;
        return Ok(false);
    };
    if let Ok(record) = &found.record
        && record.kind != LabKind::Embedded
    {
        if !forget {
            real::down(home, name, record).await?;
        } else if !home.forget(name)? {
            return Err(DownError::Held);
        }
        return Ok(true);
    }
    if found.state != State::Stale {
        let pid = found.holder.ok_or(DownError::NoProcess)?;
        signal(pid, Signal::TERM)?;
        if !gone_within(END_WITHIN, home, name, pid).await? {
            signal(pid, Signal::KILL)?;
            if !gone_within(KILLED_WITHIN, home, name, pid).await? {
                return Err(DownError::Undead(pid));
            }
        }
    }
    home.forget(name)?;
    Ok(true)
}

fn signal(pid: u32, signal: Signal) -> Result<(), DownError> {
    let Some(to) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Err(DownError::NoProcess);
    };
    match kill_process(to, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(why) => Err(DownError::Signal { pid, why: why.into() }),
    }
}

/// Waits until the lab of process `pid` is gone; another one that has taken its name meanwhile is none of ours.
async fn gone_within(limit: Duration, home: &Home, name: &LabName, pid: u32) -> Result<bool, DownError> {
    let gone = async {
        loop {
            match home.find(name)? {
                Some(it) if it.holder == Some(pid) => tokio::time::sleep(LOOK_EVERY).await,
                _ => return Ok(()),
            }
        }
    };
    tokio::time::timeout(limit, gone).await.map_or(Ok(false), |it| it.map(|()| true))
}
