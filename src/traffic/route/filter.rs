//! What an HTTPRoute's filters do to requests and answers.

use super::Backend;
use super::location::has_path_prefix;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

/// One filter of a rule or of a backend.
#[derive(Debug, Clone)]
pub enum Filter {
    RequestHeaders(HeaderEdit),
    ResponseHeaders(HeaderEdit),
    Rewrite { hostname: Option<HeaderValue>, path: Option<PathRewrite> },
    Redirect(Redirect),
    Mirror(Mirror),
}

/// `set`, `add` and `remove` of header modifiers, applied in this order.
#[derive(Debug, Clone, Default)]
pub struct HeaderEdit {
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub add: Vec<(HeaderName, HeaderValue)>,
    pub remove: Vec<HeaderName>,
}

impl HeaderEdit {
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

/// A new path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRewrite {
    Full(String),
    /// In place of the prefix that matched.
    Prefix(String),
}

impl PathRewrite {
    /// The new path; `prefix` is what the rule matched.
    #[must_use]
    pub fn apply(&self, path: &str, prefix: Option<&str>) -> String {
        match self {
            Self::Full(new) => new.clone(),
            Self::Prefix(new) => {
                let prefix = prefix.filter(|prefix| has_path_prefix(path, prefix)).unwrap_or("/");
                let rest = path.get(prefix.trim_end_matches('/').len()..).unwrap_or_default();
                let joined = format!("{}{rest}", new.trim_end_matches('/'));
                if joined.starts_with('/') { joined } else { format!("/{joined}") }
            }
        }
    }
}

/// `RequestRedirect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub scheme: Option<String>,
    pub hostname: Option<String>,
    pub path: Option<PathRewrite>,
    pub port: Option<u16>,
    /// 301 or 302.
    pub status: u16,
}

impl Redirect {
    /// The `Location` for a plain HTTP request to `host`.
    #[must_use]
    pub fn location(&self, host: &str, path: &str, query: Option<&str>, prefix: Option<&str>) -> String {
        let scheme = self.scheme.as_deref().unwrap_or("http");
        let host = self.hostname.as_deref().unwrap_or(host);
        let path = self.path.as_ref().map_or_else(|| path.to_owned(), |rewrite| rewrite.apply(path, prefix));
        let port = match (self.port, scheme) {
            (None | Some(80), "http") | (None | Some(443), "https") | (None, _) => String::new(),
            (Some(port), _) => format!(":{port}"),
        };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{scheme}://{host}{port}{path}{query}")
    }
}

/// `RequestMirror`: a copy whose answer is dropped.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub backend: Arc<Backend>,
    /// Share of requests: `numerator` out of `denominator`, which is at least 1.
    pub numerator: u32,
    pub denominator: u32,
}
