//! docs/EVENTS.md, made from the types themselves: names, fields and what the code says about them, with an example of each
//! event as a record's line and as people read it. A test holds the page to this.

use super::wire::{FORMAT, MAX_LINE_BYTES, VERSION};
use super::{Envelope, Event};
use serde_json::Value;
use std::fmt::Write;

/// One event of each kind, as records hold it.
const EXAMPLES: [&str; 16] = [
    r#"{"runStarted":{"scenario":"500-storm","title":"A version that fails","lab":"embedded","clock":"simulated","seed":7,"version":"0.1.0","started":"2026-01-01T00:00:00Z","policy":{"canary":"podinfo","namespace":"test","target":"podinfo","provider":"nginx","strategy":"canary","intervalMs":15000,"threshold":5,"maxWeight":50,"weights":[10,20,30,40,50],"iterations":0,"checks":[{"name":"request-success-rate","unit":"%","min":99.0,"windowMs":60000}]}}}"#,
    r#"{"labStep":{"name":"apply the lab's manifests","state":"done","detail":"21 objects"}}"#,
    r#"{"scenarioStarted":{"steps":3}}"#,
    r#"{"stepTaken":{"index":1,"kind":"release","text":"release 6.9.3"}}"#,
    r#"{"faultChanged":{"fault":"http-500","target":"canary","on":true,"rate":0.3,"detail":""}}"#,
    r#"{"reported":{"warning":true,"message":"Halt podinfo.test advancement success rate 71.43% < 99%"}}"#,
    r#"{"statusChanged":{"phase":"Progressing","weight":10,"failedChecks":1,"iterations":0}}"#,
    r#"{"routeChanged":{"primary":90,"canary":10}}"#,
    r#"{"measured":{"values":[{"check":"request-success-rate","value":71.43},{"check":"request-duration","value":null}]}}"#,
    r#"{"requests":{"sliceMs":1000,"versions":{"6.9.3":{"backend":"canary","requests":10,"harmed":3,"byStatus":{"200":7,"500":3},"p50Ms":18.0,"p99Ms":44.0,"meanMs":20.0,"maxMs":45.0,"lastHarmedAtMs":40880}}}}"#,
    r#"{"workload":{"name":"podinfo","version":"6.9.3","desired":2,"ready":1,"updated":2}}"#,
    r#"{"pod":{"name":"podinfo-7f8b-x2v4q","version":"6.9.3","ready":false,"restarts":3,"state":"CrashLoopBackOff"}}"#,
    r#"{"rule":{"alert":"PodinfoErrorBudgetBurn","firing":true,"summary":"the error budget burns 14 times too fast"}}"#,
    r#"{"command":{"text":"open the gate"}}"#,
    r#"{"note":{"text":"events of the cluster may be missing: its budget for them is spent"}}"#,
    r#"{"runEnded":{"outcome":"rolled-back","why":"rolled back at 1m45s: success rate 71.43 % < 99 %, 5 of 5 strikes","next":"mend the new version","expectations":[{"text":"verdict is rolled-back","met":true,"seen":"rolled-back"}]}}"#,
];

/// The whole page.
#[must_use]
pub fn page() -> String {
    let schema = schemars::schema_for!(Envelope).to_value();
    let mut page = String::from(
        "# Events\n\n<!-- Made by src/event/docs.rs. Do not edit: UPDATE_DOCS=1 cargo test --test it events_page -->\n\n",
    );
    let _ = writeln!(
        page,
        "Everything that coalmine shows is made from one numbered stream of events: lines, panes, reports, verdicts, and replay.\n\
         A run record is that stream as JSON lines, at most {MAX_LINE_BYTES} bytes each. The first line is\n\
         `{{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}`; each further line holds one event in its place:\n"
    );
    fields(&mut page, &schema);
    let _ = writeln!(
        page,
        "Readers pass over fields that they do not know. Added fields keep the version; an added kind or a changed meaning makes a \
         new one.\n"
    );
    for text in EXAMPLES {
        let event: Event = serde_json::from_str(text).expect("the examples are events; a test reads them");
        kind(&mut page, &schema, text, &event);
    }
    page.push_str("# Parts of events\n\n");
    let kinds = kind_names(&schema);
    let parts = schema["$defs"].as_object().into_iter().flatten();
    let mut parts: Vec<_> = parts.filter(|(name, _)| *name != "Event" && !kinds.contains(&lower(name))).collect();
    parts.sort_by_key(|(name, _)| name.as_str());
    for (name, part) in parts {
        let _ = writeln!(page, "## {name}\n\n{}\n", sentence(part));
        fields(&mut page, part);
    }
    page.trim_end().to_owned() + "\n"
}

/// The names of all kinds, as the schema knows them: `runStarted`, ….
#[must_use]
pub fn kind_names(schema: &Value) -> Vec<String> {
    let kinds = schema["$defs"]["Event"]["oneOf"].as_array();
    let name = |it: &Value| it["required"][0].as_str().map(str::to_owned);
    kinds.into_iter().flatten().filter_map(name).collect()
}

fn kind(page: &mut String, schema: &Value, text: &str, event: &Event) {
    let name = text.split('"').nth(1).unwrap_or_default();
    let definition = &schema["$defs"][upper(name)];
    let _ = writeln!(page, "## `{name}`\n\n{}\n", sentence(definition));
    fields(page, definition);
    let _ = writeln!(page, "```json\n{text}\n```\n\nreads: {event}\n");
}

/// A table of an object's fields, or a list of an enumeration's values.
fn fields(page: &mut String, definition: &Value) {
    if let Some(properties) = definition["properties"].as_object() {
        page.push_str("| field | type | |\n|---|---|---|\n");
        for (name, property) in properties {
            let required = definition["required"].as_array().is_some_and(|it| it.iter().any(|it| it == name));
            let optional = if required { "" } else { ", may be left out" };
            let _ = writeln!(page, "| `{name}` | {}{optional} | {} |", type_words(property), sentence(property));
        }
        page.push('\n');
    }
    let values = definition["enum"].as_array().into_iter().flatten().map(|it| (it, String::new()));
    let described = definition["oneOf"].as_array().into_iter().flatten();
    let described = described.flat_map(|it| {
        let many = it["enum"].as_array().into_iter().flatten();
        it.get("const").into_iter().chain(many).map(|value| (value, sentence(it)))
    });
    let all: Vec<_> = values.chain(described).collect();
    for (value, text) in &all {
        let _ = writeln!(page, "- `{value}`{}{text}", if text.is_empty() { "" } else { ": " });
    }
    if !all.is_empty() {
        page.push('\n');
    }
}

fn type_words(property: &Value) -> String {
    if let Some(reference) = property["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(choices) = property["anyOf"].as_array() {
        return choices.iter().map(type_words).collect::<Vec<_>>().join(" or ");
    }
    match &property["type"] {
        Value::Array(choices) => choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(kind) if kind == "array" => format!("list of {}", type_words(&property["items"])),
        Value::String(kind) if kind == "object" => {
            let values = &property["additionalProperties"];
            let values = if values.is_object() { values } else { &property["patternProperties"] };
            let values = if values["type"].is_null() && values["$ref"].is_null() {
                values.as_object().and_then(|it| it.values().next()).unwrap_or(values)
            } else {
                values
            };
            format!("map to {}", type_words(values))
        }
        Value::String(kind) => kind.clone(),
        _ => "any".to_owned(),
    }
}

/// A definition's description on one line, without links of rustdoc.
fn sentence(definition: &Value) -> String {
    let text = definition["description"].as_str().unwrap_or_default();
    text.replace("[`", "`").replace("`]", "`").split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn upper(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_is_an_example_of_every_kind() {
        let schema = schemars::schema_for!(Envelope).to_value();
        let shown: BTreeSet<_> = EXAMPLES.iter().filter_map(|it| it.split('"').nth(1).map(str::to_owned)).collect();
        assert_eq!(shown, kind_names(&schema).into_iter().collect());
        for text in EXAMPLES {
            let event: Event = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&event).unwrap(), text, "examples are as records hold them");
            assert!(!event.to_string().is_empty());
        }
    }
}
