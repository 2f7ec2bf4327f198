//! ingress-nginx' access log, one line per request in its default format.

use super::headers::{ClientAddress, REQUEST_ID};
use crate::sys::http::{Request, Response};
use crate::traffic::route::Decision;
use http::header::{HeaderName, REFERER, USER_AGENT};
use jiff::Timestamp;
use std::time::Duration;

/// What a line says of the request, taken before it is sent on.
pub(super) struct Entry {
    client: String,
    request: String,
    referer: String,
    agent: String,
    /// The upstream's name, and the canary's where it was chosen.
    upstream: (String, String),
}

/// One attempt to reach an endpoint.
pub(super) struct Attempt {
    pub(super) address: String,
    pub(super) length: usize,
    pub(super) took: Duration,
    pub(super) status: u16,
}

fn header(request: &Request, name: HeaderName) -> String {
    request.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or("-").replace('"', "\\x22")
}

/// The identity that a request was sent on with.
pub(super) fn request_id(request: &Request) -> String {
    header(request, REQUEST_ID)
}

impl Entry {
    pub(super) fn of(request: &Request, decision: &Decision) -> Self {
        let client = ClientAddress::of(request);
        let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let upstream = match decision {
            Decision::Ingress(choice) => {
                let (labels, port) = (&choice.labels, &choice.backend.port);
                let main = format!("{}-{}-{port}", labels.namespace, labels.service);
                (main, if choice.alternative { choice.backend.to_string() } else { String::new() })
            }
            Decision::Gateway(choice) => {
                let backend = choice.backend.and_then(|index| choice.rule.backends.get(index));
                (backend.map(|it| it.backend.to_string()).unwrap_or_default(), String::new())
            }
            Decision::NotFound { .. } => ("upstream-default-backend".to_owned(), String::new()),
        };
        Self {
            client: client.to_str().unwrap_or_default().to_owned(),
            request: format!("{} {path} {:?}", request.method(), request.version()),
            referer: header(request, REFERER),
            agent: header(request, USER_AGENT),
            upstream,
        }
    }

    /// `log-format-upstream` of ingress-nginx.
    pub(super) fn line(
        &self,
        at: Timestamp,
        (status, response): (u16, Option<&Response>),
        (request_length, took): (usize, Duration),
        (attempts, id): (&[Attempt], &str),
    ) -> String {
        let joined = |each: &dyn Fn(&Attempt) -> String| match attempts {
            [] => "-".to_owned(),
            some => some.iter().map(each).collect::<Vec<_>>().join(", "),
        };
        let (at, body) = (at.strftime("%d/%b/%Y:%H:%M:%S +0000"), response.map_or(0, |it| it.body().len()));
        let Self { client, request, referer, agent, upstream: (main, alternative) } = self;
        let (addresses, lengths) = (joined(&|it| it.address.clone()), joined(&|it| it.length.to_string()));
        let (times, statuses) =
            (joined(&|it| format!("{:.3}", it.took.as_secs_f64())), joined(&|it| it.status.to_string()));
        let id = if id.is_empty() { "-" } else { id };
        format!(
            "{client} - - [{at}] \"{request}\" {status} {body} \"{referer}\" \"{agent}\" {request_length} {:.3} [{main}] \
             [{alternative}] {addresses} {lengths} {times} {statuses} {id}",
            took.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_of_ingress_nginx_in_their_order() {
        let request = http::Request::get("http://app.example.com/a?b=c").header("user-agent", "hey/0.0.1");
        let request = request.body(bytes::Bytes::new()).unwrap();
        let entry = Entry::of(&request, &Decision::NotFound { known_host: false });
        let attempt =
            Attempt { address: "10.244.0.7:9898".to_owned(), length: 12, took: Duration::from_millis(3), status: 200 };
        let answer = Response::new(bytes::Bytes::from_static(b"hello, world"));
        let line = entry.line(
            "2026-01-01T00:00:05Z".parse().unwrap(),
            (200, Some(&answer)),
            (90, Duration::from_millis(4)),
            (&[attempt], "00000000000000000000000000000abc"),
        );
        assert_eq!(
            line,
            "127.0.0.1 - - [01/Jan/2026:00:00:05 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"hey/0.0.1\" 90 0.004 \
             [upstream-default-backend] [] 10.244.0.7:9898 12 0.003 200 00000000000000000000000000000abc"
        );
        let refused = entry.line(Timestamp::UNIX_EPOCH, (404, None), (90, Duration::ZERO), (&[], ""));
        assert!(
            refused.ends_with(" 404 0 \"-\" \"hey/0.0.1\" 90 0.000 [upstream-default-backend] [] - - - - -"),
            "{refused}"
        );
    }
}
