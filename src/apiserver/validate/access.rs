//! Roles and bindings.

use super::{Faults, items, text};
use crate::apiserver::kinds::resource as r;
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Each rule must be able to match something.
pub fn check_role(resource: &str, object: &Value, faults: &mut Faults) {
    for (index, rule) in items(object, "rules").iter().enumerate() {
        let field = format!("rules[{index}]");
        if items(rule, "verbs").is_empty() {
            faults.required(&format!("{field}.verbs"), "verbs must contain at least one value");
        }
        let paths = !items(rule, "nonResourceURLs").is_empty();
        let resources = !items(rule, "resources").is_empty();
        let groups = !items(rule, "apiGroups").is_empty();
        if paths && resource == r::ROLES {
            let detail = "namespaced rules cannot apply to non-resource URLs";
            faults.invalid(&format!("{field}.nonResourceURLs"), &rule["nonResourceURLs"], detail);
        }
        if paths && (groups || resources || !items(rule, "resourceNames").is_empty()) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            faults.invalid(&format!("{field}.nonResourceURLs"), &rule["nonResourceURLs"], detail);
        }
        if !paths && !groups {
            faults.required(&format!("{field}.apiGroups"), "resource rules must supply at least one api group");
        }
        if !paths && !resources {
            faults.required(&format!("{field}.resources"), "resource rules must supply at least one resource");
        }
    }
}

/// A binding names one role, for good, and whom it is given to.
pub fn check_binding(resource: &str, object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let role = object.get("roleRef").unwrap_or(&Value::Null);
    if text(role, "apiGroup") != GROUP {
        faults.add(FieldError::unsupported("roleRef.apiGroup", &json!(text(role, "apiGroup")), &[GROUP]));
    }
    let kinds: &[&str] = if resource == r::ROLE_BINDINGS { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        faults.add(FieldError::unsupported("roleRef.kind", &json!(text(role, "kind")), kinds));
    }
    if text(role, "name").is_empty() {
        faults.required("roleRef.name", "");
    }
    for (index, subject) in items(object, "subjects").iter().enumerate() {
        check_subject(resource, subject, &format!("subjects[{index}]"), faults);
    }
    if old.is_some_and(|it| it.get("roleRef") != object.get("roleRef")) {
        let shown =
            json!({ "APIGroup": text(role, "apiGroup"), "Kind": text(role, "kind"), "Name": text(role, "name") });
        faults.invalid("roleRef", &shown, "cannot change roleRef");
    }
}

fn check_subject(resource: &str, subject: &Value, field: &str, faults: &mut Faults) {
    if text(subject, "name").is_empty() {
        faults.required(&format!("{field}.name"), "");
    }
    let group = text(subject, "apiGroup");
    let wanted = match text(subject, "kind") {
        "ServiceAccount" => {
            if text(subject, "namespace").is_empty() && resource == r::CLUSTER_ROLE_BINDINGS {
                faults.required(&format!("{field}.namespace"), "");
            }
            ""
        }
        "User" | "Group" => GROUP,
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            faults.add(FieldError::unsupported(format!("{field}.kind"), &json!(other), &kinds));
            return;
        }
    };
    if group != wanted {
        faults.add(FieldError::unsupported(format!("{field}.apiGroup"), &json!(group), &[wanted]));
    }
}
