//! Takes a lab off a cluster that is not its own: what bears its mark, and what its app and its runs left.
//!
//! Every step may be repeated, and begins with what there is: whoever was killed in the middle comes to the same end.

use super::{Client, ClusterError, ContextError, mark};
use crate::event::StepState;
use crate::install::{Installer, Others, Outcome, Steps, remove as remove_objects};
use crate::lab::real::bring::installer;
use crate::lab::real::context::LAB;
use crate::model::object::ObjectRef;
use crate::stack::{self, FLUX_NAMESPACE, Images, Profile, Theirs};
use serde_json::{Value, json};
use std::time::Duration;

/// How long Flux may take to prune the app; then it is done here.
const PRUNED_WITHIN: Duration = Duration::from_mins(2);
/// Pods end in their own time, and finalizers of namespaces too.
const GONE_WITHIN: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Who applies scenarios' objects, at runs.
const RUNS: &str = "coalmine";
/// What tells Flux of the app: it has finalizers, which end with its controller.
const OF_FLUX: [(&str, &str, &str); 2] = [
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomize-controller"),
    ("source.toolkit.fluxcd.io/v1", "OCIRepository", "source-controller"),
];
/// Kinds of the app and of scenarios, the Canary first, so that Flagger lets go.
const OF_APP: [(&str, &str); 12] = [
    ("flagger.app/v1beta1", "Canary"),
    ("flagger.app/v1beta1", "MetricTemplate"),
    ("flagger.app/v1beta1", "AlertProvider"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("batch/v1", "Job"),
    ("coordination.k8s.io/v1", "Lease"),
];
/// What every namespace has, or what controllers put into every namespace.
const EVERYWHERE: [(&str, &str); 4] = [
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "openshift-service-ca.crt"),
    ("ServiceAccount", "default"),
];
/// Kinds that nobody misses: made of others, or kept by programs for themselves.
const PASSING: [&str; 5] = ["Event", "Lease", "Endpoints", "EndpointSlice", "PodMetrics"];
/// Of what keeps a namespace or a definition, so many are named.
const NAMED: usize = 5;

/// Removes it all, and tells what stays.
pub(super) async fn remove(client: &Client, lab: &str, steps: &Steps) -> Result<(), ContextError> {
    let it = Removal { client, lab, steps, installer: installer(client, steps, mark(lab), Others::Leave) };
    steps.step("remove the app", it.app()).await?;
    steps.step("remove the parts", it.parts()).await?;
    steps.step("remove the definitions", it.definitions()).await?;
    steps.step("remove the namespaces", it.namespaces()).await?;
    Ok(())
}

struct Removal<'a> {
    client: &'a Client,
    lab: &'a str,
    steps: &'a Steps,
    installer: Installer,
}

impl Removal<'_> {
    /// What bears the mark; none where the cluster does not know the kind.
    async fn marked(&self, api_version: &str, kind: &str) -> Result<Vec<Value>, ClusterError> {
        let selector = format!("{LAB}={}", self.lab);
        known(self.client.list(api_version, kind, None, Some(&selector)).await)
    }

    /// Flux prunes what it applied, once it is no longer suspended; what then is left is swept.
    async fn app(&self) -> Result<Outcome, ContextError> {
        let mut there = false;
        for (api_version, kind, controller) in OF_FLUX {
            for object in self.marked(api_version, kind).await? {
                there = true;
                self.end(&ObjectRef::of(&object), controller).await?;
            }
        }
        let namespace = app_namespace()?;
        let mut left = Vec::new();
        for (api_version, kind) in OF_APP {
            let listed = known(self.client.list(api_version, kind, Some(&namespace), None).await)?;
            left.extend(listed.iter().filter(|it| is_ours(it)).map(ObjectRef::of));
        }
        for object in &left {
            gone(self.client.delete_with_dependents(object).await)?;
        }
        self.wait_until_gone(&left).await?;
        Ok(if there || !left.is_empty() { Outcome::done("") } else { Outcome::unchanged() })
    }

    /// Deletes an object of Flux', whose controller has the last word; where the controller is gone or says nothing, it goes
    /// without.
    async fn end(&self, object: &ObjectRef, controller: &str) -> Result<(), ContextError> {
        let resumed = self.client.merge_patch(object, None, &json!({"spec": {"suspend": null}})).await;
        gone(resumed.map(drop))?;
        gone(self.client.delete(object).await)?;
        let deployment = ObjectRef::new("apps/v1", "Deployment", FLUX_NAMESPACE, controller);
        let runs =
            self.client.get(&deployment).await?.is_some_and(|it| it["status"]["availableReplicas"].as_u64() > Some(0));
        let limit = if runs { PRUNED_WITHIN } else { Duration::ZERO };
        if !self.wait(std::slice::from_ref(object), limit).await?.is_empty() {
            self.steps.tell("remove the app", StepState::Started, &format!("{object} goes without {controller}"));
            let patch = json!({"metadata": {"finalizers": null}});
            gone(self.client.merge_patch(object, None, &patch).await.map(drop))?;
        }
        Ok(())
    }

    /// Everything of the kinds that labs are made of, in the opposite order of making.
    async fn parts(&self) -> Result<Outcome, ContextError> {
        let mut objects = Vec::new();
        for (api_version, kind) in kinds()?.into_iter().filter(|(_, kind)| !is_ground(kind)) {
            objects.extend(self.marked(&api_version, &kind).await?);
        }
        self.delete(&objects).await
    }

    async fn delete(&self, objects: &[Value]) -> Result<Outcome, ContextError> {
        let removed = remove_objects(&self.installer, objects).await?;
        if !removed.lingering.is_empty() {
            return Err(ContextError::Lingering(removed.lingering.iter().map(ToString::to_string).collect()));
        }
        Ok(if removed.removed.is_empty() {
            Outcome::unchanged()
        } else {
            Outcome::done(removed.removed.len().to_string())
        })
    }

    /// A definition goes with all its objects, so it stays where anybody has some.
    async fn definitions(&self) -> Result<Outcome, ContextError> {
        let mut empty = Vec::new();
        for definition in self.marked("apiextensions.k8s.io/v1", "CustomResourceDefinition").await? {
            let objects = self.objects_of(&definition).await?;
            if objects.is_empty() {
                empty.push(definition);
            } else {
                self.stays(&definition, &objects);
            }
        }
        self.delete(&empty).await
    }

    async fn objects_of(&self, definition: &Value) -> Result<Vec<ObjectRef>, ContextError> {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let served = versions.into_iter().flatten().find(|it| it["served"] == true);
        let version = served.and_then(|it| it["name"].as_str()).unwrap_or_default();
        let api_version = format!("{}/{version}", text("/spec/group"));
        let listed = known(self.client.list(&api_version, text("/spec/names/kind"), None, None).await)?;
        Ok(listed.iter().map(ObjectRef::of).collect())
    }

    async fn namespaces(&self) -> Result<Outcome, ContextError> {
        let mut empty = Vec::new();
        for namespace in self.marked("v1", "Namespace").await? {
            let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
            let all = self.client.contents(name).await?;
            let others: Vec<ObjectRef> = all.iter().filter(|it| self.is_others(it)).map(ObjectRef::of).collect();
            if others.is_empty() {
                empty.push(namespace);
            } else {
                self.stays(&namespace, &others);
            }
        }
        self.delete(&empty).await
    }

    /// What somebody put there: not what owners, controllers and the cluster itself make in every namespace.
    fn is_others(&self, object: &Value) -> bool {
        let named = ObjectRef::of(object);
        let of_cluster = EVERYWHERE.contains(&(named.kind.as_str(), named.name.as_str()));
        let passing = PASSING.contains(&named.kind.as_str());
        let owned = object["metadata"]["ownerReferences"].as_array().is_some_and(|it| !it.is_empty());
        let token = object["type"] == "kubernetes.io/service-account-token";
        let going = !object["metadata"]["deletionTimestamp"].is_null();
        !(of_cluster || passing || owned || token || going || self.installer.bears_mark(object))
    }

    fn stays(&self, object: &Value, holds: &[ObjectRef]) {
        let names: Vec<String> = holds.iter().take(NAMED).map(ToString::to_string).collect();
        let more = holds.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let text = format!("it holds what the lab did not make: {}{more}", names.join(", "));
        self.steps.tell(&format!("{} stays", ObjectRef::of(object)), StepState::Done, &text);
    }

    async fn wait_until_gone(&self, objects: &[ObjectRef]) -> Result<(), ContextError> {
        match self.wait(objects, GONE_WITHIN).await? {
            left if left.is_empty() => Ok(()),
            left => Err(ContextError::Lingering(left.iter().map(ToString::to_string).collect())),
        }
    }

    /// Those that are still there after `limit`.
    async fn wait(&self, objects: &[ObjectRef], limit: Duration) -> Result<Vec<ObjectRef>, ContextError> {
        let clock = self.steps.clock;
        let until = clock.elapsed() + limit;
        let mut left = objects.to_vec();
        loop {
            let mut still = Vec::new();
            for object in left {
                match self.client.get(&object).await {
                    Ok(None) | Err(ClusterError::UnknownKind { .. }) => {}
                    found => {
                        found?;
                        still.push(object);
                    }
                }
            }
            left = still;
            if left.is_empty() || clock.elapsed() >= until {
                return Ok(left);
            }
            clock.sleep_until((clock.elapsed() + LOOK_EVERY).min(until)).await;
        }
    }
}

/// Kinds of everything that any lab is made of, the last made first.
fn kinds() -> Result<Vec<(String, String)>, ContextError> {
    let (images, theirs) = (Images::default(), Theirs::default());
    let mut objects = Vec::new();
    for profile in Profile::ALL {
        objects.extend(stack::parts(profile, &images, &theirs)?.into_iter().flat_map(|it| it.objects));
    }
    objects.extend(stack::grafana(&images)?.objects);
    let artifact = stack::demo_app(Profile::default(), &images, &theirs)?;
    objects.extend(stack::app(&artifact, &images)?);
    let mut kinds = Vec::new();
    for object in objects.iter().rev().map(ObjectRef::of) {
        let kind = (object.api_version, object.kind);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

/// What others stand on: it goes last, and only if nobody does.
fn is_ground(kind: &str) -> bool {
    matches!(kind, "Namespace" | "CustomResourceDefinition")
}

/// Where the app is.
fn app_namespace() -> Result<String, ContextError> {
    let objects = stack::app_objects(Profile::default(), &Images::default(), &Theirs::default())?;
    let canary = objects.iter().find(|it| it["kind"] == "Canary").map(ObjectRef::of);
    Ok(canary.map(|it| it.namespace).unwrap_or_default())
}

/// Whether an object of the app's namespace came with the app or by a run, and belongs to nothing that goes by itself.
fn is_ours(object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let by_flux = labels["kustomize.toolkit.fluxcd.io/name"] == "podinfo"
        && labels["kustomize.toolkit.fluxcd.io/namespace"] == FLUX_NAMESPACE;
    let managers = object["metadata"]["managedFields"].as_array();
    let by_run = managers.is_some_and(|all| all.iter().any(|it| it["manager"] == RUNS && it["operation"] == "Apply"));
    let owned = object["metadata"]["ownerReferences"].as_array().is_some_and(|it| !it.is_empty());
    !owned && (labels["app.kubernetes.io/managed-by"] == "coalmine" || by_flux || by_run)
}

/// Nothing of a kind that the cluster does not know is there.
fn known(listed: Result<Vec<Value>, ClusterError>) -> Result<Vec<Value>, ClusterError> {
    match listed {
        Err(ClusterError::NotFound(_) | ClusterError::UnknownKind { .. }) => Ok(Vec::new()),
        other => other,
    }
}

/// What is not there needs nothing.
fn gone(done: Result<(), ClusterError>) -> Result<(), ClusterError> {
    match done {
        Err(ClusterError::NotFound(_) | ClusterError::UnknownKind { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
