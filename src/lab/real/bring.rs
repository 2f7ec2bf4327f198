//! A real lab from its beginning to its end: claimed, provisioned, installed, written down; and removed.

use super::adapt::IMAGES_FILE;
use super::context;
use super::evidence;
use super::parts::{Ground, entry, prometheus};
use super::provider::{Cluster, Provider, ProviderError};
use crate::cluster::{Client, ConnectError};
use crate::home::{
    Claim, Claimed, Controller, Endpoints, Existing, Found, Home, HomeError, Kubernetes, LabKind, LabName, Record,
};
use crate::install::{InstallError, Installer, Others, Steps};
use crate::model::duration::go;
use crate::model::object::Labels;
use crate::stack::{Images, Profile, StackError, Theirs};
use crate::sys::clock::rfc3339;
use std::path::PathBuf;
use std::time::Duration;

/// Whom the lab's objects belong to (server-side apply).
pub(super) const FIELD_MANAGER: &str = "coalmine-lab";
/// Evidence is asked of a cluster that may not answer.
const COLLECTED_WITHIN: Duration = Duration::from_mins(3);
/// The lab's own kubeconfig, in its folder of `home`.
pub const KUBECONFIG_FILE: &str = "kubeconfig";
/// By which the lab's objects are known again.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// One real lab, there or not.
pub struct RealLab<'a> {
    pub home: &'a Home,
    pub name: &'a LabName,
    pub kind: LabKind,
    pub provider: &'a dyn Provider,
    pub images: &'a Images,
    /// The person's own file of images, which is kept with the lab: scenarios need it too.
    pub own_images: Option<&'a str>,
    pub profile: Profile,
    pub grafana: bool,
    /// The cluster that was there before; none where the provider makes one.
    pub on: Option<On<'a>>,
    /// Where evidence of a failure goes.
    pub evidence: Option<PathBuf>,
    /// How long it may take to come up.
    pub within: Duration,
    /// What is left of a cluster that could not be made stays, for whoever looks into it.
    pub retain: bool,
}

/// A cluster that is not the lab's own.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// What is written down of it.
    pub existing: &'a Existing,
    /// The kubeconfig that the lab gets; none where it has one.
    pub kubeconfig: Option<&'a str>,
    /// What the lab uses of it.
    pub theirs: &'a Theirs,
}

#[derive(Debug, thiserror::Error)]
pub enum RealError {
    #[error("{}", taken(.0))]
    Taken(Box<Found>),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("its cluster was not there within {}; `coalmine up` goes on where it stopped, --timeout gives it longer", go(*.0))]
    TooLong(Duration),
    #[error("the cluster was made and cannot be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Install(#[from] InstallError),
}

fn taken(found: &Found) -> String {
    let name = &found.name;
    match (found.holder, &found.record) {
        (Some(pid), _) => {
            format!("process {pid} is making, mending or removing the lab `{name}`: wait until it has ended")
        }
        (None, Ok(record)) => format!(
            "the lab `{name}` is there already, as one of kind {}: `coalmine down --name {name}` removes it, another --name \
            makes another one",
            record.kind.name()
        ),
        (None, Err(why)) => why.to_string(),
    }
}

impl RealLab<'_> {
    /// Makes the lab, or repairs what is missing of it. Whoever stops it half-way may call it again, or [`RealLab::down`].
    pub async fn up(&self, steps: &Steps) -> Result<Record, RealError> {
        let mut claim = self.claim(steps)?;
        if let Some(text) = self.own_images {
            claim.write(IMAGES_FILE, text)?;
        }
        if let Some(text) = self.on.and_then(|it| it.kubeconfig) {
            claim.write(KUBECONFIG_FILE, text)?;
        }
        let until = steps.clock.elapsed().saturating_add(self.within);
        let cluster = match self.provision(steps).await {
            Ok(cluster) => cluster,
            Err(error) => {
                self.collect(None).await;
                // What was there before this call is not thrown away for it; on somebody's cluster nothing has been made yet.
                let is_ruin = matches!(error, RealError::Provider(_)) && !claim.is_resumed() && !self.retain;
                if is_ruin && (self.on.is_some() || self.provider.delete(steps).await.is_ok()) {
                    claim.release()?;
                }
                return Err(error);
            }
        };
        let client = Client::connect_context(Some(&cluster.kubeconfig), Some(&cluster.context)).await?;
        let installed = self.install(steps, &cluster, &client, until).await;
        if installed.is_err() {
            self.collect(Some(&client)).await;
        }
        installed?;
        claim.ready(self.endpoints(&cluster))?;
        Ok(claim.settle()?)
    }

    async fn provision(&self, steps: &Steps) -> Result<Cluster, RealError> {
        match tokio::time::timeout(self.within, self.provider.provision(steps)).await {
            Ok(made) => Ok(made?),
            Err(_) => Err(RealError::TooLong(self.within)),
        }
    }

    /// Removes the lab and all that is written down about it. One that is not there is removed already.
    pub async fn down(&self, steps: &Steps) -> Result<(), RealError> {
        let claim = self.claim(steps)?;
        self.provider.delete(steps).await?;
        Ok(claim.release()?)
    }

    fn claim(&self, steps: &Steps) -> Result<Box<Claim>, RealError> {
        let record = Record::new(self.kind, Controller::Flagger, rfc3339(steps.clock.now()));
        let record = record.on(self.on.map(|it| it.existing.clone()));
        match self.home.claim(self.name, record)? {
            Claimed::Ours(claim) => Ok(claim),
            Claimed::Taken(found) => Err(RealError::Taken(Box::new(found))),
        }
    }

    async fn install(
        &self,
        steps: &Steps,
        cluster: &Cluster,
        client: &Client,
        until: Duration,
    ) -> Result<(), RealError> {
        let own = Theirs::default();
        let ground = Ground {
            theirs: self.on.map_or(&own, |it| it.theirs),
            images: self.images,
            profile: self.profile,
            grafana: self.grafana,
            provider: self.provider,
            cluster,
            clock: steps.clock,
        };
        let (mark, others) = match self.kind {
            LabKind::Context => (context::mark(self.name.as_str()), Others::Leave),
            _ => (Labels::from([(MANAGED_BY.to_owned(), "coalmine".to_owned())]), Others::Take),
        };
        let mut parts = ground.parts()?;
        if others == Others::Leave {
            parts.iter_mut().flat_map(|it| &mut it.objects).for_each(context::tame);
        }
        let installer = Installer { until: Some(until), ..installer(client, steps, mark, others) };
        installer.install(parts).await?;
        Ok(())
    }

    /// Best effort: the failure that it is evidence of is the one that is told.
    async fn collect(&self, cluster: Option<&Client>) {
        let Some(folder) = &self.evidence else { return };
        match tokio::time::timeout(COLLECTED_WITHIN, evidence::collect(self.provider, cluster, folder)).await {
            Ok(Ok(_)) => (),
            Ok(Err(why)) => tracing::warn!("evidence could not be written to {}: {why}", folder.display()),
            Err(_) => tracing::warn!("evidence in {} is not whole: the cluster does not answer", folder.display()),
        }
    }

    fn endpoints(&self, cluster: &Cluster) -> Endpoints {
        Endpoints {
            kubernetes: Kubernetes {
                server: Client::server(&cluster.kubeconfig, &cluster.context).unwrap_or_default(),
                kubeconfig: cluster.kubeconfig.clone(),
                context: cluster.context.clone(),
            },
            prometheus: prometheus().to_string(),
            entry: entry(self.profile).to_string(),
            metrics: None,
            network: None,
        }
    }
}

/// Whoever brings a lab's objects, and takes them away.
pub(super) fn installer(cluster: &Client, steps: &Steps, mark: Labels, others: Others) -> Installer {
    Installer {
        cluster: cluster.clone(),
        steps: steps.clone(),
        field_manager: FIELD_MANAGER,
        mark,
        until: None,
        others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::State;

    #[test]
    fn who_has_a_name_is_said() {
        let record = Record::new(LabKind::Context, Controller::Flagger, String::new());
        let found = |holder| {
            Box::new(Found {
                name: LabName::of(LabKind::Kind),
                state: State::Ready,
                holder,
                record: Ok(record.clone()),
            })
        };
        for (holder, expected) in [
            (Some(7), "process 7 is making, mending or removing the lab `kind`: wait until it has ended"),
            (
                None,
                "the lab `kind` is there already, as one of kind context: `coalmine down --name kind` removes it, another \
                --name makes another one",
            ),
        ] {
            assert_eq!(RealError::Taken(found(holder)).to_string(), expected);
        }
    }
}
