//! `exec` and `attach`: the streams of a process, over a WebSocket or over SPDY.

use super::channels::{self, Gone, Piece, Reader, Writer};
use super::upgrade::{self, Wanted};
use super::{agent, flag, streams, values};
use crate::apiserver::http::Call;
use crate::apiserver::http::answer::Answer;
use crate::apiserver::node::{ContainerAt, Ended, SharedNodeAgent};
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use crate::sys::stdio::{self, Peer, Size, Stdio};
use bytes::Bytes;
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// The protocols that are spoken, best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

/// How long a client may take to leave after it has heard how its command ended.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// What the client wants to run and to see.
struct Asked {
    at: ContainerAt,
    attach: bool,
    command: Vec<String>,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

pub(super) fn start(
    server: &Server,
    at: ContainerAt,
    attach: bool,
    mut call: Call,
    query: Option<&str>,
) -> Result<Answer, Status> {
    let asked = Asked {
        at,
        attach,
        command: values(query, "command"),
        stdin: flag(&call, "stdin"),
        stdout: flag(&call, "stdout"),
        stderr: flag(&call, "stderr") && !flag(&call, "tty"),
        tty: flag(&call, "tty"),
    };
    let wanted = Wanted::of(&call)?;
    if !(asked.stdin || asked.stdout || asked.stderr) {
        return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let agent = agent(server)?;
    match wanted {
        Wanted::WebSocket(offered) => {
            let spoken = spoken(&PROTOCOLS, &offered)?;
            upgrade::to_web_socket(server, &mut call, spoken, |socket| async move {
                let (writer, reader) = channels::split(socket);
                serve((writer, reader), asked, agent).await;
            })
        }
        Wanted::Spdy(offered) => {
            // Over streams the version makes no other difference.
            let spoken = spoken(&PROTOCOLS[1..], &offered)?;
            upgrade::to_spdy(server, &mut call, spoken, |wire| async move {
                match streams::open(wire, &asked.channels()).await {
                    Ok((writer, reader)) => {
                        serve((Writer::Streams(writer), Reader::Streams(reader)), asked, agent).await;
                    }
                    Err(error) => tracing::debug!(%error, "the client did not open its streams"),
                }
            })
        }
    }
}

fn spoken(known: &[&'static str], offered: &[String]) -> Result<&'static str, Status> {
    known.iter().copied().find(|it| offered.iter().any(|offer| offer == it)).ok_or_else(|| {
        let (offered, known) = (offered.join(" "), known.join(" "));
        Status::bad_request(format!("unable to upgrade: requested protocols are [{offered}], supported are [{known}]"))
    })
}

impl Asked {
    /// The channels that the client has to have.
    fn channels(&self) -> Vec<u8> {
        let all =
            [(STDIN, self.stdin), (STDOUT, self.stdout), (STDERR, self.stderr), (ERROR, true), (RESIZE, self.tty)];
        all.into_iter().filter(|(_, wanted)| *wanted).map(|(channel, _)| channel).collect()
    }
}

async fn serve((mut writer, reader): (Writer, Reader), asked: Asked, agent: SharedNodeAgent) {
    let (stdio, peer) = stdio::pair(asked.tty);
    let Peer { stdin, stdout, stderr, size } = peer;
    // An empty piece tells the client that its streams are there.
    let first = if asked.stdout {
        STDOUT
    } else if asked.stderr {
        STDERR
    } else {
        ERROR
    };
    if writer.send(first, &[]).await.is_err() {
        return;
    }
    let mut incoming = pin!(listen(reader, asked.stdin.then_some(stdin), size));
    let outcome = match begin(&agent, &asked, stdio) {
        Err(refused) => failed(&format!("unable to upgrade connection: {}", refused.message)),
        Ok(ended) => {
            let outgoing = tell(&mut writer, (stdout, stderr), &asked, ended);
            tokio::select! {
                biased;
                outcome = outgoing => match outcome {
                    Ok(outcome) => outcome,
                    Err(Gone) => return,
                },
                // The client has left, and the command with it.
                () = &mut incoming => return,
            }
        }
    };
    if writer.send(ERROR, outcome.to_string().as_bytes()).await.is_ok() {
        writer.close().await;
        // Who closes while there is something to read cuts off what the other side has not read yet.
        let _ = tokio::time::timeout(LEAVES_WITHIN, incoming).await;
    }
}

fn begin(agent: &SharedNodeAgent, asked: &Asked, stdio: Stdio) -> Result<Ended, Status> {
    if asked.attach { agent.attach(&asked.at, stdio) } else { agent.exec(&asked.at, asked.command.clone(), stdio) }
}

/// Takes what the client says until it leaves. Without `stdin` the program's input has ended from the start.
async fn listen(mut reader: Reader, mut stdin: Option<mpsc::Sender<Bytes>>, size: watch::Sender<Option<Size>>) {
    while let Some(piece) = reader.next().await {
        match piece {
            Piece::Data(STDIN, data) => {
                if let Some(to) = stdin.as_ref().filter(|_| !data.is_empty())
                    && to.send(data).await.is_err()
                {
                    // The program has closed its input; what follows is for nobody.
                    stdin = None;
                }
            }
            Piece::Closed(STDIN) => stdin = None,
            Piece::Data(RESIZE, data) => {
                if let Some(to) = read_size(&data) {
                    let _ = size.send(Some(to));
                }
            }
            Piece::Data(..) | Piece::Closed(_) => {}
        }
    }
}

fn read_size(data: &[u8]) -> Option<Size> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let side = |key: &str| value[key].as_u64().and_then(|it| u16::try_from(it).ok());
    Some(Size { width: side("Width")?, height: side("Height")? })
}

/// Carries what the program prints until it has ended and all is said; then its outcome as a `Status`.
async fn tell(
    writer: &mut Writer,
    (mut stdout, mut stderr): (mpsc::Receiver<Bytes>, mpsc::Receiver<Bytes>),
    asked: &Asked,
    mut ended: Ended,
) -> Result<Value, Gone> {
    let (mut outcome, mut out_open, mut err_open) = (None, true, true);
    while outcome.is_none() || out_open || err_open {
        tokio::select! {
            biased;
            piece = stdout.recv(), if out_open => match piece {
                Some(data) if asked.stdout => writer.send(STDOUT, &data).await?,
                Some(_) => {}
                None => out_open = false,
            },
            piece = stderr.recv(), if err_open => match piece {
                Some(data) if asked.stderr => writer.send(STDERR, &data).await?,
                Some(_) => {}
                None => err_open = false,
            },
            code = &mut ended, if outcome.is_none() => outcome = Some(code),
        }
    }
    Ok(match outcome {
        Some(Ok(0)) | None => json!({ "metadata": {}, "status": "Success" }),
        Some(Ok(code)) => exited(code),
        // Twice: once by the node, once by the server that hears of it.
        Some(Err(why)) => failed(&format!("Internal error occurred: error executing command in container: {why}")),
    })
}

fn exited(code: i32) -> Value {
    json!({
        "metadata": {}, "status": "Failure",
        "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
        "reason": "NonZeroExitCode",
        "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] }
    })
}

fn failed(why: &str) -> Value {
    let mut status = Status::internal(why).to_value();
    status["details"] = json!({ "causes": [{ "message": why }] });
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_two_numbers_of_characters() {
        assert_eq!(read_size(br#"{"Width":80,"Height":24}"#), Some(Size { width: 80, height: 24 }));
        for bad in [&b""[..], b"{}", br#"{"Width":-1,"Height":24}"#, br#"{"Width":80,"Height":70000}"#] {
            assert_eq!(read_size(bad), None);
        }
    }
}
