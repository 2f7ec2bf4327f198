//! Starting and stopping all of the station's tasks, and who wakes whom.

use super::client::{Client, Seen, add_all, key};
use super::events::Recorder;
use super::hpa::{self, MetricSource};
use super::json::{list, namespace, text};
use super::kubelet::{Kubelet, Node, Pods};
use super::queue::{Key, Queue};
use super::runtime::Runtime;
use super::service::{Endpoints, PodWatch};
use super::timing::Timing;
use super::{deployment, replicaset, service};
use crate::apiserver::{Api, resource};
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What the controllers are given.
pub struct Settings {
    pub clock: Clock,
    pub seed: Seed,
    /// How long the simulated node takes for things.
    pub timing: Timing,
    /// What starts the processes behind containers.
    pub runtime: Arc<dyn Runtime>,
    /// What the autoscaler asks.
    pub metrics: Arc<dyn MetricSource>,
}

/// The running controllers and kubelet. Dropping it stops them and kills all processes.
pub struct Controllers {
    pods: Pods,
    endpoints: Endpoints,
    tasks: JoinSet<()>,
}

impl Controllers {
    /// Starts all tasks on the current tokio runtime. They first look at everything that is there already.
    #[must_use]
    pub fn start(api: Api, settings: Settings) -> Self {
        let kubelet = Client::new(api.clone(), "kubelet");
        let client = Client::new(api, "kube-controller-manager");
        let (pods, endpoints) = (Pods::default(), Endpoints::default());
        let mut tasks = JoinSet::new();
        let queues = Queues::default();
        queues.wire(&client, &mut tasks);
        spawn_controllers(&client, &settings, (&queues, &endpoints), &mut tasks);
        let times = (settings.clock, settings.seed, settings.timing);
        tasks.spawn(Kubelet::run(Arc::new(Node::new(kubelet, settings.runtime, times, pods.clone()))));
        Self { pods, endpoints, tasks }
    }

    /// The kubelet's table: which process stands behind which pod.
    #[must_use]
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// The data plane's view of Services.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Stops all tasks and waits until they have ended; processes are killed, objects stay as they are.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

/// One queue per controller.
#[derive(Default)]
struct Queues {
    deployments: Queue,
    sets: Queue,
    services: Queue,
    autoscalers: Queue,
}

impl Queues {
    /// Starts the watches: each turns what it sees into keys of objects to look at.
    fn wire(&self, client: &Client, tasks: &mut JoinSet<()>) {
        self.wire_own_kinds(client, tasks);
        let (of, sets, deployments) = (client.clone(), self.sets.clone(), self.deployments.clone());
        spawn_follow(client, tasks, resource::PODS, move |seen| {
            let Some(pod) = seen.object() else { return add_all(&of, resource::REPLICA_SETS, &sets) };
            for set in replicaset::concerned(&of, pod) {
                if matches!(seen, Seen::Gone(_)) {
                    // Recreate waits for the last old pod.
                    add_owner(&of, &set, &deployments);
                }
                sets.add(set);
            }
        });
        let (of, services, mut pods) = (client.clone(), self.services.clone(), PodWatch::default());
        spawn_follow(client, tasks, resource::PODS, move |seen| pods.see(seen, &of, &services));
    }

    fn wire_own_kinds(&self, client: &Client, tasks: &mut JoinSet<()>) {
        let queue = self.deployments.clone();
        spawn_follow(client, tasks, resource::DEPLOYMENTS, move |seen| add(&queue, seen));
        let (of, sets, deployments) = (client.clone(), self.sets.clone(), self.deployments.clone());
        spawn_follow(client, tasks, resource::REPLICA_SETS, move |seen| {
            add(&sets, seen);
            match seen.object() {
                Some(set) => deployment::concerned(&of, set).into_iter().for_each(|it| deployments.add(it)),
                None => add_all(&of, resource::DEPLOYMENTS, &deployments),
            }
        });
        let queue = self.services.clone();
        spawn_follow(client, tasks, resource::SERVICES, move |seen| add(&queue, seen));
        let queue = self.services.clone();
        spawn_follow(client, tasks, resource::ENDPOINT_SLICES, move |seen| {
            // Whoever changes or deletes a slice is corrected.
            if let Some(slice) = seen.object() {
                let owners = list(slice, "/metadata/ownerReferences").iter();
                let services = owners.filter(|it| it["kind"] == "Service");
                services.for_each(|it| queue.add(Key::new(namespace(slice), text(it, "/name"))));
            }
        });
        let queue = self.autoscalers.clone();
        spawn_follow(client, tasks, resource::HORIZONTAL_POD_AUTOSCALERS, move |seen| {
            if let Seen::Present(autoscaler) = seen {
                queue.add_after(key(autoscaler), hpa::SYNC_PERIOD);
            }
        });
    }
}

fn spawn_controllers(
    client: &Client,
    settings: &Settings,
    (queues, view): (&Queues, &Endpoints),
    tasks: &mut JoinSet<()>,
) {
    let (clock, seed) = (settings.clock, settings.seed);
    let recorder = |component| Recorder::new(client.clone(), clock, component, "");
    let deployments = deployment::Controller {
        client: client.clone(),
        clock,
        events: recorder("deployment-controller"),
        queue: queues.deployments.clone(),
    };
    tasks.spawn(deployments.run());
    let sets = replicaset::Controller {
        client: client.clone(),
        clock,
        events: recorder("replicaset-controller"),
        queue: queues.sets.clone(),
        rng: seed.stream("replicaset-controller"),
    };
    tasks.spawn(sets.run());
    let services = service::Controller {
        client: client.clone(),
        events: recorder("endpoint-slice-controller"),
        queue: queues.services.clone(),
        view: view.clone(),
        rng: seed.stream("endpointslice-controller"),
    };
    tasks.spawn(services.run());
    let events = recorder("horizontal-pod-autoscaler");
    let metrics = Arc::clone(&settings.metrics);
    tasks.spawn(hpa::Controller::new(client.clone(), clock, events, queues.autoscalers.clone(), metrics).run());
}

fn spawn_follow(
    client: &Client,
    tasks: &mut JoinSet<()>,
    resource: &'static str,
    mut on: impl FnMut(&Seen<'_>) + Send + 'static,
) {
    let client = client.clone();
    tasks.spawn(async move { client.follow(resource, |seen| on(&seen)).await });
}

fn add(queue: &Queue, seen: &Seen<'_>) {
    if let Some(object) = seen.object() {
        queue.add(key(object));
    }
}

/// The Deployment that owns a ReplicaSet.
fn add_owner(client: &Client, set: &Key, deployments: &Queue) {
    if let Some(set) = client.get(resource::REPLICA_SETS, &set.namespace, &set.name) {
        for deployment in deployment::concerned(client, &set) {
            deployments.add(deployment);
        }
    }
}
