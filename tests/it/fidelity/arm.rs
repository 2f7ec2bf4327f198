//! The two arms: the built-in controller on the simulated clock, and the real Flagger on the wall clock. Both get the same
//! lab, the same flags, and the same sink for everything that they send out.

use crate::fidelity::play::{self, Played};
use crate::fidelity::policy::Policy;
use crate::fidelity::record::{EVENTS, Recorder};
use crate::real::{Process, free_port};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use coalmine::home::Controller;
use coalmine::lab::{Embedded, Lab, Options, Ports, Served, builtin_manifests};
use coalmine::sys::clock::Clock;
use coalmine::sys::http::SharedHttp;
use coalmine::sys::rng::Seed;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tower::ServiceExt;

/// The lab's Prometheus, as the cluster names it.
const PROMETHEUS: &str = "http://prometheus.flagger-system:9090";
/// How long a controller may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// What an arm brings home.
pub struct Arm {
    pub played: BTreeMap<&'static str, Played>,
    /// The controller's `/metrics` at the end.
    pub metrics: String,
    /// Its log, JSON lines.
    pub log: String,
}

/// The built-in controller on the simulated clock.
pub fn built_in(policies: &[Policy]) -> Arm {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let recorder = Recorder::new(policies);
        let embedded = start(Clock::simulated(), &recorder).await;
        let lab = embedded.lab();
        let mut flagger = builtin_manifests().unwrap();
        flagger.retain(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == "flagger");
        let args = flagger[0]["spec"]["template"]["spec"]["containers"][0]["args"].as_array_mut().unwrap();
        args.push(format!("-event-webhook={EVENTS}").into());
        lab.kubernetes.create(&flagger[0]).await.unwrap();
        let mut address = None;
        while address.is_none() {
            tokio::time::sleep(ASK_EVERY).await;
            address = ready_pod(&lab).await;
        }
        let (pod, ip) = address.unwrap();
        let address = format!("http://{ip}:8080");
        let played = play::all(&lab, &recorder, policies).await;
        let metrics = get(&lab.prometheus.http, &format!("{address}/metrics")).await.unwrap();
        let log = pod_log(&embedded, &pod).await;
        embedded.stop().await;
        Arm { played, metrics, log }
    })
}

/// The real Flagger, in `program`, on the wall clock. `folder` keeps its log.
pub fn real(program: &Path, folder: &TempDir, policies: &[Policy]) -> Arm {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let arm = runtime.block_on(async {
        let recorder = Recorder::new(policies);
        let embedded = start(Clock::wall(), &recorder).await;
        let lab = embedded.lab();
        let port = free_port();
        let _flagger = flagger(program, folder, embedded.served().unwrap(), port, Election::No);
        let http: SharedHttp = Arc::new(coalmine::sys::outside::Outside::new());
        let address = format!("http://127.0.0.1:{port}");
        let ready = async {
            while get(&http, &format!("{address}/healthz")).await.is_none() {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        assert!(ready.is_ok(), "Flagger does not start:\n{}", log(folder));
        let played = play::all(&lab, &recorder, policies).await;
        let metrics = get(&http, &format!("{address}/metrics")).await.unwrap();
        embedded.stop().await;
        Arm { played, metrics, log: log(folder) }
    });
    runtime.shutdown_background();
    arm
}

/// What Flagger wrote.
pub fn log(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("flagger.log")).unwrap_or_default()
}

pub async fn start(clock: Clock, recorder: &Recorder) -> Embedded {
    let outside: SharedHttp = Arc::new(recorder.clone());
    let serve = (!clock.is_simulated()).then(Ports::default);
    let options = Options { controller: Controller::External, serve };
    Embedded::start_beside(clock, Seed(1), options, Some(outside), Arc::new(|_| {})).await.unwrap()
}

/// Whether a Flagger asks for a Lease before it decides anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    No,
    Yes,
}

pub fn flagger(program: &Path, folder: &TempDir, lab: &Served, port: u16, election: Election) -> Process {
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, lab.kubeconfig("lab")).unwrap();
    let network = format!("http://{}", lab.network.unwrap());
    let args = [
        format!("-kubeconfig={}", kubeconfig.display()),
        // The client's own brake would stretch ticks: here all Canaries tick at the same moment.
        "-kubeconfig-qps=1000".to_owned(),
        "-kubeconfig-burst=1000".to_owned(),
        "-mesh-provider=nginx".to_owned(),
        format!("-metrics-server={PROMETHEUS}"),
        format!("-event-webhook={EVENTS}"),
        format!("-port={port}"),
        "-log-level=info".to_owned(),
        format!("-enable-leader-election={}", election == Election::Yes),
    ];
    let network = OsStr::new(&network);
    let proxy = [
        ("HTTP_PROXY", network),
        ("http_proxy", network),
        ("NO_PROXY", OsStr::new("127.0.0.1")),
        ("TZ", OsStr::new("UTC")),
    ];
    Process::start_with(program, folder.path(), &args, &proxy)
}

/// Name and address of the built-in controller's pod.
async fn ready_pod(lab: &Lab) -> Option<(String, String)> {
    let pods = lab.kubernetes.list("v1", "Pod", Some("flagger-system"), Some("app=flagger")).await.unwrap();
    let pod = pods.iter().find(|it| it["status"]["containerStatuses"][0]["ready"] == true)?;
    let (name, ip) = (pod["metadata"]["name"].as_str()?, pod["status"]["podIP"].as_str()?);
    Some((name.to_owned(), ip.to_owned()))
}

async fn pod_log(embedded: &Embedded, pod: &str) -> String {
    let path = format!("/api/v1/namespaces/flagger-system/pods/{pod}/log");
    let request = http::Request::get(path).body(Body::empty()).unwrap();
    let answer = embedded.api().oneshot(request).await.unwrap();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.into()).unwrap()
}

async fn get(http: &SharedHttp, url: &str) -> Option<String> {
    let request = http::Request::get(url).body(Bytes::new()).unwrap();
    let answer = http.send(request, Duration::from_secs(5)).await.ok().filter(|it| it.status() == 200)?;
    String::from_utf8(answer.into_body().into()).ok()
}
