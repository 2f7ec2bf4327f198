//! One container: pull, start, watch over, start again.

use super::backoff::Backoff;
use super::board::{Ended, RestartPolicy, State};
use super::env::{self, ConfigError, PodFacts, Texts};
use super::node::{NODE_IP, NODE_NAME};
use super::probe::{Probe, Tally};
use super::table::Place;
use super::worker::Worker;
use crate::model::duration;
use crate::sys::output::Output;
use crate::workload::events::Kind;
use crate::workload::json::{list, text, texts};
use crate::workload::runtime::{ContainerPort, ContainerSpec, Process};
use crate::workload::timing::Span;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How soon the kubelet looks at a pod again in which something has changed: the end of a process is seen, and an image
/// that failed turns into one that is waited for.
const RELIST: Duration = Duration::from_secs(1);

/// How soon a container that lacks its ConfigMap or Secret is tried again (10 to 15 s).
const CONFIG_RETRY: Span = Span::millis(10_000, 5_000);

/// Asking the registry about an image that the node has (`imagePullPolicy: Always`).
const PULL_CACHED: Span = Span::millis(150, 150);

/// Why a container is to be restarted.
struct Unhealthy {
    why: &'static str,
    grace: Option<Duration>,
}

impl Worker {
    /// Runs a container as long as its restart policy has it; whether it ended well. An init container (any that stands
    /// before the main ones) is done with its first success.
    pub(super) async fn run_container(&self, at: usize, spec: &Value, volumes: &BTreeMap<String, Texts>) -> bool {
        let is_init = at < list(&self.pod, "/spec/initContainers").len();
        let mut backoff = Backoff::default();
        loop {
            self.pull(at, spec).await;
            let ended = match self.start(at, spec, volumes).await {
                Ok(process) => self.watch_over(at, spec, &process).await,
                Err(ended) => ended,
            };
            let (failed_at, good) = (Instant::now(), ended.exit_code == 0);
            self.change_container(at, |it| {
                it.state = State::Terminated(ended);
                (it.started, it.ready) = (false, false);
            });
            match self.policy() {
                _ if is_init && good => return true,
                RestartPolicy::Never => return good,
                RestartPolicy::OnFailure if good => return true,
                _ => self.back_off(at, failed_at, &mut backoff).await,
            }
        }
    }

    async fn back_off(&self, at: usize, failed_at: Instant, backoff: &mut Backoff) {
        tokio::time::sleep(RELIST).await;
        let wait = backoff.wait(failed_at);
        let name = self.container(at, |it| {
            if let State::Terminated(ended) = &it.state {
                it.last = Some(ended.clone());
            }
            it.name.clone()
        });
        if !wait.is_zero() {
            let pod = format!("{}_{}({})", self.key.name, self.key.namespace, self.uid());
            let message = format!("back-off {} restarting failed container={name} pod={pod}", duration::go(wait));
            self.change_container(at, |it| it.state = State::Waiting { reason: "CrashLoopBackOff", message });
            let message = format!("Back-off restarting failed container {name} in pod {pod}");
            self.event(at, Kind::Warning, "BackOff", &message);
            tokio::time::sleep_until(failed_at + wait).await;
        }
        backoff.next(failed_at);
        self.container(at, |it| it.restarts += 1);
    }

    /// Comes back when the image is on the node.
    async fn pull(&self, at: usize, spec: &Value) {
        let image = text(spec, "/image");
        let policy = pull_policy(spec);
        if policy != "Always" && self.node.has_image(image) {
            let message = format!("Container image \"{image}\" already present on machine");
            self.event(at, Kind::Normal, "Pulled", &message);
            return;
        }
        if policy == "Never" {
            let message = format!("Container image \"{image}\" is not present with pull policy of Never");
            self.event(at, Kind::Warning, "ErrImageNeverPull", &message);
            self.change_container(at, |it| it.state = State::Waiting { reason: "ErrImageNeverPull", message });
            return std::future::pending().await;
        }
        let mut backoff = Backoff::default();
        while let Err(error) = self.pull_once(at, image).await {
            let failed_at = Instant::now();
            self.event(at, Kind::Warning, "Failed", &format!("Failed to pull image \"{image}\": {error}"));
            self.event(at, Kind::Warning, "Failed", "Error: ErrImagePull");
            self.change_container(at, |it| {
                it.state = State::Waiting { reason: "ErrImagePull", message: error.clone() }
            });
            backoff.next(failed_at);
            tokio::time::sleep(RELIST).await;
            let message = format!("Back-off pulling image \"{image}\"");
            self.event(at, Kind::Normal, "BackOff", &message);
            self.event(at, Kind::Warning, "Failed", "Error: ImagePullBackOff");
            let message = format!("{message}: ErrImagePull: {error}");
            self.change_container(at, |it| it.state = State::Waiting { reason: "ImagePullBackOff", message });
            tokio::time::sleep_until(failed_at + backoff.wait(failed_at)).await;
        }
    }

    async fn pull_once(&self, at: usize, image: &str) -> Result<(), String> {
        self.event(at, Kind::Normal, "Pulling", &format!("Pulling image \"{image}\""));
        let timing = &self.node.timing;
        let answer = self.node.runtime.pull(image);
        let time = self.draw(match &answer {
            Ok(()) if self.node.has_image(image) => PULL_CACHED,
            Ok(()) => timing.pull,
            Err(_) => timing.pull_failure,
        });
        tokio::time::sleep(time).await;
        answer.map_err(|error| error.to_string())?;
        self.node.keep_image(image);
        let took = duration::go(time);
        let message = format!("Successfully pulled image \"{image}\" in {took} ({took} including waiting)");
        self.event(at, Kind::Normal, "Pulled", &message);
        Ok(())
    }

    /// Starts the process; an error is the end of a container that never ran.
    async fn start(
        &self,
        at: usize,
        spec: &Value,
        volumes: &BTreeMap<String, Texts>,
    ) -> Result<Arc<dyn Process>, Ended> {
        let container = loop {
            match self.configure(at, spec, volumes) {
                Ok(container) => break container,
                Err(ConfigError(message)) => {
                    self.event(at, Kind::Warning, "Failed", &format!("Error: {message}"));
                    let reason = "CreateContainerConfigError";
                    self.change_container(at, |it| it.state = State::Waiting { reason, message });
                    self.pause(CONFIG_RETRY).await;
                }
            }
        };
        self.pause(self.node.timing.start).await;
        let name = container.name.clone();
        let ports: Vec<u16> = container.ports.iter().map(|it| it.port).collect();
        let output = container.output.clone();
        self.node.pods.print_to(&self.place(&name, &self.ip()), output.clone());
        self.event(at, Kind::Normal, "Created", &format!("Created container: {name}"));
        match self.node.runtime.start(container) {
            Ok(process) => {
                self.set_process(at, Some(Arc::clone(&process)));
                self.node.pods.insert(&self.place(&name, &self.ip()), &ports, Arc::clone(&process));
                self.event(at, Kind::Normal, "Started", &format!("Started container {name}"));
                Ok(process)
            }
            Err(error) => {
                self.event(at, Kind::Warning, "Failed", &format!("Error: {error}"));
                output.line(|| &error.message);
                output.close();
                let (message, finished) = (error.message, self.now());
                Err(Ended { exit_code: error.exit_code, reason: "StartError", message, started: None, finished })
            }
        }
    }

    fn configure(
        &self,
        at: usize,
        spec: &Value,
        volumes: &BTreeMap<String, Texts>,
    ) -> Result<ContainerSpec, ConfigError> {
        let pod_ip = self.ip();
        let facts = PodFacts { pod: &self.pod, pod_ip: &pod_ip, node_ip: NODE_IP };
        let mut env = env::environment(spec, &facts, &self.sources())?;
        let command = env::expanded(list(spec, "/command"), &env);
        let args = env::expanded(list(spec, "/args"), &env);
        env.entry("HOSTNAME".to_owned()).or_insert_with(|| self.key.name.clone());
        let port = |it: &Value| {
            let port = u16::try_from(it["containerPort"].as_u64()?).ok()?;
            Some(ContainerPort { name: text(it, "/name").to_owned(), port })
        };
        Ok(ContainerSpec {
            namespace: self.key.namespace.clone(),
            pod: self.key.name.clone(),
            pod_uid: self.uid().to_owned(),
            labels: texts(&self.pod, "/metadata/labels"),
            annotations: texts(&self.pod, "/metadata/annotations"),
            node_ip: NODE_IP.to_owned(),
            node_name: NODE_NAME.to_owned(),
            pod_ip,
            name: text(spec, "/name").to_owned(),
            restart: self.container(at, |it| it.restarts),
            image: text(spec, "/image").to_owned(),
            command,
            args,
            env,
            ports: list(spec, "/ports").iter().filter_map(port).collect(),
            files: env::mounts(spec, volumes),
            output: Output::kept(self.node.clock),
        })
    }

    /// Stays with a running process until it has ended, by itself or because its probes failed.
    async fn watch_over(&self, at: usize, spec: &Value, process: &Arc<dyn Process>) -> Ended {
        let since = self.now();
        let ip = self.ip();
        let probe = |field| Probe::of(spec, field, &ip);
        let (startup, readiness) = (probe("startupProbe"), probe("readinessProbe"));
        self.change_container(at, |it| {
            it.state = State::Running { since };
            it.started = startup.is_none();
            it.ready = it.started && readiness.is_none();
        });
        let exit_code = tokio::select! {
            biased;
            code = process.exited() => code,
            unhealthy = self.probe(at, spec, process) => {
                let name = text(spec, "/name");
                let why = format!("Container {name} failed {} probe, will be restarted", unhealthy.why);
                let grace = unhealthy.grace.unwrap_or_else(|| self.grace());
                self.stop_container(at, process, grace, Some(&why)).await
            }
        };
        self.gone(at, text(spec, "/name"), &ip);
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        Ended { exit_code, reason, message: String::new(), started: Some(since), finished: self.now() }
    }

    pub(super) fn gone(&self, at: usize, name: &str, ip: &str) {
        self.set_process(at, None);
        self.node.pods.remove_container(&self.place(name, ip));
    }

    /// All probes of a running container; comes back when it must be restarted.
    async fn probe(&self, at: usize, spec: &Value, process: &Arc<dyn Process>) -> Unhealthy {
        let ip = self.ip();
        let started = Instant::now();
        let readiness = Probe::of(spec, "readinessProbe", &ip);
        if let Some(startup) = Probe::of(spec, "startupProbe", &ip) {
            let passed = self.until(at, "Startup", (&startup, Tally::new(None)), process, started).await;
            if !passed {
                return Unhealthy { why: "startup", grace: startup.grace };
            }
            self.change_container(at, |it| {
                it.started = true;
                it.ready = readiness.is_none();
            });
        }
        let live = async {
            let Some(liveness) = Probe::of(spec, "livenessProbe", &ip) else { return std::future::pending().await };
            // It begins as passing, so the first change of verdict is the bad one.
            self.until(at, "Liveness", (&liveness, Tally::new(Some(true))), process, started).await;
            Unhealthy { why: "liveness", grace: liveness.grace }
        };
        let ready = async {
            let Some(readiness) = readiness else { return std::future::pending().await };
            let mut tally = Tally::new(Some(false));
            let mut next = Instant::now();
            loop {
                if let Some(ready) = self.ask(at, "Readiness", &readiness, (&mut tally, process, started)).await {
                    self.change_container(at, |it| it.ready = ready);
                }
                next += readiness.period;
                tokio::time::sleep_until(next).await;
            }
        };
        tokio::select! {
            biased;
            unhealthy = live => unhealthy,
            never = ready => never,
        }
    }

    /// Asks until the verdict changes.
    async fn until(
        &self,
        at: usize,
        kind: &str,
        (probe, mut tally): (&Probe, Tally),
        process: &Arc<dyn Process>,
        started: Instant,
    ) -> bool {
        let mut next = Instant::now();
        loop {
            if let Some(verdict) = self.ask(at, kind, probe, (&mut tally, process, started)).await {
                return verdict;
            }
            next += probe.period;
            tokio::time::sleep_until(next).await;
        }
    }

    async fn ask(
        &self,
        at: usize,
        kind: &str,
        probe: &Probe,
        (tally, process, started): (&mut Tally, &Arc<dyn Process>, Instant),
    ) -> Option<bool> {
        if started.elapsed() < probe.initial_delay {
            return None;
        }
        let answer = probe.ask(process, &self.ip()).await;
        if let Err(why) = &answer {
            self.event(at, Kind::Warning, "Unhealthy", &format!("{kind} probe failed: {why}"));
        }
        tally.add(probe, answer.is_ok())
    }

    pub(super) fn event(&self, at: usize, kind: Kind, reason: &str, message: &str) {
        let name = self.container(at, |it| it.name.clone());
        self.node.kubelet.container(&self.pod, &name, kind, reason, message);
    }

    fn place<'a>(&'a self, container: &'a str, ip: &'a str) -> Place<'a> {
        Place { namespace: &self.key.namespace, pod: &self.key.name, ip, container }
    }
}

/// `imagePullPolicy`, with the default that depends on the tag.
fn pull_policy(spec: &Value) -> &str {
    match text(spec, "/imagePullPolicy") {
        "" => {
            let image = text(spec, "/image");
            let last = image.rsplit('/').next().unwrap_or(image);
            let latest = last.ends_with(":latest") || !last.contains([':', '@']);
            if latest { "Always" } else { "IfNotPresent" }
        }
        policy => policy,
    }
}
