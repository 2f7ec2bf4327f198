//! Whose a cluster is. A lab's network is made before anything else of it and removed after everything else, and a label of it
//! names the lab. So what the engine has under a lab's name is that lab's, or somebody else's who is left alone; and that is
//! known also after a process was killed or a state folder was lost.

use super::kind::KindProvider;
use super::provider::ProviderError;
use crate::machine::{CLUSTER_LABEL, Container, end_orphans};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The label of a lab's network; its value is the lab's folder of `home`.
const LAB_LABEL: &str = "coalmine.lab";
/// How long an engine may go on with a request whose asker was killed, and how often it is looked.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl KindProvider {
    /// Ends what a killed predecessor started; kind leaves a lock beside its kubeconfig when it is killed.
    pub(super) async fn end_predecessors(&self) {
        let kubeconfig = self.kubeconfig.display().to_string();
        end_orphans("kind", &kubeconfig).await;
        // Mostly it is not there.
        let _ = std::fs::remove_file(format!("{kubeconfig}.lock"));
    }

    /// Nothing of the lab's name is somebody else's; an error where something is. Says whether the network is there.
    pub(super) async fn owned(&self) -> Result<bool, ProviderError> {
        let network = self.owns_network().await?;
        let mut containers = if network { self.settled().await? } else { self.containers().await? };
        containers.extend(self.engine.containers("name", &format!("^/?{}$", self.node())).await?);
        // `docker network prune` takes the network of a node that is stopped; its name stays with the container.
        match containers.iter().find(|it| !it.networks.contains(&self.cluster)) {
            Some(stranger) => Err(Self::container_taken(stranger)),
            None => Ok(network),
        }
    }

    /// Whether the network is there; an error where it is somebody else's.
    pub(super) async fn owns_network(&self) -> Result<bool, ProviderError> {
        match self.engine.network(&self.cluster).await? {
            None => Ok(false),
            Some(labels) if self.is_ours(&labels) => Ok(true),
            Some(labels) => Err(self.network_taken(&labels)),
        }
    }

    /// The cluster's containers. Where its network is there and nothing in it, a killed command may have asked for one a moment
    /// ago, and the engine still be making it.
    async fn settled(&self) -> Result<Vec<Container>, ProviderError> {
        let until = tokio::time::Instant::now() + SETTLES_WITHIN;
        loop {
            let found = self.containers().await?;
            if !found.is_empty() || tokio::time::Instant::now() >= until {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Makes the network, from which on the name is this lab's.
    pub(super) async fn own(&self) -> Result<(), ProviderError> {
        let lab = self.folder.display().to_string();
        Ok(self.engine.make_network(&self.cluster, &[(LAB_LABEL, &lab)]).await?)
    }

    /// All containers of the cluster.
    pub(super) async fn containers(&self) -> Result<Vec<Container>, ProviderError> {
        Ok(self.engine.containers("label", &format!("{CLUSTER_LABEL}={}", self.cluster)).await?)
    }

    /// A lab of this machine whose folder is gone has nobody left who could end it.
    fn is_ours(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(LAB_LABEL).is_some_and(|lab| {
            let lab = Path::new(lab);
            lab == self.folder || (self.engine.endpoint.is_local() && !lab.exists())
        })
    }

    fn network_taken(&self, labels: &BTreeMap<String, String>) -> ProviderError {
        let owner = labels
            .get(LAB_LABEL)
            .map_or_else(|| "coalmine did not make".to_owned(), |lab| format!("is of another lab, that of {lab}"));
        let remove = format!("docker network rm {}", self.cluster);
        ProviderError::Taken { what: format!("a network {}", self.cluster), owner, remove }
    }

    fn container_taken(container: &Container) -> ProviderError {
        let remove = match container.labels.get(CLUSTER_LABEL) {
            Some(cluster) => format!("kind delete cluster --name {cluster}"),
            None => format!("docker rm -f {}", container.name),
        };
        let owner = "coalmine did not make".to_owned();
        ProviderError::Taken { what: format!("a container {}", container.name), owner, remove }
    }
}
