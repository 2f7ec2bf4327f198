//! Carrying out a command.

use super::command::{Call, Command};
use super::curl::{Curl, Grep};
use super::hey::{Load, Until};
use crate::sys::http::{HttpError, Request, Response, SharedHttp};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Time that a request takes at least: an attempt that fails at once would otherwise be repeated without time passing.
const MIN_PACE: Duration = Duration::from_millis(1);

/// How a command ended: a shell's exit status, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: i32,
    pub(super) output: String,
}

pub(super) async fn run(command: Command, http: &SharedHttp) -> Outcome {
    match command {
        Command::Load(load) => Outcome { code: 0, output: run_load(&load, http).await },
        Command::Curl(curl) => run_curl(&curl, http).await,
    }
}

fn request(call: &Call) -> Request {
    let mut request = Request::new(Bytes::from(call.body.clone()));
    *request.uri_mut() = call.url.clone();
    *request.method_mut() = call.method.clone();
    request.headers_mut().extend(call.headers.iter().cloned());
    request
}

/// Runs all workers to their end, and says what they got, as hey's summary does.
async fn run_load(load: &Load, http: &SharedHttp) -> String {
    let began = Instant::now();
    let template = request(&load.call);
    let workers: FuturesUnordered<_> = (0..load.workers).map(|_| worker(load, &template, http, began)).collect();
    let counts: Vec<BTreeMap<u16, u64>> = workers.collect().await;
    let mut statuses = BTreeMap::<u16, u64>::new();
    for (status, count) in counts.into_iter().flatten() {
        *statuses.entry(status).or_default() += count;
    }
    let total: u64 = statuses.values().sum();
    let took = began.elapsed().as_secs_f64();
    let rate = if took > 0.0 { total as f64 / took } else { 0.0 };
    let mut summary =
        format!("Summary:\n  Total:\t{took:.4} secs\n  Requests/sec:\t{rate:.4}\n\nStatus code distribution:\n");
    for (status, count) in statuses {
        let status = if status == 0 { "no answer".to_owned() } else { status.to_string() };
        let _ = writeln!(summary, "  [{status}]\t{count} responses");
    }
    summary
}

/// One worker: waits for its turn, sends, waits for the answer. Gives counts by status; 0 is no answer.
async fn worker(load: &Load, template: &Request, http: &SharedHttp, began: Instant) -> BTreeMap<u16, u64> {
    let mut counts = BTreeMap::new();
    let period = load.per_worker.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
    let mut turns = period.map(|period| {
        let mut turns = tokio::time::interval_at(began + period, period.max(MIN_PACE));
        // A worker that was late does not catch up, as with Go's ticker.
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        turns
    });
    let (mut left, end) = match load.until {
        Until::PerWorker(number) => (number, None),
        Until::After(duration) => (u64::MAX, Some(began + duration)),
    };
    while left > 0 && end.is_none_or(|end| Instant::now() < end) {
        if let Some(turns) = &mut turns {
            match end {
                None => drop(turns.tick().await),
                Some(end) if tokio::time::timeout_at(end, turns.tick()).await.is_err() => break,
                Some(_) => {}
            }
        }
        let sent = Instant::now();
        let status = http.send(template.clone(), load.timeout).await.map_or(0, |response| response.status().as_u16());
        *counts.entry(status).or_default() += 1;
        tokio::time::sleep_until(sent + MIN_PACE).await;
        left -= 1;
    }
    counts
}

async fn run_curl(curl: &Curl, http: &SharedHttp) -> Outcome {
    let answer = http.send(request(&curl.call), curl.timeout).await;
    let (code, body, complaint) = match &answer {
        Ok(response) => judge(curl, response),
        Err(error) => {
            let (code, why) = failure(error, &curl.call.url);
            (code, String::new(), format!("curl: ({code}) {why}\n"))
        }
    };
    let complaint = if curl.quiet { String::new() } else { complaint };
    match &curl.grep {
        // A pipe's status is that of its last command; what curl complains about does not go through it.
        Some(grep) => {
            let (found, lines) = filter(grep, &body);
            Outcome { code: i32::from(!found), output: complaint + &lines }
        }
        None => Outcome { code, output: body + &complaint },
    }
}

/// Exit code, what goes to stdout, what goes to stderr.
fn judge(curl: &Curl, response: &Response) -> (i32, String, String) {
    let status = response.status();
    let write_out = curl.write_out.as_deref().unwrap_or_default();
    let write_out = write_out.replace("%{http_code}", status.as_str()).replace("\\n", "\n");
    if curl.fail && status.as_u16() >= 400 {
        let complaint = format!("curl: (22) The requested URL returned error: {}\n", status.as_str());
        return (22, write_out, complaint);
    }
    let body = if curl.discard { String::new() } else { String::from_utf8_lossy(response.body()).into_owned() };
    (0, body + &write_out, String::new())
}

/// curl's exit codes and texts.
fn failure(error: &HttpError, url: &http::Uri) -> (i32, String) {
    let host = url.host().unwrap_or_default();
    match error {
        HttpError::NoSuchHost { .. } => (6, format!("Could not resolve host: {host}")),
        HttpError::Refused { .. } => {
            let port = url.port_u16().unwrap_or(80);
            (7, format!("Failed to connect to {host} port {port}: Connection refused"))
        }
        HttpError::Timeout => (28, "Operation timed out".to_owned()),
        HttpError::Closed => (52, "Empty reply from server".to_owned()),
        HttpError::Other(why) => (56, why.clone()),
    }
}

/// Whether a line was found, and what grep prints.
fn filter(grep: &Grep, text: &str) -> (bool, String) {
    let lines = text.lines().filter(|line| grep.pattern.is_match(line) != grep.invert);
    let mut out = String::new();
    let mut found = false;
    for line in lines {
        found = true;
        if !grep.quiet {
            out.push_str(line);
            out.push('\n');
        }
    }
    (found, out)
}
