//! How long queries, scrapes and rules take, on the data of a lab and as the data grow.
//!
//! A lab has a handful of pods and one ingress controller, scraped every 5 s.

use coalmine::metrics::promql::Query;
use coalmine::metrics::scrape::{HonorLabels, Scraper};
use coalmine::metrics::store::Limits;
use coalmine::metrics::{Database, Labels, Registry, Store};
use divan::{Bencher, black_box};

const MINUTES: i64 = 10;
const EVERY_MS: i64 = 5_000;
const NOW_MS: i64 = MINUTES * 60_000;
const LIMITS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

fn main() {
    divan::main();
}

/// What one pod and its share of the ingress controller expose after `step` scrapes.
fn exposition(pod: usize, step: i64) -> String {
    let registry = Registry::new();
    let labels = ["kubernetes_namespace", "kubernetes_pod_name", "method", "path", "status"];
    let seconds = registry.histogram_vec("http_request_duration_seconds", "Seconds.", &labels, &LIMITS);
    let requests = registry.counter_vec(
        "nginx_ingress_controller_requests",
        "Requests.",
        &["namespace", "ingress", "service", "canary", "status"],
    );
    let pod = format!("podinfo-6d5f-{pod:05}");
    for (status, share) in [("200", 9.0), ("500", 1.0)] {
        let series = seconds.with(&["test", &pod, "GET", "root", status]);
        for observed in 0..20 {
            series.observe(f64::from(observed) / 40.0);
        }
        let canary = format!("test-{pod}-canary-9898");
        requests.with(&["test", "podinfo", "podinfo", &canary, status]).inc_by(share * step as f64);
    }
    registry.encode()
}

fn store(pods: usize) -> Store {
    let mut store = Store::new(Limits::default());
    for pod in 0..pods {
        let mut scraper = Scraper::new(Labels::from_pairs([("job", format!("pod-{pod}"))]), HonorLabels::Yes);
        for step in 0..=NOW_MS / EVERY_MS {
            scraper.ingest(&mut store, &exposition(pod, step), step * EVERY_MS).expect("the exposition is good");
        }
    }
    store
}

const FLAGGER: [(&str, &str); 3] = [
    (
        "nginx success rate",
        r#"sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="podinfo", canary!="" }[1m] ) ) * 100"#,
    ),
    (
        "kubernetes success rate",
        r#"sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
    ),
    (
        "kubernetes p99",
        r#"histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )"#,
    ),
];

/// One of Flagger's checks on a lab of four pods (about 110 series).
#[divan::bench(args = FLAGGER.map(|(name, _)| name))]
fn flagger_check(bencher: Bencher, name: &str) {
    let text = FLAGGER.iter().find(|(other, _)| *other == name).map_or("", |(_, text)| text);
    let (store, query) = (store(4), Query::parse(text).expect("it parses"));
    bencher.bench_local(|| query.instant(black_box(&store), NOW_MS));
}

/// The same check as the number of series grows: it should grow in proportion.
#[divan::bench(args = [4, 16, 64, 256])]
fn p99_by_pods(bencher: Bencher, pods: usize) {
    let (store, query) = (store(pods), Query::parse(FLAGGER[2].1).expect("it parses"));
    bencher.bench_local(|| query.instant(black_box(&store), NOW_MS));
}

/// A plot: ten minutes, a point every five seconds.
#[divan::bench]
fn p99_over_ten_minutes(bencher: Bencher) {
    let (store, query) = (store(4), Query::parse(FLAGGER[2].1).expect("it parses"));
    bencher.bench_local(|| query.range(black_box(&store), 0, NOW_MS, EVERY_MS));
}

/// Reading a query's text, which a database does once.
#[divan::bench]
fn parse(bencher: Bencher) {
    bencher.bench_local(|| Query::parse(black_box(FLAGGER[0].1)));
}

/// One scrape of one pod whose series are known.
#[divan::bench]
fn scrape(bencher: Bencher) {
    let mut store = Store::new(Limits { retention_ms: NOW_MS, ..Limits::default() });
    let mut scraper = Scraper::new(Labels::from_pairs([("job", "pod")]), HonorLabels::Yes);
    let (text, mut t_ms) = (exposition(0, 1), 0);
    bencher.bench_local(|| {
        t_ms += EVERY_MS;
        scraper.ingest(&mut store, black_box(&text), t_ms)
    });
}

/// What a pod's registry costs to write out.
#[divan::bench]
fn encode() -> String {
    exposition(0, 1)
}

/// A multi-window burn-rate alert, evaluated once.
#[divan::bench]
fn burn_rate_rule(bencher: Bencher) {
    let burn = |window: &str| {
        format!(
            "sum(rate(nginx_ingress_controller_requests{{status=~\"5..\"}}[{window}])) \
             / sum(rate(nginx_ingress_controller_requests[{window}])) > 14.4 * 0.001"
        )
    };
    let rules = serde_json::json!({"groups": [{"name": "slo", "interval": "1ms", "rules": [
        {"alert": "Burn", "expr": format!("{} and {}", burn("5m"), burn("1m"))},
    ]}]});
    let database = Database::new(Limits::default());
    for series in store(4).all() {
        for (t_ms, value) in series.samples.times().iter().zip(series.samples.values()) {
            database.append(&series.labels, *t_ms, *value).expect("the samples are in order");
        }
    }
    database.load_rules(serde_json::from_value(rules).expect("the file is good")).expect("the rules are good");
    let mut t_ms = NOW_MS;
    bencher.bench_local(|| {
        t_ms += 1;
        database.evaluate_rules(t_ms)
    });
}
