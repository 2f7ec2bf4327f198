//! Signals: the first asks for an end in order, the second ends at once.

use super::Exit;
use crate::model::command::Command;
use crate::session::Control;
use std::future::Future;
use std::io;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Listens on a thread of its own, because the simulated clock's runtime must not wait for the outside. The thread ends
/// with the process. Signals are caught once this has returned.
pub(crate) fn listen(control: Control) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let mut interrupts = runtime.block_on(async { Interrupts::new() })?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            interrupts.next().await;
            control.send(Command::Quit);
            interrupts.next().await;
            std::process::exit(i32::from(Exit::Interrupted.code()));
        });
    })?;
    Ok(())
}

/// Cancelled by the first signal. Must be called inside a tokio runtime.
pub(crate) fn told_to_end() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let interrupts = Interrupts::new();
    tokio::spawn(async move {
        // Without signals there is no order to end: the process is killed, as it would be anyway.
        if let Ok(mut interrupts) = interrupts {
            interrupts.next().await;
            told.cancel();
        }
    });
    stop
}

/// Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed. From [`Interrupts::new`] on none of them ends the process by
/// itself.
pub(crate) struct Interrupts {
    signals: [Signal; 3],
}

impl Interrupts {
    /// Must be called inside a tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let signals =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        Ok(Self { signals })
    }

    /// Waits for one of them.
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// What comes of `work`; none if it was interrupted, which drops it.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.next() => None,
            it = work => Some(it),
        }
    }
}
