//! Ending a container: its preStop hook, SIGTERM, and SIGKILL when its time is up.

use super::board::{Ended, State};
use super::probe::port_of;
use super::worker::Worker;
use crate::workload::events::Kind;
use crate::workload::json::{int, list, text};
use crate::workload::runtime::{EXIT_KILLED, Process};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What is left after a preStop hook that took the whole grace period.
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Worker {
    /// Ends a container within its grace period; gives its exit code. `why` is the event's text, if it is not the usual.
    pub(super) async fn stop_container(
        &self,
        at: usize,
        process: &Arc<dyn Process>,
        grace: Duration,
        why: Option<&str>,
    ) -> i32 {
        let name = self.container(at, |it| it.name.clone());
        let usual = format!("Stopping container {name}");
        self.event(at, Kind::Normal, "Killing", why.unwrap_or(&usual));
        if grace.is_zero() {
            process.kill();
            return EXIT_KILLED;
        }
        let deadline = Instant::now() + grace;
        let ended = async {
            self.pre_stop(at, process, deadline).await;
            process.terminate();
            let left = deadline.max(Instant::now() + LEAST_GRACE);
            tokio::time::timeout_at(left, std::future::pending::<()>()).await
        };
        tokio::select! {
            biased;
            code = process.exited() => code,
            _ = ended => {
                process.kill();
                EXIT_KILLED
            }
        }
    }

    /// The same at the end of the pod: the container is then Terminated in the pod's last status.
    pub(super) async fn end_container(&self, at: usize, process: &Arc<dyn Process>, grace: Duration) {
        let exit_code = self.stop_container(at, process, grace, None).await;
        let (name, ip, finished) = (self.container(at, |it| it.name.clone()), self.ip(), self.now());
        self.gone(at, &name, &ip);
        self.container(at, |it| {
            let started = if let State::Running { since } = it.state { Some(since) } else { None };
            let reason = if exit_code == 0 { "Completed" } else { "Error" };
            it.state = State::Terminated(Ended { exit_code, reason, message: String::new(), started, finished });
            (it.started, it.ready) = (false, false);
        });
    }

    async fn pre_stop(&self, at: usize, process: &Arc<dyn Process>, deadline: Instant) {
        let containers = list(&self.pod, "/spec/initContainers").iter().chain(list(&self.pod, "/spec/containers"));
        let Some(container) = containers.into_iter().nth(at) else { return };
        let Some(hook) = container.pointer("/lifecycle/preStop") else { return };
        let done = tokio::time::timeout_at(deadline, self.hook(hook, container, process)).await;
        let failed = match done {
            Ok(Ok(())) => return,
            Ok(Err(why)) => format!("PreStopHook failed: {why}"),
            Err(_) => "PreStopHook failed: it took the whole grace period".to_owned(),
        };
        self.event(at, Kind::Warning, "FailedPreStopHook", &failed);
    }

    async fn hook(&self, hook: &Value, container: &Value, process: &Arc<dyn Process>) -> Result<(), String> {
        if let Some(seconds) = int(hook, "/sleep/seconds") {
            tokio::time::sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or_default())).await;
            return Ok(());
        }
        if let Some(http) = hook.get("httpGet") {
            let port = port_of(&http["port"], container).ok_or("couldn't find port in container")?;
            let path = text(http, "/path").trim_start_matches('/');
            let url = format!("http://{}:{port}/{path}", self.ip());
            let request = http::Request::get(url).body(Bytes::new()).map_err(|error| error.to_string())?;
            return process.request(port, request).await.map(drop).map_err(|error| error.to_string());
        }
        let command: Vec<&str> = list(hook, "/exec/command").iter().filter_map(Value::as_str).collect();
        match sleep_seconds(&command) {
            Some(seconds) => {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                Ok(())
            }
            None => Err(format!("the embedded lab runs no commands but `sleep`; this is `{}`", command.join(" "))),
        }
    }
}

/// Understands `sleep N` and `sh -c "sleep N"`, N in seconds.
fn sleep_seconds(command: &[&str]) -> Option<f64> {
    let number = match command {
        [program, number] if program.ends_with("sleep") => number,
        [shell, "-c", line] if shell.ends_with("sh") => line.trim().strip_prefix("sleep ")?,
        _ => return None,
    };
    // Longer than a day is longer than any grace period.
    number.trim().parse::<f64>().ok().filter(|it| (0.0..86_400.0).contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_is_the_one_command_that_is_understood() {
        for (command, expected) in [
            (&["sleep", "5"][..], Some(5.0)),
            (&["/bin/sleep", "0.5"], Some(0.5)),
            (&["/bin/sh", "-c", "sleep 10"], Some(10.0)),
            (&["sh", "-c", "sleep 10; true"], None),
            (&["sleep", "-1"], None),
            (&["sleep", "inf"], None),
            (&["nginx", "-s", "quit"], None),
        ] {
            assert_eq!(sleep_seconds(command), expected, "{command:?}");
        }
    }
}
