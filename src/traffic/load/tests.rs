use super::*;
use std::sync::atomic::AtomicU64;

/// Answers after a time, or never; counts what it was asked.
struct Fake {
    asked: AtomicU64,
    latency: Option<Duration>,
    status: u16,
    seen: Mutex<Vec<(Duration, Request)>>,
    clock: Clock,
}

impl crate::sys::http::Http for Fake {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        self.seen.lock().unwrap().push((self.clock.elapsed(), request));
        let (latency, status) = (self.latency, self.status);
        Box::pin(async move {
            let answer = async {
                match latency {
                    Some(latency) => tokio::time::sleep(latency).await,
                    None => std::future::pending().await,
                }
            };
            tokio::time::timeout(timeout, answer).await.map_err(|_| HttpError::Timeout)?;
            let body = r#"{"version": "6.9.2", "hostname": "podinfo-primary-abc"}"#;
            Ok(http::Response::builder().status(status).body(Bytes::from(body)).unwrap())
        })
    }
}

fn fake(latency: Option<u64>, status: u16) -> (Arc<Fake>, LoadGenerator) {
    let clock = Clock::simulated();
    let latency = latency.map(Duration::from_millis);
    let fake = Arc::new(Fake { asked: AtomicU64::new(0), latency, status, seen: Mutex::default(), clock });
    let target = LoadTarget {
        http: fake.clone(),
        base: "http://router.test".to_owned(),
        host: "app.test".to_owned(),
        target: "podinfo".to_owned(),
    };
    (fake, LoadGenerator::start(target, clock, Seed(1)))
}

fn stream(name: &str, arrivals: Arrivals) -> Stream {
    Stream {
        name: name.to_owned(),
        arrivals,
        method: "GET".to_owned(),
        host: String::new(),
        path: "/".to_owned(),
        headers: BTreeMap::new(),
        body: String::new(),
        timeout: Duration::from_secs(10),
    }
}

fn constant(per_second: f64) -> Stream {
    stream("steady", Arrivals::Constant { per_second })
}

async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn every_request_is_counted_once_with_its_latency() {
    let (fake, load) = fake(Some(20), 200);
    load.put(&constant(100.0)).unwrap();
    seconds(2.005).await;
    let first = load.take_slice();
    load.stop("steady");
    seconds(1.0).await;
    let second = load.take_slice();
    let asked = fake.asked.load(Ordering::Acquire);
    assert_eq!(asked, 201, "at 0, 10, 20, … 2000 ms");
    assert_eq!(first.versions["6.9.2"].requests + second.versions["6.9.2"].requests, asked);
    assert_eq!((first.in_flight, second.in_flight, first.not_sent), (2, 0, 0));
    assert_eq!((first.from, second.from, second.to), (Duration::ZERO, first.to, load.shared.clock.elapsed()));
    let tally = &first.versions["6.9.2"];
    assert_eq!((tally.backend.as_str(), tally.harmed, &tally.by_status), ("primary", 0, &BTreeMap::from([(200, 199)])));
    assert_eq!((tally.p50_ms, tally.p99_ms, tally.mean_ms, tally.max_ms), (20.0, 20.0, 20.0, 20.0));
    assert_eq!(tally.last_harmed_at, None);
}

#[tokio::test(start_paused = true)]
async fn arrivals_do_not_wait_for_a_hanging_backend() {
    let (fake, load) = fake(None, 200);
    load.put(&constant(50.0)).unwrap();
    seconds(9.999).await;
    assert_eq!(fake.asked.load(Ordering::Acquire), 500, "50 per second for 10 s, with no answer yet");
    let slice = load.take_slice();
    assert_eq!((slice.in_flight, slice.versions.len()), (500, 0));
    seconds(1.0).await;
    let slice = load.take_slice();
    let given_up = &slice.versions[""];
    assert_eq!((given_up.requests, given_up.harmed, given_up.by_status[&0]), (50, 50, 50));
    assert!((given_up.max_ms - 10_000.0).abs() < 1e-6, "the client gave up after 10 s: {}", given_up.max_ms);
    assert!((given_up.p50_ms / 10_000.0 - 1.0).abs() < 0.001, "quantiles have three digits: {}", given_up.p50_ms);
    assert_eq!(given_up.last_harmed_at, Some(Duration::from_millis(980)));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_beyond_the_limit_is_reported_as_not_sent() {
    let (fake, load) = fake(None, 200);
    load.put(&constant(1000.0)).unwrap();
    seconds(5.0005).await;
    let slice = load.take_slice();
    assert_eq!(slice.in_flight, MAX_IN_FLIGHT);
    assert_eq!(fake.asked.load(Ordering::Acquire), MAX_IN_FLIGHT as u64);
    assert_eq!(slice.not_sent + MAX_IN_FLIGHT as u64, 5001);
    assert_eq!(load.take_slice().not_sent, 0, "reported once");
}

#[tokio::test(start_paused = true)]
async fn a_5xx_harms_and_a_4xx_does_not() {
    for (status, harmed) in [(200, 0), (404, 0), (500, 11), (503, 11)] {
        let (_, load) = fake(Some(1), status);
        load.put(&constant(10.0)).unwrap();
        seconds(1.05).await;
        let tally = load.take_slice().versions.remove("6.9.2").unwrap();
        assert_eq!((tally.requests, tally.harmed), (11, harmed), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_replaced_stopped_and_independent() {
    let (fake, load) = fake(Some(1), 200);
    load.put(&constant(10.0)).unwrap();
    load.put(&stream("other", Arrivals::Constant { per_second: 5.0 })).unwrap();
    seconds(0.95).await;
    assert_eq!(fake.asked.load(Ordering::Acquire), 10 + 5);
    load.put(&constant(100.0)).unwrap();
    assert_eq!(load.streams().iter().map(|stream| stream.name.as_str()).collect::<Vec<_>>(), ["other", "steady"]);
    assert!(load.stop("other"));
    assert!(!load.stop("other"));
    seconds(0.995).await;
    assert_eq!(fake.asked.load(Ordering::Acquire), 15 + 100);
    drop(load);
    seconds(10.0).await;
    assert_eq!(fake.asked.load(Ordering::Acquire), 115, "a dropped generator sends nothing");
}

#[tokio::test(start_paused = true)]
async fn requests_look_as_their_stream_says() {
    let (fake, load) = fake(Some(1), 200);
    let stream = Stream {
        method: "POST".to_owned(),
        path: "/token?x=1".to_owned(),
        headers: BTreeMap::from([("x-canary".to_owned(), "always".to_owned())]),
        body: "hello".to_owned(),
        ..constant(1.0)
    };
    load.put(&stream).unwrap();
    load.put(&Stream { name: "b".to_owned(), host: "b.test".to_owned(), ..constant(1.0) }).unwrap();
    seconds(0.5).await;
    let seen = fake.seen.lock().unwrap();
    let (_, b) = &seen[0];
    assert_eq!(
        (b.uri().to_string().as_str(), b.headers()["host"].to_str().unwrap()),
        ("http://router.test/", "b.test")
    );
    let (_, first) = &seen[1];
    assert_eq!((first.method().as_str(), first.uri().to_string().as_str()), ("POST", "http://router.test/token?x=1"));
    assert_eq!(
        (first.headers()["host"].to_str().unwrap(), &first.headers()["x-canary"]),
        ("app.test", &HeaderValue::from_static("always"))
    );
    assert_eq!(first.body().as_ref(), b"hello");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_sent_is_refused() {
    let (_, load) = fake(Some(1), 200);
    for (stream, expected) in [
        (constant(-1.0), "-1 requests per second; the rate must be from 0 to 20000"),
        (constant(f64::NAN), "NaN requests per second"),
        (
            stream("r", Arrivals::Ramp { from: 1.0, to: 1e9, over: Duration::from_secs(1) }),
            "1000000000 requests per second",
        ),
        (Stream { method: "G T".to_owned(), ..constant(1.0) }, "`G T` is not an HTTP method"),
        (Stream { path: "/a b".to_owned(), ..constant(1.0) }, "`http://router.test/a b` is not a URI"),
        (Stream { host: "a\nb".to_owned(), ..constant(1.0) }, "is not a host name"),
        (
            Stream { headers: BTreeMap::from([("a b".to_owned(), String::new())]), ..constant(1.0) },
            "`a b` is not a header name",
        ),
    ] {
        let refused = load.put(&stream).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(load.streams().is_empty());
}

/// The moments of the first requests, in seconds.
fn moments(arrivals: Arrivals, number: usize) -> Vec<f64> {
    let mut schedule = Schedule::new(arrivals, Duration::from_secs(100), Seed(1).stream("arrivals"));
    let mut moments = Vec::new();
    while moments.len() < number
        && let Some(next) = schedule.next()
    {
        moments.push(next.as_secs_f64() - 100.0);
        schedule.advance();
    }
    moments
}

#[test]
fn arrivals_come_when_their_law_says() {
    assert_eq!(moments(Arrivals::Constant { per_second: 4.0 }, 5), [0.0, 0.25, 0.5, 0.75, 1.0]);
    assert!(moments(Arrivals::Constant { per_second: 0.0 }, 5).len() <= 1, "a rate of 0 is at most the first request");
    assert!(moments(Arrivals::Poisson { per_second: 0.0 }, 5).is_empty());
    let ramp = |from, to, number| moments(Arrivals::Ramp { from, to, over: Duration::from_secs(10) }, number);
    let up = ramp(0.0, 20.0, 301);
    assert!((up[100] - 10.0).abs() < 1e-6, "100 requests while it climbs: {}", up[100]);
    assert!((up[25] - 5.0).abs() < 1e-6, "a quarter of them in the first half: {}", up[25]);
    assert!((up[300] - 20.0).abs() < 1e-6, "20 per second afterwards: {}", up[300]);
    assert_eq!(ramp(20.0, 0.0, 1000).len(), 100, "down to nothing, then none");
    let flat = ramp(5.0, 5.0, 100);
    assert!(flat.iter().enumerate().all(|(k, at)| (at - k as f64 / 5.0).abs() < 1e-6), "{flat:?}");
    assert!(up.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn poisson_arrivals_have_their_rate_and_its_spread() {
    let moments = moments(Arrivals::Poisson { per_second: 50.0 }, 20_000);
    let gaps: Vec<f64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    // Exponential gaps: mean 20 ms, and a standard deviation equal to it.
    assert!((mean - 0.02).abs() < 0.0006, "{mean}");
    assert!((variance.sqrt() - 0.02).abs() < 0.0012, "{}", variance.sqrt());
}
