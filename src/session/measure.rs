//! Asks the lab's Prometheus the policy's own queries, so that views show what the controller is about to see.

use super::bus::Bus;
use super::run::canary_of;
use crate::canary::policy::{Measure, measures};
use crate::canary::{Settings, query};
use crate::event::{Event, Measured, Measurement};
use crate::lab::Lab;
use crate::model::canary::{Canary, Metric};
use crate::scenario::Plan;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How often: each new scrape can change the answer.
const EVERY: Duration = Duration::from_secs(5);
/// How long one answer may take; the controller waits as long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Measures until it is aborted.
pub(crate) async fn measure(lab: Lab, plan: Arc<Plan>, bus: Bus) {
    let asked = asked_of(&plan);
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
    let uri = format!("{}/api/v1/query?{encoded}", lab.prometheus.address);
    let request = http::Request::get(uri).body(Bytes::new()).ok()?;
    let answer = lab.prometheus.http.send(request, TIMEOUT).await.ok()?;
    let answer: Value = serde_json::from_slice(answer.body()).ok()?;
    let value = answer["data"]["result"].as_array()?.last()?["value"][1].as_str()?.parse::<f64>().ok()?;
    value.is_finite().then_some(value)
}
