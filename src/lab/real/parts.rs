//! The parts of `stack`, for one cluster: with their images brought before them, the demo app through Flux, and the proof.

use super::kind::is_own;
use super::proof;
use super::provider::{Cluster, Provider, Wanted};
use crate::artifact::{Artifact, Repository};
use crate::install::{Act, ActError, Outcome, Part};
use crate::lab::{Address, Reach};
use crate::model::object::ObjectRef;
use crate::stack::{self, Images, Profile, StackError, Theirs};
use crate::sys::clock::Clock;
use crate::sys::outside::Outside;
use futures_util::FutureExt;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What the cluster itself needs after its API answers: a network for its pods, DNS.
const NODES_WITHIN: Duration = Duration::from_mins(3);
/// Imports from this machine, or pulls over a slow network.
const IMAGES_WITHIN: Duration = Duration::from_mins(10);
const PUSHED_WITHIN: Duration = Duration::from_mins(1);
/// Flux fetches, applies, and waits for the app's pods; then Flagger makes the primary.
const APP_WITHIN: Duration = Duration::from_mins(5);

/// A part of `stack`, the name of the part that brings its images, and which images of `lab/images.yaml` those are besides
/// its objects' own.
const IMAGES: [(&str, &str); 5] = [
    ("Prometheus", "images of Prometheus"),
    ("router", "images of the router"),
    ("Flagger", "images of Flagger"),
    ("registry", "image of the registry"),
    ("Flux", "images of Flux"),
];
pub(super) const APP_PART: &str = "demo app";
/// What the demo app runs, by the names of `lab/images.yaml`.
const APP: [&str; 3] = ["podinfo", "loadtester", "redis"];

/// What the parts are made with.
pub(super) struct Ground<'a> {
    pub images: &'a Images,
    pub profile: Profile,
    pub grafana: bool,
    /// What the cluster has already, and the lab uses.
    pub theirs: &'a Theirs,
    pub provider: &'a dyn Provider,
    pub cluster: &'a Cluster,
    pub clock: Clock,
}

/// Where a lab's Prometheus is.
pub(super) fn prometheus() -> Address {
    Address::Service { namespace: "flagger-system".to_owned(), name: "prometheus".to_owned(), port: 9090 }
}

/// Where requests enter.
pub(super) fn entry(profile: Profile) -> Address {
    let (namespace, name, port) = profile.entry();
    Address::Service { namespace: namespace.to_owned(), name: name.to_owned(), port }
}

/// Every image that such a lab runs and that somebody has to bring along: what stands in for one in its place, without
/// coalmine's own, which is made of the program. `releases` are objects that are put in the place of the app's later.
pub fn images_of_lab(
    images: &Images,
    profile: Profile,
    grafana: bool,
    releases: &[Value],
) -> Result<Vec<String>, StackError> {
    let mut releases = releases.to_vec();
    releases.iter_mut().for_each(|it| images.put(it));
    let named = Ground::images(images, profile, grafana, &Theirs::default())?;
    let named = named.into_iter().chain(releases.iter().flat_map(images_of));
    let had = named.map(|it| images.stand_in(&it).map_or(it.clone(), str::to_owned));
    let names: BTreeSet<String> = had.filter(|it| !is_own(it)).collect();
    Ok(names.into_iter().collect())
}

impl Ground<'_> {
    /// Every image that a lab runs beside what is theirs.
    pub(super) fn images(
        images: &Images,
        profile: Profile,
        grafana: bool,
        theirs: &Theirs,
    ) -> Result<Vec<String>, StackError> {
        let mut parts = stack::parts(profile, images, theirs)?;
        if grafana {
            parts.push(stack::grafana(images)?);
        }
        let mut names: BTreeSet<String> = parts.iter().flat_map(|it| &it.objects).flat_map(images_of).collect();
        names.extend(of_app(images).map(str::to_owned));
        Ok(names.into_iter().collect())
    }

    /// All parts; what needs nothing of another has its turn beside it.
    pub(super) fn parts(&self) -> Result<Vec<Part>, StackError> {
        let nodes = Part { awaits: self.cluster.awaits.clone(), ..Part::of("nodes", &[], Vec::new(), NODES_WITHIN) };
        let mut parts = vec![nodes];
        for part in stack::parts(self.profile, self.images, self.theirs)? {
            match IMAGES.iter().find(|(name, _)| *name == part.name) {
                Some((_, images)) => {
                    parts.push(self.bring(images, part.objects.iter().flat_map(images_of)));
                    parts.push(Part { needs: needs(part.name), ..part });
                }
                None => parts.push(part),
            }
        }
        parts.push(self.bring("images of the app", of_app(self.images).map(str::to_owned)));
        parts.extend(self.app()?);
        parts.push(self.proof());
        if self.grafana {
            let grafana = stack::grafana(self.images)?;
            parts.push(self.bring("image of Grafana", grafana.objects.iter().flat_map(images_of)));
            parts.push(Part { needs: &["success rate", "image of Grafana"], ..grafana });
        }
        Ok(parts)
    }

    fn bring(&self, name: &'static str, images: impl Iterator<Item = String>) -> Part {
        let wanted =
            images.map(|it| Wanted { stand_in: self.images.stand_in(&it).map(str::to_owned), name: it }).collect();
        Part { act: Some(self.provider.bring_images(wanted)), ..Part::of(name, &[], Vec::new(), IMAGES_WITHIN) }
    }

    /// The demo app's artifact into the cluster's registry; Flux takes it from there, and Flagger makes of it what it makes of
    /// every Canary.
    fn app(&self) -> Result<[Part; 3], StackError> {
        let artifact = stack::demo_app(self.profile, self.images, self.theirs)?;
        let mut source = stack::app(&artifact, self.images)?;
        let kustomizations = source.extract_if(.., |it| it["kind"] == "Kustomization").collect();
        let push = Part {
            act: Some(self.push(artifact)),
            ..Part::of("push the app", &["registry"], Vec::new(), PUSHED_WITHIN)
        };
        let causes = &["Flux cannot reach the registry: the log of source-controller says why"];
        let source = Part { causes, ..Part::of("source", &["push the app", "Flux"], source, APP_WITHIN) };
        let needs = &["source", "router", "Flagger", "Prometheus", "images of the app", "nodes"];
        let canary = ObjectRef::new("flagger.app/v1beta1", "Canary", "test", "podinfo");
        let causes = &["a pod of the app does not become ready: its events say why"];
        let app = Part { awaits: vec![canary], causes, ..Part::of(APP_PART, needs, kustomizations, APP_WITHIN) };
        Ok([push, source, app])
    }

    fn push(&self, artifact: Artifact) -> Act {
        let reach = self.reach();
        let push = async move {
            let cluster = reach.kubernetes().await.map_err(|it| it.to_string())?;
            let forward = cluster.forward("registry", "registry", 5000).await.map_err(|it| it.to_string())?;
            let address = format!("http://{}", forward.address());
            let repository = Repository::new(Arc::new(Outside::direct()), &address, stack::REPOSITORY);
            repository.push(&artifact, stack::TAG).await.map_err(|it| it.to_string())
        };
        Box::new(move || push.map(|it| it.map(Outcome::done).map_err(ActError)).boxed())
    }

    /// The metric chain works: requests enter, are counted, scraped and asked for.
    fn proof(&self) -> Part {
        let act = proof::success_rate(self.reach(), self.profile, self.clock);
        let part = Part::of("success rate", &[APP_PART], Vec::new(), proof::LIMIT);
        Part { act: Some(act), causes: proof::CAUSES, ..part }
    }

    fn reach(&self) -> Reach {
        Reach {
            name: self.cluster.context.clone(),
            kubeconfig: Some(self.cluster.kubeconfig.clone()),
            context: Some(self.cluster.context.clone()),
            prometheus: Some(prometheus()),
            entry: Some(entry(self.profile)),
        }
    }
}

/// A part of `stack` begins when its images are there.
fn needs(part: &str) -> &'static [&'static str] {
    match part {
        "Prometheus" => &["definitions", "images of Prometheus"],
        "router" => &["definitions", "images of the router"],
        "Flagger" => &["definitions", "images of Flagger"],
        "registry" => &["definitions", "image of the registry"],
        "Flux" => &["definitions", "images of Flux"],
        _ => &["definitions"],
    }
}

fn of_app(images: &Images) -> impl Iterator<Item = &str> {
    APP.iter().filter_map(|it| images.of(it)).map(|it| it.name.as_str()).chain(images.stood_in())
}

/// The images of a workload's containers, in order; and the one of the data planes that NGINX Gateway Fabric makes.
fn images_of(object: &Value) -> Vec<String> {
    let of = |field: &str| object.pointer(&format!("/spec/template/spec/{field}")).and_then(Value::as_array);
    let containers = ["initContainers", "containers"].into_iter().filter_map(of).flatten();
    let mut names: Vec<String> = containers.filter_map(|it| it["image"].as_str().map(str::to_owned)).collect();
    let plane =
        object.pointer("/spec/kubernetes/deployment/container/image").filter(|_| object["kind"] == "NginxProxy");
    if let Some((repository, tag)) = plane.and_then(|it| Some((it["repository"].as_str()?, it["tag"].as_str()?))) {
        names.push(format!("{repository}:{tag}"));
    }
    names
}
