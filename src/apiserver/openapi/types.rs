//! The types of the built-in kinds, with names and descriptions: the JSON schemas of the bindings, in OpenAPI's form.

use super::REF;
use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling, batch::v1 as batch,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac, scheduling::v1 as scheduling,
    storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Adds a type, and all that it is made of, to the definitions.
type Add = fn(&mut SchemaGenerator) -> Schema;

macro_rules! types {
    ($($api_version:literal => $module:ident: $($kind:ident)+;)+) => {
        /// `apiVersion`, kind, type.
        const TYPES: &[(&str, &str, Add)] = &[$($((
            $api_version,
            stringify!($kind),
            SchemaGenerator::subschema_for::<$module::$kind>,
        )),+),+];
    };
}

types! {
    "v1" => core: ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod
        PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount;
    "apps/v1" => apps: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
    "autoscaling/v1" => autoscaling_v1: HorizontalPodAutoscaler;
    "autoscaling/v2" => autoscaling: HorizontalPodAutoscaler;
    "batch/v1" => batch: CronJob Job;
    "networking.k8s.io/v1" => networking: Ingress IngressClass NetworkPolicy;
    "discovery.k8s.io/v1" => discovery: EndpointSlice;
    "events.k8s.io/v1" => events: Event;
    "coordination.k8s.io/v1" => coordination: Lease;
    "policy/v1" => policy: PodDisruptionBudget;
    "storage.k8s.io/v1" => storage: StorageClass;
    "scheduling.k8s.io/v1" => scheduling: PriorityClass;
    "rbac.authorization.k8s.io/v1" => rbac: ClusterRole ClusterRoleBinding Role RoleBinding;
    "apiextensions.k8s.io/v1" => apiextensions: CustomResourceDefinition;
}

/// What the metadata of every object is.
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// What the bindings leave out: values that a field can have, and its default.
static VALUES: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let lines = include_str!("values.facts").lines().filter(|it| !it.starts_with('#'));
    lines.filter_map(|it| it.split_once(" = ")).collect()
});

fn find(api_version: &str, kind: &str) -> Option<Add> {
    TYPES.iter().find(|(of, name, _)| *of == api_version && *name == kind).map(|(.., add)| *add)
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into()).into_generator()
}

/// `io.k8s.api.apps.v1.Deployment`; empty for a kind that the bindings do not have.
pub(super) fn name(api_version: &str, kind: &str) -> String {
    let reference = find(api_version, kind).map(|add| add(&mut generator()).to_value());
    let name = reference.as_ref().and_then(|it| it["$ref"].as_str()).and_then(|it| it.strip_prefix(REF));
    name.unwrap_or_default().to_owned()
}

/// These kinds and every type that they use, by name; always with `ObjectMeta` and `ListMeta`.
pub(super) fn schemas(kinds: &[(String, &str)]) -> Map<String, Value> {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
    let mut generator = generator();
    generator.subschema_for::<ObjectMeta>();
    generator.subschema_for::<ListMeta>();
    for add in kinds.iter().filter_map(|(api_version, kind)| find(api_version, kind)) {
        add(&mut generator);
    }
    let mut schemas = generator.take_definitions(false);
    for (name, schema) in &mut schemas {
        tidy(schema);
        add_values(name, schema);
    }
    schemas
}

/// JSON Schema allows words beside a reference, OpenAPI 3.0 does not.
fn tidy(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    if map.len() > 1
        && let Some(reference) = map.shift_remove("$ref")
    {
        map.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
    if map.shift_remove("x-kubernetes-int-or-string").is_some() {
        let number = map.get("description").and_then(Value::as_str).is_some_and(|it| it.starts_with("Quantity"));
        if number {
            map.insert("oneOf".to_owned(), json!([{ "type": "string" }, { "type": "number" }]));
        } else {
            map.insert("format".to_owned(), json!("int-or-string"));
            map.insert("oneOf".to_owned(), json!([{ "type": "integer" }, { "type": "string" }]));
        }
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).into_iter().for_each(tidy);
    }
    map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, it)| tidy(it));
}

fn add_values(name: &str, schema: &mut Value) {
    for (field, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(line) = VALUES.get(format!("{name}.{field}").as_str()) else { continue };
        for part in line.split(' ') {
            if let Some(default) = part.strip_prefix("default=") {
                property["default"] = json!(default);
                continue;
            }
            let values: Vec<&str> = part.split('|').collect();
            let below = ["items", "additionalProperties"].into_iter().find(|it| property.get(it).is_some());
            match below {
                Some(below) => property[below]["enum"] = json!(values),
                None => {
                    let described = property["description"].as_str().unwrap_or_default();
                    let listed: String = values.iter().map(|it| format!("\n - `\"{it}\"`")).collect();
                    property["description"] = json!(format!("{described}\n\nPossible enum values:{listed}"));
                    property["enum"] = json!(values);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::kinds::Kinds;

    #[test]
    fn every_built_in_kind_has_a_type_with_its_description() {
        for kind in Kinds::default().iter() {
            let name = name(&kind.api_version(), &kind.kind);
            assert!(!name.is_empty(), "{} has no type: add it to the table above", kind.key);
            let schemas = schemas(&[(kind.api_version(), &kind.kind)]);
            assert!(schemas[&name]["description"].as_str().is_some_and(|it| it.len() > 20), "{name}");
        }
    }

    #[test]
    fn every_line_of_facts_is_about_a_field_that_exists() {
        let kinds = Kinds::default();
        let named: Vec<_> = kinds.iter().map(|it| (it.api_version(), it.kind.as_str())).collect();
        let schemas = schemas(&named);
        for (place, _) in VALUES.iter() {
            let (name, field) = place.rsplit_once('.').unwrap();
            assert!(schemas.get(name).is_some_and(|it| it["properties"][field].is_object()), "{place}");
        }
    }
}
