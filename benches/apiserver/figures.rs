//! What is measured, on either server.

use crate::connection::{Connection, JSON, Place};
use crate::cpu;
use crate::pod::{config_map, pod};
use crate::real::KubeApi;
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Makes an object of a name.
type Made = fn(&str) -> Value;

/// Objects per figure of creates.
const CREATES: usize = 2_000;
const ALL_PODS: usize = 10_000;
const CONCURRENT: usize = 16;
const LISTS: usize = 7;
const PATCHES: usize = 2_000;
const WATCHERS: usize = 50;
const WATCHED_WRITES: usize = 500;
/// Between two watched writes, so that latency and not throughput is measured.
const WRITE_EVERY: Duration = Duration::from_millis(4);
/// A latency above this counts as this, in microseconds.
const SLOWEST_MICROS: u64 = 60_000_000;
/// How often a starting server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// One number.
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub more_is_better: bool,
    /// Processor time of the server for each operation, in microseconds, where there are operations.
    pub cpu_micros: Option<f64>,
}

/// A server under measurement.
pub struct Arm {
    place: Place,
    processes: Vec<u32>,
    ready_after: Duration,
    _running: Running,
}

enum Running {
    Real { _api: KubeApi },
    Ours { child: Child },
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Ours { child } = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Arm {
    /// None, loudly, where the programs are missing.
    pub async fn real() -> Option<Self> {
        let began = Instant::now();
        let api = KubeApi::start()?;
        let port = api.url.rsplit(':').next().and_then(|it| it.parse().ok()).expect("the address has a port");
        let place = Place { port, tls: true, token: KubeApi::TOKEN.to_owned() };
        ready(&place).await;
        let processes = vec![api.server_id(), api.etcd_id()];
        Some(Self { place, processes, ready_after: began.elapsed(), _running: Running::Real { _api: api } })
    }

    /// Over TLS, as a lab serves it, or without.
    pub async fn ours(tls: bool) -> Self {
        let began = Instant::now();
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args(["serve", if tls { "tls" } else { "plain" }])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts again");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("it tells its port");
        let port = line.trim().parse().expect("a port");
        let place = Place { port, tls, token: crate::serve::TOKEN.to_owned() };
        ready(&place).await;
        let processes = vec![child.id()];
        Self { place, processes, ready_after: began.elapsed(), _running: Running::Ours { child } }
    }

    /// All figures, always in the same order.
    pub async fn measure(self) -> Vec<Figure> {
        let all = &mut Vec::new();
        plain(all, "time to ready, ms", self.ready_after.as_secs_f64() * 1e3);
        plain(all, "memory when ready, MiB", self.memory());
        for (name, path, object, total) in
            [("ConfigMap", CONFIG_MAPS, config_map as Made, CREATES), ("Pod", PODS, pod, ALL_PODS - CREATES)]
        {
            let (one, many) = (self.creates(path, "one", object, (1, CREATES)), (CONCURRENT, total));
            self.rate(all, &format!("{name} creates per second, 1 client"), CREATES, one).await;
            let many = self.creates(path, "many", object, many);
            self.rate(all, &format!("{name} creates per second, 16 clients"), total, many).await;
        }
        plain(all, "memory with 10,000 pods, MiB", self.memory());
        self.lists(all).await;
        plain(all, "memory after the lists, MiB", self.memory());
        self.rate(all, "merge patches refused (409) per second", PATCHES, self.stale_patches()).await;
        self.rate(all, "merge patches done per second, 1 client", PATCHES, self.patches()).await;
        self.rate(all, "applies refused (409) per second", PATCHES, self.conflicting_applies()).await;
        let latency = self.watch_latency().await;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let name = format!("watch event with 50 watchers, {name}, ms");
            plain(all, &name, latency.value_at_quantile(quantile) as f64 / 1e3);
        }
        let events = WATCHERS * CREATES;
        self.rate(all, "events per second to 50 watchers, 16 writers", events, self.watch_throughput()).await;
        std::mem::take(all)
    }

    /// A rate of so many operations, with what each took of the server's processors.
    async fn rate(&self, all: &mut Vec<Figure>, name: &str, operations: usize, rate: impl Future<Output = f64>) {
        let before = self.cpu();
        let value = rate.await;
        let cpu_micros = Some((self.cpu() - before).as_secs_f64() * 1e6 / operations as f64);
        all.push(Figure { name: name.to_owned(), value, more_is_better: true, cpu_micros });
    }

    async fn lists(&self, all: &mut Vec<Figure>) {
        for (form, accept) in [("JSON", JSON), ("Table", TABLE)] {
            let before = self.cpu();
            let (first, median, bytes) = self.list(accept).await;
            let cpu_micros = Some((self.cpu() - before).as_secs_f64() * 1e6 / LISTS as f64);
            let name = format!("list of 10,000 pods as {form}, ms");
            all.push(Figure { name, value: median, more_is_better: false, cpu_micros });
            plain(all, "  the first time, ms", first);
            plain(all, "  its size, MiB", bytes);
        }
    }

    /// Processor time of the server's processes so far.
    fn cpu(&self) -> Duration {
        self.processes.iter().map(|it| cpu::of(*it)).sum()
    }

    /// Resident memory of the server's processes.
    fn memory(&self) -> f64 {
        let kib = |id: &u32| -> f64 {
            let text = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
            let line = text.lines().find(|it| it.starts_with("VmRSS:")).expect("the kernel tells");
            line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number of KiB")
        };
        self.processes.iter().map(kib).sum::<f64>() / 1024.0
    }

    async fn connect(&self) -> Connection {
        self.place.connect().await.expect("the server listens")
    }

    /// Creates `count` objects with `clients` connections; how many per second.
    async fn creates(&self, path: &'static str, prefix: &str, object: Made, (clients, count): (usize, usize)) -> f64 {
        let bodies: Arc<Vec<Bytes>> =
            Arc::new((0..count).map(|it| Bytes::from(object(&format!("{prefix}-{it:06}")).to_string())).collect());
        let next = Arc::new(AtomicUsize::new(0));
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(self.connect().await);
        }
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for mut connection in connections {
            let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
            tasks.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (code, answer) = connection.send("POST", path, JSON, body.clone()).await;
                    assert_eq!(code, 201, "{}", String::from_utf8_lossy(&answer));
                }
            });
        }
        tasks.join_all().await;
        count as f64 / began.elapsed().as_secs_f64()
    }

    /// The first and the median time in milliseconds, and the size in MiB.
    async fn list(&self, accept: &str) -> (f64, f64, f64) {
        let mut connection = self.connect().await;
        let (mut times, mut size) = (Vec::new(), 0);
        for _ in 0..LISTS {
            let began = Instant::now();
            let (code, bytes) = connection.send_accepting("GET", PODS, (JSON, accept), "").await;
            times.push(began.elapsed());
            assert_eq!(code, 200);
            size = bytes.len();
        }
        let first = times[0];
        times.sort();
        let millis = |it: Duration| it.as_secs_f64() * 1e3;
        (millis(first), millis(times[LISTS / 2]), size as f64 / f64::from(1 << 20))
    }

    /// One after the other; how many per second.
    async fn repeat(&self, (path, media): (&str, &str), body: impl Fn(usize) -> Value, wanted: u16) -> f64 {
        let mut connection = self.connect().await;
        let began = Instant::now();
        for at in 0..PATCHES {
            let (code, answer) = connection.send("PATCH", path, media, body(at).to_string()).await;
            assert_eq!(code, wanted, "{}", String::from_utf8_lossy(&answer));
        }
        PATCHES as f64 / began.elapsed().as_secs_f64()
    }

    async fn stale_patches(&self) -> f64 {
        let patch = |_| json!({ "metadata": { "resourceVersion": "2", "labels": { "stale": "true" } } });
        self.repeat((&format!("{PODS}/one-000000"), "application/merge-patch+json"), patch, 409).await
    }

    async fn patches(&self) -> f64 {
        let patch = |at| json!({ "metadata": { "labels": { "turn": format!("{at}") } } });
        self.repeat((&format!("{PODS}/one-000001"), "application/merge-patch+json"), patch, 200).await
    }

    async fn conflicting_applies(&self) -> f64 {
        let path = format!("{CONFIG_MAPS}/one-000000?fieldManager=other");
        let apply = |_| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one-000000" }, "data": { "colour": "red" } });
        self.repeat((&path, "application/apply-patch+yaml"), apply, 409).await
    }

    /// From the moment a write is sent until each of the watchers has its event, in microseconds.
    async fn watch_latency(&self) -> Histogram<u64> {
        let (sender, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        self.watchers("latency", WATCHED_WRITES, &sender, &mut tasks).await;
        drop(sender);
        let mut writer = self.connect().await;
        let mut sent = Vec::new();
        for at in 0..WATCHED_WRITES {
            tokio::time::sleep(WRITE_EVERY).await;
            let body = Bytes::from(watched("latency", at).to_string());
            sent.push(Instant::now());
            let (code, _) = writer.send("POST", CONFIG_MAPS, JSON, body).await;
            assert_eq!(code, 201);
        }
        tasks.join_all().await;
        let mut histogram = Histogram::new_with_bounds(1, SLOWEST_MICROS, 3).expect("these bounds are possible");
        while let Some((at, seen)) = arrivals.recv().await {
            let seen: Instant = seen;
            histogram.saturating_record(seen.duration_since(sent[at]).as_micros() as u64);
        }
        assert_eq!(histogram.len() as usize, WATCHERS * WATCHED_WRITES, "each watcher sees each write once");
        histogram
    }

    /// Writers at full speed; how many events per second all watchers together receive.
    async fn watch_throughput(&self) -> f64 {
        let (sender, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        self.watchers("flood", CREATES, &sender, &mut tasks).await;
        drop(sender);
        let began = Instant::now();
        self.creates(CONFIG_MAPS, "flood", |name| labelled(name, "flood"), (CONCURRENT, CREATES)).await;
        tasks.join_all().await;
        let took = began.elapsed();
        let mut count = 0;
        while arrivals.recv().await.is_some() {
            count += 1;
        }
        assert_eq!(count, WATCHERS * CREATES, "each watcher sees each write once");
        count as f64 / took.as_secs_f64()
    }

    /// Opens the watches; each ends after `count` events and tells the number in each name, and when it came.
    async fn watchers(
        &self,
        label: &str,
        count: usize,
        arrivals: &tokio::sync::mpsc::UnboundedSender<(usize, Instant)>,
        tasks: &mut tokio::task::JoinSet<()>,
    ) {
        let (_, list) = self.connect().await.send("GET", &format!("{CONFIG_MAPS}?limit=1"), JSON, "").await;
        let list: Value = serde_json::from_slice(&list).expect("a list");
        let revision = list["metadata"]["resourceVersion"].as_str().expect("a list has one");
        let path = format!("{CONFIG_MAPS}?watch=true&labelSelector=bench%3D{label}&resourceVersion={revision}");
        for _ in 0..WATCHERS {
            let mut connection = self.connect().await;
            let mut answer = connection.open("GET", &path, (JSON, JSON), "").await.expect("a watch");
            let arrivals = arrivals.clone();
            tasks.spawn(async move {
                let (mut rest, mut left) = (Vec::new(), count);
                while left > 0 {
                    let frame = answer.body_mut().frame().await.expect("it goes on").expect("it is whole");
                    let now = Instant::now();
                    rest.extend_from_slice(frame.data_ref().expect("data"));
                    let text = std::str::from_utf8(&rest).expect("these objects are ASCII");
                    let whole = text.rfind('\n').map_or(0, |it| it + 1);
                    for line in text[..whole].lines() {
                        let _ = arrivals.send((number(line), now));
                        left -= 1;
                    }
                    rest.drain(..whole);
                }
                drop(connection);
            });
        }
    }
}

/// Less of it is better.
fn plain(all: &mut Vec<Figure>, name: &str, value: f64) {
    all.push(Figure { name: name.to_owned(), value, more_is_better: false, cpu_micros: None });
}

async fn ready(place: &Place) {
    loop {
        if let Ok(mut connection) = place.connect().await {
            let (ready, _) = connection.send("GET", "/readyz", JSON, "").await;
            let (found, _) = connection.send("GET", "/api/v1/namespaces/default", JSON, "").await;
            if (ready, found) == (200, 200) {
                return;
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn labelled(name: &str, label: &str) -> Value {
    let mut object = config_map(name);
    object["metadata"]["labels"]["bench"] = json!(label);
    object
}

fn watched(label: &str, at: usize) -> Value {
    labelled(&format!("{label}-{at:06}"), label)
}

/// The number at the end of the object's name, without reading the whole event.
fn number(line: &str) -> usize {
    let name = line.split("\"name\":\"").nth(1).and_then(|it| it.split('"').next()).expect("a name");
    name.rsplit('-').next().and_then(|it| it.parse().ok()).expect("a number")
}
