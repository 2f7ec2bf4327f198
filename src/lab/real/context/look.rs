//! Looks at a cluster before anything is made there: what it is, what it has, what one may do, and what would be in the way.

use super::plan::{Plan, Planned, Stand};
use super::theirs::{self, name_and_tag};
use super::{Client, ContextError, Ground, LAB, Wish, parts, rights, tame};
use crate::cluster::ClusterError;
use crate::install::{Installer, Others, Steps, is_shared};
use crate::lab::real::bring::{FIELD_MANAGER, installer};
use crate::model::object::ObjectRef;
use crate::stack::{self, Profile, Theirs};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Objects that are asked for at once.
const AT_ONCE: usize = 8;
/// Labels of what Flux applied for the lab, and its value.
const FLUX_NAME: (&str, &str) = ("kustomize.toolkit.fluxcd.io/name", "podinfo");

pub(super) async fn look(client: &Client, context: &str, wish: Wish<'_>, steps: &Steps) -> Result<Plan, ContextError> {
    let own = wish.images.of("router").filter(|it| Some(*it) == stack::Images::default().of("router"));
    if let (Profile::Builtin, Some(own)) = (wish.profile, own) {
        return Err(ContextError::OwnRouter(own.name.clone()));
    }
    let version = client.version().await;
    let version = version.map_err(|source| ContextError::NoAnswer { context: context.to_owned(), source })?;
    let look = Look { client, wish, installer: installer(client, steps, super::mark(wish.lab), Others::Leave) };
    let deployments = look.list("apps/v1", "Deployment").await?;
    let definitions = look.list("apiextensions.k8s.io/v1", "CustomResourceDefinition").await?;
    let mut notes = Vec::new();
    let theirs = theirs::find(&look.of_others(&deployments), &look.of_others(&definitions), &wish, &mut notes)?;
    look.check_versions(&theirs).await?;
    let planned = look.planned(&theirs)?;
    let objects: Vec<Value> = planned.iter().map(|it| it.1.clone()).collect();
    if !rights::is_admin(client).await? {
        let lacking = rights::lacking(client, &objects, FIELD_MANAGER).await?;
        if !lacking.is_empty() {
            return Err(ContextError::Rights(lacking));
        }
    }
    let planned = look.stands(planned).await?;
    Ok(Plan {
        context: context.to_owned(),
        lab: wish.lab.to_owned(),
        version,
        nodes: look.list("v1", "Node").await?.len(),
        there: look.there(&deployments).await?,
        notes,
        images: Ground::images(wish.images, wish.profile, wish.grafana, &theirs)?,
        planned,
        theirs,
    })
}

struct Look<'a> {
    client: &'a Client,
    wish: Wish<'a>,
    installer: Installer,
}

impl Look<'_> {
    /// All objects of a kind; none where the cluster does not know the kind.
    async fn list(&self, api_version: &str, kind: &str) -> Result<Vec<Value>, ContextError> {
        match self.client.list(api_version, kind, None, None).await {
            Ok(found) => Ok(found),
            Err(ClusterError::NotFound(_) | ClusterError::UnknownKind { .. }) => Ok(Vec::new()),
            Err(ClusterError::Refused { code: 403, message }) => Err(ContextError::Rights(vec![message])),
            Err(other) => Err(other.into()),
        }
    }

    fn of_others(&self, objects: &[Value]) -> Vec<Value> {
        objects.iter().filter(|it| !self.installer.bears_mark(it)).cloned().collect()
    }

    /// The kinds that tell Flux of the app are there in the versions that the lab writes.
    async fn check_versions(&self, theirs: &Theirs) -> Result<(), ContextError> {
        let kinds =
            [("source.toolkit.fluxcd.io/v1", "OCIRepository"), ("kustomize.toolkit.fluxcd.io/v1", "Kustomization")];
        for (api_version, kind) in kinds.into_iter().filter(|_| theirs.flux) {
            match self.client.resource_of(&ObjectRef::new(api_version, kind, "", "")).await {
                Err(ClusterError::UnknownKind { .. }) => {
                    let why = format!("it does not serve {kind} of {api_version}, which Flux has since 2.6");
                    return Err(ContextError::Unfit { what: "Flux", why });
                }
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Everything that is to be applied, with the part that it belongs to.
    fn planned(&self, theirs: &Theirs) -> Result<Vec<(&'static str, Value)>, ContextError> {
        let (images, profile) = (self.wish.images, self.wish.profile);
        let mut parts = stack::parts(profile, images, theirs)?;
        if self.wish.grafana {
            parts.push(stack::grafana(images)?);
        }
        let mut planned: Vec<(&'static str, Value)> = Vec::new();
        for part in parts {
            planned.extend(part.objects.into_iter().map(|it| (part.name, it)));
        }
        let artifact = stack::demo_app(profile, images, theirs)?;
        planned.extend(stack::app(&artifact, images)?.into_iter().map(|it| ("source", it)));
        planned.extend(stack::app_objects(profile, images, theirs)?.into_iter().map(|it| (parts::APP_PART, it)));
        planned.iter_mut().for_each(|(_, it)| tame(it));
        // The app brings some that the router has too.
        let mut seen = BTreeSet::new();
        planned.retain(|(_, it)| seen.insert(ObjectRef::of(it)));
        Ok(planned)
    }

    async fn stands(&self, planned: Vec<(&'static str, Value)>) -> Result<Vec<Planned>, ContextError> {
        let ask = |(part, object): (&'static str, Value)| async move {
            let named = ObjectRef::of(&object);
            let found = match self.client.get(&named).await {
                // Its definition is one of those that are to come.
                Err(ClusterError::UnknownKind { .. }) => None,
                Err(ClusterError::Refused { code: 403, message }) => return Err(ContextError::Rights(vec![message])),
                other => other?,
            };
            let stand = match &found {
                None => Stand::New,
                Some(it) if self.installer.bears_mark(it) || (part == parts::APP_PART && is_apps(it)) => Stand::Ours,
                Some(_) if is_shared(&named) => Stand::Shared,
                Some(it) => return Ok(Err(in_the_way(&named, it))),
            };
            Ok(Ok(Planned { part, object, stand }))
        };
        let all: Vec<Result<Planned, String>> = stream::iter(planned).map(ask).buffered(AT_ONCE).try_collect().await?;
        let (fine, in_the_way): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        if !in_the_way.is_empty() {
            return Err(ContextError::InTheWay(in_the_way.into_iter().filter_map(Result::err).collect()));
        }
        Ok(fine.into_iter().flatten().collect())
    }

    /// What a person wants to see of the cluster before they agree: name, what there is of it.
    async fn there(&self, deployments: &[Value]) -> Result<BTreeMap<&'static str, Vec<String>>, ContextError> {
        let name = |it: &Value| it["metadata"]["name"].as_str().map(str::to_owned);
        let names = |all: &[Value]| self.of_others(all).iter().filter_map(name).collect();
        let stateful = self.list("apps/v1", "StatefulSet").await?;
        let workloads = [self.of_others(deployments), self.of_others(&stateful)].concat();
        Ok(BTreeMap::from([
            ("IngressClasses", names(&self.list("networking.k8s.io/v1", "IngressClass").await?)),
            ("GatewayClasses", names(&self.list("gateway.networking.k8s.io/v1", "GatewayClass").await?)),
            ("Prometheus", workloads.iter().filter_map(prometheus_of).collect()),
        ]))
    }
}

/// Whether Flux applied it for the lab, or a run did.
fn is_apps(object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    labels["app.kubernetes.io/managed-by"] == "coalmine" || labels[FLUX_NAME.0] == FLUX_NAME.1
}

fn in_the_way(named: &ObjectRef, found: &Value) -> String {
    match found["metadata"]["labels"][LAB].as_str() {
        Some(lab) => theirs::of_lab(named, lab),
        None => named.to_string(),
    }
}

fn prometheus_of(workload: &Value) -> Option<String> {
    let containers = workload.pointer("/spec/template/spec/containers")?.as_array()?;
    let image =
        containers.iter().find_map(|it| Some(name_and_tag(it["image"].as_str()?)).filter(|it| it.0 == "prometheus"))?;
    let text = |key: &str| workload["metadata"][key].as_str().unwrap_or_default();
    Some(format!("{}/{} {}", text("namespace"), text("name"), image.1))
}
