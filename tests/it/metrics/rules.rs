//! Rules and alerts against the real Prometheus: the same rule file, the same lists, filters and pages.

use super::api::ask;
use super::prometheus::{CONFIG, Prometheus};
use crate::real::find;
use axum::http::Request;
use coalmine::metrics::rules::RuleFile;
use coalmine::metrics::{Database, api};
use serde_json::{Value as Json, json};
use std::time::Duration;

const RULES: &str = r#"{"groups": [
    {"name": "alerts", "interval": "1s", "rules": [
        {"alert": "Always", "expr": "vector(1)>0", "labels": {"severity": "page"},
            "annotations": {"summary": "at {{ $value }}"}},
        {"alert": "Waiting", "expr": "sum(vector(2))", "for": "1h", "keep_firing_for": "5m"},
        {"alert": "Never", "expr": "vector(1) < 0"},
        {"alert": "Broken", "expr": "label_replace(vector(1), \"a\", \"b\", \"\", \"(\")"}]},
    {"name": "records", "interval": "1s", "limit": 1, "rules": [
        {"record": "one:sum", "expr": "sum( vector(1) )", "labels": {"severity": "none"}},
        {"record": "two", "expr": "vector(1) or label_replace(vector(1), \"a\", \"b\", \"\", \"\")"}]},
    {"name": "more", "interval": "1s", "rules": [{"record": "three", "expr": "3"}]}]}"#;
const FILE: &str = "a.rules.yml";
const TRIES: usize = 100;

/// What is asked of both. `FILE` stands for the rule file's path, `TOKEN` for what the first page ended with.
const PATHS: &[&str] = &[
    "rules",
    "alerts",
    "rules?type=alert",
    "rules?type=Record",
    "rules?rule_name[]=Always&rule_name[]=three",
    "rules?rule_group[]=records",
    "rules?rule_group[]=records&rule_group[]=more&rule_name[]=three",
    "rules?file[]=FILE",
    "rules?file[]=nothing",
    "rules?exclude_alerts=true",
    "rules?match[]=%7Bseverity%3D%22page%22%7D",
    "rules?match[]=%7Bseverity%3D%22page%22%7D&match[]=%7Bseverity%3D%22none%22%7D",
    "rules?group_limit=1",
    "rules?group_limit=2",
    "rules?group_limit=2&group_next_token=TOKEN",
    "rules?group_limit=10&group_next_token=TOKEN&type=record",
];

/// Times are their own on each side; remarks of the pattern's library, too.
fn without_times(mut json: Json) -> Json {
    match &mut json {
        Json::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                *value = match name.as_str() {
                    "lastEvaluation" | "activeAt" | "evaluationTime" => Json::Null,
                    _ => without_times(value.take()),
                };
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| *item = without_times(item.take())),
        _ => {}
    }
    json
}

async fn wait_for_evaluation(prometheus: &Prometheus) {
    for _ in 0..TRIES {
        let rules = prometheus.ask_get("/api/v1/rules").await.1.to_string();
        if !rules.contains("\"unknown\"") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the rules were not evaluated");
}

#[tokio::test]
async fn rules_are_listed_as_prometheus_lists_them() {
    let Some(program) = find("prometheus") else { return };
    let config = format!("rule_files: [{FILE}]\n");
    let prometheus = Prometheus::with_files(program, &[(CONFIG, &config), (FILE, RULES)]).await.expect("it starts");
    wait_for_evaluation(&prometheus).await;
    let database = Database::default();
    let mut file: RuleFile = serde_json::from_str(RULES).expect("the rules are good");
    file.groups.iter_mut().for_each(|group| group.file = prometheus.file(FILE));
    database.load_rules(file).expect("the rules are good");
    database.evaluate_rules(1_000);
    let router = api::router(database, || 1_000);
    let get = |path: &str| Request::get(format!("/api/v1/{path}")).body(String::new()).expect("the request is good");
    let first = ask(&router, get("rules?group_limit=1")).await.1;
    let token = first["data"]["groupNextToken"].as_str().expect("there is more").to_owned();
    let mut differences = Vec::new();
    for path in PATHS {
        let path = path.replace("FILE", &prometheus.file(FILE)).replace("TOKEN", &token);
        let ours = ask(&router, get(&path)).await;
        let theirs = prometheus.ask_get(&format!("/api/v1/{path}")).await;
        let (ours, theirs) = ((ours.0, without_times(ours.1)), (theirs.0, without_times(theirs.1)));
        if ours != theirs {
            differences.push(format!("{path}\n  ours:   {} {}\n  theirs: {} {}", ours.0, ours.1, theirs.0, theirs.1));
        }
    }
    assert!(differences.is_empty(), "{} lists differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn groups_that_did_not_change_remember_what_they_did() {
    let file = |limit: u64| {
        let rule = json!({"alert": "A", "expr": "vector(1)", "for": "1m"});
        let groups = json!([
            {"name": "same", "interval": "1s", "rules": [rule]},
            {"name": "other", "interval": "1s", "limit": limit, "rules": [rule]},
        ]);
        serde_json::from_value::<RuleFile>(json!({ "groups": groups })).expect("the rules are good")
    };
    let database = Database::default();
    database.load_rules(file(5)).expect("the rules are good");
    database.evaluate_rules(1_000);
    database.load_rules(file(6)).expect("the rules are good");
    database.evaluate_rules(61_000);
    let since: Vec<i64> = database.alerts().iter().map(|alert| alert.active_at_ms).collect();
    assert_eq!(since, [1_000, 61_000]);
}
