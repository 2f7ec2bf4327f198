//! The HTTP face: addresses, query, bodies, media types. Thin: what is about objects that are kept comes from `Api`. What is
//! not kept is answered in `virtuals`, what leads into containers in `pods`.

mod answer;
mod body;
pub mod go_json;
mod list;
mod path;
mod pods;
mod proxy;
mod query;
mod resource;
mod twice;
mod virtuals;

pub use answer::{Document, Include, Reply, Shown, refusal};
pub use path::{Address, At, read as read_path};
pub use query::is_true;
pub use virtuals::{PARTS, Resource, served};

use super::access::User;
use super::server::Server;
use super::status::Status;
use super::{discovery, openapi};
use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use std::collections::BTreeMap;

/// Largest body of a request; the real server's limit is 3 MiB as well.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// A request whose address and query have been read.
struct Call {
    method: http::Method,
    headers: http::HeaderMap,
    query: BTreeMap<String, String>,
    body: Body,
    /// The connection, for protocols other than HTTP; None in process.
    upgrade: Option<OnUpgrade>,
    /// Who asks; None: the lab itself.
    user: Option<User>,
}

impl Call {
    fn header(&self, name: &http::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    fn asks(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// What pages that are not objects may know of a request.
pub struct Asked<'a>(&'a Call);

impl Asked<'_> {
    pub fn header(&self, name: &str) -> &str {
        self.0.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    pub fn query(&self, name: &str) -> &str {
        self.0.asks(name)
    }

    /// Of these media types the one that the client names first; the first one for whoever takes any.
    pub fn choice(&self, offered: &[&'static str]) -> Option<&'static str> {
        let accept = Some(self.header("accept")).filter(|it| !it.is_empty()).unwrap_or("*/*");
        accept.split(',').find_map(|wish| {
            let wish = wish.split(';').next().unwrap_or_default().trim();
            let kind = |media: &str| media.split('/').next() == wish.strip_suffix("/*");
            offered.iter().copied().find(|media| *media == wish || wish == "*/*" || kind(media))
        })
    }
}

impl Server {
    /// The whole HTTP API. The same router serves kube clients in process and sockets.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(self.clone())
    }
}

async fn handle(State(server): State<Server>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let (upgrade, user) = (parts.extensions.remove(), parts.extensions.remove());
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let call = Call { method: parts.method, headers: parts.headers, query, body, upgrade, user };
    let address = path::read(parts.uri.path());
    let accept = answer::accepted(call.header(&http::header::ACCEPT));
    match respond(&server, address, call, parts.uri.query()).await {
        Ok(answer) => answer.into_response(&accept),
        Err(status) => answer::refusal(&status),
    }
}

/// The call with its whole body. A refusal before the body has been read would close the connection under the client.
async fn received(call: Call) -> Result<Call, Status> {
    let asked = call.asks("timeout").to_owned();
    let body = body::read_in_time(call.body, &asked).await?;
    Ok(Call { body: Body::from(body), ..call })
}

async fn respond(server: &Server, address: Address, call: Call, query: Option<&str>) -> Result<Answer, Status> {
    match address {
        Address::Resource(at) => match at.subresource.as_deref() {
            Some("proxy") => proxy::forward(server, &at, call, query).await,
            _ if pods::is_here(&at) => pods::call(server, &at, call, query),
            _ if virtuals::is_here(server, &at) => virtuals::call(server, &at, received(call).await?).await,
            _ => resource::call(server, at, received(call).await?).await,
        },
        Address::Other(path) if path.starts_with("/openapi/") => {
            let parts: Vec<_> = path.trim_end_matches('/').split('/').skip(2).collect();
            let page = openapi::answer(server, &parts, &Asked(&call)).ok_or_else(Status::no_such_page)?;
            Ok(Answer::Raw(page.into_response()))
        }
        Address::Other(path) => {
            let accept = call.header(&http::header::ACCEPT);
            let verbose = call.query.contains_key("verbose");
            discovery::answer(server, &path, accept, verbose).map(Answer::Document).ok_or_else(Status::no_such_page)
        }
    }
}
