//! Forwarded ports over SPDY/3.1: bare, or inside the messages of a WebSocket.

use super::channels;
use super::forward::{FRAMES, told};
use super::ports::{PIECES, Pod};
use super::spdy::{self, Frame, FrameReader, FrameWriter};
use super::upgrade::Socket;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// Most streams that one connection may have open.
const MAX_STREAMS: usize = 1024;
/// How much of a tunnel is on its way in each direction.
const TUNNEL_BYTES: usize = 64 << 10;

/// Takes the SPDY connection out of the messages that carry it.
pub(super) async fn tunnel(socket: Socket, pod: Pod) {
    let (near, far) = tokio::io::duplex(TUNNEL_BYTES);
    let (mut read, mut write) = tokio::io::split(far);
    let (mut sink, mut source) = socket.split();
    let incoming = async {
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Binary(data) if write.write_all(&data).await.is_err() => return,
                Message::Close(_) => return,
                _ => {}
            }
        }
    };
    let outgoing = async {
        let mut piece = vec![0; TUNNEL_BYTES];
        while let Ok(length @ 1..) = read.read(&mut piece).await {
            let data = Bytes::copy_from_slice(&piece[..length]);
            if sink.send(Message::Binary(data)).await.is_err() {
                return;
            }
        }
        let _ = sink.send(channels::goodbye()).await;
        let _ = sink.close().await;
    };
    tokio::select! {
        biased;
        () = incoming => {}
        ((), ()) = async { tokio::join!(by_spdy(near, pod), outgoing) } => {}
    }
}

/// What a client said of a stream when it opened it.
struct Stream {
    /// `error` or `data`.
    kind: String,
    /// Streams with the same one belong together.
    request: String,
    port: u16,
}

impl Stream {
    fn of(headers: &[(String, String)]) -> Option<Self> {
        let told = |key: &str| headers.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        let (kind, port) = (told("streamtype")?, told("port")?.parse().ok().filter(|it| *it > 0)?);
        let known = matches!(kind.as_str(), "error" | "data");
        known.then(|| Self { kind, request: told("requestid").unwrap_or_default(), port })
    }
}

/// One SPDY connection: pairs of streams, each to one port.
struct Connection {
    pod: Pod,
    writer: FrameWriter,
    to_client: mpsc::Sender<Bytes>,
    /// Error streams that wait for the data stream of their request.
    errors: BTreeMap<String, u32>,
    /// Where the data of a stream goes.
    inputs: BTreeMap<u32, mpsc::Sender<Bytes>>,
    tasks: JoinSet<()>,
}

pub(super) async fn by_spdy<W: AsyncRead + AsyncWrite + Send>(wire: W, pod: Pod) {
    let (mut read, mut write) = tokio::io::split(wire);
    let (to_client, mut outgoing) = mpsc::channel::<Bytes>(FRAMES);
    let mut connection = Connection {
        pod,
        writer: FrameWriter::default(),
        to_client,
        errors: BTreeMap::new(),
        inputs: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    let incoming = async {
        let mut frames = FrameReader::new();
        while let Some(frame) = frames.read(&mut read).await? {
            if matches!(frame, Frame::GoAway) || !connection.take(frame).await {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    let outgoing = async {
        while let Some(frame) = outgoing.recv().await {
            write.write_all(&frame).await?;
            write.flush().await?;
        }
        Ok::<_, io::Error>(())
    };
    let ended = tokio::select! {
        biased;
        ended = outgoing => ended,
        ended = incoming => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a port-forward connection broke");
    }
}

impl Connection {
    /// Does what a frame wants; false when the client is gone.
    async fn take(&mut self, frame: Frame) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.inputs.retain(|_, input| !input.is_closed());
        match frame {
            Frame::Open { stream, headers, .. } => self.open(stream, &headers).await,
            Frame::Data { stream, data, last } => {
                if let Some(input) = self.inputs.get(&stream)
                    && !data.is_empty()
                {
                    // A port that has ended takes nothing more.
                    let _ = input.send(data).await;
                }
                if last {
                    self.inputs.remove(&stream);
                }
                true
            }
            Frame::Reset { stream } => {
                self.inputs.remove(&stream);
                true
            }
            Frame::Ping { number } => self.send(spdy::ping(number)).await,
            Frame::GoAway | Frame::Other => true,
        }
    }

    async fn send(&self, frame: Bytes) -> bool {
        self.to_client.send(frame).await.is_ok()
    }

    async fn open(&mut self, stream: u32, headers: &[(String, String)]) -> bool {
        let room = self.errors.len() + self.inputs.len() < MAX_STREAMS;
        let Some(opened) = Stream::of(headers).filter(|_| room) else {
            return self.send(spdy::reset(stream)).await;
        };
        let reply = self.writer.reply(stream);
        if !self.send(reply).await {
            return false;
        }
        if opened.kind == "error" {
            self.errors.insert(opened.request, stream);
        } else if let Some(error) = self.errors.remove(&opened.request) {
            let (input, from_client) = mpsc::channel(PIECES);
            self.inputs.insert(stream, input);
            let (pod, to_client) = (self.pod.clone(), self.to_client.clone());
            self.tasks.spawn(join(pod, to_client, (stream, error), opened.port, from_client));
        }
        true
    }
}

async fn join(
    pod: Pod,
    to_client: mpsc::Sender<Bytes>,
    (stream, error): (u32, u32),
    port: u16,
    from_client: mpsc::Receiver<Bytes>,
) {
    let send = |data: Bytes| {
        let to_client = to_client.clone();
        async move { to_client.send(spdy::data(stream, &data, false)).await.is_ok() }
    };
    let joined = pod.join(port, from_client, send).await;
    // The client may be gone; then nobody has to be told.
    if let Err(why) = joined {
        let _ = to_client.send(spdy::data(error, told(&pod, port, &why).as_bytes(), false)).await;
    }
    for ended in [stream, error] {
        let _ = to_client.send(spdy::data(ended, b"", true)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_what_it_is_for() {
        let stream = |pairs: &[(&str, &str)]| {
            let headers: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Stream::of(&headers).map(|it| (it.kind, it.request, it.port))
        };
        let good = stream(&[("streamtype", "data"), ("port", "80"), ("requestid", "7")]);
        assert_eq!(good, Some(("data".to_owned(), "7".to_owned(), 80)));
        assert_eq!(stream(&[("streamtype", "other"), ("port", "80")]), None);
        assert_eq!(stream(&[("streamtype", "data"), ("port", "0")]), None);
        assert_eq!(stream(&[]), None);
    }
}
