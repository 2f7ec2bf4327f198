//! On the paused clock: connections are pipes in memory.

use super::*;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// How a connection comes about.
#[derive(Debug, Clone, Copy)]
enum Dialled {
    /// To a server that answers everything, each after a tenth of a second.
    Answers,
    /// The same, and it closes after the first answer.
    AnswersOnce,
    /// Accepted, and never answered on.
    Silent,
    /// Never made.
    Hangs,
    Refused,
}

/// Makes connections as it is told, then as the last one.
struct Script {
    script: Vec<Dialled>,
    dialled: Arc<AtomicUsize>,
}

impl Dial for Script {
    fn dial(&self) -> BoxFuture<'static, io::Result<Box<dyn Connected>>> {
        let turn = self.dialled.fetch_add(1, Ordering::Relaxed);
        let how = self.script[turn.min(self.script.len() - 1)];
        async move {
            let (ours, theirs) = duplex(4096);
            match how {
                Dialled::Answers | Dialled::AnswersOnce => drop(tokio::spawn(answer(theirs, how))),
                Dialled::Silent => drop(tokio::spawn(async move {
                    let _kept = theirs;
                    std::future::pending::<()>().await;
                })),
                Dialled::Hangs => std::future::pending().await,
                Dialled::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            }
            Ok(Box::new(ours) as Box<dyn Connected>)
        }
        .boxed()
    }
}

async fn answer(stream: tokio::io::DuplexStream, how: Dialled) {
    let service = service_fn(async |request: http::Request<Incoming>| {
        sleep(SECOND / 10).await;
        let said = format!("{} {:?}", request.uri(), request.headers()[HOST]);
        Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(said))))
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.keep_alive(matches!(how, Dialled::Answers));
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn pool(script: &[Dialled]) -> (Pool, Arc<AtomicUsize>) {
    let dialled = Arc::<AtomicUsize>::default();
    (Pool::new(Script { script: script.to_vec(), dialled: Arc::clone(&dialled) }), dialled)
}

fn request() -> Request {
    http::Request::get("http://router.test:80/path?query").body(Bytes::new()).unwrap()
}

/// All at once, each with five seconds; how many got an answer.
async fn answered(pool: &Pool, requests: usize) -> usize {
    let sent = (0..requests).map(|_| pool.send(request(), SECOND * 5));
    futures_util::future::join_all(sent).await.iter().filter(|it| it.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_request_says_whom_it_means_and_where_it_goes() {
    let (pool, _) = pool(&[Dialled::Answers]);
    let answer = pool.send(request(), SECOND).await.unwrap();
    assert_eq!(answer.body(), "/path?query \"router.test:80\"");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_lost_to_connections_that_do_not_come_about() {
    // What a stalled machine does: the first connection is there, and no other comes in time.
    let (pool, dialled) = pool(&[Dialled::Answers, Dialled::Hangs]);
    assert_eq!(answered(&pool, 1).await, 1);
    assert_eq!(answered(&pool, 40).await, 40, "one after the other, in four seconds");
    assert_eq!(dialled.load(Ordering::Relaxed), 1 + MAX_DIALS, "and not one for each");
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_carried_by_a_few_connections_at_the_same_time() {
    let (pool, dialled) = pool(&[Dialled::Answers]);
    let began = Instant::now();
    assert_eq!(answered(&pool, 400).await, 400);
    assert!(began.elapsed() < SECOND * 5, "{:?}", began.elapsed());
    assert!(dialled.load(Ordering::Relaxed) <= MAX_CONNECTIONS);
    let before = dialled.load(Ordering::Relaxed);
    assert_eq!(answered(&pool, before).await, before);
    assert_eq!(dialled.load(Ordering::Relaxed), before, "they are kept");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closed_is_replaced() {
    let (pool, dialled) = pool(&[Dialled::AnswersOnce]);
    for requests in 1..=3 {
        assert_eq!(answered(&pool, 1).await, 1);
        assert_eq!(dialled.load(Ordering::Relaxed), requests);
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_reached_requests_end() {
    for (script, error, after) in [
        (Dialled::Refused, HttpError::Refused { address: "connection refused".to_owned() }, Duration::ZERO),
        (Dialled::Hangs, HttpError::Timeout, SECOND),
        (Dialled::Silent, HttpError::Timeout, SECOND),
    ] {
        let (pool, _) = pool(&[script]);
        let began = Instant::now();
        assert_eq!(pool.send(request(), SECOND).await.unwrap_err(), error, "{script:?}");
        assert_eq!(began.elapsed(), after, "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_for_a_while_is_reached_again() {
    let (pool, _) = pool(&[Dialled::Refused, Dialled::Answers]);
    assert_eq!((answered(&pool, 1).await, answered(&pool, 1).await), (0, 1));
}
