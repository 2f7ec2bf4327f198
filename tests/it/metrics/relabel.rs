//! Relabelling against the real Prometheus: what each rule makes of a target's labels, and which rules are refused.

use super::prometheus::{CONFIG, Prometheus};
use crate::real::find;
use coalmine::metrics::Labels;
use coalmine::metrics::config::{Config, Found, ScrapeConfig, find as found};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// What every case begins with; `relabel_configs` decide what is left.
const LABELS: [(&str, &str); 8] = [
    ("a", "one"),
    ("b", "two"),
    ("c", "two"),
    ("upper", "Straße ÄÖ İ ΑΣ"),
    ("lower", "ǆ straße äö ŉ"),
    ("empty", ""),
    ("__meta_x", "1"),
    ("__meta_y_z", "2"),
];
const ADDRESS: &str = "10.0.0.1:80";
/// Prometheus tells its scrape manager of targets every 5 s.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Rules that both take. None maps two labels to one name: which of them Prometheus then keeps is chance.
fn rules() -> Vec<Json> {
    let hash = |modulus: u64, sources: Json| json!([{"action": "hashmod", "source_labels": sources, "modulus": modulus, "target_label": "h"}]);
    vec![
        json!([]),
        hash(1, json!(["a"])),
        hash(8, json!(["a"])),
        hash(1_000_003, json!(["a", "b"])),
        hash(u64::MAX, json!(["__address__"])),
        hash(97, json!([])),
        hash(1_000, json!(["upper", "lower", "a", "b", "c", "__address__", "upper", "lower", "upper"])),
        json!([{"action": "HashMod", "source_labels": ["a"], "separator": "-", "modulus": 7, "target_label": "b"}]),
        json!([{"action": "hashmod", "source_labels": ["__address__"], "modulus": 2, "target_label": "__tmp"},
            {"action": "keep", "source_labels": ["__tmp"], "regex": 0}]),
        json!([{"action": "hashmod", "source_labels": ["__address__"], "modulus": 2, "target_label": "__tmp"},
            {"action": "keep", "source_labels": ["__tmp"], "regex": 1}]),
        json!([{"action": "lowercase", "source_labels": ["upper"], "target_label": "l"}]),
        json!([{"action": "uppercase", "source_labels": ["lower"], "target_label": "u"}]),
        json!([{"action": "Uppercase", "source_labels": ["a", "b"], "target_label": "u"}]),
        json!([{"action": "lowercase", "source_labels": ["none"], "target_label": "a"}]),
        json!([{"action": "keepequal", "source_labels": ["b"], "target_label": "c"}]),
        json!([{"action": "keepequal", "source_labels": ["a"], "target_label": "c"}]),
        json!([{"action": "dropequal", "source_labels": ["b"], "target_label": "c"}]),
        json!([{"action": "dropequal", "source_labels": ["a"], "target_label": "c"}]),
        json!([{"action": "keepequal", "source_labels": ["none"], "target_label": "empty"}]),
        json!([{"action": "labelmap", "regex": "__meta_(.+)"}]),
        json!([{"action": "labelmap", "regex": "__meta_([a-z])_?(.*)", "replacement": "m_${2}_$1"}]),
        json!([{"action": "labelmap", "regex": "meta"}]),
        json!([{"action": "labeldrop", "regex": "[ab]"}]),
        json!([{"action": "labeldrop", "regex": "a|upper|lower|none"}]),
        json!([{"action": "labelkeep", "regex": "__.*|job|b"}]),
        json!([{"action": "labelkeep", "regex": "a"}]),
        json!([{"source_labels": ["a"], "regex": "(o)(.*)", "target_label": "${1}_$2", "replacement": "$2-$1-$0-$$-$-$3"}]),
        json!([{"source_labels": ["a"], "regex": "x", "target_label": "a", "replacement": "no"}]),
        json!([{"source_labels": ["a"], "target_label": "b", "replacement": ""}]),
        json!([{"source_labels": ["a"], "target_label": "b", "replacement": "$nobody"}]),
        json!([{"source_labels": ["a"], "regex": "(?P<name>.*)", "target_label": "b", "replacement": "${name}$namex"}]),
        json!([{"source_labels": ["a", "b"], "separator": "", "target_label": "ab"}]),
        json!([{"source_labels": ["__address__"], "regex": "([^:]+)(?::\\d+)?", "target_label": "__address__", "replacement": "$1:99"},
            {"target_label": "__metrics_path__", "replacement": "/x/y"}, {"target_label": "__param_q", "replacement": "m n"}]),
        json!([{"source_labels": ["a"], "regex": "on", "action": "drop"}]),
        json!([{"source_labels": ["a"], "regex": "one|two", "action": "drop"}]),
        json!([{"source_labels": ["a"], "regex": "", "action": "keep"}]),
        json!([{"source_labels": ["__address__"], "regex": ".*", "target_label": "__address__", "replacement": ""}]),
    ]
}

/// Rules that both refuse.
fn refused() -> Vec<Json> {
    vec![
        json!({"action": "hashmod", "source_labels": ["a"], "target_label": "h"}),
        json!({"action": "hashmod", "source_labels": ["a"], "modulus": 0, "target_label": "h"}),
        json!({"action": "hashmod", "source_labels": ["a"], "modulus": 2}),
        json!({"action": "lowercase", "source_labels": ["a"]}),
        json!({"action": "uppercase", "source_labels": ["a"], "target_label": "b", "replacement": "x"}),
        json!({"action": "keepequal", "source_labels": ["a"]}),
        json!({"action": "keepequal", "source_labels": ["a"], "target_label": "b", "regex": "x"}),
        json!({"action": "keepequal", "source_labels": ["a"], "target_label": "b", "replacement": "x"}),
        json!({"action": "dropequal", "source_labels": ["a"], "target_label": "b", "separator": ","}),
        json!({"action": "dropequal", "source_labels": ["a"], "target_label": "b", "modulus": 3}),
        json!({"action": "labelmap", "regex": "a", "replacement": ""}),
        json!({"action": "labeldrop", "regex": "a", "source_labels": ["b"]}),
        json!({"action": "labeldrop", "regex": "a", "target_label": "b"}),
        json!({"action": "labelkeep", "regex": "a", "separator": "-"}),
        json!({"action": "labelkeep", "regex": "a", "modulus": 2}),
        json!({"action": "replace", "source_labels": ["a"]}),
        json!({"action": "jump", "target_label": "a"}),
    ]
}

/// A file with a job for each list of rules.
fn file(all: &[Json]) -> Json {
    let labels: BTreeMap<_, _> = LABELS.into_iter().collect();
    let targets = json!([{"targets": [ADDRESS], "labels": labels}]);
    let job = |(number, rules): (usize, &Json)| {
        json!({"job_name": number.to_string(), "scrape_interval": "1h", "scrape_timeout": "1m",
            "static_configs": targets, "relabel_configs": rules})
    };
    json!({"scrape_configs": all.iter().enumerate().map(job).collect::<Vec<_>>()})
}

/// By job: the URL and labels of its target, or that it was dropped. Those without an address are not listed.
type Came = BTreeMap<String, String>;

fn ours(file: &Json) -> Came {
    let config = Config::read(file.clone()).expect("the configuration is good");
    let discovered =
        Labels::from_pairs(LABELS.into_iter().chain([("__address__", ADDRESS)]).filter(|it| !it.1.is_empty()));
    let came = |job: &ScrapeConfig| match found(job, &discovered) {
        Found::Target(target) => Some(format!("{} {}", target.url, target.labels)),
        Found::Dropped(_) => Some("dropped".to_owned()),
        Found::Nowhere => None,
    };
    config.jobs.iter().filter_map(|job| Some((job.name.clone(), came(job)?))).collect()
}

fn theirs(targets: &Json) -> Came {
    let text = |it: &Json| it.as_str().unwrap_or_default().to_owned();
    let listed = |kind: &str| targets["data"][kind].as_array().cloned().unwrap_or_default();
    let active = listed("activeTargets").into_iter().map(|it| {
        let labels = it["labels"]
            .as_object()
            .expect("labels")
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("a text")));
        (text(&it["scrapePool"]), format!("{} {}", text(&it["scrapeUrl"]), Labels::from_pairs(labels)))
    });
    let dropped = listed("droppedTargets").into_iter().map(|it| (text(&it["scrapePool"]), "dropped".to_owned()));
    active.chain(dropped).collect()
}

#[tokio::test]
async fn rules_make_of_labels_what_prometheus_makes_of_them() {
    let Some(program) = find("prometheus") else { return };
    let rules = rules();
    let file = file(&rules);
    let prometheus = Prometheus::with_files(program, &[(CONFIG, &file.to_string())]).await.expect("prometheus starts");
    let (ours, mut last) = (ours(&file), Came::new());
    let told = async {
        while last.len() < ours.len() {
            tokio::time::sleep(ASK_EVERY).await;
            last = theirs(&prometheus.ask_get("/api/v1/targets").await.1);
        }
    };
    let told = tokio::time::timeout(TOLD_WITHIN, told).await.is_ok();
    assert!(told, "Prometheus knows {} of {} targets", last.len(), ours.len());
    let differences: Vec<String> = rules
        .iter()
        .enumerate()
        .map(|(number, rules)| (number.to_string(), rules))
        .filter(|(job, _)| ours.get(job) != last.get(job))
        .map(|(job, rules)| format!("{rules}\n  ours:   {:?}\n  theirs: {:?}", ours.get(&job), last.get(&job)))
        .collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn rules_are_refused_as_promtool_refuses_them() {
    let Some(promtool) = find("promtool") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(CONFIG);
    for rule in refused() {
        let file = file(&[json!([rule])]);
        std::fs::write(&path, file.to_string()).expect("it is written");
        let output = Command::new(&promtool).arg("check").arg("config").arg(&path).output().expect("promtool runs");
        let theirs = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{rule} {theirs}");
        let ours = Config::read(file).expect_err(&rule.to_string()).to_string();
        let (_, reason) = ours.split_once(": ").expect("the job and the reason");
        assert!(theirs.contains(reason), "{rule}\n  ours:   {reason}\n  theirs: {theirs}");
    }
}
