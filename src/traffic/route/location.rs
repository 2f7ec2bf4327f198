//! The paths of one host, in nginx' order.

use super::IngressLabels;
use super::annotations::ProxyPolicy;
use super::host::HostPattern;
use regex::Regex;
use std::sync::Arc;

/// One host's locations.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) host: HostPattern,
    /// Whether every path but the exact ones is a regular expression.
    pub(super) by_regex: bool,
    pub(super) locations: Vec<Location>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathType {
    Exact,
    Prefix,
    ImplementationSpecific,
}

/// One path.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) path: String,
    pub(super) path_type: PathType,
    /// Made when the server goes by regular expressions.
    pub(super) regex: Option<Regex>,
    pub(super) rewrite: Option<String>,
    pub(super) labels: Arc<IngressLabels>,
    pub(super) policy: Arc<ProxyPolicy>,
    /// Index into the upstreams.
    pub(super) upstream: usize,
}

impl Server {
    /// Puts the locations in the order in which they are tried: exact ones, then the longest first. The sort keeps the
    /// order of equals, so the older Ingress stays first.
    pub(super) fn sort(&mut self) {
        self.locations.sort_by_key(|it| (it.path_type != PathType::Exact, std::cmp::Reverse(it.path.len())));
    }

    pub(super) fn find(&self, path: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.matches(path))
    }
}

impl Location {
    fn matches(&self, path: &str) -> bool {
        if self.path_type == PathType::Exact {
            return self.path == path;
        }
        if let Some(regex) = &self.regex {
            return regex.is_match(path);
        }
        match self.path_type {
            PathType::Prefix => has_path_prefix(path, &self.path),
            _ => path.starts_with(&self.path),
        }
    }

    /// `rewrite-target` with its groups filled in.
    pub(super) fn rewritten(&self, path: &str) -> Option<String> {
        let target = self.rewrite.as_deref()?;
        let captures = self.regex.as_ref().and_then(|regex| regex.captures(path));
        let mut out = String::new();
        match captures {
            // `$1` in front of a letter is a longer name for the regex crate; nginx reads digits only.
            Some(captures) => captures.expand(&braced(target), &mut out),
            None => out.push_str(target),
        }
        Some(out)
    }
}

/// `$1` as `${1}`.
fn braced(target: &str) -> String {
    let mut out = String::with_capacity(target.len() + 4);
    let mut chars = target.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                out.push_str("${");
                out.push(digit);
                out.push('}');
            }
            ('$', _) => out.push_str("$$"),
            (c, _) => out.push(c),
        }
    }
    out
}

/// Whether `prefix` covers whole segments of `path`: `/foo` covers `/foo` and `/foo/bar`, not `/foobar`.
pub(super) fn has_path_prefix(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
