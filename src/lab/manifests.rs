//! The lab's own parts, as the objects that a cluster would be given. Built into the binary.

use crate::sys::yaml::{self, Dialect, YamlError};
use serde_json::Value;

const CONTROLLER: &str = "flagger/flagger.yaml";

/// In the order in which they are applied: what others need comes first.
const FILES: [(&str, &str); 6] = [
    ("namespaces.yaml", include_str!("../../manifests/namespaces.yaml")),
    ("flagger/crds.yaml", include_str!("../../manifests/flagger/crds.yaml")),
    ("gateway-api/crds.yaml", include_str!("../../manifests/gateway-api/crds.yaml")),
    ("prometheus/prometheus.yaml", include_str!("../../manifests/prometheus/prometheus.yaml")),
    ("ingress-nginx/ingress-nginx.yaml", include_str!("../../manifests/ingress-nginx/ingress-nginx.yaml")),
    (CONTROLLER, include_str!("../../manifests/flagger/flagger.yaml")),
];

/// A manifest of this binary that cannot be read: a defect of coalmine, which a test excludes.
#[derive(Debug, thiserror::Error)]
#[error("manifests/{file}: {source}")]
pub struct ManifestError {
    file: &'static str,
    source: YamlError,
}

/// All objects, in order.
pub fn builtin() -> Result<Vec<Value>, ManifestError> {
    objects(|_| true)
}

/// The objects of a lab whose releases somebody else decides: Flagger's CustomResourceDefinitions, and nothing else of it.
pub(crate) fn without_controller() -> Result<Vec<Value>, ManifestError> {
    objects(|file| file != CONTROLLER)
}

fn objects(wanted: impl Fn(&str) -> bool) -> Result<Vec<Value>, ManifestError> {
    let mut objects = Vec::new();
    for (file, text) in FILES.into_iter().filter(|(file, _)| wanted(file)) {
        let documents = yaml::documents(text, Dialect::Kubernetes).map_err(|source| ManifestError { file, source })?;
        objects.extend(documents.iter().map(yaml::Node::to_json));
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_is_made_of_named_objects() {
        let objects = builtin().unwrap();
        assert!(objects.len() > 20);
        for object in &objects {
            assert!(object["kind"].is_string() && object["metadata"]["name"].is_string(), "{object}");
        }
        let deployments = |objects: Vec<Value>| {
            let names = objects.into_iter().filter(|it| it["kind"] == "Deployment");
            names.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(deployments(objects), ["prometheus", "ingress-nginx-controller", "flagger"]);
        let others = without_controller().unwrap();
        assert!(others.iter().any(|it| it["metadata"]["name"] == "canaries.flagger.app"));
        assert_eq!(deployments(others), ["prometheus", "ingress-nginx-controller"]);
    }
}
