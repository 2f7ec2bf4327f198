//! coalmine's router as a program: it follows a cluster's API and carries requests to pods over sockets.

use coalmine::edge::{Edge, Visitors, serve, visit};
use coalmine::lab::{Embedded, Options};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);
const REQUESTS: usize = 400;

/// A server that answers with its own name; its address.
async fn pod(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(move || async move { name });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A Service without a selector, with its endpoints written by hand.
fn service(name: &str, pod: SocketAddr) -> [Value; 2] {
    let port = json!({ "name": "http", "port": 80, "targetPort": pod.port() });
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" },
            "spec": { "ports": [port] }
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("{name}-1"), "namespace": "default", "labels": { "kubernetes.io/service-name": name }
            },
            "ports": [{ "name": "http", "port": pod.port(), "protocol": "TCP" }],
            "endpoints": [{ "addresses": [pod.ip().to_string()], "conditions": { "ready": true } }]
        }),
    ]
}

fn ingress(name: &str, service: &str, annotations: Value) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": name, "namespace": "default", "annotations": annotations },
        "spec": {
            "ingressClassName": "nginx", "rules": [{ "host": "app.example.com", "http": { "paths": [path] } }]
        }
    })
}

async fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// Asks until the answer has this status.
async fn until(client: &reqwest::Client, url: &str, host: &str, status: u16) {
    let ask = async {
        loop {
            let answer = client.get(url).header("host", host).send().await;
            if answer.is_ok_and(|it| it.status() == status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| panic!("{url} for {host} answers {status}"));
}

#[test]
fn a_router_of_its_own_splits_requests_as_the_clusters_objects_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Clock::wall();
        let lab = Embedded::start(clock, Seed(1), Options::of(clock), Arc::new(|_| ())).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, lab.served().unwrap().kubeconfig("lab")).unwrap();
        let cluster = lab.lab().kubernetes;
        let weight = json!({
            "nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "30"
        });
        let objects = [ingress("app", "old", json!({})), ingress("app-canary", "new", weight)];
        let services = [service("old", pod("old").await), service("new", pod("new").await)];
        for object in services.iter().flatten().chain(&objects) {
            cluster.apply(object, "test", true).await.unwrap();
        }
        let (listen, metrics) = (free().await, free().await);
        let edge = Edge {
            listen,
            metrics,
            kubeconfig: Some(kubeconfig),
            context: None,
            pod: Some("router-0".to_owned()),
            namespace: Some("ingress-nginx".to_owned()),
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { serve(&edge, stop).await }
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let entry = format!("http://{listen}/");
        until(&client, &format!("http://{metrics}/healthz"), "any", 200).await;
        until(&client, &entry, "app.example.com", 200).await;
        until(&client, &entry, "nobody.example.com", 404).await;
        splits(&client, &entry).await;
        let text = client.get(format!("http://{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
        let counted = |canary: &str| {
            let labels = ["controller_pod=\"router-0\"", "ingress=\"app\"", "namespace=\"default\"", canary];
            let requests = text.lines().filter(|it| it.starts_with("nginx_ingress_controller_requests{"));
            requests.filter(|line| labels.iter().all(|label| line.contains(label))).count()
        };
        assert!(counted("canary=\"\"") > 0 && counted("canary=\"default-new-80\"") > 0, "{text}");
        // Its last pod is gone: nobody is there.
        let mut gone = services[0][1].clone();
        gone["endpoints"] = json!([]);
        cluster.apply(&gone, "test", true).await.unwrap();
        let weightless = ingress("app-canary", "new", json!({ "nginx.ingress.kubernetes.io/canary": "true" }));
        cluster.apply(&weightless, "test", true).await.unwrap();
        until(&client, &entry, "app.example.com", 503).await;
        stop.cancel();
        drop(client);
        tokio::time::timeout(PATIENCE, running).await.expect("it ends when it is told to").unwrap().unwrap();
        lab.stop().await;
    });
}

/// 30 of 100 requests reach the canary; with 400 that is 120 give or take 5 standard deviations.
async fn splits(client: &reqwest::Client, entry: &str) {
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..REQUESTS {
        let answer = client.get(entry).header("host", "app.example.com").send().await.unwrap();
        *answers.entry(answer.text().await.unwrap()).or_default() += 1;
    }
    assert_eq!(answers.values().sum::<usize>(), REQUESTS);
    assert!((75..=165).contains(&answers["new"]), "{answers:?}");
}

#[tokio::test]
async fn visitors_send_as_they_are_told_and_tell_what_came_of_it() {
    let (backend, listen, stop) = (pod("shop").await, free().await, CancellationToken::new());
    let visitors = Visitors {
        listen,
        base: format!("http://{backend}"),
        host: "app.example.com".to_owned(),
        target: String::new(),
        seed: 1,
    };
    let visiting = tokio::spawn(visit(visitors, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let order = async |order: Value| -> Value {
        let sent = || client.post(format!("http://{listen}/order")).json(&order).send();
        let answer = tokio::time::timeout(PATIENCE, async {
            loop {
                // It may not listen yet.
                if let Ok(answer) = sent().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        answer.await.unwrap().error_for_status().unwrap().json().await.unwrap()
    };
    let stream = json!({ "name": "visitors", "arrivals": { "constant": { "per_second": 50.0 } }, "method": "GET",
        "host": "", "path": "/", "headers": {}, "body": "", "timeout": { "secs": 5, "nanos": 0 } });
    let told = |change: u64, seen: u64, end: bool| json!({ "change": change, "streams": [stream], "stop": [], "seen": seen, "end": end });
    let mut report = order(told(1, 0, false)).await;
    while report["slices"].as_array().unwrap().iter().all(|it| it[1]["versions"][""]["byStatus"]["200"].is_null()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        report = order(told(1, 0, false)).await;
    }
    let last = order(told(1, 0, true)).await["slices"].as_array().unwrap().last().unwrap()[0].as_u64().unwrap();
    let rest = order(told(1, last, true)).await;
    assert_eq!(rest["slices"], json!([]), "all of it has arrived");
    tokio::time::timeout(PATIENCE, visiting).await.expect("it ends by itself").unwrap().unwrap();
}
