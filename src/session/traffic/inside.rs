//! Requests from inside the cluster: a Job whose one pod is coalmine's own generator (`edge::visit`). It is told what to send,
//! and asked each second what came of it, through the Kubernetes API's proxy.
//!
//! - The Job belongs to the run: it goes at its end, also on Ctrl-C. What a run left that was killed is removed by the next
//!   one with everything else (`setup::earlier`), and its pod ends by itself when nobody asks any more.
//! - While the API is gone the pod goes on, and tells all of it afterwards: those seconds are told late, and complete.

use super::{SLICE, Teller};
use crate::cluster::ClusterError;
use crate::event::StepState;
use crate::model::duration::go;
use crate::model::object::ObjectRef;
use crate::session::ground::Ground;
use crate::session::patience::{GIVE_UP_AFTER, insist, insist_for};
use crate::session::player::TrafficChange;
use crate::session::setup::FIELD_MANAGER;
use crate::sys::rng::Seed;
use crate::traffic::load::{Order, Report};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;

/// The Job, and what its pod is called by.
const NAME: &str = "coalmine-visitors";
/// Where its pod takes orders.
const PORT: u16 = 8080;
/// How long its pod may take to come up; its image is on the nodes, or is pulled.
const READY_WITHIN: Duration = Duration::from_mins(3);
/// How long the cluster keeps it that nobody removed.
const KEPT_SECONDS: u32 = 60;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one answer may take before it is asked for again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// What kubelet says of a container that will not start: waiting longer does not help.
const HOPELESS: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
];

/// Why no requests come from inside the cluster.
#[derive(Debug, thiserror::Error)]
pub enum InsideError {
    #[error("the Job {job} that sends requests from inside the cluster could not be made: {source}")]
    Make { job: ObjectRef, source: ClusterError },
    #[error(
        "the pod that sends requests from inside the cluster does not run: {why}. Its image is coalmine's own, {image}: make \
         it (lab/Dockerfile), put it where the cluster's nodes find it, and name it as `router` in the file of --images; or \
         leave out --traffic-from cluster"
    )]
    Image { image: String, why: String },
    #[error("the pod that sends requests from inside the cluster did not come up within {}: {state}", go(READY_WITHIN))]
    NotReady { state: String },
}

/// A pod that sends.
pub(super) struct Inside {
    ground: Ground,
    pod: String,
    /// Changes that were told, and the last slice that arrived.
    changes: u64,
    seen: u64,
    /// From the pod's clock to this run's: the least that was seen, as answers take time.
    ahead: Option<Duration>,
    /// Whether the last question was answered.
    answers: bool,
}

/// Makes the Job and waits for its pod.
pub(super) async fn start(ground: Ground, image: &str, base: &str, seed: Seed) -> Result<Inside, InsideError> {
    let name = "send requests from inside";
    ground.step(name, StepState::Started, &format!("Job {NAME} with {image}"));
    let made = come_up(&ground, image, base, seed).await;
    match &made {
        Ok(pod) => ground.step(name, StepState::Done, pod),
        Err(why) => ground.step(name, StepState::Failed, &why.to_string()),
    }
    Ok(Inside { pod: made?, ground, changes: 0, seen: 0, ahead: None, answers: true })
}

/// Removes the Job with its pod. What cannot be removed now is removed by the next run, or by the cluster.
pub(crate) async fn remove(ground: &Ground) {
    let job = job_of(ground);
    match insist(ground.clock, || ground.cluster.delete_with_dependents(&job)).await {
        Ok(()) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => ground.note(format!("{job} is still there: {error}")),
    }
}

fn job_of(ground: &Ground) -> ObjectRef {
    ObjectRef::new("batch/v1", "Job", &ground.plan.namespace, NAME)
}

async fn come_up(ground: &Ground, image: &str, base: &str, seed: Seed) -> Result<String, InsideError> {
    let clock = ground.clock;
    let (job, manifest) = (job_of(ground), manifest(ground, image, base, seed));
    let made = insist(clock, || ground.cluster.apply(&manifest, FIELD_MANAGER, true)).await;
    made.map_err(|source| InsideError::Make { job: job.clone(), source })?;
    let until = clock.elapsed() + READY_WITHIN;
    let selector = format!("app={NAME}");
    loop {
        let list = || ground.cluster.list("v1", "Pod", Some(&ground.plan.namespace), Some(&selector));
        let pods = insist(clock, list).await.map_err(|source| InsideError::Make { job: job.clone(), source })?;
        let state = match pods.first() {
            None => "there is no pod yet".to_owned(),
            Some(pod) => match state_of(pod) {
                State::Ready => return Ok(pod["metadata"]["name"].as_str().unwrap_or_default().to_owned()),
                State::Hopeless(why) => return Err(InsideError::Image { image: image.to_owned(), why }),
                State::Comes(state) => state,
            },
        };
        if clock.elapsed() >= until {
            return Err(InsideError::NotReady { state });
        }
        clock.sleep_until(clock.elapsed() + LOOK_EVERY).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Ready,
    Comes(String),
    Hopeless(String),
}

fn state_of(pod: &Value) -> State {
    let container = &pod["status"]["containerStatuses"][0];
    if container["ready"] == true {
        return State::Ready;
    }
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    if let Some(ended) = container["state"].get("terminated") {
        return State::Hopeless(format!("it ended with exit code {}, {}", ended["exitCode"], text(&ended["reason"])));
    }
    let waiting = &container["state"]["waiting"];
    let reason = text(&waiting["reason"]);
    if HOPELESS.contains(&reason.as_str()) {
        return State::Hopeless(format!("{reason}: {}", text(&waiting["message"])));
    }
    State::Comes(if reason.is_empty() { text(&pod["status"]["phase"]) } else { reason })
}

fn manifest(ground: &Ground, image: &str, base: &str, seed: Seed) -> Value {
    let plan = &ground.plan;
    let labels = json!({"app": NAME, "app.kubernetes.io/managed-by": "coalmine"});
    let args = json!([
        "visitors",
        format!("--listen=0.0.0.0:{PORT}"),
        format!("--base={base}"),
        format!("--host={}", plan.host),
        format!("--target={}", plan.target.name),
        format!("--seed={}", seed.0),
    ]);
    let container = json!({
        "name": "visitors", "image": image, "imagePullPolicy": "IfNotPresent", "args": args,
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": "100m", "memory": "32Mi"}},
    });
    let job = job_of(ground);
    json!({
        "apiVersion": job.api_version, "kind": job.kind,
        "metadata": {"name": job.name, "namespace": job.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "terminationGracePeriodSeconds": 5,
                    "securityContext": {"runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534},
                    "containers": [container],
                },
            },
        },
    })
}

impl Inside {
    /// As [`super::send`], with another's generator.
    pub(super) async fn send(mut self, tell: Teller, mut changes: mpsc::Receiver<TrafficChange>) {
        let clock = self.ground.clock;
        let mut next = clock.elapsed() + SLICE;
        loop {
            tokio::select! {
                biased;
                change = changes.recv() => match change {
                    Some(change) => {
                        self.changes += 1;
                        let TrafficChange { streams, stop } = change;
                        self.order(&tell, Order { change: self.changes, streams, stop, ..Order::default() }).await;
                    }
                    None => break,
                },
                () = clock.sleep_until(next) => {
                    next = (next + SLICE).max(clock.elapsed());
                    self.order(&tell, Order::default()).await;
                }
            }
        }
        self.order(&tell, Order { end: true, ..Order::default() }).await;
    }

    /// Gives an order and tells what has come of those before. A change is insisted on; what was sent can be asked for later.
    async fn order(&mut self, tell: &Teller, order: Order) {
        let order = Order { seen: self.seen, ..order };
        let at_most = if order.change > 0 { GIVE_UP_AFTER } else { ANSWERS_WITHIN };
        match self.ask(&order, at_most).await {
            Ok(report) => {
                if !self.answers {
                    self.ground.note("the pod that sends requests answers again");
                }
                self.answers = true;
                self.take(tell, report);
            }
            Err(why) if self.answers => {
                self.answers = false;
                self.ground.note(format!("the pod that sends requests does not answer: {why}"));
            }
            Err(_) => {}
        }
    }

    fn take(&mut self, tell: &Teller, report: Report) {
        let ahead = self.ground.clock.elapsed().saturating_sub(report.now);
        let ahead = *self.ahead.insert(self.ahead.map_or(ahead, |it| it.min(ahead)));
        report.refused.into_iter().for_each(|it| self.ground.note(it));
        let seen = self.seen;
        for (number, mut slice) in report.slices.into_iter().filter(|(number, _)| *number > seen) {
            self.seen = number;
            for tally in slice.versions.values_mut() {
                tally.last_harmed_at = tally.last_harmed_at.map(|it| it + ahead);
            }
            tell.tell(slice);
        }
    }

    async fn ask(&self, order: &Order, at_most: Duration) -> Result<Report, String> {
        let ground = &self.ground;
        let body = Bytes::from(serde_json::to_vec(order).map_err(|it| it.to_string())?);
        let asked = insist_for(ground.clock, at_most, || {
            let request = http::Request::post("/order").header("content-type", "application/json").body(body.clone());
            let request = request.expect("a fixed path and header make a request");
            ground.cluster.pod_request(&ground.plan.namespace, &self.pod, PORT, request)
        });
        let answer = asked.await.map_err(|it| it.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("{}: {}", answer.status(), String::from_utf8_lossy(answer.body())));
        }
        serde_json::from_slice(answer.body()).map_err(|it| it.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_ready_comes_or_will_never_come() {
        let pod = |container: Value| json!({"status": {"phase": "Pending", "containerStatuses": [container]}});
        let waiting = |reason: &str| pod(json!({"state": {"waiting": {"reason": reason, "message": "m"}}}));
        let hopeless = |text: &str| State::Hopeless(text.to_owned());
        for (pod, state) in [
            (pod(json!({"ready": true, "state": {"running": {}}})), State::Ready),
            (pod(json!({"ready": false, "state": {"running": {}}})), State::Comes("Pending".to_owned())),
            (waiting("ContainerCreating"), State::Comes("ContainerCreating".to_owned())),
            (waiting("ErrImagePull"), hopeless("ErrImagePull: m")),
            (
                pod(json!({"state": {"terminated": {"exitCode": 2, "reason": "Error"}}})),
                hopeless("it ended with exit code 2, Error"),
            ),
            (json!({"status": {"phase": "Pending"}}), State::Comes("Pending".to_owned())),
        ] {
            assert_eq!(state_of(&pod), state);
        }
    }
}
