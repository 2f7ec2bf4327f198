//! What the server has: groups, versions, kinds; health and version.

use super::http::{Document, PARTS, Resource, served};
use super::kinds::{Kind, Version, resource};
use super::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The Kubernetes version whose behaviour this server follows.
pub const GIT_VERSION: &str = "v1.34.3";
/// Without the patch, as its OpenAPI documents call themselves.
pub const EFFECTIVE_VERSION: &str = "1.34";

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Namespaces go one by one.
const NAMESPACE_VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
const CUSTOM_VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PART_VERBS: [&str; 3] = ["get", "patch", "update"];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The document at a path that is not an object's; None if there is none.
pub fn answer(server: &Server, path: &str, accept: &str, verbose: bool) -> Option<Document> {
    let path = path.trim_end_matches('/');
    let kinds = server.kinds();
    let view = View { kinds: &kinds, others: served(server).collect() };
    let wants_aggregated = accept.split(',').any(|it| {
        let it = it.replace(' ', "");
        it.contains("g=apidiscovery.k8s.io") && it.contains("v=v2;") || it.ends_with("v=v2")
    });
    let parts: Vec<_> = path.split('/').skip(1).collect();
    let document = match parts.as_slice() {
        [check @ ("healthz" | "livez" | "readyz")] | [check @ ("healthz" | "livez" | "readyz"), "ping"] => {
            let text = if verbose { format!("[+]ping ok\n{check} check passed\n") } else { "ok".to_owned() };
            return Some(Document { media: "text/plain; charset=utf-8", text });
        }
        ["version"] => version(),
        ["api"] if wants_aggregated => return Some(aggregated(&view, true)),
        ["apis"] if wants_aggregated => return Some(aggregated(&view, false)),
        ["api"] => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        ["apis"] => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups(&view) }),
        ["apis", group] => group_document(&view, group)?,
        ["api", version] => resources(&view, "", version)?,
        ["apis", group, version] => resources(&view, group, version)?,
        [] | [""] => {
            json!({ "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"] })
        }
        _ => return None,
    };
    Some(Document { media: "application/json", text: format!("{document}\n") })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, go_architecture())
    })
}

/// The processor in Go's words.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// What the real server tells changes of the stored form by: a hash of group, version and kind.
fn storage_hash(kind: &Kind) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{}/{}/{}", kind.group, kind.storage().name, kind.kind));
    STANDARD.encode(&digest[..8])
}

/// The verbs in the order that discovery has them in.
fn verbs(kind: &Kind) -> &'static [&'static str] {
    match kind.key.as_str() {
        resource::NAMESPACES => &NAMESPACE_VERBS,
        _ if kind.custom => &CUSTOM_VERBS,
        _ => &VERBS,
    }
}

/// What there is: kinds that are kept, and resources that are not.
struct View<'a> {
    kinds: &'a [Arc<Kind>],
    others: Vec<&'static Resource>,
}

/// The versions that each group serves, preferred first.
fn versions_of<'a>(view: &View<'a>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in view.kinds {
        let versions = groups.entry(&kind.group).or_default();
        for version in kind.versions.iter().filter(|it| it.served) {
            if !versions.contains(&version.name.as_str()) {
                versions.push(&version.name);
            }
        }
    }
    for other in &view.others {
        let versions = groups.entry(other.group).or_default();
        if !versions.contains(&other.version) {
            versions.push(other.version);
        }
    }
    groups.retain(|_, versions| !versions.is_empty());
    groups
}

fn group_value(name: &str, versions: &[&str]) -> Value {
    let shown = |it: &&str| json!({ "groupVersion": format!("{name}/{it}"), "version": it });
    let all: Vec<_> = versions.iter().map(shown).collect();
    json!({ "name": name, "preferredVersion": all.first(), "versions": all })
}

fn groups(view: &View<'_>) -> Vec<Value> {
    let named = versions_of(view).into_iter().filter(|(name, _)| !name.is_empty());
    named.map(|(name, versions)| group_value(name, &versions)).collect()
}

fn group_document(view: &View<'_>, group: &str) -> Option<Value> {
    let versions = versions_of(view).remove(group).filter(|_| !group.is_empty())?;
    let mut value = json!({ "kind": "APIGroup", "apiVersion": "v1" });
    for (key, part) in group_value(group, &versions).as_object()? {
        value[key] = part.clone();
    }
    Some(value)
}

/// The parts of a kind that have an address of their own: name, kind, verbs.
fn parts(kind: &Kind, version: &Version) -> Vec<(&'static str, Value, &'static [&'static str])> {
    let own = json!({ "group": kind.group, "version": version.name, "kind": kind.kind });
    let mut found: Vec<(&str, Value, &'static [&str])> = Vec::new();
    for part in PARTS.iter().filter(|it| it.of == kind.key) {
        let (group, version, name) = part.shown;
        found.push((part.name, json!({ "group": group, "version": version, "kind": name }), part.verbs));
    }
    if version.scale.is_some() {
        found.push(("scale", json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" }), &PART_VERBS));
    }
    if version.status {
        found.push(("status", own, &PART_VERBS));
    }
    found
}

fn resources(view: &View<'_>, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    for kind in view.kinds.iter().filter(|it| it.group == group) {
        let Some(served) = kind.version(version) else { continue };
        let mut value = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs(kind)
        });
        if !kind.short_names.is_empty() {
            value["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            value["categories"] = json!(kind.categories);
        }
        value["storageVersionHash"] = json!(storage_hash(kind));
        list.push(value);
        for (part, shown, verbs) in parts(kind, served) {
            let mut value = json!({
                "name": format!("{}/{part}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": shown["kind"], "verbs": verbs
            });
            if shown["group"] != json!(group) {
                value["group"] = shown["group"].clone();
                value["version"] = shown["version"].clone();
            }
            list.push(value);
        }
    }
    for other in of_group(view, group, version) {
        list.push(json!({
            "name": other.plural, "singularName": other.singular, "namespaced": other.namespaced, "kind": other.kind,
            "verbs": other.verbs
        }));
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!list.is_empty()).then(
        || json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list }),
    )
}

fn of_group<'a>(view: &'a View<'_>, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Resource> {
    view.others.iter().copied().filter(move |it| it.group == group && it.version == version)
}

/// Aggregated discovery: everything in one document, which spares clients one request per group.
fn aggregated(view: &View<'_>, core: bool) -> Document {
    let mut items = Vec::new();
    for (group, versions) in versions_of(view) {
        if group.is_empty() != core {
            continue;
        }
        let shown: Vec<_> = versions
            .iter()
            .map(|version| {
                let kept = view.kinds.iter().filter(|it| it.group == group);
                let kept = kept.filter_map(|it| it.version(version).map(|served| discovered(it, served)));
                let resources: Vec<_> = kept.chain(of_group(view, group, version).map(other)).collect();
                json!({ "version": version, "resources": resources, "freshness": "Current" })
            })
            .collect();
        let metadata = if core { json!({}) } else { json!({ "name": group }) };
        items.push(json!({ "metadata": metadata, "versions": shown }));
    }
    let value = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items
    });
    Document { media: AGGREGATED, text: value.to_string() }
}

fn discovered(kind: &Kind, version: &Version) -> Value {
    let scope = if kind.namespaced { "Namespaced" } else { "Cluster" };
    let mut value = json!({
        "resource": kind.plural,
        "responseKind": { "group": kind.group, "version": version.name, "kind": kind.kind },
        "scope": scope, "singularResource": kind.singular, "verbs": verbs(kind)
    });
    if !kind.short_names.is_empty() {
        value["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        value["categories"] = json!(kind.categories);
    }
    let parts: Vec<_> = parts(kind, version)
        .into_iter()
        .map(|(part, shown, verbs)| json!({ "subresource": part, "responseKind": shown, "verbs": verbs }))
        .collect();
    if !parts.is_empty() {
        value["subresources"] = json!(parts);
    }
    value
}

fn other(other: &Resource) -> Value {
    let scope = if other.namespaced { "Namespaced" } else { "Cluster" };
    json!({
        "resource": other.plural,
        "responseKind": { "group": other.group, "version": other.version, "kind": other.kind },
        "scope": scope, "singularResource": other.singular, "verbs": other.verbs
    })
}
