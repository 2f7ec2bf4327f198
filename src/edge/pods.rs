//! Requests to pods over sockets, with connections that are kept.

use crate::sys::http::{HttpError, Request, Response};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http::Uri;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// nginx' `proxy-connect-timeout` in ingress-nginx.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Kept connections per pod; ingress-nginx keeps 320 for all of them.
const IDLE_PER_POD: usize = 64;
/// The largest answer that is carried; it is held whole.
pub(super) const MAX_BODY_BYTES: usize = 8 << 20;

#[derive(Clone)]
pub(super) struct Pods(Client<HttpConnector, Full<Bytes>>);

impl Pods {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_PER_POD).build(connector))
    }

    /// Sends a request to `address`; its URI's own authority does not count, its Host header stays.
    pub(super) fn send(&self, address: &str, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let (client, address) = (self.0.clone(), address.to_owned());
        async move {
            let (mut parts, body) = request.into_parts();
            let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
            let uri: Result<Uri, _> = format!("http://{address}{path}").parse();
            parts.uri = uri.map_err(|error| HttpError::Other(error.to_string()))?;
            parts.version = http::Version::HTTP_11;
            let answer = client.request(http::Request::from_parts(parts, Full::new(body))).await;
            let (parts, body) = answer.map_err(|error| in_go_words(&error, address))?.into_parts();
            let whole = Limited::new(body, MAX_BODY_BYTES).collect().await;
            let whole = whole.map_err(|error| HttpError::Other(error.to_string()))?;
            Ok(Response::from_parts(parts, whole.to_bytes()))
        }
        .boxed()
    }
}

fn in_go_words(error: &hyper_util::client::legacy::Error, address: String) -> HttpError {
    if error.is_connect() { HttpError::Refused { address } } else { HttpError::Closed }
}
