//! Probes: when to ask a container how it is, how, and what its answers mean.

use crate::sys::http::{HttpError, Request};
use crate::workload::json::{int, list, text};
use crate::workload::runtime::Process;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What real kubelets say of themselves.
const USER_AGENT: &str = "kube-probe/1.34";

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// GET this path; 200 to 399 is success.
    Http {
        scheme: String,
        host: String,
        port: Option<u16>,
        path: String,
        headers: Vec<(String, String)>,
    },
    Tcp {
        port: Option<u16>,
    },
    /// `podcli check http URL`, as podinfo's manifests use it: an HTTP GET from inside the container.
    Podcli {
        port: u16,
        path: String,
        address: String,
    },
    Unsupported {
        why: String,
    },
}

/// One probe of a container, with Kubernetes' defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    action: Action,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    timeout: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    /// The probe's own grace period for the restart that its failure causes.
    pub(super) grace: Option<Duration>,
}

impl Probe {
    /// The probe that the container has under `field` (`livenessProbe`, `readinessProbe`, `startupProbe`).
    pub(super) fn of(container: &Value, field: &str, pod_ip: &str) -> Option<Self> {
        let probe = container.get(field).filter(|it| it.is_object())?;
        let seconds = |field: &str, default: i64, least: i64| {
            let value = int(probe, field).unwrap_or(default).max(least);
            Duration::from_secs(u64::try_from(value).unwrap_or_default())
        };
        let times = |field| u32::try_from(int(probe, field).unwrap_or_default()).unwrap_or_default();
        let failures = times("/failureThreshold");
        Some(Self {
            action: action(probe, container, pod_ip),
            initial_delay: seconds("/initialDelaySeconds", 0, 0),
            period: seconds("/periodSeconds", 10, 1),
            timeout: seconds("/timeoutSeconds", 1, 1),
            success_threshold: times("/successThreshold").max(1),
            failure_threshold: if failures == 0 { 3 } else { failures },
            grace: int(probe, "/terminationGracePeriodSeconds")
                .map(|_| seconds("/terminationGracePeriodSeconds", 0, 0)),
        })
    }

    /// Asks once; an error is what the event will say.
    pub(super) async fn ask(&self, process: &Arc<dyn Process>, pod_ip: &str) -> Result<(), String> {
        match &self.action {
            Action::Http { scheme, host, port, path, headers } => {
                let port = port.ok_or("couldn't find port in container")?;
                let shown = format!("{scheme}://{host}:{port}{path}");
                let request = get(&shown, headers)?;
                let answer = self.in_time(process.request(port, request)).await;
                judge(answer, &shown, &format!("{pod_ip}:{port}"))
            }
            Action::Tcp { port } => {
                let port = port.ok_or("couldn't find port in container")?;
                // Nothing below HTTP exists here, so a connection is tried with a request; any answer proves it open.
                let request = get(&format!("http://{pod_ip}:{port}/"), &[])?;
                match self.in_time(process.request(port, request)).await {
                    Err(HttpError::Refused { .. } | HttpError::NoSuchHost { .. }) => {
                        Err(format!("dial tcp {pod_ip}:{port}: connect: connection refused"))
                    }
                    Err(HttpError::Timeout) => Err(format!("dial tcp {pod_ip}:{port}: i/o timeout")),
                    _ => Ok(()),
                }
            }
            Action::Podcli { port, path, address } => {
                let request = get(&format!("http://localhost:{port}{path}"), &[])?;
                match self.in_time(process.request(*port, request)).await {
                    Ok(response) if (200..400).contains(&response.status().as_u16()) => Ok(()),
                    Ok(response) => {
                        Err(format!("check failed address={address} status code={}", response.status().as_u16()))
                    }
                    Err(HttpError::Timeout) => {
                        let after = self.timeout.as_secs();
                        Err(format!("command timed out: \"podcli check http {address}\" timed out after {after}s"))
                    }
                    Err(error) => Err(format!("check failed address={address} error={error}")),
                }
            }
            Action::Unsupported { why } => Err(why.clone()),
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        tokio::time::timeout(self.timeout, answer).await.unwrap_or(Err(HttpError::Timeout))
    }
}

fn judge(answer: Result<crate::sys::http::Response, HttpError>, url: &str, address: &str) -> Result<(), String> {
    match answer {
        Ok(response) => match response.status().as_u16() {
            200..=399 => Ok(()),
            status => Err(format!("HTTP probe failed with statuscode: {status}")),
        },
        Err(HttpError::Timeout) => {
            Err(format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
        }
        Err(HttpError::Refused { .. }) => {
            Err(format!("Get \"{url}\": dial tcp {address}: connect: connection refused"))
        }
        Err(error) => Err(format!("Get \"{url}\": {error}")),
    }
}

fn get(url: &str, headers: &[(String, String)]) -> Result<Request, String> {
    let mut request = http::Request::get(url);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        request = request.header("User-Agent", USER_AGENT);
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::new()).map_err(|error| error.to_string())
}

fn action(probe: &Value, container: &Value, pod_ip: &str) -> Action {
    if let Some(http) = probe.get("httpGet") {
        let host = text(http, "/host");
        let path = text(http, "/path");
        let scheme = text(http, "/scheme");
        let header = |it: &Value| (text(it, "/name").to_owned(), text(it, "/value").to_owned());
        return Action::Http {
            scheme: if scheme.is_empty() { "http".to_owned() } else { scheme.to_lowercase() },
            host: if host.is_empty() { pod_ip.to_owned() } else { host.to_owned() },
            port: port_of(&http["port"], container),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
            headers: list(http, "/httpHeaders").iter().map(header).collect(),
        };
    }
    if let Some(tcp) = probe.get("tcpSocket") {
        return Action::Tcp { port: port_of(&tcp["port"], container) };
    }
    if probe.get("grpc").is_some() {
        return Action::Unsupported { why: "grpc probes are not supported by the embedded lab".to_owned() };
    }
    let command: Vec<&str> = list(probe, "/exec/command").iter().filter_map(Value::as_str).collect();
    podcli(&command).unwrap_or_else(|| Action::Unsupported {
        why: format!("the embedded lab runs no commands but `podcli check http`; this is `{}`", command.join(" ")),
    })
}

/// Understands `podcli check http [flags] ADDRESS`.
fn podcli(command: &[&str]) -> Option<Action> {
    let rest = command.strip_prefix(&["podcli", "check", "http"])?;
    let address = rest.iter().find(|it| !it.starts_with('-'))?;
    let plain = address.strip_prefix("http://").unwrap_or(address);
    let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
    let port = host.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok())?;
    Some(Action::Podcli { port, path: format!("/{path}"), address: (*address).to_owned() })
}

/// A port by number or by the name that the container gives it.
pub(super) fn port_of(port: &Value, container: &Value) -> Option<u16> {
    if let Some(number) = port.as_u64() {
        return u16::try_from(number).ok();
    }
    let name = port.as_str()?;
    let declared = list(container, "/ports").iter().find(|it| it["name"] == name)?;
    declared["containerPort"].as_u64().and_then(|it| u16::try_from(it).ok())
}

/// Counts answers; tells when they have changed the verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    passing: Option<bool>,
    run: u32,
    last: Option<bool>,
}

impl Tally {
    /// Readiness begins as failing, liveness as passing, startup as neither.
    pub(super) fn new(passing: Option<bool>) -> Self {
        Self { passing, run: 0, last: None }
    }

    /// Adds one answer; the new verdict if this answer changed it.
    pub(super) fn add(&mut self, probe: &Probe, success: bool) -> Option<bool> {
        self.run = if self.last == Some(success) { self.run + 1 } else { 1 };
        self.last = Some(success);
        let threshold = if success { probe.success_threshold } else { probe.failure_threshold };
        if self.run < threshold || self.passing == Some(success) {
            return None;
        }
        self.passing = Some(success);
        Some(success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probe(value: &Value) -> Probe {
        let container = json!({"ports": [{"name": "http", "containerPort": 9898}], "readinessProbe": value});
        Probe::of(&container, "readinessProbe", "10.244.0.7").unwrap()
    }

    #[test]
    fn defaults_are_those_of_kubernetes() {
        let probe = probe(&json!({"tcpSocket": {"port": "http"}}));
        assert_eq!(probe.action, Action::Tcp { port: Some(9898) });
        assert_eq!(
            (probe.initial_delay, probe.period, probe.timeout),
            (Duration::ZERO, Duration::from_secs(10), Duration::from_secs(1))
        );
        assert_eq!((probe.success_threshold, probe.failure_threshold), (1, 3));
    }

    #[test]
    fn podinfos_own_check_is_understood_and_other_commands_are_not() {
        let exec = |command: &[&str]| probe(&json!({"exec": {"command": command}})).action;
        let podcli = |port, path: &str, address: &str| Action::Podcli {
            port,
            path: path.to_owned(),
            address: address.to_owned(),
        };
        assert_eq!(
            exec(&["podcli", "check", "http", "localhost:9898/readyz"]),
            podcli(9898, "/readyz", "localhost:9898/readyz")
        );
        assert_eq!(
            exec(&["podcli", "check", "http", "--timeout=1s", "http://localhost/healthz"]),
            podcli(80, "/healthz", "http://localhost/healthz")
        );
        for other in [
            &["podcli", "check", "grpc", "localhost:9999"][..],
            &["sh", "-c", "true"],
            &["podcli", "check", "http"],
            &[],
        ] {
            assert!(matches!(exec(other), Action::Unsupported { .. }), "{other:?}");
        }
    }

    #[test]
    fn a_verdict_changes_after_its_threshold_and_only_once() {
        let probe = probe(&json!({"httpGet": {"port": 80}, "successThreshold": 2, "failureThreshold": 3}));
        let mut tally = Tally::new(Some(false));
        let answers = [true, false, true, true, true, false, false, true, false, false, false, false];
        let seen: Vec<_> = answers.iter().map(|it| tally.add(&probe, *it)).collect();
        let none = None;
        assert_eq!(seen, [none, none, none, Some(true), none, none, none, none, none, none, Some(false), none]);
    }
}
