//! Everything but queries: series, labels, targets, rules, alerts.

use super::params::Params;
use super::{Answer, Api, ApiError, PROMETHEUS_VERSION, json};
use crate::metrics::database::TargetHealth;
use crate::metrics::labels::Labels;
use crate::metrics::number;
use crate::metrics::rules::{Alert, AlertState, Rule, RuleGroup};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

/// What Go writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn series(api: &Api, params: &Params) -> Answer {
    let selectors = params.selectors()?;
    if selectors.is_empty() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let (start, end) = params.span()?;
    let found = api.database.series(&selectors, start, end);
    let mut out = String::new();
    json::list(&mut out, found.iter().take(params.limit()?.unwrap_or(usize::MAX)), json::metric);
    Ok(out)
}

pub(super) fn labels(api: &Api, params: &Params) -> Answer {
    strings(api, params, |series, names| names.extend(series.iter().map(|label| label.name.to_string())))
}

pub(super) fn label_values(api: &Api, name: &str, params: &Params) -> Answer {
    if name.is_empty() {
        return Err(ApiError::bad(format!("invalid label name: {name:?}")));
    }
    strings(api, params, |series, values| {
        let value = series.get(name);
        if !value.is_empty() {
            values.insert(value.to_owned());
        }
    })
}

/// Texts that `collect` takes from the series asked for, ordered.
fn strings(api: &Api, params: &Params, collect: impl Fn(&Labels, &mut BTreeSet<String>)) -> Answer {
    let (start, end) = params.span()?;
    let mut texts = BTreeSet::new();
    for series in api.database.series(&params.selectors()?, start, end) {
        collect(&series, &mut texts);
    }
    let mut out = String::new();
    let limited = texts.iter().take(params.limit()?.unwrap_or(usize::MAX));
    json::list(&mut out, limited, |out, text| json::string(out, text));
    Ok(out)
}

pub(super) fn metadata(api: &Api, params: &Params) -> Answer {
    let wanted = params.get("metric");
    let mut all = Map::new();
    let limit = params.limit()?.unwrap_or(usize::MAX);
    for (name, metadata) in api.database.metadata() {
        if (wanted.is_empty() || wanted == name) && all.len() < limit {
            let kind = metadata.kind.name();
            all.insert(name, json!([{"type": kind, "help": metadata.help, "unit": ""}]));
        }
    }
    Ok(Json::Object(all).to_string())
}

pub(super) fn targets(api: &Api, params: &Params) -> String {
    let active: Vec<Json> = match params.get("state").to_lowercase().as_str() {
        "dropped" => Vec::new(),
        _ => api.database.targets().iter().map(target).collect(),
    };
    json!({"activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {}}).to_string()
}

fn target(health: &TargetHealth) -> Json {
    let target = &health.target;
    let state = match (health.last_scrape_ms, &health.last_error) {
        (None, _) => "unknown",
        (Some(_), None) => "up",
        (Some(_), Some(_)) => "down",
    };
    let interval = go_seconds(target.interval_ms);
    json!({
        "discoveredLabels": object(&target.labels),
        "labels": object(&target.labels),
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": health.last_error.as_deref().unwrap_or_default(),
        "lastScrape": date(health.last_scrape_ms),
        "lastScrapeDuration": 0,
        "health": state,
        "scrapeInterval": interval,
        "scrapeTimeout": interval,
    })
}

pub(super) fn alerts(api: &Api) -> String {
    let alerts: Vec<Json> = api.database.alerts().iter().map(alert).collect();
    json!({ "alerts": alerts }).to_string()
}

fn alert(alert: &Alert) -> Json {
    let mut value = String::new();
    number::write_scientific(&mut value, alert.value);
    let mut shown = json!({
        "labels": object(&alert.labels),
        "annotations": alert.annotations,
        "state": alert.state.name(),
        "activeAt": date(Some(alert.active_at_ms)),
    });
    if let Some(since) = alert.keep_firing_since_ms {
        shown["keepFiringSince"] = date(Some(since)).into();
    }
    shown["value"] = value.into();
    shown
}

pub(super) fn rules(api: &Api, params: &Params) -> Answer {
    let kind = params.get("type").to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        return Err(ApiError::parameter("type", format_args!("not supported value {kind:?}")));
    }
    let wanted = |rule: &&Rule| {
        let mut names = params.all("rule_name[]").peekable();
        let named = names.peek().is_none() || names.any(|name| name == rule.name);
        named && (kind.is_empty() || (kind == "alert") == rule.alerting().is_some())
    };
    let group = |group: &RuleGroup| {
        let rules: Vec<Json> = group.rules.iter().filter(wanted).map(|shown| rule(shown, group)).collect();
        json!({
            "name": group.name,
            "file": "",
            "rules": rules,
            "interval": group.interval_ms as f64 / 1000.0,
            "limit": 0,
            "evaluationTime": 0,
            "lastEvaluation": date(group.last_evaluation_ms),
        })
    };
    let groups: Vec<Json> = api.database.with_rules(|groups| groups.iter().map(group).collect());
    Ok(json!({ "groups": groups }).to_string())
}

fn rule(rule: &Rule, group: &RuleGroup) -> Json {
    let health = match (group.last_evaluation_ms, &rule.last_error) {
        (None, _) => "unknown",
        (Some(_), None) => "ok",
        (Some(_), Some(_)) => "err",
    };
    let mut shown = json!({});
    if let (Some(alerts), Some((hold_ms, keep_firing_ms, annotations))) = (rule.alerts(), rule.alerting()) {
        let state = alerts.iter().map(|alert| alert.state).max();
        let inactive = if group.last_evaluation_ms.is_some() { "inactive" } else { "unknown" };
        shown["state"] = state.map_or(inactive, AlertState::name).into();
        shown["name"] = rule.name.clone().into();
        shown["query"] = rule.expression.clone().into();
        shown["duration"] = (hold_ms as f64 / 1000.0).into();
        shown["keepFiringFor"] = (keep_firing_ms as f64 / 1000.0).into();
        shown["labels"] = json!(rule.labels);
        shown["annotations"] = json!(annotations);
        shown["alerts"] = alerts.iter().map(alert).collect();
        shown["type"] = "alerting".into();
    } else {
        shown["name"] = rule.name.clone().into();
        shown["query"] = rule.expression.clone().into();
        shown["labels"] = json!(rule.labels);
        shown["type"] = "recording".into();
    }
    shown["health"] = health.into();
    if let Some(error) = &rule.last_error {
        shown["lastError"] = error.clone().into();
    }
    shown["evaluationTime"] = 0.into();
    shown["lastEvaluation"] = date(group.last_evaluation_ms).into();
    shown
}

pub(super) fn build_info() -> String {
    json!({
        "version": PROMETHEUS_VERSION,
        "revision": "coalmine",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
    .to_string()
}

fn object(labels: &Labels) -> Json {
    Json::Object(labels.iter().map(|label| (label.name.to_string(), label.value.to_string().into())).collect())
}

fn date(t_ms: Option<i64>) -> String {
    let stamp = t_ms.and_then(|t_ms| jiff::Timestamp::from_millisecond(t_ms).ok());
    stamp.map_or_else(|| NEVER.to_owned(), |stamp| stamp.to_string())
}

/// Milliseconds as Prometheus writes a scrape interval.
fn go_seconds(millis: i64) -> String {
    if millis % 1000 == 0 { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}
