//! What a webhook's `cmd` asks for, without a shell: `hey`, `wrk` (load) or `curl` (one request, perhaps with `| grep`).

use super::words::split;
use super::{curl, hey};
use crate::sys::http::SharedHttp;
use http::{HeaderName, HeaderValue, Method};
use std::time::Duration;

pub use super::curl::{Curl, Grep};
pub use super::hey::{Load, Until};

/// Longest command line that is read, in bytes.
const MAX_COMMAND: usize = 16 * 1024;

/// A command that can be carried out.
#[derive(Debug, Clone)]
pub enum Command {
    Load(Load),
    Curl(Curl),
}

impl Command {
    /// The request that it sends.
    pub fn call_mut(&mut self) -> &mut Call {
        match self {
            Self::Load(load) => &mut load.call,
            Self::Curl(curl) => &mut curl.call,
        }
    }
}

/// The request that a command sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Absolute, `http`.
    pub url: http::Uri,
    pub method: Method,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: String,
}

/// Why a command is not run. The texts end with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no command in it; write `hey`, `wrk` or `curl` with a URL")]
    Empty,
    #[error("it is longer than {MAX_COMMAND} bytes")]
    TooLong,
    #[error(
        "it needs a shell for {0}, and the embedded load tester runs none; write one plain hey, wrk or curl command, or run this on a kind lab"
    )]
    Shell(&'static str),
    #[error(
        "`{0}` is not here: the embedded load tester knows hey, wrk, and curl with `| grep`; use one of them, or run this on a kind lab"
    )]
    Program(String),
    #[error("{program}: {option} is not known here; leave it out, or run this on a kind lab")]
    Option { program: &'static str, option: String },
    #[error("{program}: {why}")]
    Usage { program: &'static str, why: String },
}

/// Understands a command line.
pub fn parse(line: &str) -> Result<Command, Refusal> {
    if line.len() > MAX_COMMAND {
        return Err(Refusal::TooLong);
    }
    let mut commands = split(line)?.into_iter();
    let first = commands.next().ok_or(Refusal::Empty)?;
    let (filter, more) = (commands.next(), commands.next());
    if more.is_some() {
        return Err(Refusal::Shell("a second pipe"));
    }
    of_words(&first, filter)
}

/// Understands a command that is words already; there is no pipe in it.
pub fn parse_words(words: &[String]) -> Result<Command, Refusal> {
    of_words(words, None)
}

/// Carries a command out: a shell's exit status, and what it printed.
pub async fn carry_out(command: Command, http: &SharedHttp) -> (i32, String) {
    let outcome = super::run::run(command, http).await;
    (outcome.code, outcome.output)
}

fn of_words(words: &[String], filter: Option<Vec<String>>) -> Result<Command, Refusal> {
    let [program, args @ ..] = words else { return Err(Refusal::Empty) };
    // `/usr/local/bin/hey` is hey.
    match (program.rsplit('/').next().unwrap_or(program), filter) {
        ("hey", None) => hey::parse_hey(args).map(Command::Load),
        ("wrk" | "wrk2", None) => hey::parse_wrk(args).map(Command::Load),
        ("curl", filter) => curl::parse(args, filter.as_deref()).map(Command::Curl),
        ("hey" | "wrk" | "wrk2", Some(_)) => Err(Refusal::Shell("a pipe")),
        (other, _) => Err(Refusal::Program(other.to_owned())),
    }
}

/// A command's arguments, one at a time.
pub(super) struct Args<'a> {
    pub(super) program: &'static str,
    pub(super) rest: std::slice::Iter<'a, String>,
}

impl<'a> Args<'a> {
    pub(super) fn new(program: &'static str, args: &'a [String]) -> Self {
        Self { program, rest: args.iter() }
    }

    /// The value of an option: attached, or the next argument.
    pub(super) fn value(&mut self, option: &str, attached: Option<&str>) -> Result<String, Refusal> {
        let value = attached.map(str::to_owned).or_else(|| self.rest.next().cloned());
        value.ok_or_else(|| self.usage(format!("{option} needs a value")))
    }

    pub(super) fn usage(&self, why: impl Into<String>) -> Refusal {
        Refusal::Usage { program: self.program, why: why.into() }
    }

    pub(super) fn unknown(&self, option: &str) -> Refusal {
        Refusal::Option { program: self.program, option: option.to_owned() }
    }

    pub(super) fn number<T: std::str::FromStr>(&self, option: &str, text: &str) -> Result<T, Refusal> {
        text.parse().map_err(|_| self.usage(format!("{option} is `{text}`, which is not a number it can use")))
    }

    /// `name: value`.
    pub(super) fn header(&self, text: &str) -> Result<(HeaderName, HeaderValue), Refusal> {
        let pair = text.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        pair.ok_or_else(|| self.usage(format!("`{text}` is not a header such as `x-user: test`")))
    }

    pub(super) fn method(&self, text: &str) -> Result<Method, Refusal> {
        Method::from_bytes(text.as_bytes()).map_err(|_| self.usage(format!("`{text}` is not an HTTP method")))
    }

    /// An absolute `http` URL.
    pub(super) fn url(&self, text: &str) -> Result<http::Uri, Refusal> {
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: http::Uri = text.parse().map_err(|_| self.usage(format!("`{text}` is not a URL")))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) if !host.is_empty() => Ok(uri),
            _ => Err(self.usage(format!("`{text}` is not an http:// address in the cluster; nothing here speaks TLS"))),
        }
    }
}

/// Seconds of a limit, bounded so that no clock overflows.
pub(super) fn seconds(value: f64) -> Duration {
    const DAY: f64 = 86_400.0;
    Duration::from_secs_f64(if value.is_finite() { value.clamp(0.0, DAY) } else { DAY })
}
