//! A scripted [`Http`] for unit tests: it answers in order and remembers who asked what, when.

use crate::cluster::Client;
use crate::controller::events::Recorder;
use crate::controller::log::Log;
use crate::controller::meters::Meters;
use crate::controller::{Context, Settings};
use crate::sys::clock::Clock;
use crate::sys::http::{Http, HttpError, Request, Response, SharedHttp};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the far side does with one request.
#[derive(Debug, Clone)]
pub(super) enum Reaction {
    /// Answers at once.
    Answer(u16, &'static [(&'static str, &'static str)], &'static str),
    /// Never answers.
    Hang,
    Fail(HttpError),
}

/// Reactions in order; when they run out, the last one repeats.
pub(super) struct Fake {
    script: Mutex<VecDeque<Reaction>>,
    clock: Clock,
    seen: Mutex<Vec<(Duration, Request)>>,
}

impl Fake {
    pub(super) fn new(script: impl IntoIterator<Item = Reaction>) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { script, clock: Clock::simulated(), seen: Mutex::default() })
    }

    pub(super) fn shared(self: &Arc<Self>) -> SharedHttp {
        self.clone()
    }

    /// All requests so far, each with its time since the fake was made.
    pub(super) fn seen(&self) -> Vec<(Duration, Request)> {
        self.seen.lock().unwrap().clone()
    }

    /// Whole seconds at which the requests came.
    pub(super) fn times(&self) -> Vec<u64> {
        self.seen().iter().map(|(at, _)| at.as_secs()).collect()
    }
}

impl Http for Fake {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.seen.lock().unwrap().push((self.clock.elapsed(), request));
        let mut script = self.script.lock().unwrap();
        let reaction = if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() };
        let answer = async move {
            match reaction {
                Reaction::Answer(status, headers, body) => {
                    let mut answer = http::Response::builder().status(status);
                    for (name, value) in headers {
                        answer = answer.header(*name, *value);
                    }
                    Ok(answer.body(Bytes::from_static(body.as_bytes())).unwrap())
                }
                Reaction::Hang => std::future::pending().await,
                Reaction::Fail(error) => Err(error),
            }
        };
        async move { tokio::time::timeout(timeout, answer).await.unwrap_or(Err(HttpError::Timeout)) }.boxed()
    }
}

/// What a controller's parts share, without the controller: events are queued and not delivered.
pub(super) fn context(client: Client, http: SharedHttp) -> Context {
    let clock = Clock::simulated();
    let settings = Settings::default();
    let log = Log::new(clock);
    let meters = Arc::new(Meters::new("test", "nginx"));
    let (recorder, _) = Recorder::new(client.clone(), clock, meters.clone(), log.clone());
    let random = Mutex::new(settings.seed.stream("controller"));
    Context { client, http, clock, settings, meters, recorder, log, random }
}
