//! The streams of a command: what a terminal and a program say to each other.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// How many pieces may be on their way in each direction before the writer has to wait.
const PIECES: usize = 16;

/// A terminal's size, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

/// The program's side.
#[derive(Debug)]
pub struct Stdio {
    /// Ends when the client closes it; ended from the start when the client did not ask for it.
    pub stdin: mpsc::Receiver<Bytes>,
    /// Writing fails when the client is gone.
    pub stdout: mpsc::Sender<Bytes>,
    pub stderr: mpsc::Sender<Bytes>,
    /// Whether both are one terminal.
    pub tty: bool,
    pub size: watch::Receiver<Option<Size>>,
}

/// The client's side.
#[derive(Debug)]
pub struct Peer {
    pub stdin: mpsc::Sender<Bytes>,
    pub stdout: mpsc::Receiver<Bytes>,
    pub stderr: mpsc::Receiver<Bytes>,
    pub size: watch::Sender<Option<Size>>,
}

/// Both sides of new streams.
#[must_use]
pub fn pair(tty: bool) -> (Stdio, Peer) {
    let (to_program, stdin) = mpsc::channel(PIECES);
    let (stdout, from_stdout) = mpsc::channel(PIECES);
    let (stderr, from_stderr) = mpsc::channel(PIECES);
    let (resize, size) = watch::channel(None);
    let peer = Peer { stdin: to_program, stdout: from_stdout, stderr: from_stderr, size: resize };
    (Stdio { stdin, stdout, stderr, tty, size }, peer)
}

impl Stdio {
    /// Writes to standard output; what nobody takes is lost.
    pub async fn print(&self, text: impl Into<Bytes>) {
        let _ = self.stdout.send(text.into()).await;
    }

    /// Writes to standard error; in a terminal both are one.
    pub async fn complain(&self, text: impl Into<Bytes>) {
        let to = if self.tty { &self.stdout } else { &self.stderr };
        let _ = to.send(text.into()).await;
    }
}
