//! Headers between client, router and backend, and the sizes that nginx counts.

use crate::sys::http::{Request, Response};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::net::IpAddr;

/// A request extension: the client's address, where there is a connection. Otherwise clients are on the loopback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAddress(HeaderValue);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(HeaderValue::from_str(&address.to_string()).unwrap_or(LOOPBACK))
    }
}

impl ClientAddress {
    /// The address of a request's client.
    pub(super) fn of(request: &Request) -> HeaderValue {
        request.extensions().get::<Self>().map_or(LOOPBACK, |it| it.0.clone())
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const ORIGINAL_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-original-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-scheme");
const SCHEME: HeaderName = HeaderName::from_static("x-scheme");

const HTTP: HeaderValue = HeaderValue::from_static("http");
const PORT_80: HeaderValue = HeaderValue::from_static("80");
const LOOPBACK: HeaderValue = HeaderValue::from_static("127.0.0.1");
const HTML: HeaderValue = HeaderValue::from_static("text/html");

/// Removes what is meant for one connection only (RFC 9110, 7.6.1), also what `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Prepares a client's request for the backend. The address is nginx' view of the client, not what a header claims
/// (`use-forwarded-headers` is off): an earlier `X-Forwarded-For` moves to `X-Original-Forwarded-For`.
pub(super) fn forwarded(request: &mut Request, host: &str, request_id: u128) {
    let client = ClientAddress::of(request);
    // The rest of the way nobody asks, and every attempt would copy it.
    request.extensions_mut().clear();
    let headers = request.headers_mut();
    strip_hop_by_hop(headers);
    if let Some(before) = headers.remove(FORWARDED_FOR) {
        headers.insert(ORIGINAL_FORWARDED_FOR, before);
    }
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&format!("{request_id:032x}"))
    {
        headers.insert(REQUEST_ID, id);
    }
    let host = headers.get(HOST).cloned().or_else(|| HeaderValue::from_str(host).ok());
    if let Some(host) = host {
        headers.insert(HOST, host.clone());
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(REAL_IP, client.clone());
    headers.insert(FORWARDED_FOR, client);
    headers.insert(FORWARDED_PORT, PORT_80);
    headers.insert(FORWARDED_PROTO, HTTP);
    headers.insert(FORWARDED_SCHEME, HTTP);
    headers.insert(SCHEME, HTTP);
}

/// Bytes of request line, headers and body.
pub(super) fn request_length(request: &Request) -> usize {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    request.method().as_str().len() + target + " HTTP/1.1\r\n".len() + 1 + wire(request.headers(), request.body())
}

/// Bytes of status line, headers and body. A backend's answer has its length in a header on the wire.
pub(super) fn bytes_sent(response: &Response) -> usize {
    let reason = response.status().canonical_reason().unwrap_or_default();
    "HTTP/1.1 200 \r\n".len() + reason.len() + wire(response.headers(), response.body())
}

fn wire(headers: &HeaderMap, body: &Bytes) -> usize {
    let each = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    each.sum::<usize>() + "\r\n".len() + body.len()
}

/// nginx' own page for a status.
pub(super) fn page(status: StatusCode) -> Response {
    let title = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default());
    // nginx names two of them differently.
    let title = match status {
        StatusCode::SERVICE_UNAVAILABLE => "503 Service Temporarily Unavailable".to_owned(),
        StatusCode::GATEWAY_TIMEOUT => "504 Gateway Time-out".to_owned(),
        _ => title,
    };
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    response
}
