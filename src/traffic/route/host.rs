//! Host names and patterns of them.

use crate::sys::http::Request;

/// A host name, a wildcard, or any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum HostPattern {
    Exact(String),
    /// `.example.com` for `*.example.com`.
    Wildcard(String),
    Any,
}

impl HostPattern {
    /// Empty and `*` stand for any host.
    pub(super) fn parse(text: &str) -> Self {
        match text.strip_prefix('*') {
            _ if text.is_empty() => Self::Any,
            Some("") => Self::Any,
            Some(suffix) if suffix.starts_with('.') => Self::Wildcard(suffix.to_ascii_lowercase()),
            _ => Self::Exact(text.to_ascii_lowercase()),
        }
    }

    /// Whether `host` (lower case, without port) fits. `labels` is how many labels a wildcard stands for.
    pub(super) fn matches(&self, host: &str, labels: Labels) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Any => true,
            Self::Wildcard(suffix) => host
                .strip_suffix(suffix.as_str())
                .is_some_and(|front| !front.is_empty() && (labels == Labels::Many || !front.contains('.'))),
        }
    }

    /// Higher is more specific: exact, then longer wildcards, then any.
    pub(super) fn specificity(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Wildcard(suffix) => suffix.len(),
            Self::Any => 0,
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    pub(super) fn name(&self) -> Option<&str> {
        if let Self::Exact(name) = self { Some(name) } else { None }
    }
}

/// How much `*` stands for: one label in an Ingress, one or more in the Gateway API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    One,
    Many,
}

/// The host that a request is for: the Host header, else the URI's; lower case, without port.
#[must_use]
pub fn request_host(request: &Request) -> String {
    let header = request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
    let host = header.or_else(|| request.uri().host()).unwrap_or_default();
    without_port(host).to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}
