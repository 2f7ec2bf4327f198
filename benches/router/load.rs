//! Our load generator at a constant rate: how many requests it sends, what it takes, and how late they leave.

use crate::cpu;
use coalmine::model::traffic::{Arrivals, Stream};
use coalmine::sys::clock::Clock;
use coalmine::sys::http::{Http, HttpError, Request, Response, SharedHttp};
use coalmine::sys::rng::Seed;
use coalmine::traffic::load::{LoadGenerator, LoadTarget};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the parent reads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    pub answered: u64,
    /// Were due while too many were under way.
    pub not_sent: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub late_p50_micros: u64,
    pub late_p99_micros: u64,
    pub late_max_micros: u64,
}

/// Notes when each request leaves.
struct Noting {
    http: SharedHttp,
    clock: Clock,
    left: Mutex<Vec<Duration>>,
}

impl Http for Noting {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.left.lock().expect("nobody panics").push(self.clock.elapsed());
        self.http.send(request, timeout)
    }
}

/// Sends for so long, and prints what it was like.
pub fn run(backend: &str, rate: &str, lasting: Duration, http: SharedHttp) {
    let rate: f64 = rate.parse().expect("a rate");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let told = runtime.block_on(async {
        let clock = Clock::wall();
        let http = Arc::new(Noting { http, clock, left: Mutex::default() });
        let target = LoadTarget {
            http: http.clone(),
            base: format!("http://{backend}"),
            host: String::new(),
            target: "podinfo".to_owned(),
        };
        let load = LoadGenerator::start(target, clock, Seed(1));
        let stream = Stream {
            name: "users".to_owned(),
            arrivals: Arrivals::Constant { per_second: rate },
            method: String::new(),
            host: String::new(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            timeout: Duration::from_secs(5),
        };
        let (before, began) = (cpu::own(), clock.elapsed());
        load.put(&stream).expect("the stream is good");
        tokio::time::sleep(lasting).await;
        let (cpu, seconds) = (cpu::own() - before, clock.elapsed() - began);
        let slice = load.take_slice();
        let left = std::mem::take(&mut *http.left.lock().expect("nobody panics"));
        let mut late = lateness(&left, rate);
        late.sort();
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize].as_micros() as u64;
        Told {
            answered: slice.versions.values().map(|tally| tally.requests).sum(),
            not_sent: slice.not_sent,
            seconds: seconds.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            late_p50_micros: at(0.5),
            late_p99_micros: at(0.99),
            late_max_micros: at(1.0),
        }
    });
    println!("{}", serde_json::to_string(&told).expect("it is JSON"));
}

/// How far behind an even schedule each request left: the schedule on which none left early.
fn lateness(left: &[Duration], rate: f64) -> Vec<Duration> {
    let due = |index: usize| index as f64 / rate;
    let offsets = || left.iter().enumerate().map(|(index, at)| at.as_secs_f64() - due(index));
    let first = offsets().fold(f64::INFINITY, f64::min);
    offsets().map(|offset| Duration::from_secs_f64((offset - first).max(0.0))).collect()
}
