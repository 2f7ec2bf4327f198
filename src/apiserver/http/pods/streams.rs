//! The streams of a command over SPDY/3.1, as kubectl before 1.31 and others open them: one for each channel.

use super::channels::{Gone, Piece};
use super::spdy::{self, Frame, FrameReader, FrameWriter};
use super::upgrade::Wire;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Mutex;

/// How long a client may take to open its streams; a kubelet waits as long.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

/// The numbers of the channels, by the `streamtype` that a stream is opened with.
const TYPES: [(&str, u8); 5] = [("stdin", 0), ("stdout", 1), ("stderr", 2), ("error", 3), ("resize", 4)];

/// Frames go out one at a time: answers of the program, and answers to pings.
type Out = Arc<Mutex<WriteHalf<Wire>>>;

pub(super) struct StreamWriter {
    out: Out,
    streams: BTreeMap<u8, u32>,
}

pub(super) struct StreamReader {
    read: ReadHalf<Wire>,
    frames: FrameReader,
    out: Out,
    channels: BTreeMap<u32, u8>,
}

async fn write(out: &Out, frame: Bytes) -> io::Result<()> {
    let mut out = out.lock().await;
    out.write_all(&frame).await?;
    out.flush().await
}

/// Waits until the client has opened a stream for each of `wanted`.
pub(super) async fn open(wire: Wire, wanted: &[u8]) -> io::Result<(StreamWriter, StreamReader)> {
    let opening = open_all(wire, wanted);
    tokio::time::timeout(OPEN_WITHIN, opening).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn open_all(wire: Wire, wanted: &[u8]) -> io::Result<(StreamWriter, StreamReader)> {
    let (read, write_half) = tokio::io::split(wire);
    let out: Out = Arc::new(Mutex::new(write_half));
    let mut reader = StreamReader { read, frames: FrameReader::new(), out, channels: BTreeMap::new() };
    let mut replies = FrameWriter::default();
    while !wanted.iter().all(|it| reader.channels.values().any(|channel| channel == it)) {
        match reader.frames.read(&mut reader.read).await? {
            Some(Frame::Open { stream, headers, .. }) => {
                let kind = headers.iter().find(|(name, _)| name == "streamtype").map_or("", |(_, value)| value);
                match TYPES.iter().find(|(name, _)| *name == kind) {
                    Some((_, channel)) if !reader.channels.values().any(|it| it == channel) => {
                        reader.channels.insert(stream, *channel);
                        write(&reader.out, replies.reply(stream)).await?;
                    }
                    _ => write(&reader.out, spdy::reset(stream)).await?,
                }
            }
            Some(Frame::Ping { number }) => write(&reader.out, spdy::ping(number)).await?,
            Some(Frame::GoAway) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) => {}
        }
    }
    let streams = reader.channels.iter().map(|(stream, channel)| (*channel, *stream)).collect();
    Ok((StreamWriter { out: Arc::clone(&reader.out), streams }, reader))
}

impl StreamWriter {
    pub(super) async fn send(&mut self, channel: u8, data: &[u8]) -> Result<(), Gone> {
        let Some(stream) = self.streams.get(&channel).filter(|_| !data.is_empty()) else { return Ok(()) };
        write(&self.out, spdy::data(*stream, data, false)).await.map_err(|_| Gone)
    }

    /// Ends every stream. The client may be gone already.
    pub(super) async fn close(self) {
        for stream in self.streams.values() {
            if write(&self.out, spdy::data(*stream, b"", true)).await.is_err() {
                return;
            }
        }
    }
}

impl StreamReader {
    /// The next piece; None when the client has left.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        loop {
            match self.frames.read(&mut self.read).await.ok()?? {
                Frame::Data { stream, data, last } => match self.channels.get(&stream).copied() {
                    Some(channel) if last && data.is_empty() => return Some(Piece::Closed(channel)),
                    Some(channel) => return Some(Piece::Data(channel, data)),
                    None => {}
                },
                Frame::Reset { stream } => {
                    if let Some(channel) = self.channels.remove(&stream) {
                        return Some(Piece::Closed(channel));
                    }
                }
                Frame::Ping { number } => write(&self.out, spdy::ping(number)).await.ok()?,
                Frame::GoAway => return None,
                Frame::Open { .. } | Frame::Other => {}
            }
        }
    }
}
