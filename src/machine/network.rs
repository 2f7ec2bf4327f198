//! A lab's own network in the engine. Its labels say whose it is, and with it what is in it.

use super::engine::{Engine, EngineError, failed};
use bollard::errors::Error as EngineFailure;
use bollard::models::NetworkCreateRequest;
use std::collections::BTreeMap;

/// The network that every engine has, whose packets are as large as this machine's network carries.
const DEFAULT: &str = "bridge";
/// The option of a bridge that says so.
const MTU: &str = "com.docker.network.driver.mtu";

impl Engine {
    /// A network's labels; none where the engine has no network of this name.
    pub async fn network(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, EngineError> {
        match self.docker.inspect_network(name, None).await {
            // A name is also looked for among the beginnings of ids.
            Ok(it) if it.name.as_deref() != Some(name) => Ok(None),
            Ok(it) => Ok(Some(it.labels.unwrap_or_default().into_iter().collect())),
            Err(EngineFailure::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(why) => Err(failed(&format!("look for the network {name}"))(why)),
        }
    }

    /// Makes a bridge of IPv4, as kind would make it for such a cluster.
    pub async fn make_network(&self, name: &str, labels: &[(&str, &str)]) -> Result<(), EngineError> {
        let usual = self.docker.inspect_network(DEFAULT, None).await.ok().and_then(|it| it.options);
        let mtu = usual.and_then(|mut it| it.remove_entry(MTU));
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()),
            options: Some(mtu.into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let made = self.docker.create_network(request).await;
        made.map(drop).map_err(failed(&format!("make the network {name}")))
    }

    /// Removes a network and says whether it was there. One that somebody uses stays, and is an error that says who does.
    pub async fn remove_network(&self, name: &str) -> Result<bool, EngineError> {
        match self.docker.remove_network(name).await {
            Ok(()) => Ok(true),
            Err(EngineFailure::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(why) => Err(failed(&format!("remove the network {name}"))(why)),
        }
    }
}
