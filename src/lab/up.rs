//! An embedded lab on the wall clock that other processes find by its name: made, served, written down; and taken down in
//! the opposite order.

use super::{Embedded, Lab, LabError, Options, Ports, Progress, Served};
use crate::home::{
    Claim, Claimed, Controller, Endpoints, Found, Home, HomeError, Kubernetes, LabKind, LabName, Record,
};
use crate::sys::clock::{Clock, rfc3339};
use crate::sys::rng::Seed;
use std::path::PathBuf;
use std::sync::Arc;

const CA: &str = "ca.crt";
const TOKEN: &str = "token";
const KUBECONFIG: &str = "kubeconfig";

/// What a lab that is brought up depends on.
#[derive(Debug, Clone)]
pub struct UpOptions {
    pub controller: Controller,
    pub ports: Ports,
    pub seed: Seed,
    /// Where this process writes what it has to say, if that is a file.
    pub log: Option<PathBuf>,
    /// The scenario whose run the lab is made for, if it is.
    pub run: Option<String>,
}

impl Default for UpOptions {
    fn default() -> Self {
        Self { controller: Controller::Builtin, ports: Ports::default(), seed: Seed(1), log: None, run: None }
    }
}

/// A lab that is up. Dropping it ends the lab and leaves its files, as a kill would; [`Up::down`] removes them too.
pub struct Up {
    embedded: Embedded,
    claim: Box<Claim>,
}

/// Why a lab did not come up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    #[error("the lab `{}` is there already", .0.name)]
    Taken(Box<Found>),
    #[error("every name for labs of runs is taken: `coalmine status` shows by whom")]
    NoNameFree,
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Lab(#[from] LabError),
}

impl Up {
    /// Makes the lab `name`, serves it on loopback and writes it down in `home`. Returns once all its parts are available.
    pub async fn start(home: &Home, name: &LabName, options: UpOptions, progress: Progress) -> Result<Self, UpError> {
        let clock = Clock::wall();
        let started = rfc3339(clock.now());
        let record =
            Record::new(LabKind::Embedded, options.controller, started).with_log(options.log).with_run(options.run);
        let mut claim = match home.claim(name, record)? {
            Claimed::Ours(claim) => claim,
            Claimed::Taken(found) => return Err(UpError::Taken(Box::new(found))),
        };
        let lab = Options { controller: options.controller, serve: Some(options.ports) };
        match Embedded::start(clock, options.seed, lab, progress).await {
            Ok(embedded) => {
                if let Some(served) = embedded.served() {
                    claim.ready(written(&claim, served)?)?;
                }
                Ok(Self { embedded, claim })
            }
            Err(error) => {
                claim.release()?;
                Err(error.into())
            }
        }
    }

    /// The same for a run, under the name that was given or else the first free one of [`LabName::of_runs`]. Removes what
    /// killed runs left.
    pub async fn start_for_run(
        home: &Home,
        name: Option<&LabName>,
        options: UpOptions,
        progress: Progress,
    ) -> Result<Self, UpError> {
        home.sweep_runs()?;
        if let Some(name) = name {
            return Self::start(home, name, options, progress).await;
        }
        for name in LabName::of_runs() {
            match Self::start(home, &name, options.clone(), Arc::clone(&progress)).await {
                Err(UpError::Taken(_)) => {}
                other => return other,
            }
        }
        Err(UpError::NoNameFree)
    }

    /// Under which name it is found.
    #[must_use]
    pub fn name(&self) -> &LabName {
        self.claim.name()
    }

    /// What is written down about it.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.claim.record()
    }

    /// The three endpoints, in process.
    #[must_use]
    pub fn lab(&self) -> Lab {
        self.embedded.lab()
    }

    /// Ends the lab and every connection to it, and removes what was written down.
    pub async fn down(self) -> Result<(), HomeError> {
        self.embedded.stop().await;
        self.claim.release()
    }
}

/// Writes the credentials down; gives how the lab is reached.
fn written(claim: &Claim, served: &Served) -> Result<Endpoints, HomeError> {
    let context = format!("coalmine-{}", claim.name());
    claim.write(CA, &served.ca)?;
    claim.write(TOKEN, &served.token)?;
    let kubeconfig = claim.write(KUBECONFIG, &served.kubeconfig(&context))?;
    Ok(Endpoints {
        kubernetes: Kubernetes { server: format!("https://{}", served.kubernetes), kubeconfig, context },
        prometheus: format!("http://{}", served.prometheus),
        entry: format!("http://{}", served.entry),
        metrics: served.metrics.map(|it| format!("http://{it}/metrics")),
        network: served.network.map(|it| format!("http://{it}")),
    })
}
