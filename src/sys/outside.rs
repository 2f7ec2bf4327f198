//! HTTP over real sockets, for names outside the lab: alert receivers, mostly. Only the wall clock may use it: under the
//! simulated clock time would jump while an answer is on its way.

use super::http::{Http, HttpError, Request, Response};
use futures_util::future::{BoxFuture, FutureExt};
use std::time::Duration;

/// Longest body that is read from outside; alert receivers answer with a word.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// Sends over TCP, and TLS for `https`. Proxy settings of the environment are honoured.
pub struct Outside {
    /// The reason where no client could be made: a machine without CA certificates, say.
    client: Result<reqwest::Client, String>,
}

impl Outside {
    #[must_use]
    pub fn new() -> Self {
        // The first provider to be installed stays; a second call is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { client: reqwest::Client::builder().build().map_err(|error| error.to_string()) }
    }
}

impl Outside {
    /// Past any proxy of the environment: for addresses on this machine.
    #[must_use]
    pub fn direct() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { client: reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string()) }
    }
}

impl Default for Outside {
    fn default() -> Self {
        Self::new()
    }
}

impl Http for Outside {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let client = self.client.clone();
        async move {
            let client = client.map_err(HttpError::Other)?;
            let mut request = reqwest::Request::try_from(request).map_err(|it| in_go_words(&it))?;
            *request.timeout_mut() = Some(timeout);
            let answer = client.execute(request).await.map_err(|it| in_go_words(&it))?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut body = answer.bytes().await.map_err(|it| in_go_words(&it))?;
            body.truncate(MAX_BODY_BYTES);
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        }
        .boxed()
    }
}

fn in_go_words(error: &reqwest::Error) -> HttpError {
    let address = error.url().map(ToString::to_string).unwrap_or_default();
    if error.is_timeout() {
        HttpError::Timeout
    } else if error.is_connect() {
        HttpError::Refused { address }
    } else {
        HttpError::Other(error.to_string())
    }
}
