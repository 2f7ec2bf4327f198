//! The channels of a command: over a WebSocket, where each message begins with the number of its channel, or over SPDY,
//! where each is a stream.

use super::streams::{StreamReader, StreamWriter};
use super::upgrade::Socket;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// The client says on this channel that it closes another one (`v5.channel.k8s.io`).
const CLOSE: u8 = 255;

/// Gone: nobody is there to write to.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) enum Writer {
    Messages(SplitSink<Socket, Message>),
    Streams(StreamWriter),
}

pub(super) enum Reader {
    Messages(SplitStream<Socket>),
    Streams(StreamReader),
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(u8, Bytes),
    Closed(u8),
}

pub(super) fn split(socket: Socket) -> (Writer, Reader) {
    let (sink, stream) = socket.split();
    (Writer::Messages(sink), Reader::Messages(stream))
}

/// The end of a connection that has done what it was for; clients take one without a code for a fault.
pub(super) fn goodbye() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::from_static("") }))
}

impl Writer {
    pub(super) async fn send(&mut self, channel: u8, data: &[u8]) -> Result<(), Gone> {
        let sink = match self {
            Self::Messages(sink) => sink,
            Self::Streams(streams) => return streams.send(channel, data).await,
        };
        let mut message = BytesMut::with_capacity(data.len() + 1);
        message.put_u8(channel);
        message.put_slice(data);
        sink.send(Message::Binary(message.freeze())).await.map_err(|_| Gone)
    }

    /// Says goodbye. The client may be gone already.
    pub(super) async fn close(self) {
        match self {
            Self::Streams(streams) => streams.close().await,
            Self::Messages(mut sink) => {
                let _ = sink.send(goodbye()).await;
                let _ = sink.close().await;
            }
        }
    }
}

impl Reader {
    /// The next piece; None when the client has left.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        let messages = match self {
            Self::Messages(messages) => messages,
            Self::Streams(streams) => return streams.next().await,
        };
        loop {
            match messages.next().await?.ok()? {
                Message::Binary(data) => {
                    if let Some(piece) = piece(data) {
                        return Some(piece);
                    }
                }
                Message::Close(_) => return None,
                // Pings are answered by the library; texts are of protocols that are not spoken here.
                _ => {}
            }
        }
    }
}

fn piece(mut data: Bytes) -> Option<Piece> {
    let channel = *data.first()?;
    let rest = data.split_off(1);
    if channel == CLOSE {
        return rest.first().map(|it| Piece::Closed(*it));
    }
    Some(Piece::Data(channel, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_channel_and_its_data() {
        for (message, expected) in [
            (&b"\x00ls"[..], Some(Piece::Data(0, Bytes::from_static(b"ls")))),
            (b"\x04", Some(Piece::Data(4, Bytes::new()))),
            (b"\xff\x00", Some(Piece::Closed(0))),
            (b"\xff", None),
            (b"", None),
        ] {
            assert_eq!(piece(Bytes::from_static(message)), expected, "{message:?}");
        }
    }
}
