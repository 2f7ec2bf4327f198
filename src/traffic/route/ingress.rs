//! Ingresses to servers, locations and upstreams, as ingress-nginx builds them.

use super::annotations::ProxyPolicy;
use super::canary::{Alternative, CanaryRule, PREFIX};
use super::host::{HostPattern, Labels as HostLabels};
use super::location::{Location, PathType, Server};
use super::{Backend, IngressChoice, IngressLabels, Problem, World};
use crate::model::object::{Labels, ObjectRef};
use crate::sys::http::Request;
use crate::traffic::router::ServicePort;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The class that this router answers for; Ingresses without a class belong to the default class, which it is.
const CLASS: &str = "nginx";

/// All Ingresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Ingresses {
    /// Most specific host first.
    servers: Vec<Server>,
    upstreams: Vec<Upstream>,
    /// Namespace and name of the main Ingresses.
    pub(super) names: BTreeSet<(String, String)>,
}

/// A Service port with what may stand in for it.
#[derive(Debug, Clone)]
struct Upstream {
    backend: Arc<Backend>,
    alternatives: Vec<Alternative>,
}

impl Ingresses {
    /// The most specific server for a host.
    pub(super) fn server(&self, host: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.host.matches(host, HostLabels::One))
    }

    pub(super) fn find(&self, server: &Server, request: &Request, world: &mut dyn World) -> Option<IngressChoice> {
        let path = request.uri().path();
        let location = server.find(path)?;
        let upstream = self.upstreams.get(location.upstream)?;
        let alternative = upstream.alternatives.first().filter(|alternative| alternative.takes(request, world));
        Some(IngressChoice {
            labels: location.labels.clone(),
            policy: location.policy.clone(),
            backend: alternative.map_or(&upstream.backend, |alternative| &alternative.backend).clone(),
            alternative: alternative.is_some(),
            exact_host: server.host.is_exact(),
            path: location.rewritten(path),
        })
    }

    pub(super) fn first_host(&self) -> Option<&str> {
        self.servers.iter().find_map(|server| server.host.name())
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: String,
    name: String,
    annotations: Option<Labels>,
    creation_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    ingress_class_name: Option<String>,
    default_backend: Option<WireBackend>,
    rules: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rule {
    host: String,
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    paths: Vec<WirePath>,
}

#[derive(Deserialize)]
struct WirePath {
    #[serde(rename = "path")]
    text: Option<String>,
    #[serde(rename = "pathType")]
    kind: Option<String>,
    backend: WireBackend,
}

#[derive(Deserialize)]
struct WireBackend {
    service: Option<WireService>,
}

#[derive(Deserialize)]
struct WireService {
    name: String,
    port: WirePort,
}

#[derive(Deserialize)]
struct WirePort {
    name: Option<String>,
    number: Option<u16>,
}

/// One Ingress, read.
struct Ingress {
    wire: Wire,
    annotations: Labels,
    object: String,
}

pub(super) fn build<'a>(objects: impl IntoIterator<Item = &'a Value>, problems: &mut Vec<Problem>) -> Ingresses {
    let mut read = Vec::new();
    for value in objects {
        let object = ObjectRef::of(value).to_string();
        match Wire::deserialize(value) {
            Ok(mut wire) => {
                let annotations = wire.metadata.annotations.take().unwrap_or_default();
                read.push(Ingress { wire, annotations, object });
            }
            Err(error) => problems.push(Problem { object, message: format!("is not an Ingress: {error}") }),
        }
    }
    read.retain(Ingress::is_ours);
    read.sort_by(|a, b| a.age().cmp(&b.age()));
    let mut builder =
        Builder { problems, built: Ingresses::default(), index: BTreeMap::new(), servers: BTreeMap::new() };
    for ingress in read.iter().filter(|ingress| !ingress.is_canary()) {
        builder.add(ingress);
    }
    builder.compile();
    for ingress in read.iter().filter(|ingress| ingress.is_canary()) {
        builder.add_canary(ingress);
    }
    builder.built
}

impl Ingress {
    fn is_ours(&self) -> bool {
        let class = self.wire.spec.ingress_class_name.as_deref();
        class.or(self.annotations.get("kubernetes.io/ingress.class").map(String::as_str)).is_none_or(|it| it == CLASS)
    }

    fn is_canary(&self) -> bool {
        self.flag("canary")
    }

    fn flag(&self, name: &str) -> bool {
        self.annotations.get(&format!("{PREFIX}{name}")).is_some_and(|value| value == "true")
    }

    fn age(&self) -> (&str, &str, &str) {
        let metadata = &self.wire.metadata;
        (metadata.creation_timestamp.as_deref().unwrap_or_default(), &metadata.namespace, &metadata.name)
    }

    fn problem(&self, message: String) -> Problem {
        Problem { object: self.object.clone(), message }
    }

    /// Every rule as host and path; the default backend as a rule for everything.
    fn paths(&self) -> impl Iterator<Item = (&str, &str, PathType, &WireBackend)> {
        let rules = self.wire.spec.rules.iter().flat_map(|rule| {
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            paths.map(|path| {
                let path_type = match path.kind.as_deref() {
                    Some("Exact") => PathType::Exact,
                    Some("Prefix") => PathType::Prefix,
                    _ => PathType::ImplementationSpecific,
                };
                let text = path.text.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
                (rule.host.as_str(), text, path_type, &path.backend)
            })
        });
        rules.chain(self.wire.spec.default_backend.iter().map(|backend| ("", "/", PathType::Prefix, backend)))
    }

    fn backend(&self, backend: &WireBackend) -> Result<Backend, Problem> {
        let service = backend.service.as_ref();
        let service = service.ok_or_else(|| self.problem("has a backend that is no Service".to_owned()))?;
        let port = match (&service.port.name, service.port.number) {
            (_, Some(number)) if number > 0 => ServicePort::Number(number),
            (Some(name), _) if !name.is_empty() => ServicePort::Name(name.clone()),
            _ => return Err(self.problem(format!("names no port of Service {}", service.name))),
        };
        Ok(Backend { namespace: self.wire.metadata.namespace.clone(), service: service.name.clone(), port })
    }
}

struct Builder<'p> {
    problems: &'p mut Vec<Problem>,
    built: Ingresses,
    /// Upstream name to index.
    index: BTreeMap<String, usize>,
    /// Host to index.
    servers: BTreeMap<HostPattern, usize>,
}

impl Builder<'_> {
    fn add(&mut self, ingress: &Ingress) {
        let mut told = Vec::new();
        let policy = Arc::new(ProxyPolicy::read(&ingress.annotations, &mut |message| told.push(message)));
        self.problems.extend(told.into_iter().map(|message| ingress.problem(message)));
        let rewrite = ingress.annotations.get(&format!("{PREFIX}rewrite-target")).cloned();
        let by_regex = ingress.flag("use-regex") || rewrite.is_some();
        let metadata = &ingress.wire.metadata;
        self.built.names.insert((metadata.namespace.clone(), metadata.name.clone()));
        for (host, path, path_type, backend) in ingress.paths() {
            let backend = match ingress.backend(backend) {
                Ok(backend) => backend,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let labels = Arc::new(IngressLabels {
                namespace: metadata.namespace.clone(),
                ingress: metadata.name.clone(),
                service: backend.service.clone(),
                path: path.to_owned(),
            });
            let upstream = self.upstream(backend);
            let server = self.server(HostPattern::parse(host));
            server.by_regex |= by_regex;
            let taken = server.locations.iter().any(|it| it.path == path && it.path_type == path_type);
            if taken {
                let message = format!("path {path} of host `{host}` belongs to an older Ingress");
                self.problems.push(ingress.problem(message));
                continue;
            }
            let (path, policy, rewrite) = (path.to_owned(), policy.clone(), rewrite.clone());
            server.locations.push(Location { path, path_type, regex: None, rewrite, labels, policy, upstream });
        }
    }

    fn upstream(&mut self, backend: Backend) -> usize {
        let upstreams = &mut self.built.upstreams;
        *self.index.entry(backend.to_string()).or_insert_with(|| {
            upstreams.push(Upstream { backend: Arc::new(backend), alternatives: Vec::new() });
            upstreams.len() - 1
        })
    }

    fn server(&mut self, host: HostPattern) -> &mut Server {
        let servers = &mut self.built.servers;
        let place = *self.servers.entry(host.clone()).or_insert_with(|| {
            servers.push(Server { host, by_regex: false, locations: Vec::new() });
            servers.len() - 1
        });
        &mut servers[place]
    }

    /// Makes the regular expressions and puts everything in order.
    fn compile(&mut self) {
        for server in &mut self.built.servers {
            if server.by_regex {
                server.locations.retain_mut(|location| {
                    if location.path_type == PathType::Exact {
                        return true;
                    }
                    let regex = RegexBuilder::new(&format!("^{}", location.path)).case_insensitive(true).build();
                    if let Err(error) = &regex {
                        let labels = &location.labels;
                        let object = format!("Ingress {} in {}", labels.ingress, labels.namespace);
                        let message = format!("path {} is not a regular expression: {error}", location.path);
                        self.problems.push(Problem { object, message });
                    }
                    location.regex = regex.ok();
                    location.regex.is_some()
                });
            }
            server.sort();
        }
        self.built.servers.sort_by_key(|server| std::cmp::Reverse(server.host.specificity()));
    }

    fn add_canary(&mut self, ingress: &Ingress) {
        let mut told = Vec::new();
        let rule = Arc::new(CanaryRule::read(&ingress.annotations, &mut |message| told.push(message)));
        self.problems.extend(told.into_iter().map(|message| ingress.problem(message)));
        for (host, path, path_type, backend) in ingress.paths() {
            let backend = match ingress.backend(backend) {
                Ok(backend) => backend,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let pattern = HostPattern::parse(host);
            let server = self.built.servers.iter().find(|server| server.host == pattern);
            let locations = server.into_iter().flat_map(|server| &server.locations);
            let main = locations.into_iter().find(|it| it.path == path && it.path_type == path_type);
            let upstream = main.and_then(|main| self.built.upstreams.get_mut(main.upstream));
            match upstream {
                Some(upstream) if *upstream.backend != backend => {
                    let alternative = Alternative { backend: Arc::new(backend), rule: rule.clone() };
                    if !upstream.alternatives.iter().any(|it| it.backend == alternative.backend) {
                        upstream.alternatives.push(alternative);
                    }
                }
                Some(_) => {
                    let message = format!("is a canary for the backend of its main Ingress itself, {backend}");
                    self.problems.push(ingress.problem(message));
                }
                None => {
                    let message = format!("is a canary, and no main Ingress has host `{host}` and path {path}");
                    self.problems.push(ingress.problem(message));
                }
            }
        }
    }
}
