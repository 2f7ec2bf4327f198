//! HTTPRoute objects (`gateway.networking.k8s.io/v1`) to rules.

use super::annotations::{NextUpstream, ProxyPolicy};
use super::filter::{Filter, HeaderEdit, Mirror, PathRewrite, Redirect};
use super::gateway::{Entry, Match, PathMatch, Routes, Rule, ValueMatch, WeightedBackend};
use super::host::HostPattern;
use super::{Backend, Problem};
use crate::model::duration::parse_go;
use crate::model::object::ObjectRef;
use crate::traffic::router::ServicePort;
use http::{HeaderName, HeaderValue, Method};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

mod wire;

use wire::{HeaderModifier, HttpRoute, NameValue, RouteFilter, RouteMatch, RouteRule};

pub(super) fn build<'a>(objects: impl IntoIterator<Item = &'a Value>, problems: &mut Vec<Problem>) -> Routes {
    let mut entries = Vec::new();
    for value in objects {
        let object = ObjectRef::of(value).to_string();
        match HttpRoute::deserialize(value) {
            Ok(route) => add(&route, &mut entries, &object, problems),
            Err(error) => problems.push(Problem { object, message: format!("is not an HTTPRoute: {error}") }),
        }
    }
    Routes::new(entries)
}

fn add(route: &HttpRoute, entries: &mut Vec<Entry>, object: &str, problems: &mut Vec<Problem>) {
    let metadata = &route.metadata;
    let mut hosts: Vec<HostPattern> = route.spec.hostnames.iter().map(|host| HostPattern::parse(host)).collect();
    if hosts.is_empty() {
        hosts.push(HostPattern::Any);
    }
    for (index, wire) in route.spec.rules.iter().enumerate() {
        let mut tell = |message: String| {
            problems.push(Problem { object: object.to_owned(), message: format!("rule {index}: {message}") });
        };
        let rule = Arc::new(rule(wire, &metadata.namespace, &metadata.name, &mut tell));
        let everything = [RouteMatch::default()];
        let matches = if wire.matches.is_empty() { &everything[..] } else { &wire.matches[..] };
        for one in matches {
            let matching = match matching(one) {
                Ok(matching) => matching,
                Err(why) => {
                    tell(why);
                    continue;
                }
            };
            let created = metadata.creation_timestamp.clone().unwrap_or_default();
            let age = (created, metadata.namespace.clone(), metadata.name.clone(), index);
            entries.extend(hosts.iter().map(|host| Entry {
                host: host.clone(),
                matching: matching.clone(),
                rule: rule.clone(),
                age: age.clone(),
            }));
        }
    }
}

fn matching(wire: &RouteMatch) -> Result<Match, String> {
    let path = match &wire.path {
        None => PathMatch::Prefix("/".to_owned()),
        Some(path) => {
            let value = path.value.clone().unwrap_or_else(|| "/".to_owned());
            match path.kind.as_deref().unwrap_or("PathPrefix") {
                "Exact" => PathMatch::Exact(value),
                "PathPrefix" => PathMatch::Prefix(value),
                // The whole path must fit, as Envoy and NGF have it.
                "RegularExpression" => PathMatch::Regex(regex(&format!("^(?:{value})$"))?),
                other => return Err(format!("path match type `{other}` is not known")),
            }
        }
    };
    let method = wire
        .method
        .as_deref()
        .map(|method| Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not an HTTP method")));
    let headers = wire.headers.iter().map(|header| Ok((name(&header.name)?, value_match(header)?)));
    let query = wire.query_params.iter().map(|parameter| Ok((parameter.name.clone(), value_match(parameter)?)));
    Ok(Match {
        path,
        method: method.transpose()?,
        headers: headers.collect::<Result<_, String>>()?,
        query: query.collect::<Result<_, String>>()?,
    })
}

fn value_match(wire: &NameValue) -> Result<ValueMatch, String> {
    match wire.kind.as_deref().unwrap_or("Exact") {
        "Exact" => Ok(ValueMatch::Exact(wire.value.clone())),
        "RegularExpression" => Ok(ValueMatch::Regex(regex(&wire.value)?)),
        other => Err(format!("match type `{other}` of {} is not known", wire.name)),
    }
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("cannot use a regular expression: {error}"))
}

fn name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is not a header name"))
}

fn rule(wire: &RouteRule, namespace: &str, route: &str, tell: &mut dyn FnMut(String)) -> Rule {
    let backends = wire.backend_refs.iter().filter_map(|reference| {
        let backend = backend(reference, namespace).map_err(&mut *tell).ok()?;
        let filters = filters(&reference.filters, namespace, tell);
        Some(WeightedBackend { backend: Arc::new(backend), weight: reference.weight.unwrap_or(1), filters })
    });
    let backends = backends.collect();
    Rule {
        namespace: namespace.to_owned(),
        route: route.to_owned(),
        filters: filters(&wire.filters, namespace, tell),
        backends,
        policy: Arc::new(policy(wire, tell)),
    }
}

/// A Gateway tries a request once; `backendRequest` limits that, `request` limits the whole.
fn policy(wire: &RouteRule, tell: &mut dyn FnMut(String)) -> ProxyPolicy {
    let mut limit = |text: &Option<String>| {
        let parsed = text.as_deref().map(parse_go)?;
        if let Err(error) = &parsed {
            tell(format!("timeouts: {error}"));
        }
        parsed.ok().filter(|limit| !limit.is_zero())
    };
    let timeouts = wire.timeouts.as_ref();
    let total_timeout = timeouts.and_then(|timeouts| limit(&timeouts.request));
    let backend_timeout = timeouts.and_then(|timeouts| limit(&timeouts.backend_request));
    let default = ProxyPolicy::default();
    ProxyPolicy {
        read_timeout: backend_timeout.unwrap_or(default.read_timeout),
        total_timeout,
        tries: 1,
        next_upstream: NextUpstream::default(),
        ..default
    }
}

fn backend(wire: &wire::BackendRef, namespace: &str) -> Result<Backend, String> {
    if wire.kind.as_deref().is_some_and(|kind| kind != "Service") {
        return Err(format!("backend {} is not a Service", wire.name));
    }
    let port = wire.port.ok_or_else(|| format!("backend {} names no port", wire.name))?;
    let namespace = wire.namespace.as_deref().unwrap_or(namespace);
    Ok(Backend { namespace: namespace.to_owned(), service: wire.name.clone(), port: ServicePort::Number(port) })
}

fn filters(wire: &[RouteFilter], namespace: &str, tell: &mut dyn FnMut(String)) -> Vec<Filter> {
    let read = wire.iter().filter_map(|wire| filter(wire, namespace).map_err(&mut *tell).ok());
    read.collect()
}

fn filter(wire: &RouteFilter, namespace: &str) -> Result<Filter, String> {
    let missing = || format!("filter {} has no settings", wire.kind);
    match wire.kind.as_str() {
        "RequestHeaderModifier" => {
            header_edit(wire.request_header_modifier.as_ref().ok_or_else(missing)?).map(Filter::RequestHeaders)
        }
        "ResponseHeaderModifier" => {
            header_edit(wire.response_header_modifier.as_ref().ok_or_else(missing)?).map(Filter::ResponseHeaders)
        }
        "URLRewrite" => {
            let rewrite = wire.url_rewrite.as_ref().ok_or_else(missing)?;
            let hostname = rewrite.hostname.as_deref().map(value).transpose()?;
            Ok(Filter::Rewrite { hostname, path: rewrite.path.as_ref().map(path_rewrite).transpose()? })
        }
        "RequestRedirect" => {
            let redirect = wire.request_redirect.as_ref().ok_or_else(missing)?;
            Ok(Filter::Redirect(Redirect {
                scheme: redirect.scheme.clone(),
                hostname: redirect.hostname.clone(),
                path: redirect.path.as_ref().map(path_rewrite).transpose()?,
                port: redirect.port,
                status: redirect.status_code.unwrap_or(302),
            }))
        }
        "RequestMirror" => mirror(wire.request_mirror.as_ref().ok_or_else(missing)?, namespace).map(Filter::Mirror),
        other => Err(format!("filter {other} has no effect in the embedded router")),
    }
}

fn mirror(wire: &wire::RequestMirror, namespace: &str) -> Result<Mirror, String> {
    let (numerator, denominator) = match (&wire.fraction, wire.percent) {
        (Some(fraction), _) => (fraction.numerator, fraction.denominator.unwrap_or(100)),
        (None, Some(percent)) => (percent, 100),
        (None, None) => (100, 100),
    };
    if denominator == 0 {
        return Err("a mirror's fraction is out of 0".to_owned());
    }
    Ok(Mirror { backend: Arc::new(backend(&wire.backend_ref, namespace)?), numerator, denominator })
}

fn path_rewrite(wire: &wire::PathModifier) -> Result<PathRewrite, String> {
    match (wire.kind.as_str(), &wire.replace_full_path, &wire.replace_prefix_match) {
        ("ReplaceFullPath", Some(path), _) => Ok(PathRewrite::Full(path.clone())),
        ("ReplacePrefixMatch", _, Some(path)) => Ok(PathRewrite::Prefix(path.clone())),
        (kind, ..) => Err(format!("path modifier {kind} has no value or is not known")),
    }
}

fn header_edit(wire: &HeaderModifier) -> Result<HeaderEdit, String> {
    let pairs = |list: &[NameValue]| -> Result<Vec<_>, String> {
        list.iter().map(|pair| Ok((name(&pair.name)?, value(&pair.value)?))).collect()
    };
    Ok(HeaderEdit {
        set: pairs(&wire.set)?,
        add: pairs(&wire.add)?,
        remove: wire.remove.iter().map(|text| name(text)).collect::<Result<_, _>>()?,
    })
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("`{text}` cannot stand in a header"))
}
