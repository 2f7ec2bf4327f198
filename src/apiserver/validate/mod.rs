//! What the server refuses, in its own words.

mod access;
mod metadata;
pub mod name;
mod network;
mod pod;
mod policy;
mod schedule;
mod secret;
mod workload;

use super::kinds::{Kind, resource as r};
use super::schema::check;
use super::status::FieldError;
use serde_json::Value;

/// Where faults are collected.
#[derive(Default)]
pub struct Faults {
    pub errors: Vec<FieldError>,
}

impl Faults {
    fn add(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    fn required(&mut self, field: &str, detail: &str) {
        self.add(FieldError::required(field, detail));
    }

    fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        self.add(FieldError::invalid(field, value, detail));
    }

    /// The field must not change; the text is the same for all kinds.
    fn immutable(&mut self, field: &str, new: &Value, old: &Value, pointer: &str) {
        let (before, after) = (old.pointer(pointer), new.pointer(pointer));
        if before != after {
            self.invalid(field, after.unwrap_or(&Value::Null), "field is immutable");
        }
    }

    /// A number that must not be negative.
    fn not_negative(&mut self, field: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|it| it.as_i64().is_some_and(|it| it < 0)) {
            self.invalid(field, value, "must be greater than or equal to 0");
        }
    }

    /// One of a closed set of texts.
    fn one_of(&mut self, field: &str, value: Option<&Value>, allowed: &[&str]) {
        match value {
            Some(found) if !allowed.contains(&found.as_str().unwrap_or_default()) => {
                self.add(FieldError::unsupported(field, found, allowed));
            }
            _ => {}
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// All faults of an object that is to be stored; `old` is there on an update.
pub fn check(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Faults::default();
    metadata::check(kind, object, old, &mut faults);
    if kind.custom {
        check::check(&kind.storage().schema, object, "", &mut faults.errors);
        return faults.errors;
    }
    match kind.key.as_str() {
        r::PODS => pod::check(object, old, &mut faults),
        r::DEPLOYMENTS | r::REPLICA_SETS | r::DAEMON_SETS | r::STATEFUL_SETS => {
            workload::check(&kind.key, object, old, &mut faults);
        }
        r::JOBS => workload::check_job(object, old, &mut faults),
        r::CRON_JOBS => workload::check_cron_job(object, &mut faults),
        r::HORIZONTAL_POD_AUTOSCALERS => workload::check_autoscaler(object, &mut faults),
        r::SERVICES => network::check_service(object, old, &mut faults),
        r::INGRESSES => network::check_ingress(object, &mut faults),
        r::CONFIGMAPS => secret::check_data(&kind.key, object, old, &mut faults),
        r::SECRETS => {
            secret::check_data(&kind.key, object, old, &mut faults);
            secret::check_type(object, &mut faults);
        }
        r::NETWORK_POLICIES => policy::check_network_policy(object, &mut faults),
        r::POD_DISRUPTION_BUDGETS => policy::check_disruption_budget(object, &mut faults),
        r::PERSISTENT_VOLUME_CLAIMS => policy::check_claim(object, &mut faults),
        r::PRIORITY_CLASSES => policy::check_priority_class(object, old, &mut faults),
        r::EVENTS => policy::check_event(object, &mut faults),
        r::ROLES | r::CLUSTER_ROLES => access::check_role(&kind.key, object, &mut faults),
        r::ROLE_BINDINGS | r::CLUSTER_ROLE_BINDINGS => access::check_binding(&kind.key, object, old, &mut faults),
        r::CUSTOM_RESOURCE_DEFINITIONS => faults.errors.extend(super::crd::validate(object)),
        _ => {}
    }
    faults.errors
}
