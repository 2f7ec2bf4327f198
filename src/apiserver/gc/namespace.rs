//! What a namespace that is going says about why it is still there, as the real namespace controller does.

use crate::apiserver::meta;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is left in a namespace, counted: by resource, and by what holds it.
#[derive(Default)]
pub(super) struct Left {
    resources: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

impl Left {
    pub(super) fn note(&mut self, resource: &str, object: &Value) {
        // The core group has no name, but its dot is there.
        let resource = if resource.contains('.') { resource.to_owned() } else { format!("{resource}.") };
        *self.resources.entry(resource).or_default() += 1;
        for finalizer in meta::finalizers(object) {
            *self.finalizers.entry(finalizer.to_owned()).or_default() += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// The namespace with its conditions; None if they say so already.
    pub(super) fn told(&self, namespace: &Value, now: &str) -> Option<Value> {
        let before = namespace.pointer("/status/conditions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let conditions: Value = self.conditions().map(|new| with_time(new, before, now)).into_iter().collect();
        let mut told = namespace.clone();
        told["status"]["conditions"] = conditions;
        (told != *namespace).then_some(told)
    }

    fn conditions(&self) -> [Value; 5] {
        let counted = |words: &str, of: &BTreeMap<String, usize>| {
            of.iter()
                .map(|(name, count)| format!("{name} {words} {count} resource instances"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let condition = |name: &str, status: bool, reason: &str, message: String| json!({ "type": name, "status": if status { "True" } else { "False" }, "reason": reason, "message": message });
        let fine = |name: &str, reason: &str, message: &str| condition(name, false, reason, message.to_owned());
        let remaining = match counted("has", &self.resources) {
            none if none.is_empty() => {
                fine("NamespaceContentRemaining", "ContentRemoved", "All content successfully removed")
            }
            some => {
                let message = format!("Some resources are remaining: {some}");
                condition("NamespaceContentRemaining", true, "SomeResourcesRemain", message)
            }
        };
        let held = match counted("in", &self.finalizers) {
            none if none.is_empty() => {
                let message = "All content-preserving finalizers finished";
                fine("NamespaceFinalizersRemaining", "ContentHasNoFinalizers", message)
            }
            some => {
                let message = format!("Some content in the namespace has finalizers remaining: {some}");
                condition("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message)
            }
        };
        [
            fine("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
            fine(
                "NamespaceDeletionGroupVersionParsingFailure",
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed",
            ),
            fine(
                "NamespaceDeletionContentFailure",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
            remaining,
            held,
        ]
    }
}

/// The condition with the time at which its status came about.
fn with_time(mut new: Value, before: &[Value], now: &str) -> Value {
    let old = before.iter().find(|it| it["type"] == new["type"] && it["status"] == new["status"]);
    new["lastTransitionTime"] = old.map_or_else(|| json!(now), |it| it["lastTransitionTime"].clone());
    new
}
