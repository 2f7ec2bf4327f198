//! Rules and alerts.

use super::answer::Handled;
use super::params::{Params, truth, whole_number};
use super::targets::{date, object};
use super::{Api, ApiError};
use crate::metrics::labels::Labels;
use crate::metrics::number;
use crate::metrics::rules::{Alert, AlertState, Rule, RuleGroup};
use crate::metrics::store::Matcher;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn alerts(api: &Api, _: &Params) -> Handled {
    let alerts: Vec<Json> = api.database.alerts().iter().map(alert).collect();
    Ok(json!({ "alerts": alerts }).into())
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

/// Which rules are asked for.
struct Wanted<'p> {
    names: Vec<&'p str>,
    groups: Vec<&'p str>,
    files: Vec<&'p str>,
    selectors: Vec<Vec<Matcher>>,
    kind: String,
    without_alerts: bool,
}

impl<'p> Wanted<'p> {
    fn read(params: &'p Params) -> Result<Self, ApiError> {
        let selectors = params.selectors(ApiError::bad)?;
        let kind = params.in_query("type").to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            return Err(ApiError::parameter("type", format_args!("not supported value {kind:?}")));
        }
        let without_alerts = match params.in_query("exclude_alerts").to_lowercase().as_str() {
            "" => false,
            text => truth(text).map_err(|reason| {
                ApiError::parameter("exclude_alerts", format_args!("error converting exclude_alerts: {reason}"))
            })?,
        };
        let all = |name| params.all(name).collect();
        let (names, groups, files) = (all("rule_name[]"), all("rule_group[]"), all("file[]"));
        Ok(Self { names, groups, files, selectors, kind, without_alerts })
    }

    fn group(&self, group: &RuleGroup) -> bool {
        let listed = |list: &[&str], text: &str| list.is_empty() || list.contains(&text);
        listed(&self.groups, &group.name) && listed(&self.files, &group.file)
    }

    fn rule(&self, rule: &Rule) -> bool {
        let named = self.names.is_empty() || self.names.contains(&rule.name.as_str());
        let labels = Labels::from_pairs(rule.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let accepts = |matchers: &Vec<Matcher>| matchers.iter().all(|it| it.accepts(labels.get(it.name())));
        let selected = self.selectors.is_empty() || self.selectors.iter().any(accepts);
        named && selected && (self.kind.is_empty() || (self.kind == "alert") == rule.alerting().is_some())
    }
}

/// A part of the groups: at most so many, from the group that the token names on.
struct Page<'p> {
    most: Option<usize>,
    token: &'p str,
}

impl<'p> Page<'p> {
    fn read(params: &'p Params) -> Result<Self, ApiError> {
        let (limit, token) = (params.in_query("group_limit"), params.in_query("group_next_token"));
        let bad = |reason: String| Err(ApiError::parameter("group_limit", reason));
        if limit.is_empty() {
            if token.is_empty() {
                return Ok(Self { most: None, token });
            }
            let text = "group_limit needs to be present in order to paginate over the groups";
            return Err(ApiError::parameter("group_next_token", text));
        }
        let most = match whole_number(limit) {
            Ok(most) if most.abs() <= i64::from(i32::MAX) => most,
            Ok(_) => {
                return bad(format!(
                    "group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: value out of range"
                ));
            }
            Err(reason) => {
                return bad(format!(
                    "group_limit needs to be a valid number: strconv.ParseInt: parsing {limit:?}: {reason}"
                ));
            }
        };
        match usize::try_from(most) {
            Ok(most) if most > 0 => Ok(Self { most: Some(most), token }),
            _ => bad("group_limit needs to be greater than 0".to_owned()),
        }
    }
}

/// What stands for a group between two pages.
fn token_of(group: &RuleGroup) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{};{}", group.file, group.name));
    hash.finalize().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(super) fn rules(api: &Api, params: &Params) -> Handled {
    let wanted = Wanted::read(params)?;
    let page = Page::read(params)?;
    let (mut shown, mut next) = (Vec::new(), None);
    let known = api.database.with_rules(|groups| {
        let paged = page.most.is_some() && !page.token.is_empty();
        let mut groups: Vec<&RuleGroup> = groups.iter().collect();
        groups.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
        let start = if paged { groups.iter().position(|it| token_of(it) == page.token) } else { Some(0) };
        for group in groups.into_iter().skip(start.unwrap_or(usize::MAX)).filter(|it| wanted.group(it)) {
            let rules: Vec<Json> =
                group.rules.iter().filter(|it| wanted.rule(it)).map(|it| rule(it, group, &wanted)).collect();
            if rules.is_empty() {
                continue;
            }
            if page.most.is_some_and(|most| shown.len() == most) {
                next = Some(token_of(group));
                break;
            }
            shown.push(group_of(group, rules));
        }
        start.is_some()
    });
    if !known {
        let text = format!("invalid group_next_token '{}'. were rule groups changed?", page.token);
        return Err(ApiError::parameter("group_next_token", text));
    }
    let mut answer = json!({ "groups": shown });
    if let Some(next) = next {
        answer["groupNextToken"] = next.into();
    }
    Ok(answer.into())
}

fn group_of(group: &RuleGroup, rules: Vec<Json>) -> Json {
    json!({
        "name": group.name,
        "file": group.file,
        "rules": rules,
        "interval": seconds(group.interval_ms),
        "limit": group.limit,
        "evaluationTime": 0,
        "lastEvaluation": date(group.last_evaluation_ms),
    })
}

/// Whole seconds as Go writes them: without a point.
fn seconds(millis: i64) -> Json {
    if millis % 1000 == 0 { (millis / 1000).into() } else { (millis as f64 / 1000.0).into() }
}

fn rule(rule: &Rule, group: &RuleGroup, wanted: &Wanted) -> Json {
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
        shown["query"] = rule.query().to_string().into();
        shown["duration"] = seconds(hold_ms);
        shown["keepFiringFor"] = seconds(keep_firing_ms);
        shown["labels"] = json!(rule.labels);
        shown["annotations"] = json!(annotations);
        shown["alerts"] = if wanted.without_alerts { Json::Null } else { alerts.iter().map(alert).collect() };
    } else {
        shown["name"] = rule.name.clone().into();
        shown["query"] = rule.query().to_string().into();
        shown["labels"] = json!(rule.labels);
    }
    shown["health"] = health.into();
    if let Some(error) = &rule.last_error {
        shown["lastError"] = error.clone().into();
    }
    shown["evaluationTime"] = 0.into();
    shown["lastEvaluation"] = date(group.last_evaluation_ms).into();
    shown["type"] = if rule.alerting().is_some() { "alerting" } else { "recording" }.into();
    shown
}
