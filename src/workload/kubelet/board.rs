//! What the kubelet knows of one pod, and the status that it makes of it.

use crate::sys::clock::rfc3339;
use crate::workload::json::{list, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) exit_code: i32,
    /// `Completed`, `Error`, `StartError`.
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Timestamp,
}

/// Exactly one of Kubernetes' three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Waiting { reason: &'static str, message: String },
    Running { since: Timestamp },
    Terminated(Ended),
}

impl State {
    pub(super) fn waiting(reason: &'static str) -> Self {
        Self::Waiting { reason, message: String::new() }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Waiting { reason, message } if message.is_empty() => json!({ "waiting": { "reason": reason } }),
            Self::Waiting { reason, message } => json!({ "waiting": { "reason": reason, "message": message } }),
            Self::Running { since } => json!({ "running": { "startedAt": rfc3339(*since) } }),
            Self::Terminated(ended) => ended.to_json(),
        }
    }
}

impl Ended {
    fn to_json(&self) -> Value {
        let mut terminated = json!({
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": self.started.map(rfc3339),
            "finishedAt": rfc3339(self.finished),
        });
        if !self.message.is_empty() {
            terminated["message"] = json!(self.message);
        }
        json!({ "terminated": terminated })
    }
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    pub(super) last: Option<Ended>,
    pub(super) restarts: u32,
    /// Its startup probe has passed, or it has none and runs.
    pub(super) started: bool,
    /// It runs, has started, and its readiness probe passes (or it has none).
    pub(super) ready: bool,
}

impl Container {
    fn of(spec: &Value, reason: &'static str) -> Self {
        Self {
            name: text(spec, "/name").to_owned(),
            image: text(spec, "/image").to_owned(),
            state: State::waiting(reason),
            last: None,
            restarts: 0,
            started: false,
            ready: false,
        }
    }

    fn to_json(&self) -> Value {
        let known = matches!(self.state, State::Running { .. } | State::Terminated(_)) || self.last.is_some();
        json!({
            "name": self.name,
            "state": self.state.to_json(),
            "lastState": self.last.as_ref().map_or_else(|| json!({}), Ended::to_json),
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": if known { self.image.as_str() } else { "" },
            "started": self.started,
        })
    }

    fn succeeded(&self) -> bool {
        matches!(&self.state, State::Terminated(ended) if ended.exit_code == 0)
    }
}

/// `spec.restartPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn of(pod: &Value) -> Self {
        match text(pod, "/spec/restartPolicy") {
            "OnFailure" => Self::OnFailure,
            "Never" => Self::Never,
            _ => Self::Always,
        }
    }
}

/// One condition; the time moves only with the status.
#[derive(Debug, Clone)]
struct Condition {
    kind: &'static str,
    status: bool,
    since: Timestamp,
    reason: &'static str,
    message: String,
}

/// One pod, as its worker sees it.
#[derive(Debug, Clone)]
pub(super) struct Board {
    pub(super) init: Vec<Container>,
    pub(super) main: Vec<Container>,
    pub(super) policy: RestartPolicy,
    /// Empty until there is a sandbox.
    pub(super) ip: String,
    qos: &'static str,
    start_time: Timestamp,
    conditions: Vec<Condition>,
}

/// Init and main containers have one numbering: init first.
impl Board {
    pub(super) fn new(pod: &Value, now: Timestamp) -> Self {
        let init = list(pod, "/spec/initContainers");
        let reason = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        Self {
            init: init.iter().map(|it| Container::of(it, "PodInitializing")).collect(),
            main: list(pod, "/spec/containers").iter().map(|it| Container::of(it, reason)).collect(),
            policy: RestartPolicy::of(pod),
            ip: String::new(),
            qos: qos_class(pod),
            start_time: now,
            conditions: Vec::new(),
        }
    }

    pub(super) fn container(&mut self, at: usize) -> &mut Container {
        let init = self.init.len();
        if at < init { &mut self.init[at] } else { &mut self.main[at - init] }
    }

    fn initialized(&self) -> bool {
        self.init.iter().all(Container::succeeded)
    }

    /// `getPhase` of the real kubelet.
    fn phase(&self) -> &'static str {
        let init_failed = |it: &Container| matches!(&it.state, State::Terminated(ended) if ended.exit_code != 0);
        if !self.initialized() {
            let hopeless = self.policy == RestartPolicy::Never && self.init.iter().any(init_failed);
            return if hopeless { "Failed" } else { "Pending" };
        }
        let waiting = |it: &&Container| matches!(it.state, State::Waiting { .. }) && it.last.is_none();
        let running = |it: &&Container| matches!(it.state, State::Running { .. });
        if self.main.iter().any(|it| waiting(&it)) {
            return "Pending";
        }
        if self.main.iter().any(|it| running(&it)) || self.policy == RestartPolicy::Always {
            return "Running";
        }
        if self.main.iter().all(Container::succeeded) {
            return "Succeeded";
        }
        if self.policy == RestartPolicy::Never { "Failed" } else { "Running" }
    }

    /// The pod's `status` now.
    pub(super) fn status(&mut self, node_ip: &str, now: Timestamp) -> Value {
        let phase = self.phase();
        self.set_conditions(phase, now);
        self.write(phase, node_ip)
    }

    /// The last status before the pod goes: nothing runs any more.
    pub(super) fn final_status(&mut self, node_ip: &str, now: Timestamp) -> Value {
        let failed = |it: &Container| matches!(&it.state, State::Terminated(ended) if ended.exit_code != 0);
        let phase = if self.main.iter().any(failed) { "Failed" } else { "Succeeded" };
        self.set_conditions(phase, now);
        self.write(phase, node_ip)
    }

    fn write(&self, phase: &str, node_ip: &str) -> Value {
        let mut status = json!({
            "phase": phase,
            "conditions": self.conditions.iter().map(Condition::to_json).collect::<Vec<_>>(),
            "hostIP": node_ip,
            "hostIPs": [{ "ip": node_ip }],
            "startTime": rfc3339(self.start_time),
            "containerStatuses": self.main.iter().map(Container::to_json).collect::<Vec<_>>(),
            "qosClass": self.qos,
        });
        if !self.init.is_empty() {
            status["initContainerStatuses"] = self.init.iter().map(Container::to_json).collect();
        }
        if !self.ip.is_empty() {
            status["podIP"] = json!(self.ip);
            status["podIPs"] = json!([{ "ip": self.ip }]);
        }
        status
    }

    fn set_conditions(&mut self, phase: &str, now: Timestamp) {
        let names = |all: &[Container], is: fn(&Container) -> bool| {
            let names: Vec<&str> = all.iter().filter(|it| !is(it)).map(|it| it.name.as_str()).collect();
            names.join(" ")
        };
        let not_initialized = names(&self.init, Container::succeeded);
        let not_ready = names(&self.main, |it| it.ready);
        self.set("PodReadyToStartContainers", !self.ip.is_empty(), "", String::new(), now);
        if not_initialized.is_empty() {
            self.set("Initialized", true, "", String::new(), now);
        } else {
            let message = format!("containers with incomplete status: [{not_initialized}]");
            self.set("Initialized", false, "ContainersNotInitialized", message, now);
        }
        for kind in ["Ready", "ContainersReady"] {
            match phase {
                "Succeeded" => self.set(kind, false, "PodCompleted", String::new(), now),
                "Failed" => self.set(kind, false, "PodFailed", String::new(), now),
                _ if not_ready.is_empty() => self.set(kind, true, "", String::new(), now),
                _ => {
                    let message = format!("containers with unready status: [{not_ready}]");
                    self.set(kind, false, "ContainersNotReady", message, now);
                }
            }
        }
        self.set("PodScheduled", true, "", String::new(), now);
    }

    fn set(&mut self, kind: &'static str, status: bool, reason: &'static str, message: String, now: Timestamp) {
        match self.conditions.iter_mut().find(|it| it.kind == kind) {
            Some(condition) => {
                if condition.status != status {
                    condition.since = now;
                }
                (condition.status, condition.reason, condition.message) = (status, reason, message);
            }
            None => self.conditions.push(Condition { kind, status, since: now, reason, message }),
        }
    }
}

impl Condition {
    fn to_json(&self) -> Value {
        let status = if self.status { "True" } else { "False" };
        let mut condition = json!({
            "type": self.kind,
            "status": status,
            "lastProbeTime": null,
            "lastTransitionTime": rfc3339(self.since),
        });
        for (field, value) in [("reason", self.reason), ("message", self.message.as_str())] {
            if !value.is_empty() {
                condition[field] = json!(value);
            }
        }
        condition
    }
}

/// `status.qosClass`: who is evicted first on a node that runs out of memory.
fn qos_class(pod: &Value) -> &'static str {
    let containers = || list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    let amount = |container: &Value, list: &str, what: &str| {
        let value = &container["resources"][list][what];
        value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|it| it.to_string()))
    };
    let resources = ["cpu", "memory"];
    let guaranteed = |container: &Value| {
        resources.iter().all(|what| {
            let limit = amount(container, "limits", what);
            limit.is_some() && amount(container, "requests", what).is_none_or(|it| Some(it) == limit)
        })
    };
    let any = |container: &Value| {
        let has = |what| amount(container, "limits", what).is_some() || amount(container, "requests", what).is_some();
        resources.into_iter().any(has)
    };
    if !containers().any(any) {
        "BestEffort"
    } else if containers().all(guaranteed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(policy: &str) -> Board {
        let pod = json!({"spec": {"restartPolicy": policy, "containers": [{"name": "a"}, {"name": "b"}]}});
        Board::new(&pod, Timestamp::UNIX_EPOCH)
    }

    fn ended(exit_code: i32) -> Ended {
        let finished = Timestamp::UNIX_EPOCH;
        Ended { exit_code, reason: "Error", message: String::new(), started: None, finished }
    }

    #[test]
    fn the_phase_follows_the_containers_and_the_restart_policy() {
        let (running, waiting) = (State::Running { since: Timestamp::UNIX_EPOCH }, State::waiting("ContainerCreating"));
        let end = |code| State::Terminated(ended(code));
        for (policy, a, b, expected) in [
            ("Always", waiting.clone(), running.clone(), "Pending"),
            ("Always", running.clone(), running.clone(), "Running"),
            ("Always", end(1), end(1), "Running"),
            ("OnFailure", end(0), end(1), "Running"),
            ("OnFailure", end(0), end(0), "Succeeded"),
            ("Never", end(0), end(1), "Failed"),
            ("Never", end(0), running, "Running"),
        ] {
            let mut board = board(policy);
            (board.main[0].state, board.main[1].state) = (a, b);
            assert_eq!(board.phase(), expected, "{policy} {:?}", board.main);
        }
        let mut crashing = board("Always");
        for container in &mut crashing.main {
            container.state = State::waiting("CrashLoopBackOff");
            container.last = Some(ended(1));
        }
        assert_eq!(crashing.phase(), "Running", "a pod in a crash loop stays Running");
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_stays() {
        let mut board = board("Always");
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready =
            |status: &Value| crate::workload::json::condition(&json!({ "status": status }), "Ready").cloned().unwrap();
        let first = ready(&board.status("", at(1)));
        assert_eq!(first["message"], "containers with unready status: [a b]");
        board.main[0].ready = true;
        let second = ready(&board.status("", at(2)));
        assert_eq!(second["message"], "containers with unready status: [b]");
        assert_eq!(second["lastTransitionTime"], "1970-01-01T00:00:01Z");
        board.main[1].ready = true;
        for container in &mut board.main {
            container.state = State::Running { since: at(3) };
        }
        let third = ready(&board.status("", at(3)));
        assert_eq!(
            (third["status"].as_str(), third["lastTransitionTime"].as_str()),
            (Some("True"), Some("1970-01-01T00:00:03Z"))
        );
    }

    #[test]
    fn the_class_of_service_follows_requests_and_limits() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"name": "a", "resources": resources}]}});
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "100m"}}), "Burstable"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}), "Burstable"),
        ] {
            assert_eq!(qos_class(&pod(resources.clone())), expected, "{resources}");
        }
    }
}
