//! Byte streams to the ports of a pod, the same for both protocols of `portforward`.

use crate::apiserver::node::{Connection, SharedNodeAgent};
use bytes::Bytes;
use std::future::Future;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// How much is read from a port at once.
const PIECE_BYTES: usize = 32 << 10;
/// How many pieces may wait for a port that is slow to take them.
pub(super) const PIECES: usize = 16;

/// The pod whose ports are meant.
#[derive(Clone)]
pub(super) struct Pod {
    pub(super) agent: SharedNodeAgent,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Pod {
    /// Connects to `port`, carries `from_client` there and what comes back to `to_client`, until one side ends. The error
    /// is what the client is told on the error stream of the port.
    pub(super) async fn join<F: Future<Output = bool>>(
        &self,
        port: u16,
        mut from_client: mpsc::Receiver<Bytes>,
        mut to_client: impl FnMut(Bytes) -> F,
    ) -> Result<(), String> {
        let Connection { stream, failed } = self.agent.connect(&self.namespace, &self.name, port)?;
        let (mut read, mut write) = tokio::io::split(stream);
        let there = async {
            while let Some(data) = from_client.recv().await {
                if write.write_all(&data).await.is_err() {
                    return;
                }
            }
            // The client will say no more, but may still listen.
            let _ = write.shutdown().await;
            std::future::pending::<()>().await;
        };
        let back = async {
            let mut piece = vec![0; PIECE_BYTES];
            while let Ok(length @ 1..) = read.read(&mut piece).await {
                if !to_client(Bytes::copy_from_slice(&piece[..length])).await {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = back => {}
            () = there => {}
        }
        drop((read, write));
        failed.await.map_or(Ok(()), Err)
    }
}
