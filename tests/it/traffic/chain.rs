//! Load generator to router to demo apps, as the embedded lab wires them, on the simulated clock.

use coalmine::model::traffic::{Arrivals, Stream};
use coalmine::sys::clock::Clock;
use coalmine::sys::http::{Http, HttpError, Request, Response};
use coalmine::sys::rng::Seed;
use coalmine::traffic::demo::{DemoApp, DemoSpec};
use coalmine::traffic::load::{LoadGenerator, LoadTarget};
use coalmine::traffic::route::RouteTable;
use coalmine::traffic::router::{Backends, ControllerIdentity, Endpoint, Router, ServicePort};
use coalmine::traffic::tally::Slice;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Two Services with two pods each.
struct Pods(BTreeMap<String, DemoApp>, BTreeMap<String, Arc<[Endpoint]>>);

impl Backends for Pods {
    fn endpoints(&self, _: &str, service: &str, _: &ServicePort) -> Arc<[Endpoint]> {
        self.1.get(service).cloned().unwrap_or_else(|| Arc::new([]))
    }

    fn send(&self, endpoint: &Endpoint, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.0[&endpoint.pod].handle(9898, request)
    }
}

/// The router as an address.
struct Entrance(Router);

impl Http for Entrance {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let answer = self.0.route(request);
        Box::pin(async move { tokio::time::timeout(timeout, answer).await.unwrap_or(Err(HttpError::Timeout)) })
    }
}

struct Chain {
    pods: Arc<Pods>,
    router: Router,
    load: LoadGenerator,
    clock: Clock,
}

impl Chain {
    fn new(seed: Seed) -> Self {
        let clock = Clock::simulated();
        let (mut apps, mut services) = (BTreeMap::new(), BTreeMap::new());
        for (service, version, pods) in [
            ("podinfo", "6.9.1", ["podinfo-primary-7f-a", "podinfo-primary-7f-b"]),
            ("podinfo-canary", "6.9.2", ["podinfo-5d-a", "podinfo-5d-b"]),
        ] {
            for pod in pods {
                let spec = DemoSpec { version: version.to_owned(), pod: pod.to_owned(), ..DemoSpec::default() };
                apps.insert(pod.to_owned(), DemoApp::start(spec, clock, seed.stream(pod)).unwrap());
            }
            let endpoints = pods.map(|pod| Endpoint { address: format!("{pod}:9898"), pod: pod.to_owned() });
            services.insert(service.to_owned(), Arc::from(endpoints));
        }
        let pods = Arc::new(Pods(apps, services));
        let identity = ControllerIdentity::default();
        let router = Router::new(&identity, "podinfo", pods.clone(), clock, seed.stream("router"));
        let target = LoadTarget {
            http: Arc::new(Entrance(router.clone())),
            base: "http://router.test".to_owned(),
            host: "app.test".to_owned(),
            target: "podinfo".to_owned(),
        };
        Self { pods, router, load: LoadGenerator::start(target, clock, seed), clock }
    }

    fn weight(&self, weight: u32) {
        let (table, problems) =
            RouteTable::from_objects(&[ingress("podinfo", None), ingress("podinfo-canary", Some(weight))], []);
        assert_eq!(problems, []);
        self.router.set_table(table);
    }

    fn traffic(&self, arrivals: Arrivals) {
        self.load
            .put(&Stream {
                name: "users".to_owned(),
                arrivals,
                method: "GET".to_owned(),
                host: String::new(),
                path: "/".to_owned(),
                headers: BTreeMap::new(),
                body: String::new(),
                timeout: Duration::from_secs(10),
            })
            .unwrap();
    }

    async fn fault(&self, pod: &str, fault: Value) {
        let request = http::Request::post("/fault_injection/enable").body(fault.to_string().into()).unwrap();
        assert_eq!(self.pods.0[pod].handle(9898, request).await.unwrap().status(), 202);
    }

    /// Lets the last requests end, and takes what was seen.
    async fn stop(&self) -> Slice {
        self.load.stop("users");
        tokio::time::sleep(Duration::from_secs(11)).await;
        let slice = self.load.take_slice();
        assert_eq!(slice.in_flight, 0);
        slice
    }

    /// Requests by status that a pod's own metrics count.
    async fn counted(&self, pod: &str) -> BTreeMap<String, u64> {
        let request = http::Request::get("/metrics").body(bytes::Bytes::new()).unwrap();
        let text = self.pods.0[pod].handle(9898, request).await.unwrap();
        series(&String::from_utf8_lossy(text.body()), "http_requests_total")
    }
}

/// A family's values, summed by status.
fn series(text: &str, name: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(&format!("{name}{{"))) {
        let status = line.split("status=\"").nth(1).unwrap().split('"').next().unwrap();
        *counts.entry(status.to_owned()).or_default() += line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    }
    counts
}

fn ingress(name: &str, weight: Option<u32>) -> Value {
    let annotations = weight.map_or(json!({}), |weight| {
        json!({"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": weight.to_string()})
    });
    json!({"kind": "Ingress", "metadata": {"namespace": "test", "name": name, "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "app.test", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}]}}]}})
}

#[tokio::test(start_paused = true)]
async fn client_router_and_apps_count_the_same_requests() {
    let chain = Chain::new(Seed(1));
    chain.weight(30);
    chain.fault("podinfo-5d-a", json!({"fault": "http-500", "rate": 0.5})).await;
    let began = chain.clock.elapsed();
    chain.traffic(Arrivals::Poisson { per_second: 100.0 });
    tokio::time::sleep(Duration::from_secs(60)).await;
    let seen = chain.stop().await;
    assert_eq!(seen.not_sent, 0);

    let total: u64 = seen.versions.values().map(|tally| tally.requests).sum();
    assert!((5700..=6300).contains(&total), "Poisson at 100 per second for a minute: {total}");
    let by_router = chain.router.take_slice();
    for (version, tally) in &seen.versions {
        let router = &by_router.versions[version];
        assert_eq!(
            (tally.requests, &tally.by_status, &tally.backend),
            (router.requests, &router.by_status, &router.backend)
        );
    }
    let canary = &seen.versions["6.9.2"];
    assert_eq!((canary.backend.as_str(), seen.versions["6.9.1"].backend.as_str()), ("canary", "primary"));
    let share = canary.requests as f64 / total as f64;
    assert!((share - 0.3).abs() < 0.03, "weight 30: {share}");
    let harmed = canary.harmed as f64 / canary.requests as f64;
    assert!((harmed - 0.25).abs() < 0.05, "half of one pod of two: {harmed}");
    assert!(canary.last_harmed_at.unwrap() > began && seen.versions["6.9.1"].last_harmed_at.is_none());

    let exposed = series(&chain.router.metrics_text(), "nginx_ingress_controller_requests");
    assert_eq!(exposed, BTreeMap::from([("200".to_owned(), total - canary.harmed), ("500".to_owned(), canary.harmed)]));
    let (a, b) = (chain.counted("podinfo-5d-a").await, chain.counted("podinfo-5d-b").await);
    assert_eq!(a["500"], canary.harmed);
    assert_eq!(a["200"] + a["500"] + b["200"], canary.requests);
    assert!(b["200"].abs_diff(a["200"] + a["500"]) <= 1, "round robin: {a:?} {b:?}");
}

#[tokio::test(start_paused = true)]
async fn resets_of_one_pod_are_hidden_by_the_other_and_hangs_are_not() {
    let chain = Chain::new(Seed(2));
    chain.weight(0);
    chain.fault("podinfo-primary-7f-a", json!({"fault": "connection-reset", "rate": 1})).await;
    chain.traffic(Arrivals::Constant { per_second: 50.0 });
    tokio::time::sleep(Duration::from_secs(10)).await;
    let slice = chain.load.take_slice();
    assert_eq!(slice.versions["6.9.1"].harmed, 0, "nginx asks the other pod");
    assert_eq!(slice.versions.len(), 1);

    chain.fault("podinfo-primary-7f-b", json!({"fault": "hang", "rate": 1})).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let slice = chain.stop().await;
    let harmed = &slice.versions[""];
    assert_eq!(harmed.by_status.keys().collect::<Vec<_>>(), [&0], "clients give up before nginx does");
    assert!(harmed.harmed > 900, "{harmed:?}");
    let exposed = series(&chain.router.metrics_text(), "nginx_ingress_controller_requests");
    assert!(exposed["499"] == harmed.harmed, "and nginx counts them as 499, which is no 5xx: {exposed:?}");
}

async fn record(seed: u64) -> Vec<Slice> {
    let chain = Chain::new(Seed(seed));
    chain.weight(10);
    chain
        .fault("podinfo-5d-b", json!({"fault": "delay", "rate": 0.5, "delay": {"exponential": {"mean_millis": 80.0}}}))
        .await;
    chain.traffic(Arrivals::Poisson { per_second: 200.0 });
    let mut slices = Vec::new();
    for second in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if second == 10 {
            chain.weight(50);
        }
        slices.push(chain.load.take_slice());
    }
    slices
}

/// The runtime of a simulated lab: no I/O driver, so that a clock that moves needs no system call.
fn simulated() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn one_seed_gives_one_record() {
    let run = |seed| simulated().block_on(record(seed));
    let first = run(7);
    assert!(first.iter().all(|slice| slice.versions["6.9.1"].requests > 0));
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

/// Not a benchmark, but it says what it took: a guard against work that grows with the requests already sent.
#[test]
fn a_hundred_thousand_requests_pass() {
    #[expect(clippy::disallowed_methods, reason = "it is the machine's time that is measured")]
    let began = std::time::Instant::now();
    let slice = simulated().block_on(async {
        let chain = Chain::new(Seed(3));
        chain.weight(20);
        chain.traffic(Arrivals::Constant { per_second: 500.0 });
        tokio::time::sleep(Duration::from_millis(199_999)).await;
        chain.stop().await
    });
    assert_eq!(slice.versions.values().map(|tally| tally.requests).sum::<u64>(), 100_000);
    eprintln!("100,000 simulated requests took {:?}", began.elapsed());
}
