//! How nginx treats an upstream, as annotations set it.

use super::canary::PREFIX;
use crate::model::object::Labels;
use std::time::Duration;

/// Time limits and repetition for one Ingress's requests, or a route's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyPolicy {
    /// Between two parts of an answer; here, until the whole answer. `proxy-read-timeout`.
    pub read_timeout: Duration,
    /// When another endpoint is tried. `proxy-next-upstream`.
    pub next_upstream: NextUpstream,
    /// Attempts in all, at least 1. `proxy-next-upstream-tries`.
    pub tries: u32,
    /// No further attempt after this time; none is without limit. `proxy-next-upstream-timeout`.
    pub next_upstream_timeout: Option<Duration>,
    /// Host header for the upstream. `upstream-vhost`.
    pub upstream_vhost: Option<String>,
    /// Time limit over all attempts: HTTPRoute's `timeouts.request`.
    pub total_timeout: Option<Duration>,
}

/// What is tried again: conditions of nginx' `proxy_next_upstream`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextUpstream {
    /// Refused and broken connections.
    pub error: bool,
    pub timeout: bool,
    /// Also POST, LOCK and PATCH requests that were already sent.
    pub non_idempotent: bool,
    /// Answers with these statuses.
    pub statuses: Vec<u16>,
}

/// nginx' default, 60 s.
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// ingress-nginx' default.
const DEFAULT_TRIES: u32 = 3;
/// No attempts beyond this number, whatever an annotation says (0 is "no limit" for nginx).
const MAX_TRIES: u32 = 100;

impl Default for ProxyPolicy {
    fn default() -> Self {
        Self {
            read_timeout: DEFAULT_READ_TIMEOUT,
            next_upstream: NextUpstream { error: true, timeout: true, ..NextUpstream::default() },
            tries: DEFAULT_TRIES,
            next_upstream_timeout: None,
            upstream_vhost: None,
            total_timeout: None,
        }
    }
}

/// Annotations that this router understands, without prefix; others of ingress-nginx are told.
const UNDERSTOOD: [&str; 17] = [
    "canary",
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
    "canary-weight",
    "canary-weight-total",
    "proxy-connect-timeout",
    "proxy-read-timeout",
    "proxy-send-timeout",
    "proxy-next-upstream",
    "proxy-next-upstream-tries",
    "proxy-next-upstream-timeout",
    "rewrite-target",
    "upstream-vhost",
    "use-regex",
    // Nothing is encrypted here, so there is nothing to redirect to.
    "ssl-redirect",
];

impl ProxyPolicy {
    pub(super) fn read(annotations: &Labels, tell: &mut dyn FnMut(String)) -> Self {
        for name in annotations.keys().filter_map(|key| key.strip_prefix(PREFIX)) {
            if !UNDERSTOOD.contains(&name) {
                tell(format!("{PREFIX}{name} has no effect in the embedded router"));
            }
        }
        let mut policy = Self::default();
        let mut number = |name: &str| {
            let value = annotations.get(&format!("{PREFIX}{name}"))?;
            let parsed = value.trim().parse::<u32>();
            if parsed.is_err() {
                tell(format!("{PREFIX}{name} is `{value}`; it must be a whole number of seconds or attempts"));
            }
            parsed.ok()
        };
        if let Some(seconds) = number("proxy-read-timeout").filter(|seconds| *seconds > 0) {
            policy.read_timeout = Duration::from_secs(seconds.into());
        }
        if let Some(tries) = number("proxy-next-upstream-tries") {
            policy.tries = if tries == 0 { MAX_TRIES } else { tries.min(MAX_TRIES) };
        }
        let timeout = number("proxy-next-upstream-timeout").filter(|seconds| *seconds > 0);
        policy.next_upstream_timeout = timeout.map(|seconds| Duration::from_secs(seconds.into()));
        if let Some(conditions) = annotations.get(&format!("{PREFIX}proxy-next-upstream")) {
            policy.next_upstream = NextUpstream::read(conditions, tell);
        }
        policy.upstream_vhost = annotations.get(&format!("{PREFIX}upstream-vhost")).cloned();
        policy
    }
}

impl NextUpstream {
    fn read(conditions: &str, tell: &mut dyn FnMut(String)) -> Self {
        let mut read = Self::default();
        for condition in conditions.split_whitespace() {
            match (condition, condition.strip_prefix("http_").map(str::parse::<u16>)) {
                ("error", _) => read.error = true,
                ("timeout", _) => read.timeout = true,
                ("non_idempotent", _) => read.non_idempotent = true,
                ("off", _) => return Self::default(),
                (_, Some(Ok(status))) => read.statuses.push(status),
                _ => tell(format!("{PREFIX}proxy-next-upstream: `{condition}` is not known here")),
            }
        }
        read
    }
}
