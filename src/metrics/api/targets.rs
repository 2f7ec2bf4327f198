//! What is scraped, and what it says about its metrics.

use super::answer::Handled;
use super::params::Params;
use super::{Api, ApiError};
use crate::metrics::database::TargetHealth;
use crate::metrics::duration::Written;
use crate::metrics::exposition::Metadata;
use crate::metrics::labels::Labels;
use crate::metrics::promql::parse_selector;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// What Go writes for a time that never was.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn targets(api: &Api, params: &Params) -> Handled {
    let state = params.in_query("state").to_lowercase();
    let pool = params.in_query("scrapePool");
    let wanted = |other: &str| pool.is_empty() || pool == other;
    let shown = |kind: &str| matches!(state.as_str(), "" | "any") || state == kind;
    let mut active = Vec::new();
    if shown("active") {
        let mut targets = api.database.targets();
        targets.sort_by(|a, b| a.target.pool.cmp(&b.target.pool));
        active = targets.iter().filter(|health| wanted(&health.target.pool)).map(target).collect();
    }
    let (mut dropped, mut counts) = (Vec::new(), Json::Null);
    if shown("dropped") {
        counts = json!({});
        for (pool, labels) in api.database.dropped_targets() {
            counts[&pool] = labels.len().into();
            if wanted(&pool) {
                let one = |labels: &Labels| json!({"discoveredLabels": object(labels), "scrapePool": pool});
                dropped.extend(labels.iter().map(one));
            }
        }
    }
    Ok(json!({"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts}).into())
}

fn target(health: &TargetHealth) -> Json {
    let target = &health.target;
    let state = match (health.last_scrape_ms, &health.last_error) {
        (None, _) => "unknown",
        (Some(_), None) => "up",
        (Some(_), Some(_)) => "down",
    };
    json!({
        "discoveredLabels": object(&target.discovered),
        "labels": object(&target.labels),
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": target.url,
        "lastError": health.last_error.as_deref().unwrap_or_default(),
        "lastScrape": date(health.last_scrape_ms),
        "lastScrapeDuration": 0,
        "health": state,
        "scrapeInterval": Written(target.interval_ms).to_string(),
        "scrapeTimeout": Written(target.timeout_ms).to_string(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn scrape_pools(api: &Api, _: &Params) -> Handled {
    Ok(json!({"scrapePools": api.database.scrape_pools()}).into())
}

/// Alerts are sent to nobody.
#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn alertmanagers(_: &Api, _: &Params) -> Handled {
    Ok(json!({"activeAlertmanagers": [], "droppedAlertmanagers": []}).into())
}

pub(super) fn metadata(api: &Api, params: &Params) -> Handled {
    let limit = params.count("limit")?;
    let per_metric = params.count("limit_per_metric")?;
    let most = |limit: Option<i64>| usize::try_from(limit.unwrap_or(-1)).unwrap_or(usize::MAX);
    let wanted = params.get("metric");
    let mut all: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for (_, described) in api.database.described() {
        for (name, metadata) in described.iter().filter(|(name, _)| wanted.is_empty() || wanted == *name) {
            let shown = describe(metadata);
            // 0 is no limit here, other than for the number of metrics.
            let per_metric = most(per_metric.filter(|limit| *limit > 0));
            let known = all.entry(name.clone()).or_default();
            if known.len() < per_metric && !known.contains(&shown) {
                known.push(shown);
            }
        }
    }
    let shown: Map<String, Json> = all.into_iter().take(most(limit)).map(|(name, all)| (name, all.into())).collect();
    Ok(Json::Object(shown).into())
}

fn describe(metadata: &Metadata) -> Json {
    json!({"type": metadata.kind.name(), "unit": "", "help": metadata.help})
}

pub(super) fn target_metadata(api: &Api, params: &Params) -> Handled {
    let limit = params.count("limit")?;
    let limit = usize::try_from(limit.unwrap_or(-1)).unwrap_or(usize::MAX);
    let matchers = match params.get("match_target") {
        "" => Vec::new(),
        text => parse_selector(text).map_err(|error| ApiError::parameter("match_target", error))?,
    };
    let metric = params.get("metric");
    let mut shown: Vec<Json> = Vec::new();
    for (target, described) in api.database.described() {
        if shown.len() >= limit {
            break;
        }
        if !matchers.iter().all(|matcher| matcher.accepts(target.get(matcher.name()))) {
            continue;
        }
        for (name, metadata) in described.iter().filter(|(name, _)| metric.is_empty() || metric == *name) {
            let mut one = json!({"target": object(&target)});
            if metric.is_empty() {
                one["metric"] = name.clone().into();
            }
            one["type"] = metadata.kind.name().into();
            one["help"] = metadata.help.clone().into();
            one["unit"] = "".into();
            shown.push(one);
        }
    }
    Ok(Json::Array(shown).into())
}

pub(super) fn object(labels: &Labels) -> Json {
    Json::Object(labels.iter().map(|label| (label.name.to_string(), label.value.to_string().into())).collect())
}

pub(super) fn date(t_ms: Option<i64>) -> String {
    let stamp = t_ms.and_then(|t_ms| jiff::Timestamp::from_millisecond(t_ms).ok());
    stamp.map_or_else(|| NEVER.to_owned(), |stamp| stamp.to_string())
}
