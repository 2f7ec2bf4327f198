//! Clients that stop in the middle: a connection that takes no bytes, a body that brings none.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a body may bring nothing.
pub(super) const BODY_STALLS_FOR: Duration = Duration::from_secs(30);
/// How long a client may take nothing of what is ready for it, beyond what its socket holds.
pub(super) const WRITE_STALLS_FOR: Duration = Duration::from_secs(60);

/// A clock that runs only while one waits.
struct Patience {
    limit: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, running: None }
    }

    /// Passes on what came of waiting; an error once it has been waited for too long.
    fn poll<T>(&mut self, cx: &mut Context<'_>, waited: Poll<T>) -> Poll<Result<T, io::Error>> {
        match waited {
            Poll::Ready(it) => {
                self.running = None;
                Poll::Ready(Ok(it))
            }
            Poll::Pending => {
                let limit = self.limit;
                let clock = self.running.get_or_insert_with(|| Box::pin(sleep(limit)));
                ready!(clock.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// A connection that ends when its client takes nothing for [`WRITE_STALLS_FOR`]. Reading may wait for ever: a watch does.
pub(super) struct Impatient<S> {
    inner: S,
    patience: Patience,
}

impl<S> Impatient<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, patience: Patience::new(WRITE_STALLS_FOR) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.patience.poll(cx, written).map(io::Result::flatten)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.patience.poll(cx, flushed).map(io::Result::flatten)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.patience.poll(cx, shut).map(io::Result::flatten)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.patience.poll(cx, written).map(io::Result::flatten)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// A request's body that fails when it brings nothing for [`BODY_STALLS_FOR`].
pub(super) struct ImpatientBody<B> {
    inner: B,
    patience: Patience,
}

impl<B> ImpatientBody<B> {
    pub(super) fn new(inner: B) -> Self {
        Self { inner, patience: Patience::new(BODY_STALLS_FOR) }
    }
}

impl<B> Body for ImpatientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        self.patience.poll(cx, frame).map(|it| match it {
            Ok(frame) => frame.map(|it| it.map_err(Into::into)),
            Err(late) => Some(Err(late.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off_and_a_slow_one_is_not() {
        let (mut client, server) = tokio::io::duplex(4);
        let mut server = Impatient::new(server);
        let slow = tokio::spawn(async move {
            let mut taken = [0; 2];
            for _ in 0..4 {
                sleep(WRITE_STALLS_FOR / 2).await;
                client.read_exact(&mut taken).await.unwrap();
            }
            client
        });
        // 12 bytes: four fit into the pipe, eight are taken slowly.
        server.write_all(b"twelve bytes").await.unwrap();
        let _client = slow.await.unwrap();
        let began = Instant::now();
        let error = server.write_all(b"more").await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, WRITE_STALLS_FOR));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_brings_nothing_fails_and_a_slow_one_does_not() {
        let body = |pieces: u32, last: Duration| {
            let frames = futures_util::stream::unfold(0, move |sent| async move {
                sleep(if sent < pieces { BODY_STALLS_FOR / 2 } else { last }).await;
                let frame = Ok::<_, axum::BoxError>(Frame::data(Bytes::from_static(b"x")));
                (sent <= pieces).then_some((frame, sent + 1))
            });
            ImpatientBody::new(Box::pin(StreamBody::new(frames)))
        };
        assert_eq!(body(5, BODY_STALLS_FOR / 2).collect().await.unwrap().to_bytes().len(), 6);
        assert!(body(2, BODY_STALLS_FOR * 2).collect().await.is_err());
    }
}
