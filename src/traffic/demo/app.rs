//! One running podinfo: from a request to its answer.

use super::answer::{empty, error, error_response, json, json_bytes, pretty, text, with_header};
use super::config::{Config, RandomDelay};
use super::endpoints::{self, Handler, Matched};
use super::faults::{self, Failure, FaultError, Faults, Hit};
use super::metrics::Metrics;
use super::{BASE_LATENCY, DemoSpec, POD_HEADER, VERSION_HEADER, digest, token};
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::process::Lifecycle;
use bytes::Bytes;
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::Distribution as _;
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Exit code of `GET /panic`.
const EXIT_PANIC: i32 = 255;
/// Files kept by `POST /store`; more are refused with podinfo's words for a full disk.
const MAX_STORED_FILES: usize = 256;
/// `Content-Type` of Prometheus' text format.
pub(in crate::traffic) const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[derive(Debug)]
pub(super) struct App {
    pub(super) spec: DemoSpec,
    pub(super) config: Config,
    pub(super) life: Lifecycle,
    pub(super) healthy: AtomicBool,
    pub(super) ready: AtomicBool,
    clock: Clock,
    rng: Mutex<ChaCha8Rng>,
    faults: Mutex<Faults>,
    metrics: Metrics,
    stored: Mutex<BTreeMap<String, Bytes>>,
    /// The answer to `/`, which never changes.
    info: Bytes,
    version: HeaderValue,
    pod: HeaderValue,
}

impl App {
    pub(super) fn new(spec: DemoSpec, config: Config, clock: Clock, rng: ChaCha8Rng) -> Self {
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        Self {
            healthy: AtomicBool::new(!config.unhealthy),
            ready: AtomicBool::new(!config.unready),
            info: pretty(&runtime_info(&spec, &config)),
            version: header(&spec.version),
            pod: header(&spec.pod),
            life: Lifecycle::default(),
            rng: Mutex::new(rng),
            faults: Mutex::default(),
            metrics: Metrics::new(clock.now()),
            stored: Mutex::default(),
            spec,
            config,
            clock,
        }
    }

    /// The lines that podinfo begins with; what watches the configuration folder says so in between.
    pub(super) fn log_start(&self) {
        let (output, port) = (&self.spec.output, self.config.port);
        let fields = [
            ("version", serde_json::json!(self.spec.version)),
            ("revision", serde_json::json!(REVISION)),
            ("port", serde_json::json!(port.to_string())),
        ];
        output.zap("info", "podinfo/main.go:153", "Starting podinfo", &fields);
        if !self.config.files_path.is_empty() {
            let message = format!("fscache start watcher for {}", self.config.files_path);
            output.zap("info", "fscache/fscache.go:38", &message, &[]);
        }
        output.zap(
            "info",
            "http/server.go:224",
            "Starting HTTP Server.",
            &[("addr", serde_json::json!(format!(":{port}")))],
        );
    }

    fn log_request(&self, request: &Request) {
        let agent = request.headers().get(USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let fields = [
            ("proto", serde_json::json!("HTTP/1.1")),
            ("uri", serde_json::json!(request.uri().path_and_query().map_or("/", |it| it.as_str()))),
            ("method", serde_json::json!(request.method().as_str())),
            ("user-agent", serde_json::json!(agent)),
        ];
        self.spec.output.zap("debug", "http/logging.go:35", "request started", &fields);
    }

    /// Answers a request to one of the ports.
    pub(super) async fn answer(&self, port: u16, request: Request) -> Result<Response, HttpError> {
        let mut response = if port == self.config.port && !self.life.is_closed() {
            self.serve(request).await?
        } else if Some(port) == self.config.port_metrics && !self.life.has_exited() {
            self.serve_metrics(request.uri().path())
        } else {
            return Err(HttpError::Refused { address: format!("{}:{port}", self.spec.pod) });
        };
        response.headers_mut().insert(VERSION_HEADER, self.version.clone());
        response.headers_mut().insert(POD_HEADER, self.pod.clone());
        Ok(response)
    }

    /// The metrics port: no middleware, and healthy as long as the process lives.
    fn serve_metrics(&self, path: &str) -> Response {
        match path {
            "/metrics" => self.exposition(),
            "/healthz" => text(StatusCode::OK, "OK"),
            _ => error(StatusCode::NOT_FOUND, "404 page not found"),
        }
    }

    /// The main port: route, then metrics, faults and podinfo's middleware around the handler.
    async fn serve(&self, request: Request) -> Result<Response, HttpError> {
        let agent = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let browser = agent.starts_with(b"Mozilla");
        let found = endpoints::find(request.method(), request.uri().path(), browser);
        let Matched { handler, label } = match found {
            Ok(matched) => matched,
            Err(StatusCode::METHOD_NOT_ALLOWED) => return Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
            Err(_) => return Ok(error(StatusCode::NOT_FOUND, "404 page not found")),
        };
        if self.config.debug {
            self.log_request(&request);
        }
        let began = Instant::now();
        let response = self.through_middleware(handler, &request).await?;
        let took = began.elapsed();
        self.metrics.count(request.method(), label, response.status().as_u16(), took);
        // Go's write timeout: the handler ran to its end, and its answer cannot be written any more.
        if took > self.config.http_server_timeout { Err(HttpError::Closed) } else { Ok(response) }
    }

    async fn through_middleware(&self, handler: Handler<'_>, request: &Request) -> Result<Response, HttpError> {
        if !faults::is_exempt(request.uri().path()) {
            let Hit { delay, failure } = self.draw();
            tokio::time::sleep(delay).await;
            match failure {
                Some(Failure::Hang) => std::future::pending().await,
                Some(Failure::Reset) => return Err(HttpError::Closed),
                Some(Failure::Status(code)) => {
                    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return Ok(error(status, r#"{"status":"fault injection enabled"}"#));
                }
                None => {}
            }
        }
        if let Some(delay) = self.config.random_delay {
            tokio::time::sleep(self.random_delay(delay)?).await;
        }
        if self.config.random_error
            && let Some(status) = self.random_error()
        {
            return Ok(empty(status));
        }
        self.handle(handler, request).await
    }

    /// Base latency and faults of one request.
    fn draw(&self) -> Hit {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let base = Duration::from_secs_f64(BASE_LATENCY.sample(&mut *rng) / 1000.0);
        let mut hit = self.faults.lock().unwrap_or_else(PoisonError::into_inner).draw(&mut rng);
        hit.delay += base;
        hit
    }

    /// Whole units below `max`. podinfo panics in the request when the bounds are equal: the connection breaks.
    fn random_delay(&self, delay: RandomDelay) -> Result<Duration, HttpError> {
        if delay.min == delay.max {
            return Err(HttpError::Closed);
        }
        let units = self.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(delay.min..delay.max);
        Ok(delay.unit.saturating_mul(u32::try_from(units).unwrap_or(u32::MAX)))
    }

    /// One request in three fails, evenly with 500, 400 and 409. No path is exempt.
    fn random_error(&self) -> Option<StatusCode> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        if rng.random_range(0..3) != 0 {
            return None;
        }
        let codes = [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_REQUEST, StatusCode::CONFLICT];
        codes.get(rng.random_range(0..codes.len())).copied()
    }

    async fn handle(&self, handler: Handler<'_>, request: &Request) -> Result<Response, HttpError> {
        Ok(match handler {
            Handler::Metrics => self.exposition(),
            Handler::Index => self.index(),
            Handler::Info => json_bytes(StatusCode::OK, self.info.clone()),
            Handler::Version => json(StatusCode::OK, &value!({"commit": REVISION, "version": self.spec.version})),
            Handler::Env => json(StatusCode::OK, &self.environment()),
            Handler::Headers => json(StatusCode::OK, &headers(request, &self.spec.version)),
            Handler::Healthz => probe(&self.healthy),
            Handler::Readyz => probe(&self.ready),
            Handler::SetReady(ready) => {
                self.ready.store(ready, Ordering::Release);
                empty(StatusCode::ACCEPTED)
            }
            Handler::Panic => {
                self.spec.output.zap("info", "http/panic.go:14", "Panic command received", &[]);
                self.life.exit(EXIT_PANIC);
                return Err(HttpError::Closed);
            }
            Handler::Status(code) => return status(code),
            Handler::Delay(seconds) => return delay(seconds).await,
            // Its headers are sent before the body is known, so they name no type.
            Handler::Chunked(Some(seconds)) => {
                let mut response = delay(seconds).await?;
                response.headers_mut().remove(CONTENT_TYPE);
                return Ok(response);
            }
            // Without seconds podinfo's arithmetic overflows and its handler panics.
            Handler::Chunked(None) => return Err(HttpError::Closed),
            Handler::Echo => self.echo(request.body()),
            Handler::EchoWs => with_header(
                error(StatusCode::BAD_REQUEST, "Bad Request"),
                HeaderName::from_static("sec-websocket-version"),
                "13",
            ),
            other => self.handle_data(other, request),
        })
    }

    /// Store, cache, configuration, tokens, faults.
    fn handle_data(&self, handler: Handler<'_>, request: &Request) -> Response {
        match handler {
            Handler::StoreWrite => self.store(request.body()),
            Handler::StoreRead(hash) => self.stored(hash),
            Handler::CacheRead | Handler::CacheWrite | Handler::CacheDelete => self.cache(handler),
            Handler::Configs => json(StatusCode::OK, &self.configs()),
            Handler::TokenGenerate => {
                let user = String::from_utf8_lossy(request.body());
                json(StatusCode::OK, &token::generate(&user, &self.config.jwt_secret, self.clock.now()))
            }
            Handler::TokenValidate => {
                let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
                match token::validate(given, &self.config.jwt_secret, self.clock.now()) {
                    Ok(answer) => json(StatusCode::OK, &answer),
                    Err(why) => error_response(StatusCode::UNAUTHORIZED, &why),
                }
            }
            _ => self.switch_faults(handler, request),
        }
    }

    fn switch_faults(&self, handler: Handler<'_>, request: &Request) -> Response {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, word): (Result<(), FaultError>, &str) = match handler {
            Handler::FaultEnable if request.body().is_empty() => {
                faults.enable_all();
                (Ok(()), "enabled")
            }
            Handler::FaultEnable => (faults.enable(request.body()), "enabled"),
            Handler::FaultDisable => (faults.disable(request.body()), "disabled"),
            _ if faults.is_empty() => return json(StatusCode::OK, &value!({"fault_injection": "disabled"})),
            _ => {
                let on: Vec<_> = faults.specs().collect();
                return json(StatusCode::OK, &value!({"fault_injection": "enabled", "faults": on}));
            }
        };
        match done {
            Ok(()) => json(StatusCode::ACCEPTED, &value!({"fault_injection": word})),
            Err(why) => json(StatusCode::BAD_REQUEST, &value!({"code": 400, "message": why.to_string()})),
        }
    }

    fn exposition(&self) -> Response {
        let mut response = Response::new(self.metrics.text().into());
        response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
        response
    }

    /// A small page in place of podinfo's, which loads its scripts from the network.
    fn index(&self) -> Response {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{pod}</title></head>\
             <body style=\"background:{color}\"><h1>{message}</h1><p>Served by <b>{pod}</b>, version {version}</p>\
             </body></html>\n",
            pod = escape(&self.spec.pod),
            color = escape(&self.config.ui_color),
            message = escape(&self.config.ui_message),
            version = escape(&self.spec.version),
        );
        let mut response = text(StatusCode::OK, page);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response
    }

    fn environment(&self) -> Value {
        let mut variables = self.spec.env.clone();
        variables.entry("HOSTNAME".to_owned()).or_insert_with(|| self.spec.pod.clone());
        variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn echo(&self, body: &Bytes) -> Response {
        let response = if self.config.backends.is_empty() {
            text(StatusCode::ACCEPTED, body.clone())
        } else {
            let refused = |url: &String| format!("backend {url} call failed the embedded demo app calls no backends");
            json(StatusCode::OK, &self.config.backends.iter().map(refused).collect())
        };
        with_header(response, HeaderName::from_static("x-color"), &self.config.ui_color)
    }

    fn store(&self, body: &Bytes) -> Response {
        let hash = digest::sha1_hex(body);
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.len() >= MAX_STORED_FILES && !stored.contains_key(&hash) {
            return error_response(StatusCode::INTERNAL_SERVER_ERROR, "writing file failed");
        }
        stored.insert(hash.clone(), body.clone());
        json(StatusCode::ACCEPTED, &value!({"hash": hash}))
    }

    fn stored(&self, hash: &str) -> Response {
        match self.stored.lock().unwrap_or_else(PoisonError::into_inner).get(hash) {
            Some(body) => text(StatusCode::ACCEPTED, body.clone()),
            None => error_response(StatusCode::INTERNAL_SERVER_ERROR, "reading file failed"),
        }
    }

    /// There is no Redis in the embedded lab: what podinfo answers without one, and with one that is away.
    fn cache(&self, handler: Handler<'_>) -> Response {
        match handler {
            _ if !self.config.has_cache_server => error_response(StatusCode::BAD_REQUEST, "cache server is offline"),
            Handler::CacheRead => empty(StatusCode::NOT_FOUND),
            Handler::CacheDelete => empty(StatusCode::BAD_REQUEST),
            _ => error_response(StatusCode::INTERNAL_SERVER_ERROR, "cache set failed"),
        }
    }

    fn configs(&self) -> Value {
        value!(self.spec.files.get(&self.config.files_path).cloned().unwrap_or_default())
    }
}

/// The build that podinfo's answers name: there is none.
const REVISION: &str = "unknown";

/// podinfo's description of itself; what a machine would say differently is fixed, so that sizes do not differ.
fn runtime_info(spec: &DemoSpec, config: &Config) -> Value {
    value!({
        "hostname": spec.pod,
        "version": spec.version,
        "revision": REVISION,
        "color": config.ui_color,
        "logo": config.ui_logo,
        "message": config.ui_message,
        "goos": "linux",
        "goarch": "amd64",
        "runtime": "coalmine",
        "num_goroutine": "8",
        "num_cpu": "1",
    })
}

fn probe(state: &AtomicBool) -> Response {
    if state.load(Ordering::Acquire) {
        json(StatusCode::OK, &value!({"status": "OK"}))
    } else {
        empty(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// Go refuses codes outside 100 to 999 by breaking the connection, and sends codes below 200 ahead of a 200.
fn status(code: &str) -> Result<Response, HttpError> {
    let Ok(number) = code.parse::<i64>() else { return Ok(out_of_range(code)) };
    let status =
        u16::try_from(number).ok().and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HttpError::Closed)?;
    Ok(match status {
        // No body may follow these.
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => json_bytes(status, Bytes::new()),
        status if status.is_informational() => json(StatusCode::OK, &value!({"status": number})),
        status => json(status, &value!({"status": number})),
    })
}

async fn delay(seconds: &str) -> Result<Response, HttpError> {
    let Ok(number) = seconds.parse::<u32>() else { return Ok(out_of_range(seconds)) };
    tokio::time::sleep(Duration::from_secs(number.into())).await;
    Ok(json(StatusCode::OK, &value!({"delay": number})))
}

fn out_of_range(number: &str) -> Response {
    let message = format!("strconv.Atoi: parsing {number:?}: value out of range");
    error_response(StatusCode::BAD_REQUEST, &message)
}

/// Request headers as Go keeps them: canonical names in order, without Host, with podinfo's own two.
fn headers(request: &Request, version: &str) -> Value {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in request.headers() {
        if name != http::header::HOST {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(canonical(name.as_str())).or_default().push(value);
        }
    }
    headers.insert("X-Api-Version".to_owned(), vec![version.to_owned()]);
    headers.insert("X-Api-Revision".to_owned(), vec![REVISION.to_owned()]);
    value!(headers)
}

/// Go's canonical form: a capital after every dash.
fn canonical(name: &str) -> String {
    let mut start = true;
    let capital = |c: char| {
        let c = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        c
    };
    name.chars().map(capital).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
