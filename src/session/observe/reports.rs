//! Kubernetes Events about the Canary, each time that they happened.
//!
//! The API keeps fewer Events than were sent: one that repeats is one object whose `count` rises, and from the eleventh
//! alike one on, Flagger's recorder sends one object whose message is always the latest ("combined"). So a rise of the
//! count is told again; what cannot be known any more is said to be lost.

use super::{Teller, number, text};
use crate::event::{Event, Note, Reported};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What client-go puts before a message that stands for several.
const COMBINED: &str = "(combined from similar events): ";
/// How often one message is told at once at most; of more repetitions the number is told.
const MAX_REPEATS: i64 = 20;

/// One Event object stands for many: each rise of its count is told.
pub(crate) struct ReportTeller {
    canary: String,
    told: BTreeMap<String, (i64, String)>,
}

impl ReportTeller {
    pub(crate) fn new(canary: &str) -> Self {
        Self { canary: canary.to_owned(), told: BTreeMap::new() }
    }

    /// Takes these as told: what happened before belongs to earlier runs.
    pub(crate) fn knowing(mut self, events: &[Value]) -> Self {
        let ours = events.iter().filter(|it| self.is_about(it));
        let told = ours.map(|it| (name(it).to_owned(), state_of(it))).collect();
        self.told = told;
        self
    }

    /// Whether the message is only the latest of several.
    pub(crate) fn is_combined(event: &Value) -> bool {
        text(event, "/message").starts_with(COMBINED)
    }

    pub(crate) fn is_about(&self, event: &Value) -> bool {
        text(event, "/involvedObject/kind") == "Canary" && text(event, "/involvedObject/name") == self.canary
    }
}

/// How often it happened, and the message.
fn state_of(event: &Value) -> (i64, String) {
    let count = number(event, "/count").max(number(event, "/series/count")).max(1);
    (count, text(event, "/message").to_owned())
}

/// When it last happened, RFC 3339; empty where it does not say.
pub(crate) fn told_at(event: &Value) -> &str {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
    times.iter().map(|it| text(event, it)).find(|it| !it.is_empty()).unwrap_or_default()
}

impl Teller for ReportTeller {
    fn applied(&mut self, object: &Value) -> Vec<Event> {
        if !self.is_about(object) {
            return Vec::new();
        }
        let now = state_of(object);
        let before = self.told.insert(name(object).to_owned(), now.clone());
        if before.as_ref() == Some(&now) {
            return Vec::new();
        }
        let times = match before {
            Some((count, _)) if now.0 > count => now.0 - count,
            // It was written anew, by a recorder that began to count again.
            Some(_) => 1,
            None => now.0,
        };
        tell(text(object, "/type") == "Warning", &now.1, times)
    }

    fn deleted(&mut self, object: &Value) -> Vec<Event> {
        self.told.remove(name(object));
        Vec::new()
    }

    fn sort(&self, objects: &mut [Value]) {
        objects.sort_by(|a, b| told_at(a).cmp(told_at(b)).then_with(|| name(a).cmp(name(b))));
    }

    fn only(&mut self, names: &BTreeSet<&str>) -> Vec<Event> {
        self.told.retain(|name, _| names.contains(name.as_str()));
        Vec::new()
    }
}

fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

fn tell(warning: bool, message: &str, times: i64) -> Vec<Event> {
    let note = |text: String| Event::Note(Note { text });
    let reported = |message: &str| Event::Reported(Reported { warning, message: message.to_owned() });
    match message.strip_prefix(COMBINED) {
        Some(latest) if times > 1 => {
            let lost =
                format!("{} of Flagger's events before this one were combined, and their texts are lost", times - 1);
            vec![note(lost), reported(latest)]
        }
        Some(latest) => vec![reported(latest)],
        None if times > MAX_REPEATS => {
            vec![
                note(format!("this event of Flagger happened {times} times since it was last seen")),
                reported(message),
            ]
        }
        None => (0..times).map(|_| reported(message)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(count: i64, message: &str) -> Value {
        json!({"metadata": {"name": "podinfo.1"}, "involvedObject": {"kind": "Canary", "name": "podinfo"},
            "type": "Normal", "count": count, "message": message})
    }

    fn texts(events: Vec<Event>) -> Vec<String> {
        events.into_iter().map(|it| it.to_string()).collect()
    }

    #[test]
    fn each_rise_of_the_count_is_told_and_what_is_lost_is_said() {
        let mut teller = ReportTeller::new("podinfo");
        let combined = |text: &str| format!("{COMBINED}{text}");
        for (count, message, told, why) in [
            (1, "a".to_owned(), vec!["a"], "it is new"),
            (1, "a".to_owned(), vec![], "a relist is silent"),
            (3, "a".to_owned(), vec!["a", "a"], "it happened twice while nobody looked"),
            (4, combined("b"), vec!["b"], "the message is the latest"),
            (5, combined("b"), vec!["b"], "the same text happened again"),
            (
                8,
                combined("c"),
                vec!["note: 2 of Flagger's events before this one were combined, and their texts are lost", "c"],
                "two more happened meanwhile",
            ),
            (1, "a".to_owned(), vec!["a"], "the recorder began anew"),
        ] {
            assert_eq!(texts(teller.applied(&event(count, &message))), told, "{why}");
        }
        let flood = texts(ReportTeller::new("podinfo").applied(&event(100_000, "a")));
        assert_eq!(flood, ["note: this event of Flagger happened 100000 times since it was last seen", "a"]);
    }

    #[test]
    fn what_an_earlier_run_left_is_not_told() {
        let mut teller = ReportTeller::new("podinfo").knowing(&[event(2, "a")]);
        assert!(teller.applied(&event(2, "a")).is_empty());
        assert_eq!(texts(teller.applied(&event(3, "a"))), ["a"]);
    }

    #[test]
    fn listed_events_are_told_in_the_order_in_which_they_happened() {
        let at = |name: &str, last: &str| json!({"metadata": {"name": name}, "lastTimestamp": last});
        let mut listed = [
            at("a", "2026-01-01T00:00:09Z"),
            at("c", "2026-01-01T00:00:05Z"),
            json!({"metadata": {"name": "b"}, "eventTime": "2026-01-01T00:00:05.000000Z"}),
        ];
        ReportTeller::new("podinfo").sort(&mut listed);
        let names: Vec<_> = listed.iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["b", "c", "a"]);
    }
}
