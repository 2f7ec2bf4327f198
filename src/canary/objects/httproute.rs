//! The HTTPRoute of the Gateway API providers: `{svc}`, with a weight for primary and canary.

use super::{owner, with_flux_disabled};
use crate::canary::ask::SessionCookies;
use crate::canary::context::strings;
use crate::canary::routes::Routes;
use crate::model::canary::Canary;
use crate::model::duration::parse_go;
use serde_json::{Map, Value, json};

/// Seconds that a session cookie lives where `sessionAffinity.maxAge` is not set.
const COOKIE_MAX_AGE: u64 = 86_400;

/// The whole route as it is created, at 100/0.
pub(in crate::canary) fn create(canary: &Canary, api_version: &str) -> Result<Value, String> {
    let apex = canary.spec.service.apex.clone().unwrap_or_default();
    Ok(json!({
        "apiVersion": api_version,
        "kind": "HTTPRoute",
        "metadata": {
            "name": canary.service_name(),
            "namespace": canary.namespace(),
            "labels": apex.labels,
            "annotations": with_flux_disabled(&apex.annotations),
            "ownerReferences": owner(canary),
        },
        "spec": spec(canary, INITIAL, None)?,
    }))
}

/// Where a route begins, and what its foreign edits are compared with.
const INITIAL: Routes = Routes { primary: 100, canary: 0, mirrored: false };

/// The existing route with the policy's rules at 100/0 and the policy's metadata; nothing where only weights, mirroring
/// or session rules differ. Annotations that are not the policy's stay.
pub(in crate::canary) fn update(existing: &Value, canary: &Canary) -> Result<Option<Value>, String> {
    let wanted = spec(canary, INITIAL, None)?;
    let apex = canary.spec.service.apex.clone().unwrap_or_default();
    let mut annotations = strings(&existing["metadata"]["annotations"]);
    annotations.extend(with_flux_disabled(&apex.annotations));
    let same_metadata = strings(&existing["metadata"]["annotations"]) == annotations
        && strings(&existing["metadata"]["labels"]) == apex.labels;
    if same_metadata && comparable(&existing["spec"], canary) == comparable(&wanted, canary) {
        return Ok(None);
    }
    let mut changed = existing.clone();
    if comparable(&existing["spec"], canary) != comparable(&wanted, canary) {
        changed["spec"] = wanted;
    }
    changed["metadata"]["annotations"] = json!(annotations);
    changed["metadata"]["labels"] = json!(apex.labels);
    Ok(Some(changed))
}

/// A spec without what changes during a run and without a server's defaults.
fn comparable(spec: &Value, canary: &Canary) -> Value {
    let affinity = !canary.spec.analysis.session_affinity.is_null();
    let mut spec = spec.clone();
    drop_defaults(&mut spec);
    let Some(rules) = spec["rules"].as_array_mut() else { return spec };
    if affinity {
        rules.retain(|rule| !is_sticky(rule, canary));
    }
    for rule in rules {
        if let Some(filters) = rule.get_mut("filters").and_then(Value::as_array_mut) {
            filters.retain(|it| !mirrors_to_canary(it, canary));
        }
        for backend in rule["backendRefs"].as_array_mut().into_iter().flatten() {
            if let Some(backend) = backend.as_object_mut() {
                backend.shift_remove("weight");
                if affinity {
                    backend.shift_remove("filters");
                }
            }
        }
        if let Some(rule) = rule.as_object_mut() {
            rule.retain(|_, value| value.as_array().is_none_or(|it| !it.is_empty()));
        }
    }
    spec
}

/// The Gateway API's CRD writes these where they are left out.
fn drop_defaults(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_defaults),
        Value::Object(fields) => {
            for (key, default) in [("group", "gateway.networking.k8s.io"), ("group", ""), ("type", "Exact")] {
                if fields.get(key).is_some_and(|it| it == default) {
                    fields.shift_remove(key);
                }
            }
            if fields.get("path").is_some_and(|it| it["type"] == "PathPrefix" && it["value"] == "/") {
                fields.shift_remove("path");
            }
            for kind in ["Gateway", "Service"] {
                if fields.get("kind").is_some_and(|it| it == kind) {
                    fields.shift_remove("kind");
                }
            }
            fields.values_mut().for_each(drop_defaults);
        }
        _ => {}
    }
}

/// Whether a rule exists for session cookies alone.
fn is_sticky(rule: &Value, canary: &Canary) -> bool {
    let affinity = &canary.spec.analysis.session_affinity;
    let names = [&affinity["cookieName"], &affinity["primaryCookieName"]].map(|it| it.as_str().unwrap_or_default());
    rule["matches"].as_array().into_iter().flatten().filter_map(|it| it["headers"].as_array()).flatten().any(|header| {
        let value = header["value"].as_str().unwrap_or_default();
        header["name"] == "Cookie" && names.iter().any(|name| !name.is_empty() && value.contains(name))
    })
}

fn mirrors_to_canary(filter: &Value, canary: &Canary) -> bool {
    filter["type"] == "RequestMirror"
        && filter["requestMirror"]["backendRef"]["name"] == format!("{}-canary", canary.service_name())
}

/// The spec for these weights, with session rules where cookies are given.
pub(in crate::canary) fn spec(
    canary: &Canary,
    routes: Routes,
    cookies: Option<&SessionCookies>,
) -> Result<Value, String> {
    let service = &canary.spec.service;
    let mut matches =
        matches(&service.matches).map_err(|error| format!("Invalid request matching selectors: {error}"))?;
    if matches.is_empty() {
        matches.push(json!({"path": {"type": "PathPrefix", "value": "/"}}));
    }
    let mut weighted =
        rule(canary, &matches, &[backend(canary, "primary", routes.primary), backend(canary, "canary", routes.canary)]);
    if routes.mirrored && canary.spec.analysis.iterations > 0 {
        add_filter(&mut weighted, mirror(canary));
    }
    let mut rules = match cookies {
        Some(cookies) => with_sessions(canary, weighted, routes.canary, cookies)?,
        None => vec![weighted],
    };
    if !canary.spec.analysis.matches.is_empty() {
        let own = self::matches(&canary.spec.analysis.matches).unwrap_or_default();
        rules[0]["matches"] = Value::Array(merge(&own, &matches));
        rules.push(rule(canary, &matches, &[backend(canary, "primary", 100)]));
    }
    let mut spec = json!({"parentRefs": service.gateway_refs});
    if !service.hosts.is_empty() {
        spec["hostnames"] = json!(service.hosts);
    }
    spec["rules"] = Value::Array(rules);
    Ok(spec)
}

fn rule(canary: &Canary, matches: &[Value], backends: &[Value]) -> Value {
    let service = &canary.spec.service;
    let mut rule = json!({"matches": matches});
    let filters = filters(canary);
    if !filters.is_empty() {
        rule["filters"] = Value::Array(filters);
    }
    rule["backendRefs"] = json!(backends);
    let mut timeouts = Map::new();
    for (field, value) in [("request", &service.timeout), ("backendRequest", &service.backend_timeout)] {
        if !value.is_empty() {
            timeouts.insert(field.to_owned(), json!(value));
        }
    }
    if !timeouts.is_empty() {
        rule["timeouts"] = Value::Object(timeouts);
    }
    rule
}

fn backend(canary: &Canary, role: &str, weight: i64) -> Value {
    json!({
        "group": "",
        "kind": "Service",
        "name": format!("{}-{role}", canary.service_name()),
        "port": canary.spec.service.port,
        "weight": weight,
    })
}

fn mirror(canary: &Canary) -> Value {
    let mut backend = backend(canary, "canary", 0);
    if let Some(backend) = backend.as_object_mut() {
        backend.shift_remove("weight");
    }
    json!({"type": "RequestMirror", "requestMirror": {"backendRef": backend}})
}

fn add_filter(rule: &mut Value, filter: Value) {
    match rule.get_mut("filters").and_then(Value::as_array_mut) {
        Some(filters) => filters.push(filter),
        None => rule["filters"] = json!([filter]),
    }
}

/// Header modifiers, rewrite, mirrors and CORS of `spec.service`.
fn filters(canary: &Canary) -> Vec<Value> {
    let service = &canary.spec.service;
    let mut filters = Vec::new();
    for (direction, kind, field) in [
        ("request", "RequestHeaderModifier", "requestHeaderModifier"),
        ("response", "ResponseHeaderModifier", "responseHeaderModifier"),
    ] {
        if let Some(headers) = service.headers.get(direction).filter(|it| it.is_object()) {
            filters.push(json!({"type": kind, field: header_modifier(headers)}));
        }
    }
    if service.rewrite.is_object() {
        filters.push(json!({"type": "URLRewrite", "urlRewrite": rewrite(&service.rewrite)}));
    }
    filters.extend(service.mirror.iter().map(|it| json!({"type": "RequestMirror", "requestMirror": it})));
    if service.cors_policy.is_object() {
        filters.push(json!({"type": "CORS", "cors": cors(&service.cors_policy)}));
    }
    filters
}

fn header_modifier(headers: &Value) -> Value {
    let mut modifier = Map::new();
    for field in ["add", "set"] {
        let entries = strings(&headers[field]);
        if !entries.is_empty() {
            let entries: Vec<_> =
                entries.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            modifier.insert(field.to_owned(), Value::Array(entries));
        }
    }
    if headers["remove"].as_array().is_some_and(|it| !it.is_empty()) {
        modifier.insert("remove".to_owned(), headers["remove"].clone());
    }
    Value::Object(modifier)
}

fn rewrite(rewrite: &Value) -> Value {
    let mut filter = Map::new();
    let text = |field: &str| rewrite[field].as_str().filter(|it| !it.is_empty());
    if let Some(authority) = text("authority") {
        filter.insert("hostname".to_owned(), json!(authority));
    }
    if let Some(uri) = text("uri") {
        let path = if text("type") == Some("ReplacePrefixMatch") {
            json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": uri})
        } else {
            json!({"type": "ReplaceFullPath", "replaceFullPath": uri})
        };
        filter.insert("path".to_owned(), path);
    }
    Value::Object(filter)
}

/// Flagger's (Istio's) CORS policy as the Gateway API's filter.
fn cors(policy: &Value) -> Value {
    let mut filter = Map::new();
    let origins = policy["allowOrigins"].as_array().into_iter().flatten().filter_map(|it| it["exact"].as_str());
    let plain = policy["allowOrigin"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let origins: Vec<_> = origins.chain(plain).collect();
    if !origins.is_empty() {
        filter.insert("allowOrigins".to_owned(), json!(origins));
    }
    for field in ["allowMethods", "allowHeaders", "exposeHeaders", "allowCredentials"] {
        if let Some(value) = policy.get(field).filter(|it| !it.is_null()) {
            filter.insert(field.to_owned(), value.clone());
        }
    }
    let max_age = policy["maxAge"].as_str().and_then(|it| crate::model::duration::parse_go(it).ok());
    if let Some(max_age) = max_age {
        filter.insert("maxAge".to_owned(), json!(max_age.as_secs()));
    }
    Value::Object(filter)
}

/// Flagger's (Istio's) matches as the Gateway API's.
fn matches(requests: &[Value]) -> Result<Vec<Value>, String> {
    let found: Result<Vec<_>, _> = requests.iter().map(one_match).collect();
    Ok(found?.into_iter().filter(|it| it.as_object().is_some_and(|it| !it.is_empty())).collect())
}

fn one_match(request: &Value) -> Result<Value, String> {
    let mut found = Map::new();
    if request["uri"].is_object() {
        let (kind, value) =
            how(&request["uri"], &[("regex", "RegularExpression"), ("exact", "Exact"), ("prefix", "PathPrefix")])
                .ok_or_else(|| unsupported("path", &request["uri"]))?;
        found.insert("path".to_owned(), json!({"type": kind, "value": value}));
    }
    if request["method"].is_object() {
        let method = request["method"]["exact"].as_str().ok_or_else(|| unsupported("header", &request["headers"]))?;
        found.insert("method".to_owned(), json!(method));
    }
    for (field, word) in [("headers", "header"), ("queryParams", "query")] {
        let Some(wanted) = request[field].as_object().filter(|it| !it.is_empty()) else { continue };
        let list: Result<Vec<_>, String> = wanted
            .iter()
            .map(|(name, it)| {
                let (kind, value) = how(it, &[("exact", "Exact"), ("regex", "RegularExpression")])
                    .ok_or_else(|| unsupported(word, &request[field]))?;
                Ok(json!({"type": kind, "name": name, "value": value}))
            })
            .collect();
        found.insert(field.to_owned(), Value::Array(list?));
    }
    Ok(Value::Object(found))
}

fn how<'v>(value: &'v Value, kinds: &[(&str, &'static str)]) -> Option<(&'static str, &'v str)> {
    kinds.iter().find_map(|(field, kind)| Some((*kind, value[*field].as_str().filter(|it| !it.is_empty())?)))
}

fn unsupported(what: &str, selector: &Value) -> String {
    format!("Gateway API doesn't support the specified {what} matching selector: {selector}")
}

/// Every service match with the analysis' headers and query parameters.
fn merge(analysis: &[Value], service: &[Value]) -> Vec<Value> {
    if analysis.is_empty() {
        return service.to_vec();
    }
    let both = analysis.iter().flat_map(|own| service.iter().map(move |base| (own, base)));
    both.map(|(own, base)| {
        let mut merged = base.clone();
        for field in ["headers", "queryParams"] {
            if let Some(wanted) = own.get(field) {
                merged[field] = wanted.clone();
            }
        }
        merged
    })
    .collect()
}

// --- session affinity

/// The rules that keep a client with the version it has met, before the weighted rule. At weight 0 there is always one more
/// rule than the weighted one, even if no cookie is to be forgotten.
fn with_sessions(
    canary: &Canary,
    mut weighted: Value,
    weight: i64,
    cookies: &SessionCookies,
) -> Result<Vec<Value>, String> {
    let affinity = &canary.spec.analysis.session_affinity;
    if weight == 0 {
        let mut forget = weighted.clone();
        if !cookies.previous.is_empty() {
            forget = sticky(&weighted, &cookies.previous, None);
            add_filter(&mut forget, set_cookie(&format!("{}; Max-Age=-1", cookies.previous)));
        }
        return Ok(vec![forget, weighted]);
    }
    let mut rules = vec![sticky(&weighted, &cookies.canary, Some((0, 100)))];
    let own_primary = affinity["primaryCookieName"].as_str().is_some_and(|it| !it.is_empty());
    if own_primary {
        rules.push(sticky(&weighted, &cookies.primary, Some((100, 0))));
        let interval = &canary.spec.analysis.interval;
        let seconds = parse_go(interval).map(|it| it.as_secs());
        let seconds =
            seconds.map_err(|_| format!("failed to parse canary interval: time: invalid duration {interval:?}"))?;
        give_cookie(canary, &mut weighted, "primary", &cookie(affinity, &cookies.primary, seconds));
    }
    let max_age = affinity["maxAge"].as_u64().filter(|it| *it != 0).unwrap_or(COOKIE_MAX_AGE);
    give_cookie(canary, &mut weighted, "canary", &cookie(affinity, &cookies.canary, max_age));
    rules.push(weighted);
    Ok(rules)
}

/// A copy of the weighted rule for clients that carry `cookie`, with other weights where they are given.
fn sticky(weighted: &Value, cookie: &str, weights: Option<(i64, i64)>) -> Value {
    let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
    let header = json!([{"headers": [{"type": "RegularExpression", "name": "Cookie", "value": format!(".*{name}.*{value}.*")}]}]);
    let mut rule = weighted.clone();
    let service = rule["matches"].as_array().cloned().unwrap_or_default();
    rule["matches"] = Value::Array(merge(header.as_array().map_or(&[][..], Vec::as_slice), &service));
    if let Some((primary, canary)) = weights {
        for (backend, weight) in rule["backendRefs"].as_array_mut().into_iter().flatten().zip([primary, canary]) {
            backend["weight"] = json!(weight);
            if let Some(backend) = backend.as_object_mut() {
                backend.shift_remove("filters");
            }
        }
    }
    rule
}

fn give_cookie(canary: &Canary, weighted: &mut Value, role: &str, cookie: &str) {
    let name = format!("{}-{role}", canary.service_name());
    for backend in weighted["backendRefs"].as_array_mut().into_iter().flatten() {
        if backend["name"] == name {
            backend["filters"] = json!([set_cookie(cookie)]);
        }
    }
}

fn set_cookie(value: &str) -> Value {
    json!({"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "Set-Cookie", "value": value}]}})
}

/// A cookie with its life in seconds and what else the policy asks for.
fn cookie(affinity: &Value, name_and_value: &str, max_age: u64) -> String {
    let mut cookie = format!("{name_and_value}; Max-Age={max_age}");
    let text =
        |field: &str, name| affinity[field].as_str().filter(|it| !it.is_empty()).map(|it| format!("{name}={it}"));
    let flag = |field: &str, name: &str| (affinity[field] == true).then(|| name.to_owned());
    let attributes = [
        text("domain", "Domain"),
        flag("httpOnly", "HttpOnly"),
        flag("partitioned", "Partitioned"),
        text("path", "Path"),
        text("sameSite", "SameSite"),
        flag("secure", "Secure"),
    ];
    for attribute in attributes.into_iter().flatten() {
        cookie.extend(["; ", &attribute]);
    }
    cookie
}

// --- reading

/// The weights that a route says. Fails until every parent has accepted its current generation.
pub(in crate::canary) fn read(route: &Value, canary: &Canary) -> Result<Routes, String> {
    accepted(route, canary)?;
    Ok(weights(route, canary))
}

/// The weights that a route says, accepted or not.
pub(in crate::canary) fn weights(route: &Value, canary: &Canary) -> Routes {
    let names = ["primary", "canary"].map(|role| format!("{}-{role}", canary.service_name()));
    let affinity = !canary.spec.analysis.session_affinity.is_null();
    let mut routes = Routes { primary: 0, canary: 0, mirrored: false };
    for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
        let backends = rule["backendRefs"].as_array().map_or(&[][..], Vec::as_slice);
        // With A/B testing one rule has the primary alone.
        if backends.len() == 2 && !(affinity && is_sticky(rule, canary)) {
            let weight = |name: &String| {
                backends.iter().find(|it| it["name"] == *name).map_or(0, |it| it["weight"].as_i64().unwrap_or(1))
            };
            (routes.primary, routes.canary) = (weight(&names[0]), weight(&names[1]));
        }
        routes.mirrored |= rule["filters"].as_array().into_iter().flatten().any(|it| mirrors_to_canary(it, canary));
    }
    routes
}

fn accepted(route: &Value, canary: &Canary) -> Result<(), String> {
    let generation = route["metadata"]["generation"].as_i64().unwrap_or(0);
    for parent in route["status"]["parents"].as_array().into_iter().flatten() {
        let condition = parent["conditions"].as_array().into_iter().flatten().find(|it| it["type"] == "Accepted");
        let status = condition.and_then(|it| it["status"].as_str()).unwrap_or_default();
        let observed = condition.and_then(|it| it["observedGeneration"].as_i64()).unwrap_or(0);
        if status != "True" || observed < generation {
            let (service, namespace) = (canary.service_name(), canary.namespace());
            let gateway = parent["parentRef"]["name"].as_str().unwrap_or_default();
            return Err(format!(
                "HTTPRoute {service}.{namespace} parent {gateway} is not ready (status: {status}, \
                 observed generation: {observed}, current generation: {generation})"
            ));
        }
    }
    Ok(())
}
