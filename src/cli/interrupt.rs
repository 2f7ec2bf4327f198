//! Signals: the first asks the run to end in order, the second ends the process.

use super::Exit;
use crate::model::command::Command;
use crate::session::Control;
use std::io;
use tokio::runtime::Builder;

/// Listens on a thread of its own, because the simulated clock's runtime must not wait for the outside. The thread ends
/// with the process.
pub(crate) fn listen(control: Control) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            if next().await.is_ok() {
                control.send(Command::Quit);
            }
            if next().await.is_ok() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        });
    })?;
    Ok(())
}

#[cfg(unix)]
async fn next() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn next() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
