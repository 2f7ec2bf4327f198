//! A real lab from its beginning to its end: claimed, provisioned, installed, written down; and removed.

use super::adapt::IMAGES_FILE;
use super::evidence;
use super::parts::{Ground, entry, prometheus};
use super::provider::{Cluster, Provider, ProviderError};
use crate::cluster::{Client, ConnectError};
use crate::home::{
    Claim, Claimed, Controller, Endpoints, Found, Home, HomeError, Kubernetes, LabKind, LabName, Record,
};
use crate::install::{InstallError, Installer, Steps};
use crate::model::object::Labels;
use crate::stack::{Images, Profile, StackError};
use crate::sys::clock::rfc3339;
use std::path::PathBuf;

/// Whom the lab's objects belong to (server-side apply).
const FIELD_MANAGER: &str = "coalmine-lab";
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
    /// Where evidence of a failure goes.
    pub evidence: Option<PathBuf>,
    /// What is left of a cluster that could not be made stays, for whoever looks into it.
    pub retain: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RealError {
    #[error("the lab `{}` is there already, and is of another kind or being made", .0.name)]
    Taken(Box<Found>),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the cluster was made and cannot be reached: {0}")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error(transparent)]
    Install(#[from] InstallError),
}

impl RealLab<'_> {
    /// Makes the lab, or repairs what is missing of it. Whoever stops it half-way may call it again, or [`RealLab::down`].
    pub async fn up(&self, steps: &Steps) -> Result<Record, RealError> {
        let mut claim = self.claim(steps)?;
        if let Some(text) = self.own_images {
            claim.write(IMAGES_FILE, text)?;
        }
        let cluster = match self.provider.provision(steps).await {
            Ok(cluster) => cluster,
            Err(error) => {
                self.collect(None).await;
                if !self.retain
                    && !matches!(error, ProviderError::Machine(_))
                    && self.provider.delete(steps).await.is_ok()
                {
                    claim.release()?;
                }
                return Err(error.into());
            }
        };
        let client = Client::connect_context(Some(&cluster.kubeconfig), Some(&cluster.context)).await?;
        let installed = self.install(steps, &cluster, &client).await;
        if installed.is_err() {
            self.collect(Some(&client)).await;
        }
        installed?;
        claim.ready(self.endpoints(&cluster))?;
        Ok(claim.settle()?)
    }

    /// Removes the lab and all that is written down about it. One that is not there is removed already.
    pub async fn down(&self, steps: &Steps) -> Result<(), RealError> {
        let claim = self.claim(steps)?;
        self.provider.delete(steps).await?;
        Ok(claim.release()?)
    }

    fn claim(&self, steps: &Steps) -> Result<Box<Claim>, RealError> {
        let record = Record::new(self.kind, Controller::Flagger, rfc3339(steps.clock.now()));
        match self.home.claim(self.name, record)? {
            Claimed::Ours(claim) => Ok(claim),
            Claimed::Taken(found) => Err(RealError::Taken(Box::new(found))),
        }
    }

    async fn install(&self, steps: &Steps, cluster: &Cluster, client: &Client) -> Result<(), RealError> {
        let ground = Ground {
            images: self.images,
            profile: self.profile,
            grafana: self.grafana,
            provider: self.provider,
            cluster,
            clock: steps.clock,
        };
        let installer = Installer {
            cluster: client.clone(),
            steps: steps.clone(),
            field_manager: FIELD_MANAGER,
            mark: Labels::from([(MANAGED_BY.to_owned(), "coalmine".to_owned())]),
        };
        installer.install(ground.parts()?).await?;
        Ok(())
    }

    /// Best effort: the failure that it is evidence of is the one that is told.
    async fn collect(&self, cluster: Option<&Client>) {
        let Some(folder) = &self.evidence else { return };
        if let Err(why) = evidence::collect(self.provider, cluster, folder).await {
            tracing::warn!("evidence could not be written to {}: {why}", folder.display());
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
