//! `hey` and `wrk`: load from a number of workers, each of which waits for its answer.

use super::command::{Args, Call, Refusal, seconds};
use crate::model::duration::parse_go;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use std::time::Duration;

/// Workers of one command at most.
const MAX_WORKERS: u32 = 1000;

/// Closed-loop load: workers that send one request after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    pub call: Call,
    pub workers: u32,
    /// Requests per second of each worker; as fast as answers come where there is none.
    pub per_worker: Option<f64>,
    pub until: Until,
    /// For one request.
    pub timeout: Duration,
}

/// When a load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Each worker has sent this many.
    PerWorker(u64),
    /// After this time; requests under way are finished.
    After(Duration),
}

/// hey 0.1.4's flags, as Go reads them: everything after the URL is passed over.
pub(super) fn parse_hey(args: &[String]) -> Result<Load, Refusal> {
    let mut args = Args::new("hey", args);
    let mut read = Hey::default();
    let url = loop {
        let Some(arg) = args.rest.next() else { return Err(args.usage("there is no URL")) };
        let Some(flag) = arg.strip_prefix('-').filter(|flag| !flag.is_empty()) else { break arg };
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        let (name, attached) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        read.flag(name, attached, &mut args)?;
    };
    read.finish(url, &args)
}

struct Hey {
    number: u64,
    workers: u32,
    rate: f64,
    duration: Option<Duration>,
    timeout: f64,
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
}

impl Default for Hey {
    fn default() -> Self {
        Self {
            number: 200,
            workers: 50,
            rate: 0.0,
            duration: None,
            timeout: 20.0,
            method: Method::GET,
            headers: vec![
                (CONTENT_TYPE, HeaderValue::from_static("text/html")),
                (USER_AGENT, HeaderValue::from_static("hey/0.0.1")),
            ],
            body: String::new(),
        }
    }
}

impl Hey {
    fn flag(&mut self, name: &str, attached: Option<&str>, args: &mut Args<'_>) -> Result<(), Refusal> {
        if matches!(name, "disable-compression" | "disable-keepalive" | "disable-redirects") {
            // Nothing is compressed here, connections cost nothing, and redirects are not followed.
            return Ok(());
        }
        let known = ["n", "c", "q", "z", "t", "m", "H", "A", "T", "U", "d", "a", "host", "o", "cpus"];
        if !known.contains(&name) {
            return Err(args.unknown(&format!("-{name}")));
        }
        let value = args.value(&format!("-{name}"), attached)?;
        let text = |value: &str| HeaderValue::from_str(value).map_err(|_| args.usage(format!("-{name}: `{value}`")));
        match name {
            "n" => self.number = args.number("-n", &value)?,
            "c" => self.workers = args.number("-c", &value)?,
            "q" => self.rate = args.number("-q", &value)?,
            "t" => self.timeout = args.number::<u32>("-t", &value)?.into(),
            "z" => self.duration = Some(parse_go(&value).map_err(|error| args.usage(format!("-z: {error}")))?),
            "m" => self.method = args.method(&value.to_uppercase())?,
            "H" => {
                let (name, value) = args.header(&value)?;
                self.set(name, value);
            }
            "A" => self.set(ACCEPT, text(&value)?),
            "T" => self.set(CONTENT_TYPE, text(&value)?),
            "U" => self.set(USER_AGENT, text(&value)?),
            "host" => self.set(HOST, text(&value)?),
            "a" => self.set(AUTHORIZATION, text(&format!("Basic {}", STANDARD.encode(&value)))?),
            "d" => self.body = value,
            // `-o csv` and `-cpus` change the output and the machine, not the load.
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
    }

    fn finish(self, url: &str, args: &Args<'_>) -> Result<Load, Refusal> {
        if self.workers == 0 || self.workers > MAX_WORKERS {
            return Err(args.usage(format!("-c is {}; it must be from 1 to {MAX_WORKERS}", self.workers)));
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(args.usage("-q cannot be smaller than 0"));
        }
        let until = match self.duration {
            Some(duration) if !duration.is_zero() => Until::After(duration),
            _ if self.number < u64::from(self.workers) => return Err(args.usage("-n cannot be less than -c.")),
            _ => Until::PerWorker(self.number / u64::from(self.workers)),
        };
        Ok(Load {
            call: Call { url: args.url(url)?, method: self.method, headers: self.headers, body: self.body },
            workers: self.workers,
            per_worker: (self.rate > 0.0).then_some(self.rate),
            until,
            // hey takes 0 for "no limit".
            timeout: if self.timeout > 0.0 { seconds(self.timeout) } else { seconds(f64::INFINITY) },
        })
    }
}

/// wrk's options with a value that are understood.
const WRK_OPTIONS: [&str; 12] =
    ["-t", "--threads", "-c", "--connections", "-d", "--duration", "-T", "--timeout", "-H", "--header", "-R", "--rate"];

/// wrk 4's flags, and wrk2's `-R` (rate of all connections together). Scripts are refused.
pub(super) fn parse_wrk(args: &[String]) -> Result<Load, Refusal> {
    let mut args = Args::new("wrk", args);
    let (mut connections, mut duration, mut timeout, mut rate) = (10u32, seconds(10.0), seconds(2.0), 0.0f64);
    let (mut headers, mut url) = (Vec::new(), None);
    while let Some(arg) = args.rest.next() {
        let Some((option, attached)) = option(arg) else {
            url = Some(arg);
            continue;
        };
        if matches!(option, "-L" | "--latency" | "-U" | "--u_latency") {
            continue;
        }
        if !WRK_OPTIONS.contains(&option) {
            return Err(args.unknown(option));
        }
        let value = args.value(option, attached)?;
        match option {
            "-c" | "--connections" => connections = args.number(option, &value)?,
            "-d" | "--duration" => duration = wrk_time(&args, option, &value)?,
            "-T" | "--timeout" => timeout = wrk_time(&args, option, &value)?,
            "-R" | "--rate" => rate = args.number(option, &value)?,
            "-H" | "--header" => headers.push(args.header(&value)?),
            // Threads share the connections; here there is one.
            _ => {}
        }
    }
    if connections == 0 || connections > MAX_WORKERS || !rate.is_finite() || rate < 0.0 {
        return Err(args.usage(format!("connections must be from 1 to {MAX_WORKERS}, and the rate not below 0")));
    }
    let url = args.url(url.ok_or_else(|| args.usage("there is no URL"))?)?;
    Ok(Load {
        call: Call { url, method: Method::GET, headers, body: String::new() },
        workers: connections,
        per_worker: (rate > 0.0).then(|| rate / f64::from(connections)),
        until: Until::After(duration),
        timeout,
    })
}

/// `-c10`, `-c`, `--connections=10`, `--connections`: the option and what is attached to it.
pub(super) fn option(arg: &str) -> Option<(&str, Option<&str>)> {
    if arg.starts_with("--") {
        return Some(arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value))));
    }
    let letter = arg.strip_prefix('-')?.chars().next()?;
    let end = 1 + letter.len_utf8();
    Some((&arg[..end], Some(&arg[end..]).filter(|rest| !rest.is_empty())))
}

/// wrk's times: a number of seconds, or one with `s`, `m` or `h`.
fn wrk_time(args: &Args<'_>, option: &str, text: &str) -> Result<Duration, Refusal> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((end, 's')) => (&text[..end], 1.0),
        Some((end, 'm')) => (&text[..end], 60.0),
        Some((end, 'h')) => (&text[..end], 3600.0),
        _ => (text, 1.0),
    };
    Ok(seconds(f64::from(args.number::<u32>(option, number)?) * unit))
}
