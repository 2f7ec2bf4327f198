//! What stands behind the lab's images: parts of this binary, as processes of pods.

mod app;
mod commands;
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
use commands::{Flavour, Inside, WithCommands};
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

impl Parts {
    /// What a command in a container sees.
    fn inside(&self, container: ContainerSpec, flavour: Flavour) -> Inside {
        Inside {
            http: self.network.seen_from(&container.namespace),
            kubernetes: self.kubernetes.clone(),
            clock: self.clock,
            container,
            flavour,
        }
    }
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
        let inside = |flavour| Arc::new(parts.inside(container.clone(), flavour));
        let (process, inside) = match known::find(&image) {
            Ok(Image::Podinfo { version }) => {
                (app::podinfo(parts, version, container.clone())?, inside(commands::PODINFO))
            }
            Ok(Image::LoadTester) => (app::load_tester(parts, container.clone())?, inside(commands::LOAD_TESTER)),
            Ok(Image::Flagger) => (flagger::start(parts, &container)?, inside(commands::PLAIN)),
            Ok(Image::IngressNginx) => (ingress::start(parts, &container), inside(commands::PLAIN)),
            Ok(Image::Prometheus) => (prometheus::start(parts, &container)?, inside(commands::PLAIN)),
            Err(error) => return Err(StartError { exit_code: 128, message: error.to_string() }),
        };
        Ok(Arc::new(WithCommands { process, inside }))
    }
}
