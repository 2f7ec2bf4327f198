//! What stands behind the lab's images: parts of this binary, as processes of pods.

mod app;
mod flagger;
mod ingress;
mod known;
mod part;
mod prometheus;

use crate::cluster::Client;
use crate::lab::network::Network;
use crate::metrics::Database;
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use crate::workload::runtime::{ContainerSpec, Process, PullError, Runtime, StartError};
use known::Image;
use std::sync::Arc;

/// What the parts of a lab are made with.
#[derive(Clone)]
pub(crate) struct Parts {
    pub clock: Clock,
    pub seed: Seed,
    pub kubernetes: Client,
    pub network: Network,
    pub database: Database,
}

/// The kubelet's container runtime: knows which images there are and starts what stands behind them.
pub(crate) struct Images(pub Parts);

impl Runtime for Images {
    fn pull(&self, image: &str) -> Result<(), PullError> {
        known::find(image).map(|_| ())
    }

    fn start(&self, container: ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
        let parts = &self.0;
        let image = container.image.clone();
        match known::find(&image) {
            Ok(Image::Podinfo { version }) => app::podinfo(parts, version, container),
            Ok(Image::LoadTester) => app::load_tester(parts, container),
            Ok(Image::Flagger) => flagger::start(parts, &container),
            Ok(Image::IngressNginx) => Ok(ingress::start(parts, &container)),
            Ok(Image::Prometheus) => prometheus::start(parts, &container),
            Err(error) => Err(StartError { exit_code: 128, message: error.to_string() }),
        }
    }
}
