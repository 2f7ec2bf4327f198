//! The kubelet of the one node, and the scheduler that has no choice.
//!
//! Each pod has a task of its own ([`worker`]). It binds the pod, makes its sandbox, pulls, starts and probes its containers,
//! and writes what it sees into the pod's status; when the pod is deleted it ends the containers gracefully and then removes
//! the object, as a kubelet does.
//!
//! Simulated: the time that scheduling, sandboxes, pulls and starts take ([`super::Timing`]); what `exec` probes and hooks
//! would run, of which two are understood (`podcli check http`, `sleep`). Not there: resource limits, node selectors,
//! affinity and taints (one node takes all), volumes other than ConfigMaps and Secrets, ephemeral and sidecar containers,
//! gRPC probes (they fail and say why), Service environment variables.

mod backoff;
mod board;
mod container;
mod env;
mod node;
mod probe;
mod serve;
mod stop;
mod table;
mod worker;

pub use node::{NODE_IP, NODE_NAME};
pub use serve::Containers;
pub use table::Pods;

pub(super) use node::Node;

use super::client::Seen;
use super::json::{int, is_deleting, is_finished, text, uid};
use crate::apiserver::resource;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use worker::Order;

/// The node agent: one worker per pod.
pub(super) struct Kubelet {
    node: Arc<Node>,
    workers: JoinSet<()>,
    /// By the pod's uid.
    orders: BTreeMap<String, watch::Sender<Order>>,
}

impl Kubelet {
    /// Runs until the API server ends its watches. Dropping the future ends all processes.
    pub(super) async fn run(node: Arc<Node>) {
        node.register();
        let client = node.client.clone();
        let mut kubelet = Self { node, workers: JoinSet::new(), orders: BTreeMap::new() };
        client.follow(resource::PODS, |seen| kubelet.see(&seen)).await;
    }

    fn see(&mut self, seen: &Seen<'_>) {
        // Finished workers leave their results behind until someone takes them.
        while let Some(ended) = self.workers.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a pod's worker broke down; its pod stays as it is");
            }
        }
        match seen {
            Seen::Restart => self.forget_the_gone(),
            Seen::Present(pod) => self.present(pod),
            Seen::Gone(pod) => self.gone(uid(pod)),
        }
    }

    fn present(&mut self, pod: &Arc<Value>) {
        let ours = matches!(text(pod, "/spec/nodeName"), "" | NODE_NAME);
        if !self.orders.contains_key(uid(pod)) {
            if !ours || is_finished(pod) && !is_deleting(pod) {
                return;
            }
            let (sender, receiver) = watch::channel(Order::Run);
            self.orders.insert(uid(pod).to_owned(), sender);
            self.workers.spawn(worker::run(Arc::clone(&self.node), Arc::clone(pod), receiver));
        }
        if let (true, Some(orders)) = (is_deleting(pod), self.orders.get(uid(pod))) {
            let seconds = int(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
            let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            orders.send_if_modified(|it| {
                let first = *it == Order::Run;
                if first {
                    *it = Order::Stop { grace };
                }
                first
            });
        }
    }

    fn gone(&mut self, uid: &str) {
        if let Some(orders) = self.orders.remove(uid) {
            // A worker that has ended needs no order.
            let _ = orders.send(Order::Vanish);
        }
    }

    /// After a gap in the watch: whoever is not listed any more has gone.
    fn forget_the_gone(&mut self) {
        let present: Vec<_> = self.node.client.list(resource::PODS, None);
        let gone: Vec<String> =
            self.orders.keys().filter(|known| !present.iter().any(|it| uid(it) == *known)).cloned().collect();
        for uid in gone {
            self.gone(&uid);
        }
    }
}
