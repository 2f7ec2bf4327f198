use super::*;
use crate::metrics::store::is_stale;
use serde_json::json;

fn load(groups: &serde_json::Value) -> Result<Rules, Vec<RuleProblem>> {
    Rules::load(serde_json::from_value(json!({ "groups": groups })).unwrap())
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

/// `labels: value value …` of the series with that name; a staleness marker is a dash.
fn dump(store: &Store, name: &str) -> Vec<String> {
    let matcher = [crate::metrics::store::Matcher::equal(METRIC_NAME, name)];
    let show = |value: &f64| if is_stale(*value) { "-".to_owned() } else { value.to_string() };
    let row = |series: &crate::metrics::store::Series| {
        let values: Vec<String> = series.samples.values().iter().map(show).collect();
        format!("{}: {}", series.labels.without_metric(), values.join(" "))
    };
    store.select(&matcher).map(row).collect()
}

#[test]
fn recorded_series_carry_the_rules_labels_and_end_when_they_vanish() {
    let mut rules = load(&json!([{
        "name": "g", "interval": "5s", "labels": {"team": "a", "tier": "x"},
        "rules": [
            {"record": "job:load:sum", "expr": "sum by (job) (load > 0)", "labels": {"tier": "y"}},
            {"record": "twice", "expr": "job:load:sum * 2"},
            {"record": "one", "expr": 1},
        ],
    }]))
    .unwrap();
    let mut store = Store::default();
    for (t, a, b) in [(0, 1.0, 2.0), (5_000, 3.0, 0.0), (10_000, 4.0, 5.0)] {
        store.append(&labels(&[(METRIC_NAME, "load"), ("job", "a")]), t, a).unwrap();
        store.append(&labels(&[(METRIC_NAME, "load"), ("job", "b")]), t, b).unwrap();
        assert_eq!(rules.evaluate(&mut store, t), 1);
        assert_eq!(rules.evaluate(&mut store, t + 4_999), 0, "not due yet");
    }
    assert_eq!(
        dump(&store, "job:load:sum"),
        [r#"{job="a", team="a", tier="y"}: 1 3 4"#, r#"{job="b", team="a", tier="y"}: 2 - 5"#]
    );
    assert_eq!(dump(&store, "twice")[1], r#"{job="b", team="a", tier="x"}: 4 - 10"#);
    assert_eq!(dump(&store, "one"), [r#"{team="a", tier="x"}: 1 1 1"#]);
    assert_eq!(rules.next_due_ms(), Some(15_000));
}

#[test]
fn an_alert_is_pending_then_fires_and_may_fire_on() {
    let mut rules = load(&json!([{
        "name": "g", "interval": "10s",
        "rules": [{
            "alert": "High", "expr": "load > 5", "for": "20s", "keep_firing_for": "15s",
            "labels": {"severity": "page", "summary": "{{ $labels.job }}!"},
            "annotations": {"text": "{{ $labels.job }} is at {{ $value }}"},
        }],
    }]))
    .unwrap();
    let mut store = Store::default();
    let mut states = Vec::new();
    for (step, value) in [9.0, 1.0, 7.0, 8.0, 9.0, 10.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        let t = step as i64 * 10_000;
        store.append(&labels(&[(METRIC_NAME, "load"), ("job", "app")]), t, value).unwrap();
        rules.evaluate(&mut store, t);
        let alerts = rules.alerts();
        states.push(alerts.first().map_or("inactive", |alert| alert.state.name()));
        if step == 5 {
            assert_eq!(alerts[0].annotations["text"], "app is at 10");
            assert_eq!((alerts[0].active_at_ms, alerts[0].value), (20_000, 10.0));
        }
    }
    let expected = ["pending", "inactive", "pending", "pending", "firing", "firing", "firing", "firing", "inactive"];
    assert_eq!(states, expected);
    assert_eq!(
        dump(&store, "ALERTS"),
        [
            r#"{alertname="High", alertstate="pending", job="app", severity="page", summary="app!"}: 1 - 1 1 -"#,
            r#"{alertname="High", alertstate="firing", job="app", severity="page", summary="app!"}: 1 1 1 1 -"#,
        ]
    );
    assert_eq!(
        dump(&store, "ALERTS_FOR_STATE"),
        [r#"{alertname="High", job="app", severity="page", summary="app!"}: 0 - 20 20 20 20 20 20 -"#]
    );
}

#[test]
fn a_multi_window_burn_rate_pages_while_both_windows_burn() {
    let burn = |window: &str| {
        format!(
            "sum(rate(requests_total{{status=~\"5..\"}}[{window}])) / sum(rate(requests_total[{window}])) > 14.4 * 0.01"
        )
    };
    let mut rules = load(&json!([{
        "name": "slo", "interval": "5s",
        "rules": [{"alert": "Burn", "expr": format!("{} and {}", burn("5m"), burn("1m")), "labels": {"severity": "page"}}],
    }]))
    .unwrap();
    let mut store = Store::default();
    let (mut good, mut bad) = (0.0, 0.0);
    let mut firing = Vec::new();
    for t in (0..900).step_by(5) {
        // From 300 s to 420 s half of all requests fail.
        let failing = (300..420).contains(&t);
        good += if failing { 25.0 } else { 50.0 };
        bad += if failing { 25.0 } else { 0.0 };
        for (status, value) in [("200", good), ("500", bad)] {
            let series = labels(&[(METRIC_NAME, "requests_total"), ("status", status)]);
            store.append(&series, t * 1_000, value).unwrap();
        }
        rules.evaluate(&mut store, t * 1_000);
        if rules.alerts().iter().any(|alert| alert.state == AlertState::Firing) {
            firing.push(t);
        }
    }
    let (first, last) = (firing[0], firing[firing.len() - 1]);
    assert!((360..=420).contains(&first), "the long window needs time to burn: {first}");
    assert!((420..=480).contains(&last), "the short window clears it within a minute: {last}");
}

#[test]
fn a_failing_rule_says_why_and_the_others_go_on() {
    let mut rules = load(&json!([{
        "name": "g",
        "rules": [
            {"record": "bad", "expr": "load * on() load"},
            {"record": "same", "expr": "load", "labels": {"job": "one"}},
            {"record": "good", "expr": "count(load)"},
        ],
    }]))
    .unwrap();
    let mut store = Store::default();
    for job in ["a", "b"] {
        store.append(&labels(&[(METRIC_NAME, "load"), ("job", job)]), 0, 1.0).unwrap();
    }
    rules.evaluate(&mut store, 0);
    let errors: Vec<bool> = rules.groups()[0].rules.iter().map(|rule| rule.last_error.is_some()).collect();
    assert_eq!(errors, [true, true, false]);
    assert_eq!(dump(&store, "good"), ["{}: 2"]);
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let problems = load(&json!([
        {"name": "g", "rules": [
            {"expr": "up"},
            {"record": "a", "alert": "b", "expr": "up"},
            {"alert": "x", "expr": "up{"},
            {"record": "y", "expr": "up", "for": "1m"},
            {"alert": "z", "expr": "up", "labels": {"1": "x"}},
        ]},
        {"name": "g", "rules": []},
    ]))
    .unwrap_err();
    let places: Vec<(&str, usize)> = problems.iter().map(|problem| (problem.group.as_str(), problem.rule)).collect();
    assert_eq!(places, [("g", 1), ("g", 2), ("g", 3), ("g", 4), ("g", 5), ("g", 0)]);
    assert!(serde_json::from_value::<RuleFile>(json!({"groups": [{"name": "g", "intervall": "1s"}]})).is_err());
}
