//! Asks the lab's Prometheus the policy's own queries, so that views show what the controller is about to see, and
//! which alerts fire.

use super::bus::Bus;
use crate::canary::policy::{Measure, measures};
use crate::canary::{Settings, query};
use crate::event::{Event, Measured, Measurement, Note, Rule};
use crate::lab::Endpoint;
use crate::model::canary::{Canary, Metric};
use crate::sys::clock::Clock;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often: each new scrape can change the answer.
const EVERY: Duration = Duration::from_secs(5);
/// How long one answer may take; the controller waits as long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Answers in a row that have to be missing before it is said: one can be lost by chance.
const MISSED: u32 = 2;

/// Who asks, whom, and what.
pub(crate) struct Asker {
    pub prometheus: Endpoint,
    pub clock: Clock,
    pub bus: Bus,
    pub asked: Vec<Measure>,
}

/// Measures until it is aborted.
pub(crate) async fn measure(asker: Asker) {
    let clock = asker.clock;
    let (mut firing, mut missed) = (Firing::new(), 0);
    let mut next = clock.elapsed();
    loop {
        next = (next + EVERY).max(clock.elapsed());
        clock.sleep_until(next).await;
        let mut values = Vec::with_capacity(asker.asked.len());
        for it in &asker.asked {
            let value = asker.ask(&it.query).await.map(|value| value * it.scale);
            values.push(Measurement { check: it.check.clone(), value });
        }
        if !values.is_empty() {
            asker.bus.publish(Event::Measured(Measured { values }));
        }
        let alerts = asker.get("/api/v1/alerts").await;
        missed = asker.note_missing(missed, alerts.as_ref().err());
        // An alert does not end because nobody answers.
        let now = alerts.map_or_else(|_| firing.clone(), |it| firing_of(&it));
        changes(&firing, &now).into_iter().for_each(|it| asker.bus.publish(it));
        firing = now;
    }
}

/// The policy's checks with their queries; those of templates come from these MetricTemplates.
pub(crate) fn asked_of(canary: &Canary, settings: &Settings, templates: &[Value]) -> Vec<Measure> {
    let mut asked = measures(canary, settings);
    let rendered = canary.spec.analysis.metrics.iter().filter_map(|metric| {
        Some(Measure {
            check: metric.name.clone(),
            server: query::server(canary, settings),
            query: rendered(canary, metric, templates)?,
            scale: 1.0,
        })
    });
    asked.extend(rendered);
    asked
}

fn rendered(canary: &Canary, metric: &Metric, templates: &[Value]) -> Option<String> {
    let wanted = metric.template_ref.as_ref()?;
    let is_it = |it: &&Value| it["kind"] == "MetricTemplate" && it["metadata"]["name"] == wanted.name;
    let template = templates.iter().find(is_it)?["spec"]["query"].as_str()?;
    query::of_template(canary, metric, template).ok()
}

impl Asker {
    /// One number; none where there is none, or no answer.
    async fn ask(&self, query: &str) -> Option<f64> {
        let encoded: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        let answer = self.get(&format!("/api/v1/query?{encoded}")).await.ok()?;
        let value = answer["data"]["result"].as_array()?.last()?["value"][1].as_str()?.parse::<f64>().ok()?;
        value.is_finite().then_some(value)
    }

    /// An answer of the lab's Prometheus API, or why there is none.
    async fn get(&self, path: &str) -> Result<Value, String> {
        let request = http::Request::get(format!("{}{path}", self.prometheus.address)).body(Bytes::new());
        let request = request.map_err(|it| it.to_string())?;
        let answer = self.prometheus.http.send(request, TIMEOUT).await.map_err(|it| it.to_string())?;
        let unreadable = |_| format!("it answered {} and no JSON", answer.status());
        serde_json::from_slice(answer.body()).map_err(unreadable)
    }

    /// Says when Prometheus went and when it is back; gives how many answers in a row are missing now.
    fn note_missing(&self, missed: u32, why: Option<&String>) -> u32 {
        let note = |text: String| self.bus.publish(Event::Note(Note { text }));
        match why {
            Some(why) if missed + 1 == MISSED => note(format!("Prometheus does not answer: {why}; values are missing")),
            None if missed >= MISSED => note("Prometheus answers again".to_owned()),
            _ => {}
        }
        if why.is_some() { missed.saturating_add(1) } else { 0 }
    }
}

/// The alerts that fire, by name and labels, with their summaries.
type Firing = BTreeMap<(String, String), String>;

fn firing_of(answer: &Value) -> Firing {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = answer["data"]["alerts"].as_array().into_iter().flatten();
    let key = |it: &Value| (text(&it["labels"]["alertname"]), it["labels"].to_string());
    alerts.filter(|it| it["state"] == "firing").map(|it| (key(it), text(&it["annotations"]["summary"]))).collect()
}

/// What began to fire, then what ceased to.
fn changes(before: &Firing, now: &Firing) -> Vec<Event> {
    let only_in = |one: &Firing, other: &Firing, firing| {
        let differing = one.iter().filter(|(key, _)| !other.contains_key(*key));
        let rule = |(key, summary): (&(String, String), &String)| {
            Event::Rule(Rule { alert: key.0.clone(), firing, summary: summary.clone() })
        };
        differing.map(rule).collect::<Vec<_>>()
    };
    [only_in(now, before, true), only_in(before, now, false)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alert_is_told_when_it_begins_and_when_it_ends_to_fire() {
        let alert = |state: &str| {
            firing_of(&json!({"data": {"alerts": [{"state": state, "labels": {"alertname": "CanaryRollback"},
                "annotations": {"summary": "it was rolled back"}}]}}))
        };
        let told = |firing| {
            let summary = "it was rolled back".to_owned();
            vec![Event::Rule(Rule { alert: "CanaryRollback".to_owned(), firing, summary })]
        };
        assert_eq!(changes(&alert("pending"), &alert("firing")), told(true));
        assert_eq!(changes(&alert("firing"), &Firing::new()), told(false));
        assert!(changes(&alert("firing"), &alert("firing")).is_empty());
    }
}
