//! podinfo's routes: which handler a request is for, and the path label that its metrics carry.

use http::{Method, StatusCode};

/// What is done about a request. The text is the path's variable part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler<'a> {
    Metrics,
    Index,
    Info,
    Version,
    Echo,
    EchoWs,
    Env,
    Headers,
    Delay(&'a str),
    Chunked(Option<&'a str>),
    Healthz,
    Readyz,
    SetReady(bool),
    Panic,
    Status(&'a str),
    StoreWrite,
    StoreRead(&'a str),
    CacheWrite,
    CacheDelete,
    CacheRead,
    Configs,
    TokenGenerate,
    TokenValidate,
    FaultEnable,
    FaultDisable,
    FaultStatus,
}

/// A handler with the `path` label of its metrics: the route's name, or its template with `_` for everything else than
/// letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matched<'a> {
    pub(super) handler: Handler<'a>,
    pub(super) label: &'static str,
}

/// Finds the route; 404 when no path matches, 405 when only the method does not. Neither is counted by podinfo.
pub(super) fn find<'a>(method: &Method, path: &'a str, browser: bool) -> Result<Matched<'a>, StatusCode> {
    let (handler, label, methods): (Handler<'a>, &'static str, &[Method]) = match path {
        "/" if browser => (Handler::Index, "root", &[Method::GET]),
        "/" => (Handler::Info, "root", &[Method::GET]),
        "/metrics" => (Handler::Metrics, "metrics", &[]),
        "/version" => (Handler::Version, "version", &[Method::GET]),
        "/env" => (Handler::Env, "env", &[Method::GET, Method::POST]),
        "/headers" => (Handler::Headers, "headers", &[Method::GET, Method::POST]),
        "/healthz" => (Handler::Healthz, "healthz", &[Method::GET]),
        "/readyz" => (Handler::Readyz, "readyz", &[Method::GET]),
        "/readyz/enable" => (Handler::SetReady(true), "readyz_enable", &[Method::POST]),
        "/readyz/disable" => (Handler::SetReady(false), "readyz_disable", &[Method::POST]),
        "/panic" => (Handler::Panic, "panic", &[Method::GET]),
        "/store" => (Handler::StoreWrite, "store", &[Method::POST, Method::PUT]),
        "/configs" => (Handler::Configs, "configs", &[Method::GET]),
        "/token" => (Handler::TokenGenerate, "token", &[Method::POST]),
        "/token/validate" => (Handler::TokenValidate, "token_validate", &[Method::GET]),
        "/api/info" => (Handler::Info, "api_info", &[Method::GET]),
        "/ws/echo" => (Handler::EchoWs, "ws_echo", &[]),
        "/chunked" => (Handler::Chunked(None), "chunked", &[]),
        "/fault_injection/enable" => (Handler::FaultEnable, "fault_injection_enable", &[Method::POST]),
        "/fault_injection/disable" => (Handler::FaultDisable, "fault_injection_disable", &[Method::POST]),
        "/fault_injection/status" => (Handler::FaultStatus, "fault_injection_status", &[Method::GET]),
        _ => variable(method, path).ok_or(StatusCode::NOT_FOUND)?,
    };
    if methods.is_empty() || methods.contains(method) {
        Ok(Matched { handler, label })
    } else {
        Err(StatusCode::METHOD_NOT_ALLOWED)
    }
}

/// Routes with a variable part.
fn variable<'a>(method: &Method, path: &'a str) -> Option<(Handler<'a>, &'static str, &'static [Method])> {
    if path == "/echo" || path.starts_with("/echo/") {
        return Some((Handler::Echo, "echo", &[]));
    }
    if path == "/api/echo" || path.starts_with("/api/echo/") {
        return Some((Handler::Echo, "api_echo", &[]));
    }
    let (folder, name) = path.strip_prefix('/')?.split_once('/')?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    Some(match folder {
        "delay" if is_number => (Handler::Delay(name), "delay", &[Method::GET]),
        "chunked" if is_number => (Handler::Chunked(Some(name)), "chunked_wait_0_9", &[]),
        "status" if is_number => (Handler::Status(name), "status", &[Method::GET, Method::POST, Method::PUT]),
        "store" => (Handler::StoreRead(name), "store", &[Method::GET]),
        // Three routes share the template; only the last one has a name.
        "cache" if method == Method::GET => (Handler::CacheRead, "cache", &[Method::GET]),
        "cache" if method == Method::DELETE => (Handler::CacheDelete, "cache_key", &[Method::DELETE]),
        "cache" => (Handler::CacheWrite, "cache_key", &[Method::POST, Method::PUT]),
        _ => return None,
    })
}
