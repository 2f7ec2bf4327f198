//! HTTPRoutes: matching and precedence.

use super::annotations::ProxyPolicy;
use super::filter::Filter;
use super::host::{HostPattern, Labels};
use super::location::has_path_prefix;
use super::{Backend, GatewayChoice, World};
use crate::sys::http::Request;
use http::{HeaderName, Method};
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

/// All HTTPRoutes, flattened to single matches in order of precedence.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes {
    entries: Vec<Entry>,
}

/// One host name, one match, one rule.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) host: HostPattern,
    pub(super) matching: Match,
    pub(super) rule: Arc<Rule>,
    /// Creation date, namespace, name, then the order of rules: what decides between equals.
    pub(super) age: (String, String, String, usize),
}

/// What a rule does.
#[derive(Debug, Clone)]
pub struct Rule {
    pub namespace: String,
    pub route: String,
    pub filters: Vec<Filter>,
    pub backends: Vec<WeightedBackend>,
    pub policy: Arc<ProxyPolicy>,
}

#[derive(Debug, Clone)]
pub struct WeightedBackend {
    pub backend: Arc<Backend>,
    pub weight: u32,
    pub filters: Vec<Filter>,
}

/// One match: all of it must fit.
#[derive(Debug, Clone)]
pub(super) struct Match {
    pub(super) path: PathMatch,
    pub(super) method: Option<Method>,
    pub(super) headers: Vec<(HeaderName, ValueMatch)>,
    pub(super) query: Vec<(String, ValueMatch)>,
}

#[derive(Debug, Clone)]
pub(super) enum PathMatch {
    Exact(String),
    Regex(Regex),
    Prefix(String),
}

#[derive(Debug, Clone)]
pub(super) enum ValueMatch {
    Exact(String),
    Regex(Regex),
}

impl Routes {
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
        Self { entries }
    }

    /// The most specific host pattern that fits; only its rules are tried.
    pub(super) fn host(&self, host: &str) -> Option<&HostPattern> {
        self.entries.iter().map(|entry| &entry.host).find(|pattern| pattern.matches(host, Labels::Many))
    }

    pub(super) fn find(&self, host: &HostPattern, request: &Request, world: &mut dyn World) -> Option<GatewayChoice> {
        let mut entries = self.entries.iter().filter(|entry| entry.host == *host);
        let entry = entries.find(|entry| entry.matching.fits(request))?;
        let prefix = if let PathMatch::Prefix(prefix) = &entry.matching.path { Some(prefix.clone()) } else { None };
        Some(GatewayChoice { rule: entry.rule.clone(), backend: entry.rule.pick(world), prefix })
    }

    pub(super) fn first_host(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| entry.host.name())
    }
}

impl Entry {
    /// Smaller is tried first.
    fn precedence(&self) -> impl Ord + '_ {
        let (kind, length) = match &self.matching.path {
            PathMatch::Exact(path) => (0, path.len()),
            PathMatch::Regex(regex) => (1, regex.as_str().len()),
            PathMatch::Prefix(path) => (2, path.len()),
        };
        let specific = (Reverse(self.host.specificity()), &self.host, kind, Reverse(length));
        let matching = &self.matching;
        let many = (matching.method.is_none(), Reverse(matching.headers.len()), Reverse(matching.query.len()));
        (specific, many, &self.age)
    }
}

impl Rule {
    /// Draws a backend by weight.
    fn pick(&self, world: &mut dyn World) -> Option<usize> {
        let total = self.backends.iter().fold(0u32, |total, backend| total.saturating_add(backend.weight));
        if total == 0 {
            return None;
        }
        let mut left = world.draw(total);
        self.backends.iter().position(|backend| {
            let chosen = left <= backend.weight && backend.weight > 0;
            left = left.saturating_sub(backend.weight);
            chosen
        })
    }
}

impl Match {
    fn fits(&self, request: &Request) -> bool {
        self.path.fits(request.uri().path())
            && self.method.as_ref().is_none_or(|method| method == request.method())
            && self.headers.iter().all(|(name, wanted)| {
                let mut values = request.headers().get_all(name).into_iter().filter_map(|value| value.to_str().ok());
                values.any(|value| wanted.fits(value))
            })
            && self.query.iter().all(|(name, wanted)| {
                // The first parameter of a name counts.
                query(request).find(|(key, _)| key == name).is_some_and(|(_, value)| wanted.fits(&value))
            })
    }
}

fn query(request: &Request) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
}

impl PathMatch {
    fn fits(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == path,
            Self::Regex(regex) => regex.is_match(path),
            Self::Prefix(prefix) => has_path_prefix(path, prefix),
        }
    }
}

impl ValueMatch {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}
