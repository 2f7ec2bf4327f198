//! `curl`, with `| grep PATTERN`: one request and a look at its answer.

use super::command::{Args, Call, Refusal, seconds};
use super::hey::option;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use regex::{Regex, RegexBuilder};
use std::time::Duration;

/// One request.
#[derive(Debug, Clone)]
pub struct Curl {
    pub call: Call,
    /// `-f`: statuses from 400 are failures, and their body is not printed.
    pub fail: bool,
    /// `-s` without `-S`: errors are not printed.
    pub quiet: bool,
    /// `-o /dev/null`: the body is not printed.
    pub discard: bool,
    /// `-w` with `%{http_code}` and `\n`.
    pub write_out: Option<String>,
    /// `-m`; curl's own has no limit, and neither has this one below a day.
    pub timeout: Duration,
    pub grep: Option<Grep>,
}

/// `grep PATTERN`: which lines stay.
#[derive(Debug, Clone)]
pub struct Grep {
    pub pattern: Regex,
    /// `-v`
    pub invert: bool,
    /// `-q`
    pub quiet: bool,
}

#[derive(Default)]
struct Read {
    url: Option<String>,
    method: Option<Method>,
    headers: Vec<(HeaderName, HeaderValue)>,
    data: Vec<String>,
    flags: Flags,
    write_out: Option<String>,
    timeout: Option<f64>,
}

#[derive(Default)]
struct Flags {
    fail: bool,
    silent: bool,
    show_error: bool,
    discard: bool,
    head: bool,
}

pub(super) fn parse(args: &[String], filter: Option<&[String]>) -> Result<Curl, Refusal> {
    let mut args = Args::new("curl", args);
    let mut read = Read::default();
    while let Some(arg) = args.rest.next() {
        if arg.starts_with("--") {
            let (name, attached) = option(arg).unwrap_or((arg, None));
            read.long(name, attached, &mut args)?;
        } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            read.short(letters, &mut args)?;
        } else if read.url.replace(arg.clone()).is_some() {
            return Err(args.usage("one URL at a time is enough here"));
        }
    }
    let grep = filter.map(parse_grep).transpose()?;
    read.finish(&args, grep)
}

impl Read {
    /// `-sSf`, `-sd data`, `-XPOST`: letters without values, then at most one with.
    fn short(&mut self, letters: &str, args: &mut Args<'_>) -> Result<(), Refusal> {
        for (place, letter) in letters.char_indices() {
            let long = match letter {
                's' => "--silent",
                'S' => "--show-error",
                'f' => "--fail",
                'k' => "--insecure",
                'v' => "--verbose",
                'I' => "--head",
                'X' => "--request",
                'd' => "--data",
                'H' => "--header",
                'A' => "--user-agent",
                'u' => "--user",
                'm' => "--max-time",
                'o' => "--output",
                'w' => "--write-out",
                other => return Err(args.unknown(&format!("-{other}"))),
            };
            let rest = &letters[place + letter.len_utf8()..];
            let takes_value = !self.switch(long);
            if takes_value {
                return self.long(long, Some(rest).filter(|rest| !rest.is_empty()), args);
            }
        }
        Ok(())
    }

    /// Options without a value; false for all others.
    fn switch(&mut self, name: &str) -> bool {
        match name {
            "--silent" => self.flags.silent = true,
            "--show-error" => self.flags.show_error = true,
            "--fail" | "--fail-with-body" => self.flags.fail = true,
            "--head" => self.flags.head = true,
            // There is no TLS, no progress and no verbose output here.
            "--insecure" | "--verbose" | "--no-progress-meter" | "--compressed" => {}
            _ => return false,
        }
        true
    }

    fn long(&mut self, name: &str, attached: Option<&str>, args: &mut Args<'_>) -> Result<(), Refusal> {
        if self.switch(name) {
            return Ok(());
        }
        let known = [
            "--request",
            "--data",
            "--data-raw",
            "--data-binary",
            "--data-ascii",
            "--json",
            "--header",
            "--user-agent",
            "--user",
            "--max-time",
            "--connect-timeout",
            "--output",
            "--write-out",
            "--url",
        ];
        if !known.contains(&name) {
            return Err(args.unknown(name));
        }
        let value = args.value(name, attached)?;
        let text = |value: &str| HeaderValue::from_str(value).map_err(|_| args.usage(format!("{name}: `{value}`")));
        match name {
            "--url" => self.url = Some(value),
            "--request" => self.method = Some(args.method(&value)?),
            "--header" => self.headers.push(args.header(&value)?),
            "--user-agent" => self.headers.push((USER_AGENT, text(&value)?)),
            "--user" => self.headers.push((AUTHORIZATION, text(&format!("Basic {}", STANDARD.encode(&value)))?)),
            "--max-time" => self.timeout = Some(args.number(name, &value)?),
            "--connect-timeout" => {}
            "--output" if value == "/dev/null" => self.flags.discard = true,
            "--output" => return Err(args.usage("-o can only be /dev/null: there are no files here")),
            "--write-out" => self.write_out = Some(value),
            _ if value.starts_with('@') && name != "--data-raw" => {
                return Err(args.usage(format!("{name} {value} reads a file, and there are none here")));
            }
            _ => {
                if name == "--json" {
                    self.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
                    self.headers.push((ACCEPT, HeaderValue::from_static("application/json")));
                }
                self.data.push(value);
            }
        }
        Ok(())
    }

    fn finish(mut self, args: &Args<'_>, grep: Option<Grep>) -> Result<Curl, Refusal> {
        let url = args.url(self.url.as_deref().ok_or_else(|| args.usage("there is no URL"))?)?;
        let has_data = !self.data.is_empty();
        let method = self.method.take().unwrap_or(match (self.flags.head, has_data) {
            (true, _) => Method::HEAD,
            (_, true) => Method::POST,
            _ => Method::GET,
        });
        let mut default = |name: HeaderName, value: &'static str| {
            if !self.headers.iter().any(|(known, _)| *known == name) {
                self.headers.push((name, HeaderValue::from_static(value)));
            }
        };
        default(USER_AGENT, "curl/8.0");
        default(ACCEPT, "*/*");
        if has_data {
            default(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        Ok(Curl {
            call: Call { url, method, headers: self.headers, body: self.data.join("&") },
            fail: self.flags.fail,
            quiet: self.flags.silent && !self.flags.show_error,
            discard: self.flags.discard,
            write_out: self.write_out,
            timeout: seconds(self.timeout.filter(|limit| *limit > 0.0).unwrap_or(f64::INFINITY)),
            grep,
        })
    }
}

/// `grep [-q] [-i] [-v] [-E|-F] PATTERN`.
fn parse_grep(words: &[String]) -> Result<Grep, Refusal> {
    let [program, words @ ..] = words else { return Err(Refusal::Empty) };
    if !matches!(program.as_str(), "grep" | "egrep" | "fgrep") {
        return Err(Refusal::Program(program.clone()));
    }
    let args = Args::new("grep", words);
    let (mut fixed, mut extended) = (program == "fgrep", program == "egrep");
    let (mut quiet, mut ignore_case, mut invert, mut pattern) = (false, false, false, None);
    for word in words {
        match word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            Some(letters) if pattern.is_none() => {
                for letter in letters.chars() {
                    match letter {
                        'q' | 's' => quiet |= letter == 'q',
                        'i' => ignore_case = true,
                        'v' => invert = true,
                        'F' => fixed = true,
                        'E' => extended = true,
                        other => return Err(args.unknown(&format!("-{other}"))),
                    }
                }
            }
            _ if pattern.is_none() => pattern = Some(word.as_str()),
            _ => return Err(args.usage("there are no files here; one pattern is enough")),
        }
    }
    let pattern = pattern.ok_or_else(|| args.usage("there is no pattern"))?;
    let pattern = match (fixed, extended) {
        (true, _) => regex::escape(pattern),
        (_, true) => pattern.to_owned(),
        _ => basic_to_extended(pattern),
    };
    let pattern = RegexBuilder::new(&pattern).case_insensitive(ignore_case).build();
    let pattern = pattern.map_err(|error| args.usage(format!("the pattern cannot be used: {error}")))?;
    Ok(Grep { pattern, invert, quiet })
}

/// A basic regular expression as an extended one: `+ ? | ( ) { }` are themselves unless a backslash is in front.
fn basic_to_extended(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '+' | '?' | '|' | '(' | ')' | '{' | '}' => out.extend(['\\', c]),
            '\\' => match chars.next() {
                Some(next @ ('+' | '?' | '|' | '(' | ')' | '{' | '}')) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push_str("\\\\"),
            },
            c => out.push(c),
        }
    }
    out
}
