//! The one node: what its pods share.

use super::table::Pods;
use crate::apiserver::resource;
use crate::sys::clock::{Clock, rfc3339};
use crate::sys::rng::Seed;
use crate::workload::client::Client;
use crate::workload::events::Recorder;
use crate::workload::queue::Key;
use crate::workload::runtime::Runtime;
use crate::workload::timing::Timing;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The node's name.
pub const NODE_NAME: &str = "coalmine";

/// The node's own address.
pub const NODE_IP: &str = "172.18.0.2";

/// Pods that the node says it takes (the kubelet's default is 110; nothing here runs out).
const CAPACITY_PODS: &str = "1000";

pub(in crate::workload) struct Node {
    pub(super) client: Client,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) clock: Clock,
    pub(super) seed: Seed,
    pub(super) timing: Timing,
    pub(super) kubelet: Recorder,
    pub(super) scheduler: Recorder,
    pub(super) pods: Pods,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    next_ip: u16,
    used_ips: BTreeSet<u16>,
    images: BTreeSet<String>,
}

impl Node {
    pub(in crate::workload) fn new(
        client: Client,
        runtime: Arc<dyn Runtime>,
        (clock, seed, timing): (Clock, Seed, Timing),
        pods: Pods,
    ) -> Self {
        Self {
            kubelet: Recorder::new(client.clone(), clock, "kubelet", NODE_NAME),
            scheduler: Recorder::new(client.clone(), clock, "default-scheduler", ""),
            client,
            runtime,
            clock,
            seed,
            timing,
            pods,
            shared: Mutex::default(),
        }
    }

    /// Makes the node object, with Ready true. A node that is there already is left as it is.
    pub(super) fn register(&self) {
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": NODE_NAME,
                "labels": { "kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux" },
            },
            "spec": { "podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"] },
        });
        if self.client.create(resource::NODES, "", node).is_err() {
            return;
        }
        let now = rfc3339(self.clock.now());
        let resources = json!({ "cpu": "8", "memory": "16Gi", "pods": CAPACITY_PODS });
        let status = json!({
            "addresses": [
                { "type": "InternalIP", "address": NODE_IP },
                { "type": "Hostname", "address": NODE_NAME },
            ],
            "allocatable": resources,
            "capacity": resources,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "kubelet is posting ready status",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }],
            "nodeInfo": { "kubeletVersion": "v1.34.3", "operatingSystem": "linux", "containerRuntimeVersion": "coalmine://embedded" },
        });
        let _ = self.client.patch_status(resource::NODES, &Key::new("", NODE_NAME), &status);
    }

    /// The next free address, round robin, so that one that was just given back is not used again soon.
    pub(super) fn take_ip(&self) -> String {
        let mut shared = self.lock();
        let mut at = shared.next_ip;
        loop {
            at = if at >= 65_533 { 2 } else { at.max(1) + 1 };
            // Every address in use would need 65,532 pods.
            if shared.used_ips.insert(at) || shared.used_ips.len() >= 65_532 {
                shared.next_ip = at;
                return format!("10.244.{}.{}", at >> 8, at & 0xff);
            }
        }
    }

    pub(super) fn give_back_ip(&self, ip: &str) {
        let mut parts = ip.rsplit('.').filter_map(|it| it.parse::<u16>().ok());
        if let (Some(low), Some(high)) = (parts.next(), parts.next()) {
            self.lock().used_ips.remove(&((high << 8) | (low & 0xff)));
        }
    }

    pub(super) fn has_image(&self, image: &str) -> bool {
        self.lock().images.contains(image)
    }

    pub(super) fn keep_image(&self, image: &str) {
        self.lock().images.insert(image.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
