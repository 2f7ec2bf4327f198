use super::*;
use crate::metrics::Labels;
use serde_json::json;

fn config(document: serde_json::Value) -> Result<Config, ConfigError> {
    Config::read(document)
}

fn job(relabel: serde_json::Value) -> ScrapeConfig {
    let job = json!({"job_name": "pods", "scrape_interval": "5s", "relabel_configs": relabel});
    config(json!({"scrape_configs": [job]})).unwrap().jobs.remove(0)
}

fn outcome(relabel: serde_json::Value, labels: &[(&str, &str)]) -> String {
    match find(&job(relabel), &Labels::from_pairs(labels.iter().copied())) {
        Found::Target(target) => format!("{} {}", target.url, target.labels),
        Found::Dropped(_) => "dropped".to_owned(),
        Found::Nowhere => "nowhere".to_owned(),
    }
}

#[test]
fn labels_are_changed_as_prometheus_changes_them() {
    let address = ("__address__", "10.0.0.1:80");
    for (rule, labels, expected) in [
        (json!([]), vec![address], r#"http://10.0.0.1:80/metrics {instance="10.0.0.1:80", job="pods"}"#),
        (json!([]), vec![("__address__", "host")], r#"http://host/metrics {instance="host", job="pods"}"#),
        (json!([]), vec![("a", "b")], "nowhere"),
        (json!([{"source_labels": ["a"], "action": "keep", "regex": true}]), vec![address, ("a", "no")], "dropped"),
        (json!([{"source_labels": ["a"], "action": "drop", "regex": "n.*"}]), vec![address, ("a", "no")], "dropped"),
        (
            json!([{"source_labels": ["__address__", "p"], "regex": "([^:]+)(?::\\d+)?;(\\d+)", "replacement": "$1:$2",
                "target_label": "__address__"}]),
            vec![address, ("p", "99")],
            r#"http://10.0.0.1:99/metrics {instance="10.0.0.1:99", job="pods", p="99"}"#,
        ),
        (
            json!([{"action": "labelmap", "regex": "__meta_(.+)"}, {"action": "labeldrop", "regex": "b"}]),
            vec![address, ("__meta_a", "1"), ("__meta_b", "2")],
            r#"http://10.0.0.1:80/metrics {a="1", instance="10.0.0.1:80", job="pods"}"#,
        ),
        (
            json!([{"source_labels": ["a"], "target_label": "a", "action": "uppercase"},
                {"target_label": "__metrics_path__", "replacement": "/x"}, {"target_label": "b", "replacement": ""}]),
            vec![address, ("a", "no"), ("b", "gone")],
            r#"http://10.0.0.1:80/x {a="NO", instance="10.0.0.1:80", job="pods"}"#,
        ),
        (
            json!([{"target_label": "__param_module", "replacement": "m n"}, {"target_label": "job", "replacement": "j"}]),
            vec![address],
            r#"http://10.0.0.1:80/metrics?module=m+n {instance="10.0.0.1:80", job="j"}"#,
        ),
        (
            json!([{"source_labels": ["a"], "target_label": "b", "action": "keepequal"}]),
            vec![address, ("a", "1")],
            "dropped",
        ),
        (json!([{"source_labels": ["a"], "target_label": "b", "action": "dropequal"}]), vec![address], "dropped"),
    ] {
        assert_eq!(outcome(rule.clone(), &labels), expected, "{rule}");
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused() {
    for (document, text) in [
        (json!({"remote_write": []}), "unknown field `remote_write`"),
        (json!({"scrape_configs": [{"job_name": "a"}, {"job_name": "a"}]}), "multiple scrape configs"),
        (json!({"scrape_configs": [{"job_name": "a", "scheme": "https"}]}), "http only"),
        (
            json!({"scrape_configs": [{"job_name": "a", "scrape_interval": "1s", "scrape_timeout": "2s"}]}),
            "timeout greater",
        ),
        (json!({"scrape_configs": [{"job_name": "a", "scrape_interval": "often"}]}), "not a valid duration"),
        (
            json!({"scrape_configs": [{"job_name": "a", "kubernetes_sd_configs": [{"role": "ingress"}]}]}),
            "unknown variant",
        ),
        (
            json!({"scrape_configs": [{"job_name": "a", "relabel_configs": [{"regex": "("}]}]}),
            "requires 'target_label'",
        ),
        (
            json!({"scrape_configs": [{"job_name": "a", "relabel_configs": [{"action": "keep", "regex": "("}]}]}),
            "error parsing regexp",
        ),
        (
            json!({"scrape_configs": [{"job_name": "a", "relabel_configs": [{"action": "jump"}]}]}),
            "unknown relabel action",
        ),
    ] {
        let error = config(document.clone()).expect_err(&document.to_string()).to_string();
        assert!(error.contains(text), "{document}: {error}");
    }
}

#[test]
fn what_is_not_said_is_as_prometheus_has_it() {
    let config = config(json!({"scrape_configs": [{"job_name": "a"}]})).unwrap();
    let job = &config.jobs[0];
    assert_eq!((job.interval_ms, job.timeout_ms, job.metrics_path.as_str()), (60_000, 10_000, "/metrics"));
    assert_eq!(config.evaluation_interval_ms, 60_000);
}
