//! HTTP/1.1 to addresses that are near: pods, and servers of this machine. No TLS and no proxies; connections are kept.
//!
//! [`super::pool`] is for one place where connections are slow to make, [`super::outside`] for everywhere else. Only the wall
//! clock may use them: under the simulated clock time would jump while an answer is on its way.

use super::http::{Http, HttpError, Request, Response};
use super::pool::{in_origin_form, whole};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// nginx' `proxy-connect-timeout` in ingress-nginx.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Idle connections that are kept per address; ingress-nginx keeps 320 for all of them.
const IDLE_PER_ADDRESS: usize = 256;
/// How long one may be idle; `upstream-keepalive-timeout` of ingress-nginx.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// The largest answer that is carried; it is held whole.
pub const MAX_BODY_BYTES: usize = 8 << 20;

type Sender = SendRequest<Full<Bytes>>;

/// Sends to addresses, and keeps the connections. Clones share them; the last one closes them.
#[derive(Clone, Default)]
pub struct Direct(Arc<Mutex<BTreeMap<String, Vec<Idle>>>>);

/// A connection that waits for its next request.
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Idle {
    fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.since.elapsed() < IDLE_FOR
    }
}

impl Direct {
    /// Without connections yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends to `address` (`10.244.0.7:9898`), whatever authority the URI has; its Host header stays. Waits for the whole
    /// answer as long as it takes, and for the connection at most [`CONNECT_WITHIN`].
    pub async fn exchange(self, address: String, request: Request) -> Result<Response, HttpError> {
        let mut request = in_origin_form(request)?;
        while let Some(mut sender) = self.idle(&address) {
            match sender.try_send_request(request).await {
                Ok(answer) => return self.finish(address, sender, answer).await,
                // One that was closed while it was idle gives the request back: nothing of it was sent.
                Err(mut error) => request = error.take_message().ok_or(HttpError::Closed)?,
            }
        }
        let mut sender = connect(&address).await?;
        let answer = sender.send_request(request).await.map_err(|_| HttpError::Closed)?;
        self.finish(address, sender, answer).await
    }

    async fn finish(
        &self,
        address: String,
        sender: Sender,
        answer: http::Response<Incoming>,
    ) -> Result<Response, HttpError> {
        let answer = whole(answer, MAX_BODY_BYTES).await?;
        self.keep(address, sender);
        Ok(answer)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Idle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, of those that are done with their last request: the others may grow old.
    fn idle(&self, address: &str) -> Option<Sender> {
        let mut kept = self.kept();
        let idle = kept.get_mut(address)?;
        let last = idle.iter().rposition(|it| it.sender.is_ready() && it.is_good())?;
        Some(idle.remove(last).sender)
    }

    fn keep(&self, address: String, sender: Sender) {
        let mut kept = self.kept();
        if !kept.contains_key(&address) {
            // A new address may be that of a pod in place of another.
            kept.retain(|_, idle| idle.iter().any(Idle::is_good));
        }
        let idle = kept.entry(address).or_default();
        let oldest_goes = idle.len() >= IDLE_PER_ADDRESS || idle.first().is_some_and(|it| !it.is_good());
        if oldest_goes {
            idle.remove(0);
        }
        idle.push(Idle { sender, since: Instant::now() });
    }
}

async fn connect(address: &str) -> Result<Sender, HttpError> {
    let refused = || HttpError::Refused { address: address.to_owned() };
    let socket = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await.map_err(|_| refused())?;
    let socket = socket.map_err(|_| refused())?;
    let _ = socket.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|_| HttpError::Closed)?;
    // It ends with its sender, or when the other side closes it.
    tokio::spawn(connection);
    Ok(sender)
}

impl Http for Direct {
    /// To the authority of the URI.
    fn send(&self, request: Request, within: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let direct = self.clone();
        async move {
            let uri = request.uri();
            let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
                return Err(HttpError::Other(format!("{uri} is no address that is reached over plain HTTP")));
            };
            let address = match authority.port_u16() {
                Some(_) => authority.to_string(),
                None => format!("{authority}:80"),
            };
            timeout(within, direct.exchange(address, request)).await.unwrap_or(Err(HttpError::Timeout))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HOST;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const WITHIN: Duration = Duration::from_secs(30);

    /// A server whose connections each answer so many requests with their own number and then close; its base URL.
    async fn server(requests: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for number in 0.. {
                let (mut socket, _) = listener.accept().await.unwrap();
                for _ in 0..requests {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(socket.read_u8().await.unwrap());
                    }
                    let text = String::from_utf8(head).unwrap();
                    let body = format!("{number} {}", text.to_lowercase().lines().collect::<Vec<_>>().join("|"));
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        base
    }

    async fn get(direct: &Direct, url: &str, host: Option<&str>) -> Result<String, HttpError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.parse().unwrap();
        if let Some(host) = host {
            request.headers_mut().insert(HOST, host.parse().unwrap());
        }
        let answer = direct.send(request, WITHIN).await?;
        Ok(String::from_utf8(answer.into_body().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_not() {
        let (base, direct) = (server(2).await, Direct::new());
        let own = format!("host: {}", base.trim_start_matches("http://"));
        for (number, closes) in [(0, false), (0, true), (1, false), (1, true), (2, false)] {
            let answer = get(&direct, &format!("{base}/a?b=c"), None).await.unwrap();
            assert!(answer.starts_with(&format!("{number} get /a?b=c http/1.1|{own}")), "{answer}");
            let seen = || {
                let kept = direct.kept();
                let mut idle = kept.values().flatten();
                if closes { !idle.any(Idle::is_good) } else { idle.any(|it| it.sender.is_ready()) }
            };
            let waited = async {
                while !seen() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(WITHIN, waited).await.unwrap();
        }
        let answer = get(&direct, &base, Some("app.example.com")).await.unwrap();
        assert!(answer.starts_with("2 get / http/1.1|host: app.example.com"), "{answer}");
    }

    #[tokio::test]
    async fn nobody_who_listens_and_other_schemes_are_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let direct = Direct::new();
        assert_eq!(get(&direct, &format!("http://{address}"), None).await, Err(HttpError::Refused { address }));
        assert!(matches!(get(&direct, "https://127.0.0.1:1/", None).await, Err(HttpError::Other(_))));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        assert_eq!(Direct::new().send(request, Duration::from_millis(1)).await.unwrap_err(), HttpError::Timeout);
    }
}
