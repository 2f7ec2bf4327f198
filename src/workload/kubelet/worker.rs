//! One pod's life, from its binding to its removal: one task per pod, one future per container.

use super::board::{Board, Container, RestartPolicy, State};
use super::env::{self, Sources, Texts};
use super::node::{NODE_IP, NODE_NAME, Node};
use crate::apiserver::resource;
use crate::workload::client::key;
use crate::workload::json::{int, list, name, namespace, text, uid};
use crate::workload::queue::Key;
use crate::workload::runtime::Process;
use crate::workload::timing::Span;
use jiff::Timestamp;
use rand::rngs::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// First and longest wait before missing volumes are tried again.
const MOUNT_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(122));

/// What the API says about the pod's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// `metadata.deletionTimestamp` is set.
    Stop {
        grace: Duration,
    },
    /// The object is gone.
    Vanish,
}

/// The worker of one pod.
pub(super) struct Worker {
    pub(super) node: Arc<Node>,
    pub(super) pod: Arc<Value>,
    pub(super) key: Key,
    state: Mutex<WorkerState>,
}

struct WorkerState {
    board: Board,
    rng: ChaCha8Rng,
    /// The status as last written.
    written: Value,
    /// By container, in the board's numbering.
    processes: BTreeMap<usize, Arc<dyn Process>>,
}

/// Runs a pod until its object is gone.
pub(super) async fn run(node: Arc<Node>, pod: Arc<Value>, mut orders: watch::Receiver<Order>) {
    let worker = Worker::new(node, pod);
    let stop = tokio::select! {
        biased;
        order = ordered(&mut orders) => order,
        () = worker.live() => ordered(&mut orders).await,
    };
    if let Order::Stop { grace } = stop {
        let gone = async {
            let _ = orders.wait_for(|it| *it == Order::Vanish).await;
        };
        tokio::select! {
            biased;
            () = gone => {}
            () = worker.stop(grace) => {}
        }
    }
    worker.clean_up();
}

/// Waits for the end of the pod. Without a sender the kubelet itself is gone.
async fn ordered(orders: &mut watch::Receiver<Order>) -> Order {
    orders.wait_for(|it| *it != Order::Run).await.map_or(Order::Vanish, |it| *it)
}

impl Worker {
    fn new(node: Arc<Node>, pod: Arc<Value>) -> Self {
        let board = Board::new(&pod, node.clock.now());
        // A stream of its own, so that no pod's numbers depend on what another one does.
        let rng = node.seed.stream(&format!("kubelet/{}/{}", namespace(&pod), name(&pod)));
        let state = WorkerState { board, rng, written: Value::Null, processes: BTreeMap::new() };
        Self { key: key(&pod), node, pod, state: Mutex::new(state) }
    }

    /// The pod's life up to the end of its last container; for ever under restart policy Always.
    async fn live(&self) {
        self.bind().await;
        self.publish();
        let volumes = self.mount().await;
        self.pause(self.node.timing.sandbox).await;
        let ip = self.node.take_ip();
        self.change(|board| board.ip = ip);
        let init = list(&self.pod, "/spec/initContainers");
        let main = list(&self.pod, "/spec/containers");
        for (at, spec) in init.iter().enumerate() {
            if !self.run_container(at, spec, &volumes).await {
                return;
            }
        }
        if !init.is_empty() {
            self.change(|board| {
                for container in &mut board.main {
                    container.state = State::waiting("ContainerCreating");
                }
            });
        }
        let containers = main.iter().enumerate().map(|(at, spec)| self.run_container(init.len() + at, spec, &volumes));
        futures_util::future::join_all(containers).await;
    }

    /// The scheduler: one node, so no choice.
    async fn bind(&self) {
        if !text(&self.pod, "/spec/nodeName").is_empty() {
            return;
        }
        self.pause(self.node.timing.schedule).await;
        let bound = self.node.client.patch(resource::PODS, &self.key, json!({ "spec": { "nodeName": NODE_NAME } }));
        if bound.is_ok() {
            let message = format!("Successfully assigned {}/{} to {NODE_NAME}", self.key.namespace, self.key.name);
            self.node.scheduler.normal(&self.pod, "Scheduled", &message);
        }
    }

    /// The contents of the volumes, as soon as all ConfigMaps and Secrets that they need are there.
    async fn mount(&self) -> BTreeMap<String, Texts> {
        let mut wait = MOUNT_RETRY.0;
        loop {
            match env::volumes(&self.pod, &self.sources()) {
                Ok(volumes) => return volumes,
                Err(error) => self.node.kubelet.warning(&self.pod, "FailedMount", &error.to_string()),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MOUNT_RETRY.1);
        }
    }

    pub(super) fn sources(&self) -> Sources<'_> {
        Sources { client: &self.node.client, namespace: &self.key.namespace }
    }

    /// Waits for a simulated time, drawn from the seed.
    pub(super) async fn pause(&self, span: Span) {
        let time = self.draw(span);
        tokio::time::sleep(time).await;
    }

    pub(super) fn draw(&self, span: Span) -> Duration {
        span.draw(&mut self.lock().rng)
    }

    /// Changes what is known, and tells the API if that changes the status.
    pub(super) fn change(&self, change: impl FnOnce(&mut Board)) {
        change(&mut self.lock().board);
        self.publish();
    }

    pub(super) fn container<T>(&self, at: usize, read: impl FnOnce(&mut Container) -> T) -> T {
        read(self.lock().board.container(at))
    }

    pub(super) fn change_container(&self, at: usize, change: impl FnOnce(&mut Container)) {
        self.change(|board| change(board.container(at)));
    }

    fn publish(&self) {
        let now = self.now();
        self.write(|board| board.status(NODE_IP, now));
    }

    fn write(&self, status: impl FnOnce(&mut Board) -> Value) {
        let status = {
            let mut state = self.lock();
            let status = status(&mut state.board);
            if status == state.written {
                return;
            }
            state.written.clone_from(&status);
            status
        };
        // A pod that is gone needs no status; nothing else can go wrong with a patch of one's own status.
        if let Err(error) = self.node.client.patch_status(resource::PODS, &self.key, &status) {
            tracing::debug!(pod = self.key.name, %error, "the pod's status was not written");
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.node.clock.now()
    }

    pub(super) fn ip(&self) -> String {
        self.lock().board.ip.clone()
    }

    pub(super) fn policy(&self) -> RestartPolicy {
        self.lock().board.policy
    }

    pub(super) fn set_process(&self, at: usize, process: Option<Arc<dyn Process>>) {
        let processes = &mut self.lock().processes;
        match process {
            Some(process) => processes.insert(at, process),
            None => processes.remove(&at),
        };
    }

    /// The pod's own grace period, for restarts.
    pub(super) fn grace(&self) -> Duration {
        let seconds = int(&self.pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// Graceful end: all containers at once, then the last status, then the object goes.
    async fn stop(&self, grace: Duration) {
        let processes = self.lock().processes.clone();
        let ends = processes.iter().map(|(at, process)| self.end_container(*at, process, grace));
        futures_util::future::join_all(ends).await;
        let now = self.now();
        self.write(|board| board.final_status(NODE_IP, now));
        let _ = self.node.client.delete_now(resource::PODS, &self.pod);
    }

    /// Whatever still runs is killed, and the pod's place in the tables is given back.
    fn clean_up(&self) {
        let (ip, processes) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.board.ip), std::mem::take(&mut state.processes))
        };
        for process in processes.values() {
            process.kill();
        }
        self.node.pods.remove(&self.key.namespace, &self.key.name);
        if !ip.is_empty() {
            self.node.give_back_ip(&ip);
        }
    }

    fn lock(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn uid(&self) -> &str {
        uid(&self.pod)
    }
}

impl Drop for Worker {
    /// An aborted worker leaves no process behind.
    fn drop(&mut self) {
        self.clean_up();
    }
}
