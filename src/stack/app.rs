//! The demo app as Flux takes it: podinfo with Redis, load tester and Canary, in one artifact.

use super::{Images, Profile, StackError, Theirs, objects, text};
use crate::artifact::{Artifact, Origin};
use crate::sys::yaml::{self, Dialect};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where it is in the registry, and under which tag Flux follows it: as `manifests/flux/app.yaml` says.
pub const REPOSITORY: &str = "lab/podinfo";
pub const TAG: &str = "live";
/// Flux reconciles at once when this annotation changes.
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// What an artifact's root has to say.
const ROOT: &str = "kustomization.yaml";

/// The lab's Prometheus, as the cluster's network knows it.
const PROMETHEUS: &str = "http://prometheus.flagger-system:9090";

/// The app for one router, from the images that are wanted. The same inputs give the same digest at any time.
pub fn demo_app(profile: Profile, images: &Images, theirs: &Theirs) -> Result<Artifact, StackError> {
    let origin = Origin {
        source: env!("CARGO_PKG_NAME").to_owned(),
        revision: format!("{}@v{}", profile.app(), env!("CARGO_PKG_VERSION")),
        created: Timestamp::UNIX_EPOCH,
    };
    Ok(Artifact::pack(&files(profile, images, theirs)?, &origin)?)
}

/// What tells Flux to follow the artifact, source first; with the artifact's digest as the request to look at it now, not at
/// the next interval.
pub fn app(artifact: &Artifact, images: &Images) -> Result<Vec<Value>, StackError> {
    let mut objects = objects("flux/app.yaml", images)?;
    for object in &mut objects {
        object["metadata"]["annotations"][REQUESTED_AT] = Value::from(artifact.manifest.digest.as_str());
    }
    Ok(objects)
}

/// For a Flagger that is not the lab's: it asks another Prometheus, which knows nothing of the lab's router, so each Canary
/// names the lab's own.
pub fn ask_ours(objects: &mut [Value]) {
    for canary in objects.iter_mut().filter(|it| it["kind"] == "Canary" && it["spec"]["metricsServer"].is_null()) {
        canary["spec"]["metricsServer"] = Value::from(PROMETHEUS);
    }
}

/// What the app consists of, in the order of its kustomization, as far as that says: labels and patches are Flux' to apply.
pub fn app_objects(profile: Profile, images: &Images, theirs: &Theirs) -> Result<Vec<Value>, StackError> {
    Ok(resources(profile, images, theirs)?.into_iter().flat_map(|(_, objects)| objects).collect())
}

/// The objects of each file that the kustomization names.
fn resources(profile: Profile, images: &Images, theirs: &Theirs) -> Result<Vec<(String, Vec<Value>)>, StackError> {
    let root = format!("podinfo/{}", profile.app());
    let read = yaml::documents(text(&root)?, Dialect::Kubernetes);
    let documents = read.map_err(|source| StackError::Yaml { file: root.clone(), source })?;
    let mut found = Vec::new();
    for kustomization in documents.iter().map(yaml::Node::to_json) {
        let named = kustomization["resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for file in named {
            let mut objects = objects(&format!("podinfo/{file}"), images)?;
            if theirs.flagger.is_some() {
                ask_ours(&mut objects);
            }
            found.push((file.to_owned(), objects));
        }
    }
    Ok(found)
}

fn files(profile: Profile, images: &Images, theirs: &Theirs) -> Result<BTreeMap<String, Bytes>, StackError> {
    let root = Bytes::from_static(text(&format!("podinfo/{}", profile.app()))?.as_bytes());
    let mut files = BTreeMap::from([(ROOT.to_owned(), root)]);
    for (file, objects) in resources(profile, images, theirs)? {
        let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
        files.insert(file, Bytes::from(documents.join("\n---\n")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_what_its_kustomization_names_from_the_wanted_images() {
        let images = Images::default().with("images: {redis: 'my/redis:7'}").unwrap();
        for (profile, own) in [(Profile::Builtin, "ingress.yaml"), (Profile::NginxGateway, "gateway.yaml")] {
            let files = files(profile, &images, &Theirs::default()).unwrap();
            assert!(files.contains_key(ROOT) && files.contains_key(own), "{:?}", files.keys());
            assert!(std::str::from_utf8(&files["redis.yaml"]).unwrap().contains(r#""image":"my/redis:7""#));
        }
    }

    #[test]
    fn canaries_of_a_flagger_that_is_not_the_labs_name_the_labs_prometheus() {
        let canary = |theirs: &Theirs| {
            let files = files(Profile::Builtin, &Images::default(), theirs).unwrap();
            serde_json::from_slice::<Value>(&files["canary.yaml"]).unwrap()
        };
        let flagger = Some(crate::model::object::ObjectRef::new("apps/v1", "Deployment", "mesh", "flagger"));
        assert_eq!(canary(&Theirs { flux: false, flagger })["spec"]["metricsServer"], PROMETHEUS);
        assert!(canary(&Theirs::default())["spec"]["metricsServer"].is_null());
    }

    #[test]
    fn flux_follows_the_repository_and_tag_that_are_pushed_to() {
        let source = objects("flux/app.yaml", &Images::default()).unwrap().remove(0);
        let url = source["spec"]["url"].as_str().unwrap();
        assert!(url.ends_with(&format!(":5000/{REPOSITORY}")), "{url}");
        assert_eq!(source["spec"]["ref"]["tag"], TAG);
    }
}
