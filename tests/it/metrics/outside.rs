//! A real Prometheus scrapes every target of an embedded lab on the wall clock, as `docs/prometheus-outside.yml` tells it
//! to, and answers Flagger's success rate as the lab's own does. And: the lab's own reads its configuration anew.

use super::prometheus::{CONFIG, Prometheus};
use crate::real::find;
use bytes::Bytes;
use coalmine::home::{Home, LabName};
use coalmine::lab::{Embedded, Lab, Options, Up, UpOptions};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const CONFIGURATION: &str = include_str!("../../../docs/prometheus-outside.yml");
/// How long both may take to agree, with requests going on; a minute is the query's window.
const AGREE_WITHIN: Duration = Duration::from_secs(90);
/// How far the success rates of both may differ, in percent: they scrape at other moments.
const TOLERANCE: f64 = 2.0;
/// One request in so many fails.
const FAILS: usize = 5;
const HOST: &str = "app.example.com";
const SUCCESS_RATE: &str = r#"sum(rate(nginx_ingress_controller_requests{namespace="test",ingress="podinfo",canary!="",status!~"5.*"}[1m])) / sum(rate(nginx_ingress_controller_requests{namespace="test",ingress="podinfo",canary!=""}[1m])) * 100"#;

/// An app behind two Services, half of whose requests go to the second as a canary's do.
fn objects() -> Vec<Json> {
    let labels = json!({"app": "podinfo"});
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "test"},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 9898, "targetPort": 9898}]}})
    };
    let ingress = |name: &str, service: &str, annotations: Json| {
        let backend = json!({"service": {"name": service, "port": {"number": 9898}}});
        let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": "test", "annotations": annotations},
            "spec": {"ingressClassName": "nginx", "rules": [{"host": HOST, "http": {"paths": paths}}]}})
    };
    let canary =
        json!({"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "50"});
    let scraped = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9797"});
    let container = json!({"name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
        "command": ["./podinfo", "--port=9898", "--port-metrics=9797"],
        "ports": [{"name": "http", "containerPort": 9898}, {"name": "metrics", "containerPort": 9797}]});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels, "annotations": scraped}, "spec": {"containers": [container]}}}}),
        service("podinfo-primary"),
        service("podinfo-canary"),
        ingress("podinfo", "podinfo-primary", json!({})),
        ingress("podinfo-canary", "podinfo-canary", canary),
    ]
}

/// Users: some twenty requests per second, of which one in [`FAILS`] fails.
async fn visit(lab: Lab) {
    for number in 0usize.. {
        let path = if number % FAILS == 0 { "/status/500" } else { "/" };
        let request = http::Request::get(format!("{}{path}", lab.entry.address)).header("Host", HOST);
        let request = request.body(Bytes::new()).expect("the request is good");
        let _ = lab.entry.http.send(request, Duration::from_secs(5)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn query(client: &reqwest::Client, server: &str, query: &str) -> Vec<Json> {
    let answer = client.post(format!("{server}/api/v1/query")).form(&[("query", query)]).send().await;
    let answer: Json = answer.expect("it answers").json().await.expect("the answer is JSON");
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
}

/// Pods by what they are called on both sides, that are up.
async fn up(client: &reqwest::Client, server: &str) -> BTreeSet<(String, String)> {
    let text = |it: &Json| it.as_str().unwrap_or_default().to_owned();
    let found = query(client, server, "up == 1").await;
    found.iter().map(|it| (text(&it["metric"]["pod"]), text(&it["metric"]["instance"]))).collect()
}

async fn rate(client: &reqwest::Client, server: &str) -> Option<f64> {
    let found = query(client, server, SUCCESS_RATE).await;
    found.first()?["value"][1].as_str()?.parse().ok().filter(|rate: &f64| rate.is_finite())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_sees_what_the_labs_own_sees() {
    let Some(program) = find("prometheus") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path());
    let name: LabName = "test".parse().expect("the name is good");
    let lab = Up::start(&home, &name, UpOptions::default(), Arc::new(|_| ())).await.expect("the lab starts");
    for object in objects() {
        lab.lab().kubernetes.apply(&object, "test", true).await.expect("it is applied");
    }
    let visiting = tokio::spawn(visit(lab.lab()));
    let (_, endpoints) = home.ready(&name).expect("the lab is up");
    let file = |name: &str| folder.path().join("labs/test").join(name).display().to_string();
    let config = CONFIGURATION
        .replace(
            "replacement: SERVER",
            &format!("replacement: {}", endpoints.kubernetes.server.replace("https://", "")),
        )
        .replace("file: TOKEN", &format!("file: {}", file("token")))
        .replace("file: CA", &format!("file: {}", file("ca.crt")))
        .replace("file: KUBECONFIG", &format!("file: {}", endpoints.kubernetes.kubeconfig.display()));
    let prometheus = Prometheus::with_files(program, &[(CONFIG, &config)]).await.expect("prometheus starts");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (ours, theirs) = (endpoints.prometheus.clone(), prometheus.url(""));
    let mut last = String::new();
    let agree = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (a, b) = (up(&client, &ours).await, up(&client, &theirs).await);
            let rates = (rate(&client, &ours).await, rate(&client, &theirs).await);
            last = format!("ours: {a:?} {:?}\ntheirs: {b:?} {:?}", rates.0, rates.1);
            let near = matches!(rates, (Some(a), Some(b)) if (a - b).abs() < TOLERANCE && (60.0..100.0).contains(&a));
            if near && a == b && a.iter().filter(|(pod, _)| pod.starts_with("podinfo-")).count() == 2 {
                return;
            }
        }
    };
    let agreed = tokio::time::timeout(AGREE_WITHIN, agree).await.is_ok();
    let targets = prometheus.ask_get("/api/v1/targets?state=active").await.1;
    visiting.abort();
    assert!(agreed, "{last}\n{targets}");
    let down: Vec<&Json> = targets["data"]["activeTargets"]
        .as_array()
        .expect("targets")
        .iter()
        .filter(|it| it["health"] != "up")
        .collect();
    assert!(down.is_empty(), "{down:?}");
    lab.down().await.expect("the lab ends");
}

async fn send(lab: &Lab, request: http::request::Builder) -> (u16, String) {
    let request = request.body(Bytes::new()).expect("the request is good");
    let answer = lab.prometheus.http.send(request, Duration::from_secs(5)).await.expect("it answers");
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn the_labs_own_reads_its_configuration_anew() {
    let embedded = Embedded::start(Clock::simulated(), Seed(1), Options::default(), Arc::new(|_| {})).await;
    let embedded = embedded.expect("the lab starts");
    let lab = embedded.lab();
    let url = |path: &str| format!("{}{path}", lab.prometheus.address);
    let (_, pools) = send(&lab, http::Request::get(url("/api/v1/scrape_pools"))).await;
    assert!(pools.contains(r#"["kubernetes-pods"]"#), "{pools}");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "prometheus", "namespace": "flagger-system"}});
    let config = |text: &str| {
        let mut map = map.clone();
        map["data"] =
            json!({"prometheus.yml": text, "a.rules.yml": "groups: [{name: g, rules: [{record: r, expr: 1}]}]"});
        map
    };
    let job = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [/etc/prometheus/*.rules.yml]\n\
        scrape_configs: [{job_name: itself, static_configs: [{targets: ['prometheus:9090'], labels: {who: me}}]}]\n";
    lab.kubernetes.apply(&config(job), "test", true).await.expect("it is applied");
    assert_eq!(send(&lab, http::Request::post(url("/-/reload"))).await, (200, String::new()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_, own) = send(&lab, http::Request::get(url("/api/v1/query?query=up{who='me'}*prometheus_ready"))).await;
    assert!(own.contains(r#""job":"itself""#), "{own}");
    let (_, gone) = send(&lab, http::Request::get(url("/api/v1/query?query=up{job='kubernetes-pods'}"))).await;
    assert!(gone.contains(r#""result":[]"#), "{gone}");
    let (_, recorded) = send(&lab, http::Request::get(url("/api/v1/query?query=r"))).await;
    assert!(recorded.contains(r#""__name__":"r""#), "{recorded}");

    lab.kubernetes.apply(&config("remote_write: []\n"), "test", true).await.expect("it is applied");
    let (status, why) = send(&lab, http::Request::post(url("/-/reload"))).await;
    assert!(status == 500 && why.contains("unknown field `remote_write`"), "{status} {why}");
    let (_, info) = send(&lab, http::Request::get(url("/api/v1/status/runtimeinfo"))).await;
    assert!(info.contains(r#""reloadConfigSuccess":false"#), "{info}");
    let (_, still) = send(&lab, http::Request::get(url("/api/v1/status/config"))).await;
    assert!(still.contains("job_name: itself"), "{still}");
    embedded.stop().await;
}
