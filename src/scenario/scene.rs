//! What a scenario is about: its Canary and the objects that belong to it, found among the manifests.

use super::format::File;
use super::manifests::Doc;
use super::problem::{Problems, SourceId};
use super::shape;
use crate::model::canary::Canary;
use serde_json::Value;

/// The scenario with its objects found. Checks read it; the plan is built from it.
pub(super) struct Scene<'a> {
    pub source: SourceId,
    pub file: &'a File,
    pub docs: &'a [Doc],
    /// The Canary's document.
    pub doc: &'a Doc,
    pub canary: Canary,
    /// The Deployment that the Canary watches.
    pub target: Option<&'a Doc>,
    /// The Ingress of provider nginx.
    pub ingress: Option<&'a Doc>,
}

/// Finds everything; what is missing is reported.
pub(super) fn find<'a>(
    file: &'a File,
    source: SourceId,
    docs: &'a [Doc],
    problems: &mut Problems,
) -> Option<Scene<'a>> {
    let doc = find_canary(file, source, docs, problems)?;
    if !shape::check_canary(doc, problems) {
        return None;
    }
    let canary = match serde_json::from_value::<Canary>(doc.value.clone()) {
        Ok(canary) => canary,
        Err(error) => {
            problems.error(doc.place("/spec"), format!("the Canary cannot be read: {error}"), "");
            return None;
        }
    };
    let mut scene = Scene { source, file, docs, doc, canary, target: None, ingress: None };
    scene.target = find_target(&scene, problems);
    scene.ingress = find_ingress(&scene, problems);
    Some(scene)
}

impl<'a> Scene<'a> {
    pub fn namespace(&self) -> &str {
        self.canary.namespace()
    }

    /// An object of the manifests.
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<&'a Doc> {
        self.docs.iter().find(|doc| doc.id.kind == kind && doc.id.namespace == namespace && doc.id.name == name)
    }

    /// Host header for streams that name none: the scenario's, the first of the Ingress, the first of the route.
    pub fn host(&self) -> String {
        if let Some(host) = &self.file.host {
            return host.value.clone();
        }
        let of_ingress = self.ingress.map(|doc| doc.text("/spec/rules/0/host")).unwrap_or_default();
        if !of_ingress.is_empty() {
            return of_ingress.to_owned();
        }
        let service = &self.canary.spec.service;
        match service.hosts.first() {
            Some(host) if host != "*" => host.clone(),
            // With no router, requests go to the apex Service.
            _ if self.canary.spec.provider == "kubernetes" => self.canary.service_name().to_owned(),
            _ => String::new(),
        }
    }
}

fn find_canary<'a>(file: &File, source: SourceId, docs: &'a [Doc], problems: &mut Problems) -> Option<&'a Doc> {
    let canaries: Vec<&Doc> = docs.iter().filter(|doc| doc.id.kind == "Canary").collect();
    if let Some(name) = &file.canary {
        if let Some(doc) = canaries.iter().find(|doc| doc.id.name == name.value) {
            return Some(doc);
        }
        let names: Vec<&str> = canaries.iter().map(|doc| doc.id.name.as_str()).collect();
        let help = if names.is_empty() { "add one".to_owned() } else { format!("there is {}", names.join(", ")) };
        problems.error((source, name.place), format!("the manifests have no Canary `{}`", name.value), help);
        return None;
    }
    match canaries.as_slice() {
        [one] => Some(one),
        // Manifests that could not be read have been reported already.
        [] if problems.has_errors() => None,
        [] => {
            problems.error_in(source, "the manifests have no Canary", "add one: `- builtin:podinfo/canary.yaml`");
            None
        }
        [_, second, ..] => {
            let message = "the manifests have more than one Canary";
            problems.error(second.place("/metadata/name"), message, "name the one to watch: `canary: NAME`");
            None
        }
    }
}

fn find_target<'a>(scene: &Scene<'a>, problems: &mut Problems) -> Option<&'a Doc> {
    let reference = &scene.canary.spec.target_ref;
    if reference.kind != "Deployment" {
        let message = format!("coalmine releases Deployments, and this Canary's target is a {}", reference.kind);
        problems.error(scene.doc.place("/spec/targetRef/kind"), message, "write `kind: Deployment`");
        return None;
    }
    find_named(scene, "Deployment", &reference.name, "/spec/targetRef/name", problems)
}

fn find_ingress<'a>(scene: &Scene<'a>, problems: &mut Problems) -> Option<&'a Doc> {
    if scene.canary.spec.provider != "nginx" {
        return None;
    }
    let Some(reference) = &scene.canary.spec.ingress_ref else {
        let message = "provider nginx needs an `ingressRef`: Flagger stops with `ingress selector is empty`";
        let help = "add `ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: …}` to the Canary's spec";
        problems.error(scene.doc.key_place("/spec/provider"), message, help);
        return None;
    };
    find_named(scene, "Ingress", &reference.name, "/spec/ingressRef/name", problems)
}

/// An object in the Canary's namespace; reports one that is missing or in another namespace.
fn find_named<'a>(
    scene: &Scene<'a>,
    kind: &str,
    name: &str,
    pointer: &str,
    problems: &mut Problems,
) -> Option<&'a Doc> {
    let namespace = scene.namespace();
    if let Some(doc) = scene.object(kind, namespace, name) {
        return Some(doc);
    }
    let elsewhere = scene.docs.iter().find(|doc| doc.id.kind == kind && doc.id.name == name);
    if let Some(doc) = elsewhere {
        let message = format!("{} is in namespace {}, and its Canary in {namespace}", doc.id.kind, doc.id.namespace);
        let help = format!("write `namespace: {namespace}` in its metadata");
        problems.error(doc.place("/metadata/namespace"), message, help);
    } else {
        let message = format!("the manifests have no {kind} `{name}` in namespace {namespace}");
        problems.error(scene.doc.place(pointer), message, "add it, or correct the name");
    }
    None
}

/// Names of a Deployment's ConfigMaps: volumes, projected volumes, `envFrom` and `valueFrom`, as Flagger tracks them.
pub(super) fn tracked_config_maps(deployment: &Value) -> Vec<String> {
    let pod = &deployment["spec"]["template"]["spec"];
    let (volumes, mut found) = (items(&pod["volumes"]), Vec::new());
    for volume in volumes {
        found.push(&volume["configMap"]["name"]);
        found.extend(items(&volume["projected"]["sources"]).iter().map(|it| &it["configMap"]["name"]));
    }
    for container in items(&pod["containers"]).iter().chain(items(&pod["initContainers"])) {
        found.extend(items(&container["envFrom"]).iter().map(|it| &it["configMapRef"]["name"]));
        found.extend(items(&container["env"]).iter().map(|it| &it["valueFrom"]["configMapKeyRef"]["name"]));
    }
    found.into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
