//! Who asks, and whether they may: what kube-apiserver's authentication, impersonation and authorization do before a
//! request is looked at.
//!
//! The users are those of a new cluster: whoever brings the token is its administrator; whoever brings a
//! service account's token ([`token`]) is that account; whoever brings nothing is
//! `system:anonymous`; whoever brings something wrong is refused with 401. The administrator may do all; others may what
//! the roles `system:public-info-viewer`, `system:discovery` and `system:basic-user` and those that are stored and bound
//! ([`rbac`]) give them, and get 403 for the rest.

use super::http::{self as face, Address, At};
use super::status::{Reason, Status};
use super::token::{self, ISSUER};
use super::{Server, rbac};
use ::http::header::AUTHORIZATION;
use ::http::{HeaderMap, HeaderName, Method};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use sha2::{Digest, Sha256};
use std::sync::Arc;

const ANONYMOUS: &str = "system:anonymous";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const AUTHENTICATED: &str = "system:authenticated";
const MASTERS: &str = "system:masters";

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");

/// Who asks. Handlers find it among the request's extensions; a request without one comes from inside the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub groups: Vec<String>,
}

impl User {
    fn new(name: &str, groups: &[&str]) -> Self {
        Self { name: name.to_owned(), groups: groups.iter().map(|it| (*it).to_owned()).collect() }
    }

    /// As kubeadm and kind name a cluster's first user.
    #[must_use]
    pub fn admin() -> Self {
        Self::new("kubernetes-admin", &[MASTERS, AUTHENTICATED])
    }

    /// A service account, in the groups that it is in.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let own = format!("system:serviceaccounts:{namespace}");
        Self::new(
            &format!("system:serviceaccount:{namespace}:{name}"),
            &["system:serviceaccounts", &own, AUTHENTICATED],
        )
    }

    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS, &[UNAUTHENTICATED])
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|it| it == group)
    }

    /// Whether they may do what is asked. Public, so that access reviews say what the door does.
    #[must_use]
    pub fn may(&self, asked: &Asked) -> bool {
        self.is_in(MASTERS)
            || match asked {
                Asked::Path { verb, path } => {
                    verb == "get" && (is_public(path) || self.is_in(AUTHENTICATED) && is_discovery(path))
                }
                Asked::Resource { verb, group, resource, .. } => {
                    self.is_in(AUTHENTICATED) && verb == "create" && is_about_oneself(group, resource)
                }
            }
    }
}

/// The role `system:public-info-viewer`.
fn is_public(path: &str) -> bool {
    matches!(path, "/healthz" | "/livez" | "/readyz" | "/version" | "/version/")
}

/// The role `system:discovery`, of `system:authenticated` only.
fn is_discovery(path: &str) -> bool {
    ["/api", "/apis", "/openapi"]
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The role `system:basic-user`.
fn is_about_oneself(group: &str, resource: &str) -> bool {
    match group {
        "authorization.k8s.io" => matches!(resource, "selfsubjectaccessreviews" | "selfsubjectrulesreviews"),
        "authentication.k8s.io" => resource == "selfsubjectreviews",
        _ => false,
    }
}

/// What is asked, in the terms of authorization (`authorizer.Attributes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Objects. `namespace` is empty across namespaces and for cluster-scoped kinds; `name` is empty for collections.
    Resource { verb: String, group: String, resource: String, subresource: String, namespace: String, name: String },
    /// Anything else.
    Path { verb: String, path: String },
}

impl Asked {
    /// As kube-apiserver's `RequestInfoFactory` reads a request.
    fn of(method: &Method, path: &str, query: &str) -> Self {
        match face::read_path(path) {
            Address::Other(_) => Self::Path { verb: method.as_str().to_ascii_lowercase(), path: path.to_owned() },
            Address::Resource(at) => Self::resource(method, at, query),
        }
    }

    fn resource(method: &Method, at: At, query: &str) -> Self {
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let asks = |key: &str| query.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_str());
        let verb = match (method, &at.name) {
            _ if at.watch => "watch",
            (&Method::GET | &Method::HEAD, Some(_)) => "get",
            (&Method::GET | &Method::HEAD, None) if face::is_true(asks("watch").unwrap_or_default()) => "watch",
            (&Method::GET | &Method::HEAD, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, Some(_)) => "delete",
            (&Method::DELETE, None) => "deletecollection",
            _ => "",
        };
        // A list of one named object counts as that object.
        let selected = || Some(asks("fieldSelector")?.strip_prefix("metadata.name=")?.to_owned());
        let name = at.name.or_else(|| selected().filter(|_| matches!(verb, "list" | "watch"))).unwrap_or_default();
        let namespace = if at.plural == "namespaces" { name.clone() } else { at.namespace.unwrap_or_default() };
        Self::Resource {
            verb: verb.to_owned(),
            group: at.group,
            resource: at.plural,
            subresource: at.subresource.unwrap_or_default(),
            namespace,
            name,
        }
    }

    /// 403 in the words of `responsewriters.Forbidden`.
    fn forbidden_to(&self, user: &User) -> Status {
        let who = &user.name;
        match self {
            Self::Path { verb, path } => {
                let message = format!("forbidden: User {who:?} cannot {verb} path {path:?}");
                Status::new(403, Reason::Forbidden, message).with_causes(Vec::new())
            }
            Self::Resource { verb, group, resource, subresource, namespace, name } => {
                let slash = if subresource.is_empty() { "" } else { "/" };
                let place = match namespace.as_str() {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                let part = format!("{resource}{slash}{subresource}");
                let why = format!("User {who:?} cannot {verb} resource {part:?} in API group {group:?} {place}");
                Status::forbidden(resource, group, name, &why)
            }
        }
    }
}

/// The door: the one token that opens it. Only its digest is kept, so comparing tells nothing about it by its time.
#[derive(Clone)]
struct Door {
    token: Arc<[u8; 32]>,
    /// Where roles and service accounts are.
    server: Server,
}

impl Server {
    /// The whole HTTP API for those outside: who brings `token` as a bearer token is the administrator.
    pub fn guarded_router(&self, token: &str) -> Router {
        let digest: [u8; 32] = Sha256::digest(token).into();
        // A second door with another token opens all the same; reviews know the first one.
        let _ = self.inner.door.set(digest);
        self.token_key(Some(token));
        let door = Door { token: Arc::new(digest), server: self.clone() };
        self.router().layer(from_fn_with_state(door, enter))
    }
}

/// Whom a bearer token belongs to, and for whom it is meant; None for one that opens nothing.
pub fn owner_of(server: &Server, token: &str) -> Option<(User, Vec<String>)> {
    let digest: [u8; 32] = Sha256::digest(token).into();
    if server.inner.door.get() == Some(&digest) {
        return Some((User::admin(), vec![ISSUER.to_owned()]));
    }
    token::owner(server.token_key(None), &server.api(), token, server.now().as_second())
}

async fn enter(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    match door.user(&request) {
        Ok(user) => {
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Err(status) => face::refusal(&status),
    }
}

impl Door {
    fn user(&self, request: &Request) -> Result<User, Status> {
        let user = self.authenticate(request.headers())?;
        let user = impersonated(user, request.headers())?;
        let asked = Asked::of(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let permitted = user.may(&asked) || rbac::allowed(&self.server.api(), &user, &asked).is_some();
        if permitted { Ok(user) } else { Err(asked.forbidden_to(&user)) }
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<User, Status> {
        let Some(token) = bearer(headers) else { return Ok(User::anonymous()) };
        let digest: [u8; 32] = Sha256::digest(token).into();
        if digest == *self.token {
            return Ok(User::admin());
        }
        let owner = std::str::from_utf8(token).ok().and_then(|it| owner_of(&self.server, it));
        let meant = owner.filter(|(_, audiences)| audiences.iter().any(|it| it == ISSUER));
        meant.map(|(user, _)| user).ok_or_else(unauthorized)
    }
}

/// The token of `Authorization: Bearer TOKEN`; other schemes count as nothing, as on the real server.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked("bearer ".len())?;
    let token = rest.split(|it| *it == b' ').next()?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn unauthorized() -> Status {
    Status::new(401, Reason::Unauthorized, "Unauthorized")
}

/// `kubectl --as`: the administrator may be anybody.
fn impersonated(user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |it: &::http::HeaderValue| String::from_utf8_lossy(it.as_bytes()).into_owned();
    let mut groups: Vec<String> = headers.get_all(IMPERSONATE_GROUP).iter().map(text).collect();
    let Some(name) = headers.get(IMPERSONATE_USER).map(text) else {
        if groups.is_empty() {
            return Ok(user);
        }
        let why = format!("requested {groups:?} without impersonating a user");
        return Err(Status::internal(&why));
    };
    let asked = impersonation(&name);
    if !user.may(&asked) {
        return Err(asked.forbidden_to(&user));
    }
    if let Some(account) = name.strip_prefix("system:serviceaccount:").filter(|_| groups.is_empty()) {
        let namespace = account.split(':').next().unwrap_or_default();
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    let usual = if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !groups.iter().any(|it| it == usual) {
        groups.push(usual.to_owned());
    }
    Ok(User { name, groups })
}

fn impersonation(name: &str) -> Asked {
    let (resource, namespace, name) =
        match name.strip_prefix("system:serviceaccount:").and_then(|it| it.split_once(':')) {
            Some((namespace, account)) => ("serviceaccounts", namespace, account),
            None => ("users", "", name),
        };
    Asked::Resource {
        verb: "impersonate".to_owned(),
        group: String::new(),
        resource: resource.to_owned(),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
