//! How the Flagger of a cluster is set up, read from its Deployment. Where it cannot be read (it runs elsewhere, or may
//! not be listed), Flagger's own defaults are taken.

use crate::canary::Settings;
use crate::cluster::Client;
use crate::lab::Address;
use crate::model::canary::Canary;
use serde_json::Value;
use std::net::IpAddr;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flagger {
    pub settings: Settings,
    /// Where its Deployment is; empty where there is none.
    namespace: String,
}

/// Looks through the cluster's Deployments.
pub(crate) async fn find(cluster: &Client) -> Flagger {
    let deployments = cluster.list("apps/v1", "Deployment", None, None).await.unwrap_or_default();
    deployments.iter().find_map(of).unwrap_or_default()
}

fn of(deployment: &Value) -> Option<Flagger> {
    let containers = deployment.pointer("/spec/template/spec/containers")?.as_array()?;
    let container = containers.iter().find(|it| is_flagger(it["image"].as_str().unwrap_or_default()))?;
    let words = |key: &str| container[key].as_array().cloned().unwrap_or_default();
    let arguments: Vec<String> =
        words("command").iter().chain(&words("args")).filter_map(Value::as_str).map(str::to_owned).collect();
    let mut settings = Settings::default();
    if let Some(provider) = flag(&arguments, "mesh-provider") {
        settings.mesh_provider = provider;
    }
    if let Some(server) = flag(&arguments, "metrics-server") {
        settings.metrics_server = server;
    }
    let namespace = deployment["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    Some(Flagger { settings, namespace })
}

fn is_flagger(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next() == Some("flagger")
}

/// `-name=value`, `--name=value`, or the word after `-name`: Go's flags.
fn flag(arguments: &[String], name: &str) -> Option<String> {
    arguments.iter().enumerate().find_map(|(place, it)| {
        let bare = it.strip_prefix("--").or_else(|| it.strip_prefix('-'))?;
        match bare.split_once('=') {
            Some((key, value)) => (key == name).then(|| value.to_owned()),
            None => (bare == name).then(|| arguments.get(place + 1).cloned()).flatten(),
        }
    })
}

impl Flagger {
    /// The Prometheus that decides about a Canary, as it is reached from outside of the cluster. None where its name
    /// means nothing here.
    pub(crate) fn prometheus(&self, canary: &Canary) -> Option<Address> {
        let own = &canary.spec.metrics_server;
        let server = if own.is_empty() { &self.settings.metrics_server } else { own };
        let uri: http::Uri = server.parse().ok()?;
        let host = uri.host()?;
        let mut names = host.split('.');
        let name = names.next()?;
        let is_service = match names.clone().nth(1) {
            // `name`, `name.namespace`
            None => host.parse::<IpAddr>().is_err(),
            Some(word) => word == "svc",
        };
        if !is_service {
            return Some(Address::Url(server.trim_end_matches('/').to_owned()));
        }
        let namespace = names.next().unwrap_or(&self.namespace).to_owned();
        let port = uri.port_u16().unwrap_or(80);
        (!namespace.is_empty()).then(|| Address::Service { namespace, name: name.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployed(image: &str, args: &[&str]) -> Option<Flagger> {
        of(&json!({"metadata": {"namespace": "flagger-system"}, "spec": {"template": {"spec": {"containers": [
            {"image": "example.com/sidecar:1"}, {"image": image, "command": ["./flagger"], "args": args}]}}}}))
    }

    #[test]
    fn flagger_is_known_by_its_image_and_its_flags_are_read() {
        let image = "ghcr.io/fluxcd/flagger:1.44.0";
        for args in [
            &["-mesh-provider=nginx", "-metrics-server=http://p:9090"][..],
            &["--mesh-provider", "nginx", "--metrics-server", "http://p:9090"],
        ] {
            let settings = deployed(image, args).unwrap().settings;
            assert_eq!((settings.mesh_provider.as_str(), settings.metrics_server.as_str()), ("nginx", "http://p:9090"));
        }
        assert!(deployed("ghcr.io/fluxcd/flagger-loadtester:0.38.0", &[]).is_none());
        assert_eq!(deployed(image, &[]).unwrap().settings.mesh_provider, "istio", "Flagger's own default");
    }

    #[test]
    fn a_prometheus_is_a_service_or_an_address() {
        let service = |namespace: &str, port| {
            Some(Address::Service { namespace: namespace.to_owned(), name: "prometheus".to_owned(), port })
        };
        let url = |text: &str| Some(Address::Url(text.to_owned()));
        for (server, expected) in [
            ("http://prometheus:9090", service("flagger-system", 9090)),
            ("http://prometheus.monitoring", service("monitoring", 80)),
            ("http://prometheus.monitoring.svc.cluster.local:9090/", service("monitoring", 9090)),
            ("https://prometheus.example.com/", url("https://prometheus.example.com")),
            ("http://10.0.0.7:9090", url("http://10.0.0.7:9090")),
            ("not a url", None),
        ] {
            let flagger = deployed("flagger:1", &[&format!("-metrics-server={server}")]).unwrap();
            assert_eq!(flagger.prometheus(&Canary::default()), expected, "{server}");
        }
        assert_eq!(Flagger::default().prometheus(&Canary::default()), None, "nobody knows the namespace");
    }
}
