//! One request through the router.

use super::access::{Attempt, Entry, request_id};
use super::headers::{bytes_sent, forwarded, page, request_length, strip_hop_by_hop};
use super::metrics::{Observed, Subject};
use super::{Dice, Endpoint, Inner};
use crate::model::traffic::Sample;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::route::{
    Backend, Decision, Filter, GatewayChoice, IngressChoice, IngressLabels, Mirror, PathRewrite, ProxyPolicy, World,
    request_host,
};
use crate::traffic::tally::{answered_by, backend_of};
use http::header::{HOST, LOCATION};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri};
use rand::RngExt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// nginx' status for a client that closed its connection.
const CLIENT_CLOSED: u16 = 499;

/// How it went with the backend.
#[derive(Default)]
struct Upstream {
    attempts: u32,
    began: Option<Instant>,
    /// Time until the answer, of the only attempt.
    answered: Option<Duration>,
    /// What the access log says of the attempts, and the identity that the request had; empty where there is no log.
    log: Vec<Attempt>,
    id: String,
}

/// Counts a request when it is answered, or as given up when it is dropped before.
struct Account<'a> {
    inner: &'a Inner,
    subject: Option<Subject>,
    began: Instant,
    at: Duration,
    request_length: usize,
    upstream: Upstream,
    entry: Option<Entry>,
    done: bool,
}

impl Inner {
    pub(super) async fn answer(&self, request: Request) -> Response {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        let decision = table.decide(&request, &mut Dice(self));
        let host = request_host(&request);
        let mut account = Account {
            inner: self,
            subject: subject(&decision, &host, request.method()),
            began: Instant::now(),
            at: self.clock.elapsed(),
            request_length: request_length(&request),
            upstream: Upstream::default(),
            entry: self.output.get().map(|_| Entry::of(&request, &decision)),
            done: false,
        };
        let response = match &decision {
            Decision::NotFound { .. } => page(StatusCode::NOT_FOUND),
            Decision::Ingress(choice) => self.by_ingress(choice, request, &host, &mut account.upstream).await,
            Decision::Gateway(choice) => self.by_gateway(choice, request, &host, &mut account.upstream).await,
        };
        account.close(&response);
        response
    }

    async fn by_ingress(
        &self,
        choice: &IngressChoice,
        mut request: Request,
        host: &str,
        upstream: &mut Upstream,
    ) -> Response {
        if self.endpoints(&choice.backend).is_empty() {
            return page(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.forward_headers(&mut request, host);
        if let Some(path) = &choice.path {
            set_path(&mut request, path);
        }
        if let Some(vhost) = choice.policy.upstream_vhost.as_deref().and_then(|vhost| vhost.parse().ok()) {
            request.headers_mut().insert(HOST, vhost);
        }
        self.proxy(&choice.backend, &choice.policy, &request, upstream).await
    }

    async fn by_gateway(
        &self,
        choice: &GatewayChoice,
        mut request: Request,
        host: &str,
        upstream: &mut Upstream,
    ) -> Response {
        let rule = &choice.rule;
        let redirect = rule.filters.iter().find_map(|filter| match filter {
            Filter::Redirect(redirect) => Some(redirect),
            _ => None,
        });
        if let Some(redirect) = redirect {
            let (path, query) = (request.uri().path(), request.uri().query());
            let location = redirect.location(host, path, query, choice.prefix.as_deref());
            let mut response = page(StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND));
            response.headers_mut().extend(HeaderValue::from_str(&location).ok().map(|value| (LOCATION, value)));
            return response;
        }
        // The specification wants 500 where no backend can be chosen.
        let Some(backend) = choice.backend.and_then(|index| rule.backends.get(index)) else {
            return page(StatusCode::INTERNAL_SERVER_ERROR);
        };
        self.forward_headers(&mut request, host);
        let filters = || rule.filters.iter().chain(&backend.filters);
        for filter in filters() {
            self.filter_request(filter, &mut request, choice.prefix.as_deref());
        }
        let mut response = if self.endpoints(&backend.backend).is_empty() {
            page(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            self.proxy(&backend.backend, &rule.policy, &request, upstream).await
        };
        for filter in filters() {
            if let Filter::ResponseHeaders(edit) = filter {
                edit.apply(response.headers_mut());
            }
        }
        response
    }

    fn forward_headers(&self, request: &mut Request, host: &str) {
        let id = self.rng.lock().unwrap_or_else(PoisonError::into_inner).random();
        forwarded(request, host, id);
    }

    fn filter_request(&self, filter: &Filter, request: &mut Request, prefix: Option<&str>) {
        match filter {
            Filter::RequestHeaders(edit) => edit.apply(request.headers_mut()),
            Filter::Rewrite { hostname, path } => {
                if let Some(hostname) = hostname {
                    request.headers_mut().insert(HOST, hostname.clone());
                }
                if let Some(rewrite) = path {
                    rewrite_path(request, rewrite, prefix);
                }
            }
            Filter::Mirror(mirror) => self.mirror(mirror, request),
            Filter::ResponseHeaders(_) | Filter::Redirect(_) => {}
        }
    }

    /// Sends a copy whose answer nobody reads; it ends with the router.
    fn mirror(&self, mirror: &Mirror, request: &Request) {
        if Dice(self).draw(mirror.denominator) > mirror.numerator {
            return;
        }
        let Some(endpoint) = self.next_endpoint(&mirror.backend) else { return };
        let Some(slot) = self.begin_mirror() else { return };
        let answer = self.backends.send(&endpoint, request.clone());
        let (stop, limit) = (self.stop.clone(), ProxyPolicy::default().read_timeout);
        tokio::spawn(async move {
            let _slot = slot;
            stop.run_until_cancelled(tokio::time::timeout(limit, answer)).await
        });
    }

    /// Sends to one endpoint after the other, as the policy allows, until there is an answer.
    async fn proxy(
        &self,
        backend: &Backend,
        policy: &ProxyPolicy,
        request: &Request,
        upstream: &mut Upstream,
    ) -> Response {
        let attempts = self.attempts(backend, policy, request, upstream);
        let Some(limit) = policy.total_timeout else { return attempts.await };
        tokio::time::timeout(limit, attempts).await.unwrap_or_else(|_| page(StatusCode::GATEWAY_TIMEOUT))
    }

    async fn attempts(
        &self,
        backend: &Backend,
        policy: &ProxyPolicy,
        request: &Request,
        upstream: &mut Upstream,
    ) -> Response {
        let began = Instant::now();
        upstream.began = Some(began);
        loop {
            let Some(endpoint) = self.next_endpoint(backend) else { return page(StatusCode::BAD_GATEWAY) };
            upstream.attempts += 1;
            let sent = Instant::now();
            let answered = self.attempt(&endpoint, policy, request).await;
            upstream.answered = answered.is_ok().then(|| began.elapsed());
            if self.output.get().is_some() {
                upstream.id = request_id(request);
                upstream.log.push(attempted(endpoint, &answered, sent.elapsed()));
            }
            let in_time = policy.next_upstream_timeout.is_none_or(|limit| began.elapsed() < limit);
            let again = in_time && upstream.attempts < policy.tries && may_repeat(&answered, policy, request.method());
            match answered {
                _ if again => {}
                Ok(mut response) => {
                    strip_hop_by_hop(response.headers_mut());
                    return response;
                }
                Err(HttpError::Timeout) => return page(StatusCode::GATEWAY_TIMEOUT),
                Err(_) => return page(StatusCode::BAD_GATEWAY),
            }
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        policy: &ProxyPolicy,
        request: &Request,
    ) -> Result<Response, HttpError> {
        let answer = self.backends.send(endpoint, request.clone());
        tokio::time::timeout(policy.read_timeout, answer).await.unwrap_or(Err(HttpError::Timeout))
    }
}

/// An attempt as nginx logs it: one without an answer has the status that it would give for it.
fn attempted(endpoint: Endpoint, answered: &Result<Response, HttpError>, took: Duration) -> Attempt {
    let (status, length) = match answered {
        Ok(response) => (response.status().as_u16(), response.body().len()),
        Err(HttpError::Timeout) => (504, 0),
        Err(_) => (502, 0),
    };
    Attempt { address: endpoint.address, length, took, status }
}

/// nginx' `proxy_next_upstream`.
fn may_repeat(answered: &Result<Response, HttpError>, policy: &ProxyPolicy, method: &Method) -> bool {
    let conditions = &policy.next_upstream;
    let (listed, sent) = match answered {
        Ok(response) => (conditions.statuses.contains(&response.status().as_u16()), true),
        Err(HttpError::Timeout) => (conditions.timeout, true),
        Err(HttpError::Refused { .. } | HttpError::NoSuchHost { .. }) => (conditions.error, false),
        Err(HttpError::Closed | HttpError::Other(_)) => (conditions.error, true),
    };
    let idempotent = !matches!(method.as_str(), "POST" | "LOCK" | "PATCH");
    listed && (idempotent || !sent || conditions.non_idempotent)
}

fn set_path(request: &mut Request, path: &str) {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    // A path that no URI can have leaves the request as it is.
    if let Ok(target) = format!("{path}{query}").parse::<PathAndQuery>() {
        *request.uri_mut() = Uri::from(target);
    }
}

fn rewrite_path(request: &mut Request, rewrite: &PathRewrite, prefix: Option<&str>) {
    let path = rewrite.apply(request.uri().path(), prefix);
    set_path(request, &path);
}

/// What a request is counted under by ingress-nginx; none where it is not.
fn subject(decision: &Decision, host: &str, method: &Method) -> Option<Subject> {
    let (labels, canary) = match decision {
        Decision::Ingress(choice) if choice.exact_host => {
            (choice.labels.clone(), if choice.alternative { choice.backend.to_string() } else { String::new() })
        }
        Decision::NotFound { known_host: true } => (Arc::<IngressLabels>::default(), String::new()),
        _ => return None,
    };
    Some(Subject { labels, host: host.to_owned(), method: method.clone(), canary })
}

impl Account<'_> {
    fn close(&mut self, response: &Response) {
        self.done = true;
        let status = response.status().as_u16();
        let (version, pod) = if self.upstream.answered.is_some() { answered_by(response) } else { Default::default() };
        self.count(status, bytes_sent(response), (version, &pod));
        self.log(status, Some(response));
    }

    fn log(&self, status: u16, response: Option<&Response>) {
        let (Some(entry), Some(output)) = (&self.entry, self.inner.output.get()) else { return };
        let taken = (self.request_length, self.began.elapsed());
        let Upstream { log, id, .. } = &self.upstream;
        output.line(|| entry.line(self.inner.clock.now(), (status, response), taken, (log, id)));
    }

    fn count(&self, status: u16, bytes_sent: usize, (version, pod): (String, &str)) {
        let request_time = self.began.elapsed();
        if let Some(subject) = &self.subject {
            let single = self.upstream.attempts == 1;
            let observed = Observed {
                status,
                request_time,
                request_length: self.request_length,
                bytes_sent,
                response_time: self.upstream.began.filter(|_| single).map(|began| began.elapsed()),
                header_time: self.upstream.answered.filter(|_| single),
            };
            self.inner.metrics.count(subject, &observed);
        }
        let sample = Sample {
            stream: String::new(),
            version,
            backend: backend_of(pod, &self.inner.target).to_owned(),
            status,
            latency: request_time,
            at: self.at,
        };
        self.inner.recorder.lock().unwrap_or_else(PoisonError::into_inner).add(&sample);
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.count(CLIENT_CLOSED, 0, Default::default());
            self.log(CLIENT_CLOSED, None);
        }
    }
}
