//! The shape of a Canary object, as Flagger's CRD has it: what the API server would refuse, or drop without a word.

use super::manifests::Doc;
use super::problem::{Problems, nearest};
use crate::sys::yaml::{Data, Node};

/// What a value must be.
enum Shape {
    Any,
    Bool,
    Int,
    Number,
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `30s` or `5m`: the CRD's own pattern for times.
    Time,
    List(&'static Shape),
    /// Free keys, text values.
    Texts,
    /// Known keys; those that are required.
    Map(&'static [(&'static str, Shape)], &'static [&'static str]),
}

use Shape::{Any, Bool, Int, List, Map, Number, Text, Texts, Time, Word};

const PROVIDERS: &[&str] = &["nginx", "gatewayapi:v1", "gatewayapi:v1beta1", "kubernetes"];
const HOOKS: &[&str] = &[
    "",
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-traffic-increase",
    "confirm-promotion",
    "post-rollout",
    "event",
    "rollback",
];

const REFERENCE: Shape = Map(&[("apiVersion", Text), ("kind", Text), ("name", Text)], &["apiVersion", "kind", "name"]);
const NAME_REFERENCE: Shape = Map(&[("name", Text), ("namespace", Text)], &["name"]);

const METRIC: Shape = Map(
    &[
        ("name", Text),
        ("interval", Time),
        ("threshold", Number),
        ("thresholdRange", Map(&[("min", Number), ("max", Number)], &[])),
        ("query", Text),
        ("templateRef", NAME_REFERENCE),
        ("templateVariables", Texts),
    ],
    &["name"],
);

const WEBHOOK: Shape = Map(
    &[
        ("name", Text),
        ("type", Word(HOOKS)),
        ("url", Text),
        ("timeout", Time),
        ("retries", Int),
        ("metadata", Texts),
        ("muteAlert", Bool),
        ("disableTLS", Bool),
    ],
    &["name", "url"],
);

const ALERT: Shape = Map(
    &[("name", Text), ("severity", Word(&["", "info", "warn", "error"])), ("providerRef", NAME_REFERENCE)],
    &["name", "providerRef"],
);

const ANALYSIS: Shape = Map(
    &[
        ("interval", Time),
        ("threshold", Int),
        ("iterations", Int),
        ("maxWeight", Int),
        ("stepWeight", Int),
        ("stepWeights", List(&Int)),
        ("stepWeightPromotion", Int),
        ("mirror", Bool),
        ("mirrorWeight", Int),
        ("primaryReadyThreshold", Int),
        ("canaryReadyThreshold", Int),
        ("match", List(&Any)),
        ("metrics", List(&METRIC)),
        ("webhooks", List(&WEBHOOK)),
        ("alerts", List(&ALERT)),
        ("sessionAffinity", Any),
    ],
    &["interval", "threshold"],
);

const SERVICE: Shape = Map(
    &[
        ("name", Text),
        ("port", Int),
        ("portName", Text),
        ("targetPort", Any),
        ("appProtocol", Text),
        ("trafficDistribution", Word(&["PreferClose", "PreferSameZone", "PreferSameNode"])),
        ("portDiscovery", Bool),
        ("headless", Bool),
        ("timeout", Text),
        ("backendTimeout", Text),
        ("gateways", List(&Text)),
        ("gatewayRefs", List(&Any)),
        ("hosts", List(&Text)),
        ("delegation", Bool),
        ("trafficPolicy", Any),
        ("corsPolicy", Any),
        ("retries", Any),
        ("headers", Any),
        ("rewrite", Any),
        ("match", List(&Any)),
        ("mirror", List(&Any)),
        ("meshName", Text),
        ("backends", List(&Text)),
        ("apex", Any),
        ("primary", Any),
        ("canary", Any),
        ("unmanagedMetadata", Any),
    ],
    &["port"],
);

const SPEC: Shape = Map(
    &[
        ("provider", Word(PROVIDERS)),
        ("metricsServer", Text),
        ("targetRef", REFERENCE),
        ("autoscalerRef", Any),
        ("ingressRef", REFERENCE),
        ("routeRef", Any),
        ("upstreamRef", Any),
        ("service", SERVICE),
        ("analysis", ANALYSIS),
        ("progressDeadlineSeconds", Int),
        ("skipAnalysis", Bool),
        ("revertOnDeletion", Bool),
        ("suspend", Bool),
    ],
    &["provider", "targetRef", "service", "analysis"],
);

/// Whether the Canary can be read on; reports everything that the CRD does not allow.
pub(super) fn check_canary(doc: &Doc, problems: &mut Problems) -> bool {
    if doc.id.api_version != "flagger.app/v1beta1" {
        let message = format!("a Canary is `flagger.app/v1beta1`, and this is `{}`", doc.id.api_version);
        problems.error(doc.place("/apiVersion"), message, "write `apiVersion: flagger.app/v1beta1`");
        return false;
    }
    let Some(spec) = doc.node.get("spec") else {
        problems.error(doc.place(""), "the Canary has no `spec`", "add `spec:`");
        return false;
    };
    let mut check = Check { doc, problems, fits: true };
    check.value(spec, &SPEC, "spec");
    check.fits
}

struct Check<'a> {
    doc: &'a Doc,
    problems: &'a mut Problems,
    fits: bool,
}

impl Check<'_> {
    fn value(&mut self, node: &Node, shape: &Shape, path: &str) {
        match (shape, &node.data) {
            (Any, _)
            | (Bool, Data::Bool(_))
            | (Int, Data::Int(_))
            | (Number, Data::Int(_) | Data::Float(_))
            | (Text, Data::Text(_)) => {}
            (Word(words), Data::Text(text)) => self.word(node, words, text, path),
            (Time, Data::Text(text)) => self.time(node, text, path),
            (List(shape), Data::List(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.value(item, shape, &format!("{path}[{i}]"));
                }
            }
            (Texts, Data::Map(entries)) => {
                for entry in entries {
                    self.value(&entry.value, &Text, &format!("{path}.{}", entry.key));
                }
            }
            (Map(known, required), Data::Map(_)) => self.map(node, known, required, path),
            _ => {
                let message = format!("{path} must be {}, and this is {}", wanted(shape), node.kind());
                let quote = matches!(shape, Text | Word(_) | Time)
                    && matches!(node.data, Data::Int(_) | Data::Float(_) | Data::Bool(_));
                self.error(
                    node,
                    message,
                    if quote { "put it in quotes" } else { "the API server refuses it as it is" },
                );
            }
        }
    }

    fn map(&mut self, node: &Node, known: &[(&'static str, Shape)], required: &[&str], path: &str) {
        for entry in node.entries() {
            match known.iter().find(|(name, _)| *name == entry.key) {
                Some((_, shape)) => self.value(&entry.value, shape, &format!("{path}.{}", entry.key)),
                None => self.unknown(entry, known, path),
            }
        }
        for name in required.iter().filter(|name| node.get(name).is_none()) {
            self.error(node, format!("{path} has no `{name}`"), &format!("add `{name}:`"));
        }
    }

    /// The API server drops fields that the CRD does not have, and says nothing.
    fn unknown(&mut self, entry: &crate::sys::yaml::Entry, known: &[(&'static str, Shape)], path: &str) {
        if self.problems.is_full() {
            return;
        }
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let message = format!("{path} has no field `{}`: the API server drops it without a word", entry.key);
        let help = match nearest(&entry.key, &names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("its fields are {}", names.join(", ")),
        };
        self.problems.warn((self.doc.source, entry.key_place), message, help);
    }

    fn word(&mut self, node: &Node, words: &[&'static str], text: &str, path: &str) {
        if words.contains(&text) {
            return;
        }
        let known: Vec<&str> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        let help = match nearest(text, &known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("write one of {}", known.join(", ")),
        };
        self.error(node, format!("{path} cannot be `{text}`"), &help);
    }

    /// `^[0-9]+(m|s)`
    fn time(&mut self, node: &Node, text: &str, path: &str) {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || !matches!(text.as_bytes().get(digits), Some(b'm' | b's')) {
            let help = "write whole seconds or minutes: 30s or 2m";
            self.error(node, format!("{path}: Flagger's CRD does not take `{text}` for a time"), help);
        }
    }

    fn error(&mut self, node: &Node, message: String, help: &str) {
        self.fits = false;
        self.problems.error((self.doc.source, node.place), message, help);
    }
}

fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Any => "anything",
        Bool => "true or false",
        Int => "a whole number",
        Number => "a number",
        Text | Word(_) => "text",
        Time => "a time such as 30s",
        List(_) => "a list",
        Texts => "a map of texts",
        Map(..) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::yaml::{Dialect, documents};
    use serde_json::Value;

    /// The fields that the CRD in `manifests/flagger` has are the fields that are known here.
    #[test]
    fn the_shape_is_that_of_the_crd() {
        let text = crate::scenario::builtin::manifest("flagger/crds.yaml").unwrap();
        let crds: Vec<Value> = documents(&text, Dialect::Kubernetes).unwrap().iter().map(Node::to_json).collect();
        let canary = crds.iter().find(|it| it["metadata"]["name"] == "canaries.flagger.app").unwrap();
        let spec = &canary["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut differences = Vec::new();
        compare(&SPEC, spec, "spec", &mut differences);
        assert_eq!(differences, Vec::<String>::new());
    }

    fn compare(shape: &Shape, schema: &Value, path: &str, differences: &mut Vec<String>) {
        match shape {
            List(item) => compare(item, &schema["items"], &format!("{path}[]"), differences),
            Map(known, _) => {
                let properties = schema["properties"].as_object().cloned().unwrap_or_default();
                for (name, shape) in *known {
                    match properties.get(*name) {
                        Some(schema) => compare(shape, schema, &format!("{path}.{name}"), differences),
                        None => differences.push(format!("{path}.{name} is not in the CRD")),
                    }
                }
                let unknown = properties.keys().filter(|key| known.iter().all(|(name, _)| name != key));
                differences.extend(unknown.map(|key| format!("{path}.{key} is only in the CRD")));
            }
            _ => {}
        }
    }
}
