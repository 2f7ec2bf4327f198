//! `portforward`, by whichever protocol the client speaks.

use super::channels::{self, Piece};
use super::ports::{PIECES, Pod};
use super::spdy::{self, Frame, FrameReader, FrameWriter};
use super::upgrade::{self, Socket, Wanted};
use super::{agent, values};
use crate::apiserver::http::Call;
use crate::apiserver::http::answer::Answer;
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// kube-rs: two channels for each port that the query names.
const CHANNELS: &str = "v4.channel.k8s.io";
/// kubectl: SPDY inside the messages of a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// kubectl without WebSockets.
const BARE: &str = "portforward.k8s.io";
/// Most ports in one request: each takes two of 256 channels.
const MAX_PORTS: usize = 127;
/// Most streams that one connection may have open.
const MAX_STREAMS: usize = 1024;
/// How many frames may wait for the client.
const FRAMES: usize = 64;
/// How much of a tunnel is on its way in each direction.
const TUNNEL_BYTES: usize = 64 << 10;

pub(super) fn start(
    server: &Server,
    (namespace, name): (&str, &str),
    mut call: Call,
    query: Option<&str>,
) -> Result<Answer, Status> {
    let wanted = Wanted::of(&call)?;
    let pod = Pod { agent: agent(server)?, namespace: namespace.to_owned(), name: name.to_owned() };
    let unknown = |offered: &[String], spoken: &str| {
        let offered = offered.join(" ");
        Err(Status::bad_request(format!(
            "unable to upgrade: requested protocols are [{offered}], supported are [{spoken}]"
        )))
    };
    match wanted {
        Wanted::WebSocket(offered) if offered.iter().any(|it| it == TUNNEL) => {
            upgrade::to_web_socket(server, &mut call, TUNNEL, |socket| tunnel(socket, pod))
        }
        Wanted::WebSocket(offered) if offered.iter().any(|it| it == CHANNELS) => {
            let ports = ports(query)?;
            upgrade::to_web_socket(server, &mut call, CHANNELS, |socket| by_channels(socket, pod, ports))
        }
        Wanted::WebSocket(offered) => unknown(&offered, &format!("{TUNNEL} {CHANNELS}")),
        Wanted::Spdy(offered) if offered.iter().any(|it| it == BARE) => {
            upgrade::to_spdy(server, &mut call, BARE, |wire| by_spdy(wire, pod))
        }
        Wanted::Spdy(offered) => unknown(&offered, BARE),
    }
}

fn ports(query: Option<&str>) -> Result<Vec<u16>, Status> {
    let named: Vec<_> = values(query, "ports").iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
    if named.is_empty() {
        return Err(Status::bad_request("query parameter \"ports\" is required"));
    }
    if named.len() > MAX_PORTS {
        return Err(Status::bad_request(format!("at most {MAX_PORTS} ports can be forwarded at once")));
    }
    let port = |it: &String| it.parse::<u16>().ok().filter(|it| *it > 0);
    named.iter().map(|it| port(it).ok_or_else(|| Status::bad_request(format!("invalid port {it:?}")))).collect()
}

async fn by_channels(socket: Socket, pod: Pod, ports: Vec<u16>) {
    let (mut writer, mut reader) = channels::split(socket);
    let (to_client, mut outgoing) = mpsc::channel::<(u8, Bytes)>(FRAMES);
    let (mut tasks, mut inputs) = (JoinSet::new(), Vec::new());
    for (index, port) in ports.into_iter().enumerate() {
        let channel = u8::try_from(2 * index).unwrap_or(u8::MAX);
        // Each channel begins with the number of its port.
        for channel in [channel, channel + 1] {
            if writer.send(channel, &port.to_le_bytes()).await.is_err() {
                return;
            }
        }
        let (input, from_client) = mpsc::channel(PIECES);
        inputs.push(input);
        let (pod, to_client) = (pod.clone(), to_client.clone());
        tasks.spawn(async move {
            let send = |data| {
                let to_client = to_client.clone();
                async move { to_client.send((channel, data)).await.is_ok() }
            };
            if let Err(why) = pod.join(port, from_client, send).await {
                let _ = to_client.send((channel + 1, Bytes::from(told(&pod, port, &why)))).await;
            }
        });
    }
    drop(to_client);
    let incoming = async {
        while let Some(piece) = reader.next().await {
            // A port that has ended takes nothing more.
            if let Piece::Data(channel, data) = piece
                && channel % 2 == 0
                && let Some(input) = inputs.get(usize::from(channel / 2))
                && !data.is_empty()
            {
                let _ = input.send(data).await;
            }
        }
    };
    let outgoing = async {
        while let Some((channel, data)) = outgoing.recv().await {
            if writer.send(channel, &data).await.is_err() {
                return;
            }
        }
        writer.close().await;
    };
    tokio::select! {
        biased;
        () = outgoing => {}
        () = incoming => {}
    }
}

/// How a kubelet tells that a port could not be reached.
fn told(pod: &Pod, port: u16, why: &str) -> String {
    format!("error forwarding port {port} to pod {}, uid : {why}", pod.name)
}

/// Takes the SPDY connection out of the messages that carry it.
async fn tunnel(socket: Socket, pod: Pod) {
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

async fn by_spdy<W: AsyncRead + AsyncWrite + Send>(wire: W, pod: Pod) {
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
    fn ports_are_named_once_or_more() {
        assert_eq!(ports(Some("ports=80&ports=81,82")).unwrap(), [80, 81, 82]);
        for bad in [None, Some("ports="), Some("ports=0"), Some("ports=x"), Some("ports=70000")] {
            assert!(ports(bad).is_err(), "{bad:?}");
        }
    }

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
