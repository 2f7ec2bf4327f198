//! Where the weights live: the canary Ingress' annotations, the HTTPRoute's backends, or nowhere.

use super::ask::Settings;
use super::ask::{Ask, INGRESS_PREFIX, LogLevel, SessionCookies, Write};
use super::context::Tick;
use super::objects::{httproute, ingress};
use super::policy::provider;
use super::script::{Context, Run, Stop};
use crate::model::canary::{Canary, Reference};
use serde_json::{Value, json};

const INGRESS: (&str, &str) = ("networking.k8s.io/v1", "Ingress");

/// Weights in percent, and whether requests are mirrored to the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Routes {
    pub(super) primary: i64,
    pub(super) canary: i64,
    pub(super) mirrored: bool,
}

impl Routes {
    /// Everything to the primary.
    pub(super) const PRIMARY: Self = Self { primary: 100, canary: 0, mirrored: false };
    /// Everything to the canary.
    pub(super) const CANARY: Self = Self { primary: 0, canary: 100, mirrored: false };
}

/// The object that holds a Canary's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterObject {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub name: String,
}

/// The object that a Canary's router reads its weights from; none for `kubernetes`, which has no router, and for
/// providers that are not known here.
#[must_use]
pub fn router_object(canary: &Canary, settings: &Settings) -> Option<RouterObject> {
    let route = |api_version| RouterObject { api_version, kind: "HTTPRoute", name: canary.service_name().to_owned() };
    match provider(canary, settings) {
        "nginx" => {
            let name = format!("{}-canary", canary.spec.ingress_ref.as_ref()?.name);
            Some(RouterObject { api_version: "networking.k8s.io/v1", kind: "Ingress", name })
        }
        "gatewayapi:v1" => Some(route("gateway.networking.k8s.io/v1")),
        "gatewayapi:v1beta1" => Some(route("gateway.networking.k8s.io/v1beta1")),
        _ => None,
    }
}

/// The weights (primary, canary; percent) that an object says, where it is the one that holds this Canary's: for those
/// who watch. The Ingress annotations have the usual prefix.
#[must_use]
pub fn weights_of(canary: &Canary, object: &Value) -> Option<(i64, i64)> {
    let named =
        |name: &str| object["metadata"]["name"] == name && object["metadata"]["namespace"] == canary.namespace();
    match object["kind"].as_str()? {
        "Ingress" => {
            let main = &canary.spec.ingress_ref.as_ref()?.name;
            let weight = ingress::read_weight(object, canary, INGRESS_PREFIX).ok()?;
            named(&format!("{main}-canary")).then_some((100 - weight, weight))
        }
        "HTTPRoute" => {
            let routes = httproute::weights(object, canary);
            named(canary.service_name()).then_some((routes.primary, routes.canary))
        }
        _ => None,
    }
}

/// The routers that are known here.
#[derive(Debug, Clone, Copy)]
enum Router {
    Nginx,
    /// Its API version.
    Gateway(&'static str),
    Kubernetes,
}

fn router(tick: &Tick<'_>) -> Run<Router> {
    match tick.provider {
        "nginx" => Ok(Router::Nginx),
        "gatewayapi:v1" => Ok(Router::Gateway("gateway.networking.k8s.io/v1")),
        "gatewayapi:v1beta1" => Ok(Router::Gateway("gateway.networking.k8s.io/v1beta1")),
        "kubernetes" => Ok(Router::Kubernetes),
        other => Err(Stop::Failed(format!(
            "the server could not find the requested resource (coalmine has no router for provider {other}; \
             use nginx, gatewayapi:v1, gatewayapi:v1beta1 or kubernetes)"
        ))),
    }
}

/// Creates the router's object, or brings it back to what the policy says.
pub(super) fn reconcile(tick: &mut Tick<'_>) -> Run<()> {
    match router(tick)? {
        Router::Nginx => reconcile_ingress(tick),
        Router::Gateway(version) => reconcile_route(tick, version),
        Router::Kubernetes => Ok(()),
    }
}

/// The weights as the router has them; not those of the status.
pub(super) fn read(tick: &mut Tick<'_>) -> Run<Routes> {
    match router(tick)? {
        Router::Nginx => {
            let prefix = &tick.settings.ingress_annotations_prefix;
            let ingress = canary_ingress(tick)?;
            let canary = ingress::read_weight(ingress, tick.canary, prefix).map_err(Stop::Failed)?;
            Ok(Routes { primary: 100 - canary, canary, mirrored: false })
        }
        Router::Gateway(version) => {
            let route = http_route(tick, version)?;
            httproute::read(route, tick.canary).map_err(Stop::Failed)
        }
        Router::Kubernetes => {
            let active = tick.canary.status.iterations > 0;
            Ok(if active { Routes::CANARY } else { Routes::PRIMARY })
        }
    }
}

/// Writes the weights.
pub(super) fn set(tick: &mut Tick<'_>, routes: Routes) -> Run<()> {
    match router(tick)? {
        Router::Nginx => set_ingress(tick, routes),
        Router::Gateway(version) => set_route(tick, version, routes),
        Router::Kubernetes => Ok(()),
    }
}

// --- nginx

fn main_ingress<'a>(tick: &Tick<'a>) -> Run<&'a Reference> {
    let reference = tick.canary.spec.ingress_ref.as_ref().filter(|it| !it.name.is_empty());
    reference.ok_or_else(|| Stop::Failed("ingress selector is empty".to_owned()))
}

fn canary_ingress<'a>(tick: &mut Tick<'a>) -> Run<&'a Value> {
    let name = format!("{}-canary", main_ingress(tick)?.name);
    let namespace = tick.canary.namespace();
    let words = |error: &str| format!("ingress {name}.{namespace} get query error: {error}");
    tick.get(INGRESS.0, INGRESS.1, &name).context(words)
}

fn reconcile_ingress(tick: &mut Tick<'_>) -> Run<()> {
    let main = &main_ingress(tick)?.name;
    let (canary, namespace) = (tick.canary, tick.canary.namespace());
    let ingress = tick
        .get(INGRESS.0, INGRESS.1, main)
        .context(|error| format!("ingress {main}.{namespace} get query error: {error}"))?;
    let service = canary.service_name();
    let Some(spec) = ingress::canary_spec(ingress, service) else {
        return Err(Stop::Failed(format!("backend {service} not found in ingress {main}")));
    };
    let name = format!("{main}-canary");
    let existing = tick
        .find(INGRESS.0, INGRESS.1, &name)
        .context(|error| format!("ingress {name}.{namespace} query error: {error}"))?;
    match existing {
        None => {
            let prefix = &tick.settings.ingress_annotations_prefix;
            tick.write(|| Write::Create(ingress::create(ingress, &spec, canary, prefix)))
                .context(|error| format!("ingress {name}.{namespace} create error: {error}"))?;
            tick.log(LogLevel::Info, || format!("Ingress {name}.{namespace} created"));
        }
        Some(existing) if existing["spec"] != spec => {
            tick.patch(INGRESS.0, INGRESS.1, &name, || json!({"spec": spec}))
                .context(|error| format!("ingress {name}.{namespace} update error: {error}"))?;
            tick.log(LogLevel::Info, || format!("Ingress {name} updated"));
        }
        Some(_) => {}
    }
    Ok(())
}

fn set_ingress(tick: &mut Tick<'_>, routes: Routes) -> Run<()> {
    let existing = canary_ingress(tick)?;
    let name = existing["metadata"]["name"].as_str().unwrap_or_default();
    let (canary, prefix) = (tick.canary, &tick.settings.ingress_annotations_prefix);
    let annotations = || ingress::annotations_for(existing, canary, prefix, routes.canary);
    tick.patch(INGRESS.0, INGRESS.1, name, || json!({"metadata": {"annotations": annotations()}}))
        .context(|error| format!("ingress {name}.{} update error: {error}", canary.namespace()))
}

// --- Gateway API

fn http_route<'a>(tick: &mut Tick<'a>, version: &str) -> Run<&'a Value> {
    let canary = tick.canary;
    let (name, namespace) = (canary.service_name(), canary.namespace());
    tick.get(version, "HTTPRoute", name).context(|error| format!("HTTPRoute {name}.{namespace} get error: {error}"))
}

fn reconcile_route(tick: &mut Tick<'_>, version: &str) -> Run<()> {
    let canary = tick.canary;
    if canary.spec.service.gateway_refs.is_empty() {
        let words = "GatewayRefs must be specified when using Gateway API as a provider.";
        return Err(Stop::Failed(words.to_owned()));
    }
    let (name, namespace) = (canary.service_name(), canary.namespace());
    let existing = tick
        .find(version, "HTTPRoute", name)
        .context(|error| format!("HTTPRoute {name}.{namespace} get error: {error}"))?;
    let Some(existing) = existing else {
        let route = httproute::create(canary, version).map_err(Stop::Failed)?;
        tick.write(|| Write::Create(route))
            .context(|error| format!("HTTPRoute {name}.{namespace} create error: {error}"))?;
        tick.log(LogLevel::Info, || format!("HTTPRoute {name}.{namespace} created"));
        return Ok(());
    };
    if let Some(changed) = httproute::update(existing, canary).map_err(Stop::Failed)? {
        tick.write(|| Write::Replace(changed))
            .context(|error| format!("HTTPRoute {name}.{namespace} update error: {error} while reconciling"))?;
        tick.log(LogLevel::Info, || format!("HTTPRoute {name}.{namespace} updated"));
    }
    Ok(())
}

fn set_route(tick: &mut Tick<'_>, version: &str, routes: Routes) -> Run<()> {
    let canary = tick.canary;
    let existing = http_route(tick, version)?;
    let cookies = if canary.spec.analysis.session_affinity.is_null() { None } else { Some(cookies(tick, routes)?) };
    let spec = httproute::spec(canary, routes, cookies.as_ref()).map_err(Stop::Failed)?;
    let (name, namespace) = (canary.service_name(), canary.namespace());
    tick.write(|| {
        let mut changed = existing.clone();
        changed["spec"] = spec;
        Write::Replace(changed)
    })
    .context(|error| format!("HTTPRoute {name}.{namespace} update error: {error} while setting weights"))
}

/// The session cookies for these weights: made when the canary first gets traffic, retired when it has none. A cookie for
/// the primary is made and kept even where the policy names none, as in Flagger; it has no name then and is not used.
fn cookies(tick: &mut Tick<'_>, routes: Routes) -> Run<SessionCookies> {
    let status = &tick.canary.status;
    let mut cookies = tick.cookies.clone().unwrap_or_else(|| SessionCookies {
        canary: status.session_affinity_cookie.clone(),
        primary: status.primary_session_affinity_cookie.clone(),
        previous: status.previous_session_affinity_cookie.clone(),
    });
    if routes.canary == 0 {
        if !cookies.canary.is_empty() {
            cookies.previous = std::mem::take(&mut cookies.canary);
        }
    } else {
        let affinity = &tick.canary.spec.analysis.session_affinity;
        for (field, cookie) in [("cookieName", &mut cookies.canary), ("primaryCookieName", &mut cookies.primary)] {
            if cookie.is_empty() {
                let value = tick.script.text(|| Ask::Cookie)?;
                *cookie = format!("{}={value}", affinity[field].as_str().unwrap_or_default());
            }
        }
    }
    tick.cookies = Some(cookies.clone());
    Ok(cookies)
}
