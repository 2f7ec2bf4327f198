//! Asks the lab's Prometheus the policy's own queries, so that views show what the controller is about to see, and
//! which alerts fire.

use super::bus::Bus;
use super::run::canary_of;
use crate::canary::policy::{Measure, measures};
use crate::canary::{Settings, query};
use crate::event::{Event, Measured, Measurement, Rule};
use crate::lab::Lab;
use crate::model::canary::{Canary, Metric};
use crate::scenario::Plan;
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often: each new scrape can change the answer.
const EVERY: Duration = Duration::from_secs(5);
/// How long one answer may take; the controller waits as long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Measures until it is aborted.
pub(crate) async fn measure(lab: Lab, plan: Arc<Plan>, bus: Bus) {
    let asked = asked_of(&plan);
    let mut firing = Firing::new();
    let mut next = lab.clock.elapsed();
    loop {
        next += EVERY;
        lab.clock.sleep_until(next).await;
        let mut values = Vec::with_capacity(asked.len());
        for it in &asked {
            let value = ask(&lab, &it.query).await.map(|value| value * it.scale);
            values.push(Measurement { check: it.check.clone(), value });
        }
        if !values.is_empty() {
            bus.publish(Event::Measured(Measured { values }));
        }
        let now = get(&lab, "/api/v1/alerts").await.map_or_else(Firing::new, |it| firing_of(&it));
        changes(&firing, &now).into_iter().for_each(|it| bus.publish(it));
        firing = now;
    }
}

/// The policy's checks with their queries; those of templates come from the plan's MetricTemplates.
fn asked_of(plan: &Plan) -> Vec<Measure> {
    let (canary, settings) = (canary_of(plan), Settings::default());
    let mut asked = measures(&canary, &settings);
    let templates = canary.spec.analysis.metrics.iter().filter_map(|metric| {
        let rendered = rendered(plan, &canary, metric)?;
        Some(Measure {
            check: metric.name.clone(),
            server: query::server(&canary, &settings),
            query: rendered,
            scale: 1.0,
        })
    });
    asked.extend(templates);
    asked
}

fn rendered(plan: &Plan, canary: &Canary, metric: &Metric) -> Option<String> {
    let wanted = metric.template_ref.as_ref()?;
    let is_it = |it: &&Value| it["kind"] == "MetricTemplate" && it["metadata"]["name"] == wanted.name;
    let template = plan.objects.iter().find(is_it)?["spec"]["query"].as_str()?;
    query::of_template(canary, metric, template).ok()
}

/// One number; none where there is none, or no answer.
async fn ask(lab: &Lab, query: &str) -> Option<f64> {
    let encoded: String = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    let answer = get(lab, &format!("/api/v1/query?{encoded}")).await?;
    let value = answer["data"]["result"].as_array()?.last()?["value"][1].as_str()?.parse::<f64>().ok()?;
    value.is_finite().then_some(value)
}

/// An answer of the lab's Prometheus API.
async fn get(lab: &Lab, path: &str) -> Option<Value> {
    let request = http::Request::get(format!("{}{path}", lab.prometheus.address)).body(Bytes::new()).ok()?;
    let answer = lab.prometheus.http.send(request, TIMEOUT).await.ok()?;
    serde_json::from_slice(answer.body()).ok()
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
