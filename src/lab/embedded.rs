//! The embedded lab: a cluster in this process, made of the same objects as a real one.

use super::autoscale::RequestMetrics;
use super::images::{Images, Parts};
use super::network::Network;
use super::serve::{Answers, Bound, ServeError, Served, Servers, proxy, to_address, to_controller};
use super::{EMBEDDED, Endpoint, Lab, Ports, Progress, manifests, node};
use crate::apiserver::Server;
use crate::cluster::{Client, ClusterError};
use crate::event::{LabStep, StepState};
use crate::home::Controller;
use crate::install::{Outcome, Readiness, Steps, readiness};
use crate::metrics::Database;
use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use crate::sys::direct::Direct;
use crate::sys::http::SharedHttp;
use crate::sys::outside::Outside;
use crate::sys::rng::Seed;
use crate::workload::{self, Controllers, Timing};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the lab's own parts may take to become available.
const AVAILABLE_WITHIN: Duration = Duration::from_mins(5);
/// How often availability is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Whom the lab's objects belong to (server-side apply).
const FIELD_MANAGER: &str = "coalmine-lab";
/// Where users' requests enter, and where metrics are asked, by their Services.
const ENTRY: &str = "http://ingress-nginx-controller.ingress-nginx";
const PROMETHEUS: &str = "http://prometheus.flagger-system:9090";

/// A running embedded lab. [`Embedded::stop`] ends everything in it; so does dropping it.
pub struct Embedded {
    lab: Lab,
    server: Server,
    controllers: Controllers,
    tasks: JoinSet<()>,
    servers: Option<Servers>,
}

/// What kind of embedded lab.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// `Flagger` is taken as `External`: nothing but our own controller can run in this lab.
    pub controller: Controller,
    /// Serve it on loopback: on the wall clock only, because a socket knows no other.
    pub serve: Option<Ports>,
}

impl Options {
    /// What fits this clock: on the wall clock everything is served, on free ports.
    #[must_use]
    pub fn of(clock: Clock) -> Self {
        Self { serve: (!clock.is_simulated()).then(Ports::default), ..Self::default() }
    }
}

/// Why the lab could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error(transparent)]
    Manifest(#[from] manifests::ManifestError),
    #[error("{object} was refused: {source}")]
    Apply { object: ObjectRef, source: ClusterError },
    #[error("not available within {}: {why}", crate::model::duration::go(AVAILABLE_WITHIN))]
    NotAvailable { why: String },
    #[error("the Kubernetes API broke: {0}")]
    Api(#[from] ClusterError),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl Embedded {
    /// Makes the lab and waits until all its parts are available. Must be called inside a tokio runtime.
    pub async fn start(clock: Clock, seed: Seed, options: Options, progress: Progress) -> Result<Self, LabError> {
        let outside = (!clock.is_simulated()).then(|| Arc::new(Outside::new()) as SharedHttp);
        Self::start_beside(clock, seed, options, outside, progress).await
    }

    /// The same with a choice of what answers to names outside the cluster; they do not exist where it is none. On the
    /// simulated clock it must answer in process.
    pub async fn start_beside(
        clock: Clock,
        seed: Seed,
        options: Options,
        outside: Option<SharedHttp>,
        progress: Progress,
    ) -> Result<Self, LabError> {
        let own_controller = options.controller == Controller::Builtin;
        let bound = match options.serve {
            Some(ports) => Some(Bound::new(ports, own_controller, clock).await?),
            None => None,
        };
        let server = Server::new(clock, seed);
        let kubernetes = Client::in_process(server.router());
        let network = Network::new(outside);
        server.set_proxy(network.seen_from("default"));
        let database = Database::default();
        let parts = Parts { clock, seed, kubernetes, network, database };
        let mut embedded = Self::wire(&parts, server);
        if let Some(bound) = bound {
            embedded.serve(bound, &progress)?;
        }
        embedded.install(options.controller, &progress).await?;
        Ok(embedded)
    }

    fn wire(parts: &Parts, server: Server) -> Self {
        let metrics: Arc<dyn workload::MetricSource> =
            Arc::new(RequestMetrics { database: parts.database.clone(), clock: parts.clock });
        let settings = workload::Settings {
            clock: parts.clock,
            seed: parts.seed,
            timing: Timing::default(),
            runtime: Arc::new(Images(parts.clone())),
            metrics: Arc::clone(&metrics),
        };
        let controllers = Controllers::start(server.api_as("kube-controller-manager"), settings);
        parts.network.connect(controllers.endpoints().clone(), controllers.pods().clone());
        let (pods, clock) = (controllers.pods().clone(), parts.clock);
        let containers = workload::Containers::new(server.api(), pods.clone());
        server.set_node_agent(Arc::new(node::Agent { containers, pods, metrics, clock }));
        let mut tasks = JoinSet::new();
        tasks.spawn(crate::edge::answer_gateways(parts.kubernetes.clone(), parts.clock));
        let user = parts.network.seen_from("default");
        let lab = Lab {
            name: EMBEDDED.to_owned(),
            clock: parts.clock,
            kubernetes: parts.kubernetes.clone(),
            prometheus: Endpoint { http: user.clone(), address: PROMETHEUS.to_owned() },
            entry: Endpoint { http: user, address: ENTRY.to_owned() },
        };
        Self { lab, server, controllers, tasks, servers: None }
    }

    /// The three endpoints.
    #[must_use]
    pub fn lab(&self) -> Lab {
        self.lab.clone()
    }

    /// Its Kubernetes API, for who reaches it in another way than [`Lab::kubernetes`]. Everything is allowed.
    pub fn api(&self) -> axum::Router {
        self.server.router()
    }

    /// Where it is served, if it is.
    #[must_use]
    pub fn served(&self) -> Option<&Served> {
        self.servers.as_ref().map(Servers::served)
    }

    /// Ends every connection, process, controller and watch of the lab.
    pub async fn stop(mut self) {
        if let Some(servers) = &self.servers {
            servers.close();
        }
        self.tasks.shutdown().await;
        self.controllers.shutdown().await;
        // Watches end here, and with them the connections that carry them.
        self.server.shut_down();
        if let Some(servers) = self.servers.take() {
            servers.stop().await;
        }
    }

    async fn install(&self, controller: Controller, progress: &Progress) -> Result<(), LabError> {
        let (objects, name) = match controller {
            Controller::Builtin => (manifests::builtin()?, "install Prometheus, ingress-nginx and Flagger"),
            Controller::External | Controller::Flagger => {
                (manifests::without_controller()?, "install Prometheus and ingress-nginx")
            }
        };
        let steps = Steps::new(self.lab.clock, progress.clone());
        steps.step(name, self.apply(&objects)).await?;
        steps.step("wait until they are available", self.wait_until_ready(&objects)).await?;
        Ok(())
    }

    async fn apply(&self, objects: &[Value]) -> Result<Outcome, LabError> {
        for object in objects {
            let applied = self.lab.kubernetes.apply(object, FIELD_MANAGER, true).await;
            applied.map_err(|source| LabError::Apply { object: ObjectRef::of(object), source })?;
        }
        Ok(Outcome::done(""))
    }

    async fn wait_until_ready(&self, objects: &[Value]) -> Result<Outcome, LabError> {
        let mut left: Vec<ObjectRef> =
            objects.iter().filter(|it| it["kind"] == "Deployment").map(ObjectRef::of).collect();
        let mut why = Vec::new();
        let until = self.lab.clock.elapsed() + AVAILABLE_WITHIN;
        while !left.is_empty() {
            if self.lab.clock.elapsed() > until {
                return Err(LabError::NotAvailable { why: why.join("; ") });
            }
            self.lab.clock.sleep_until(self.lab.clock.elapsed() + LOOK_EVERY).await;
            why.clear();
            for object in std::mem::take(&mut left) {
                if let Readiness::Waiting(reason) | Readiness::Failed(reason) =
                    readiness(self.lab.kubernetes.get(&object).await?.as_ref())
                {
                    why.push(format!("{object}: {reason}"));
                    left.push(object);
                }
            }
        }
        Ok(Outcome::done(""))
    }

    fn serve(&mut self, bound: Bound, progress: &Progress) -> Result<(), LabError> {
        let user = self.lab.entry.http.clone();
        let servers = bound.serve(|token| Answers {
            kubernetes: self.server.guarded_router(token),
            prometheus: to_address(user.clone(), PROMETHEUS),
            entry: to_address(user.clone(), ENTRY),
            metrics: to_controller(user.clone(), self.lab.kubernetes.clone()),
            network: proxy(user),
        })?;
        let served = servers.served();
        for (name, address) in [
            ("serve the Kubernetes API", format!("https://{}", served.kubernetes)),
            ("serve the Prometheus API", format!("http://{}", served.prometheus)),
            ("serve requests", format!("http://{}", served.entry)),
        ] {
            progress(LabStep { name: name.to_owned(), state: StepState::Done, detail: address });
        }
        // From here on users' requests are real ones, through a socket.
        self.lab.entry = Endpoint { http: Arc::new(Direct::new()), address: format!("http://{}", served.entry) };
        self.servers = Some(servers);
        Ok(())
    }
}
