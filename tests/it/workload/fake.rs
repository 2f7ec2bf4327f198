//! A runtime without any application: what a process does is written in its image's tag and can be changed while it runs.

use bytes::Bytes;
use coalmine::sys::http::{HttpError, Request, Response};
use coalmine::workload::runtime::{ContainerSpec, EXIT_KILLED, Process, PullError, Runtime, StartError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a process takes from SIGTERM to its exit.
pub const DRAIN: Duration = Duration::from_millis(300);

/// Knows images by their tags: `missing` cannot be pulled, `broken` does not start, `crash-N` exits with 1 after N seconds,
/// `done` exits with 0 at once, `stubborn` ignores SIGTERM, `late-N` answers its probes after N seconds; all others run.
#[derive(Default)]
pub struct Fake {
    pub started: Mutex<Vec<ContainerSpec>>,
    pub processes: Mutex<Vec<Arc<FakeProcess>>>,
}

pub struct FakeProcess {
    pub spec: ContainerSpec,
    ready_at: Instant,
    stubborn: bool,
    /// What `/readyz` and `/healthz` answer once it is up.
    pub ready: watch::Sender<bool>,
    pub healthy: watch::Sender<bool>,
    exit: watch::Sender<Option<i32>>,
}

impl Runtime for Fake {
    fn pull(&self, image: &str) -> Result<(), PullError> {
        if image.ends_with(":missing") {
            return Err(PullError::NotFound { image: image.to_owned() });
        }
        Ok(())
    }

    fn start(&self, spec: ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
        self.started.lock().unwrap().push(spec.clone());
        let tag = spec.image.rsplit(':').next().unwrap_or_default().to_owned();
        if tag == "broken" {
            return Err(StartError { exit_code: 128, message: "exec: \"app\": executable file not found".to_owned() });
        }
        let number = |prefix: &str| tag.strip_prefix(prefix).and_then(|it| it.parse::<u64>().ok());
        let process = Arc::new(FakeProcess {
            spec,
            ready_at: Instant::now() + Duration::from_secs(number("late-").unwrap_or_default()),
            stubborn: tag == "stubborn",
            ready: watch::channel(true).0,
            healthy: watch::channel(true).0,
            exit: watch::channel(None).0,
        });
        if let Some(seconds) = number("crash-") {
            process.exit_after(Duration::from_secs(seconds), 1);
        } else if tag == "done" {
            process.exit_after(Duration::ZERO, 0);
        }
        self.processes.lock().unwrap().push(Arc::clone(&process));
        Ok(process)
    }
}

impl Fake {
    /// The newest process of a pod.
    pub fn of(&self, pod: &str) -> Arc<FakeProcess> {
        let processes = self.processes.lock().unwrap();
        Arc::clone(processes.iter().rev().find(|it| it.spec.pod == pod).expect("the pod has started a process"))
    }
}

impl FakeProcess {
    pub fn exit_after(&self, after: Duration, code: i32) {
        let exit = self.exit.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            exit.send_if_modified(|it| it.is_none() && it.replace(code).is_none());
        });
    }

    pub fn ended(&self) -> Option<i32> {
        *self.exit.borrow()
    }
}

impl Process for FakeProcess {
    fn request(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let listens = self.spec.ports.iter().any(|it| it.port == port);
        if self.ended().is_some() || !listens || Instant::now() < self.ready_at {
            let address = format!("{}:{port}", self.spec.pod_ip);
            return async move { Err(HttpError::Refused { address }) }.boxed();
        }
        let good = match request.uri().path() {
            "/readyz" => *self.ready.borrow(),
            "/healthz" => *self.healthy.borrow(),
            _ => true,
        };
        let status = if good { 200 } else { 503 };
        async move { Ok(http::Response::builder().status(status).body(Bytes::new()).expect("a plain answer")) }.boxed()
    }

    fn exited(&self) -> BoxFuture<'static, i32> {
        let mut exit = self.exit.subscribe();
        async move {
            let ended = exit.wait_for(Option::is_some).await.map(|it| *it);
            ended.ok().flatten().unwrap_or(EXIT_KILLED)
        }
        .boxed()
    }

    fn terminate(&self) {
        if !self.stubborn {
            self.exit_after(DRAIN, 0);
        }
    }

    fn kill(&self) {
        self.exit.send_if_modified(|it| it.is_none() && it.replace(EXIT_KILLED).is_none());
    }
}
