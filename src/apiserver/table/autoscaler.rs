//! The targets of an autoscaler in one cell: `cpu: 40%/80%, 12/10 (avg)`.

use super::built_in::{list, text};
use crate::model::object::At;
use serde_json::{Value, json};

/// Metrics that are shown; of the others only the number is told.
const SHOWN: usize = 2;

pub fn targets(autoscaler: &Value) -> Value {
    let current = list(autoscaler, "/status/currentMetrics");
    let metrics = list(autoscaler, "/spec/metrics");
    if metrics.is_empty() {
        return json!("<none>");
    }
    let shown: Vec<_> =
        metrics.iter().take(SHOWN).enumerate().map(|(index, metric)| target(metric, current.get(index))).collect();
    let more = metrics.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" + {more} more...") };
    json!(shown.join(", ") + &more)
}

/// `now/target` of one metric.
fn target(metric: &Value, now: Option<&Value>) -> String {
    let part = match text(metric, "/type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let wanted = |key: &str| value(metric.at(&format!("/{part}/target/{key}")));
    let now = |key: &str| {
        value(now.and_then(|it| it.at(&format!("/{part}/current/{key}")))).unwrap_or_else(|| "<unknown>".to_owned())
    };
    let name = if part.to_lowercase().ends_with("resource") {
        format!("{}: ", text(metric, &format!("/{part}/name")))
    } else {
        String::new()
    };
    let average = wanted("averageValue");
    match (part, average) {
        ("object" | "external", Some(target)) => format!("{}/{target} (avg)", now("averageValue")),
        ("object" | "external", None) => {
            format!("{}/{}", now("value"), wanted("value").unwrap_or_else(|| "<auto>".to_owned()))
        }
        (_, Some(target)) => format!("{name}{}/{target}", now("averageValue")),
        (_, None) => match (now("averageUtilization"), wanted("averageUtilization")) {
            (now, Some(target)) if now == "<unknown>" => format!("{name}{now}/{target}%"),
            (now, Some(target)) => format!("{name}{now}%/{target}%"),
            (now, None) => format!("{name}{now}/<auto>"),
        },
    }
}

fn value(found: Option<&Value>) -> Option<String> {
    found.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
}
