//! Live weights for onlookers: which object has them, and what it says. The judge reads the same object the same way.

use super::ask::Settings;
use super::objects::{httproute, ingress};
use super::policy::provider;
use crate::model::canary::Canary;
use serde_json::Value;

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

/// Primary's and canary's weight in percent, as the object has them; none where it cannot be read.
#[must_use]
pub fn weights(canary: &Canary, settings: &Settings, object: &Value) -> Option<(i64, i64)> {
    if object["kind"] == "Ingress" {
        let weight = ingress::read_weight(object, canary, &settings.ingress_annotations_prefix).ok()?;
        return Some((100 - weight, weight));
    }
    httproute::read(object, canary).ok().map(|it| (it.primary, it.canary))
}
