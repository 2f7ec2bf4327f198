//! The Flux and the Flagger that a cluster has already, and whether a lab can use them.

use super::{ContextError, LAB, Wish};
use crate::model::object::ObjectRef;
use crate::stack::{FLUX, FLUX_NAMESPACE, Profile, Theirs};
use serde_json::Value;

/// Prefix of the annotations that the lab's routers read.
const ANNOTATIONS: &str = "nginx.ingress.kubernetes.io";
/// Namespace of the demo app.
const APP_NAMESPACE: &str = "test";
/// The label by which the demo app's pods are selected.
const APP_LABEL: &str = "app";

/// A Deployment of somebody else's.
#[derive(Debug, Clone)]
struct Found {
    deployment: ObjectRef,
    /// The tag of its image.
    version: String,
    arguments: Vec<String>,
    /// The lab of coalmine's that it belongs to.
    lab: Option<String>,
}

/// What there is of one of the two.
#[derive(Debug, Default)]
struct Presence {
    deployments: Vec<Found>,
    /// Names of CustomResourceDefinitions.
    definitions: Vec<String>,
}

/// What of the cluster's own the lab uses, by the Deployments and CustomResourceDefinitions that are not the lab's; `notes`
/// gets what a person should know of it.
pub(super) fn find(
    deployments: &[Value],
    definitions: &[Value],
    wish: &Wish<'_>,
    notes: &mut Vec<String>,
) -> Result<Theirs, ContextError> {
    let flux = presence(deployments, definitions, (&FLUX, ".toolkit.fluxcd.io"));
    let flagger = presence(deployments, definitions, (&["flagger"], ".flagger.app"));
    let uses_flux = choose(&flux, wish.use_flux, "Flux", "flux")?;
    let uses_flagger = choose(&flagger, wish.use_flagger, "Flagger", "flagger")?;
    if uses_flux {
        check_flux(&flux, notes)?;
    }
    if uses_flagger {
        check_flagger(&flagger, wish, notes)?;
    }
    let deployment = flagger.deployments.into_iter().next().map(|it| it.deployment);
    Ok(Theirs { flux: uses_flux, flagger: deployment.filter(|_| uses_flagger) })
}

/// Whether the cluster's own is used.
fn choose(there: &Presence, wanted: bool, what: &'static str, flag: &'static str) -> Result<bool, ContextError> {
    let runs = !there.deployments.is_empty();
    if let Some((deployment, lab)) = there.deployments.iter().find_map(|it| Some((&it.deployment, it.lab.as_ref()?))) {
        return Err(ContextError::InTheWay(vec![of_lab(deployment, lab)]));
    }
    match (runs, wanted) {
        (true, true) => Ok(true),
        (true, false) => Err(ContextError::Has {
            what,
            flag,
            found: there.deployments.iter().map(Found::text).collect::<Vec<_>>().join(", "),
        }),
        (false, false) if !there.definitions.is_empty() => {
            Err(ContextError::Remains { what, found: there.definitions.join(" ") })
        }
        (false, false) => Ok(false),
        (false, true) => {
            Err(ContextError::HasNot { what, flag, looked: "no Deployment of the cluster runs its image" })
        }
    }
}

fn presence(deployments: &[Value], definitions: &[Value], (programs, group): (&[&str], &str)) -> Presence {
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Presence {
        deployments: deployments.iter().filter_map(|it| found(it, programs)).collect(),
        definitions: definitions.iter().map(name).filter(|it| it.ends_with(group)).collect(),
    }
}

/// A Deployment with a container whose image has the name of one of these programs, in whatever registry.
fn found(deployment: &Value, programs: &[&str]) -> Option<Found> {
    let containers = deployment.pointer("/spec/template/spec/containers")?.as_array()?;
    containers.iter().find_map(|container| {
        let (name, version) = name_and_tag(container["image"].as_str()?);
        let words = |key: &str| container[key].as_array().cloned().unwrap_or_default();
        let arguments =
            words("command").iter().chain(&words("args")).filter_map(Value::as_str).map(str::to_owned).collect();
        let metadata = &deployment["metadata"];
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        let deployment = ObjectRef::new("apps/v1", "Deployment", text("namespace"), text("name"));
        let lab = metadata["labels"][LAB].as_str().map(str::to_owned);
        programs.contains(&name).then(|| Found { deployment, version: version.to_owned(), arguments, lab })
    })
}

/// What another lab has made, and how it goes.
pub(super) fn of_lab(object: &ObjectRef, lab: &str) -> String {
    format!("{object}, of the lab `{lab}`: `coalmine down --name {lab}` removes it")
}

/// `flagger` and `1.44.0` of `ghcr.io/fluxcd/flagger:1.44.0@sha256:…`
pub(super) fn name_and_tag(image: &str) -> (&str, &str) {
    let last = image.split('@').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    last.split_once(':').unwrap_or((last, "of no tag"))
}

impl Found {
    fn text(&self) -> String {
        format!("{} {} in {}", self.deployment.name, self.version, self.deployment.namespace)
    }

    /// `-name=value`, `--name=value`, or the word after `-name`: Go's flags.
    fn flag(&self, name: &str) -> Option<&str> {
        self.arguments.iter().enumerate().find_map(|(place, it)| {
            let bare = it.strip_prefix("--").or_else(|| it.strip_prefix('-'))?;
            match bare.split_once('=') {
                Some((key, value)) => (key == name).then_some(value),
                None => (bare == name).then(|| self.arguments.get(place + 1).map(String::as_str)).flatten(),
            }
        })
    }
}

fn check_flux(there: &Presence, notes: &mut Vec<String>) -> Result<(), ContextError> {
    let unfit = |why: String| Err(ContextError::Unfit { what: "Flux", why });
    for name in FLUX {
        let its = there.deployments.iter().find(|it| it.deployment.name == name);
        let Some(it) = its.filter(|it| it.deployment.namespace == FLUX_NAMESPACE) else {
            return unfit(format!("{name} is not in {FLUX_NAMESPACE}, where the lab's source and Kustomization go"));
        };
        if let Some(account) = it.flag("default-service-account") {
            return unfit(format!(
                "{name} acts as the service account `{account}` of each namespace (--default-service-account), which has no \
                 rights in {FLUX_NAMESPACE} by itself"
            ));
        }
        notes.push(format!("uses {}", it.text()));
    }
    Ok(())
}

fn check_flagger(there: &Presence, wish: &Wish<'_>, notes: &mut Vec<String>) -> Result<(), ContextError> {
    let unfit = |why: String| Err(ContextError::Unfit { what: "Flagger", why });
    let [it] = &there.deployments[..] else {
        let all: Vec<_> = there.deployments.iter().map(Found::text).collect();
        return unfit(format!("there are several ({}), and which of them would decide is not known", all.join(", ")));
    };
    if let Some(namespace) = it.flag("namespace").filter(|it| !it.is_empty() && *it != APP_NAMESPACE) {
        return unfit(format!(
            "it looks at the namespace {namespace} only (-namespace), and the app is in {APP_NAMESPACE}"
        ));
    }
    if let Some(labels) = it.flag("selector-labels").filter(|it| !it.split(',').any(|one| one.trim() == APP_LABEL)) {
        return unfit(format!(
            "it selects pods by {labels} (-selector-labels), and the app's have the label {APP_LABEL}"
        ));
    }
    let provider = it.flag("mesh-provider").unwrap_or("istio");
    if provider.contains("linkerd") {
        return unfit(format!(
            "with -mesh-provider={provider} its checks ask Linkerd's metrics, whatever a Canary's provider is"
        ));
    }
    let prefix = it.flag("ingress-annotations-prefix").unwrap_or(ANNOTATIONS);
    if wish.profile != Profile::NginxGateway && prefix != ANNOTATIONS {
        return unfit(format!(
            "it writes annotations with {prefix} (-ingress-annotations-prefix), and the router reads {ANNOTATIONS}"
        ));
    }
    let server = it.flag("metrics-server").unwrap_or("http://prometheus:9090");
    notes.push(format!(
        "uses {}; its provider is {provider} and it asks {server}: the lab's Canaries name the lab's router and Prometheus",
        it.text()
    ));
    Ok(())
}

#[cfg(test)]
mod tests;
