//! podinfo's flags, environment and configuration file, read as pflag and viper read them.

use crate::model::duration::parse_go;
use crate::traffic::process::StartError;
use serde_json::Value;
use std::collections::BTreeMap;

/// pflag's exit code for flags that it cannot read, and Go's for a panic.
const EXIT_USAGE: i32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Bool,
    Duration,
}

/// Name, kind, default: `podinfo --help` of 6.9.2.
const FLAGS: [(&str, Kind, &str); 30] = [
    ("backend-url", Kind::Text, ""),
    ("cache-server", Kind::Text, ""),
    ("cert-path", Kind::Text, "/data/cert"),
    ("config", Kind::Text, "config.yaml"),
    ("config-path", Kind::Text, ""),
    ("data-path", Kind::Text, "/data"),
    ("grpc-port", Kind::Int, "0"),
    ("grpc-service-name", Kind::Text, "podinfo"),
    ("h2c", Kind::Bool, "false"),
    ("host", Kind::Text, ""),
    ("http-client-timeout", Kind::Duration, "2m"),
    ("http-server-timeout", Kind::Duration, "30s"),
    ("level", Kind::Text, "info"),
    ("otel-service-name", Kind::Text, ""),
    ("port", Kind::Int, "9898"),
    ("port-metrics", Kind::Int, "0"),
    ("random-delay", Kind::Bool, "false"),
    ("random-delay-max", Kind::Int, "5"),
    ("random-delay-min", Kind::Int, "0"),
    ("random-delay-unit", Kind::Text, "s"),
    ("random-error", Kind::Bool, "false"),
    ("secure-port", Kind::Int, "0"),
    ("server-shutdown-timeout", Kind::Duration, "5s"),
    ("stress-cpu", Kind::Int, "0"),
    ("stress-memory", Kind::Int, "0"),
    ("ui-color", Kind::Text, "#34577c"),
    // The flag's own default is empty; viper's default for the key stands above it.
    ("ui-logo", Kind::Text, "https://raw.githubusercontent.com/stefanprodan/podinfo/gh-pages/cuddle_clap.gif"),
    ("ui-path", Kind::Text, "./ui"),
    ("unhealthy", Kind::Bool, "false"),
    ("unready", Kind::Bool, "false"),
];

/// Keys that are no flags, or whose default is made at start.
const UI_MESSAGE: &str = "ui-message";
const JWT_SECRET: (&str, &str) = ("jwt-secret", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");

/// Every setting as text, with viper's precedence: flag, environment, configuration file, default.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    flags: BTreeMap<String, String>,
    env: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    version: String,
}

impl Settings {
    /// Reads arguments and environment. Refuses what podinfo refuses, with its texts and exit codes.
    pub(super) fn read(args: &[String], env: &BTreeMap<String, String>, version: &str) -> Result<Self, StartError> {
        Ok(Self { flags: parse(args, version)?, env: env.clone(), file: BTreeMap::new(), version: version.to_owned() })
    }

    /// Takes in the configuration file `text`; podinfo prints what it cannot read and goes on, and so does this.
    pub(super) fn read_file(&mut self, text: &str) {
        let Ok(Value::Object(keys)) = serde_saphyr::from_str::<Value>(text) else { return };
        for (key, value) in keys {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.file.insert(key.to_lowercase(), value);
        }
    }

    pub(super) fn text(&self, key: &str) -> String {
        // viper takes an empty variable for one that is not set.
        let variable = format!("PODINFO_{}", key.to_uppercase().replace('-', "_"));
        let set = self.env.get(&variable).filter(|value| !value.is_empty());
        let known = self.flags.get(key).or(set).or_else(|| self.file.get(key));
        known.cloned().unwrap_or_else(|| self.default(key))
    }

    fn default(&self, key: &str) -> String {
        match key {
            UI_MESSAGE => format!("greetings from podinfo v{}", self.version),
            key if key == JWT_SECRET.0 => JWT_SECRET.1.to_owned(),
            key => FLAGS.iter().find(|flag| flag.0 == key).map(|flag| flag.2.to_owned()).unwrap_or_default(),
        }
    }

    /// A value from the environment or the file that does not fit makes podinfo panic: exit code 2.
    fn decode<T>(&self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, StartError> {
        let text = self.text(key);
        read(&text).map_err(|why| panicked(&format!("config unmarshal failed: '{key}' is `{text}`: {why}")))
    }

    pub(super) fn bool(&self, key: &str) -> Result<bool, StartError> {
        self.decode(key, parse_bool)
    }

    pub(super) fn int(&self, key: &str) -> Result<i64, StartError> {
        self.decode(key, parse_int)
    }

    pub(super) fn duration(&self, key: &str) -> Result<std::time::Duration, StartError> {
        self.decode(key, |text| parse_go(text).map_err(|error| error.to_string()))
    }
}

/// Go's answer to `zap.Logger.Panic` and other panics.
pub(super) fn panicked(message: &str) -> StartError {
    StartError { exit_code: EXIT_USAGE, message: format!("panic: {message}") }
}

fn usage(message: &str) -> StartError {
    StartError { exit_code: EXIT_USAGE, message: format!("Error: {message}") }
}

/// pflag: long flags with `=` or the next argument, boolean ones alone; others than flags are passed over.
fn parse(args: &[String], version: &str) -> Result<BTreeMap<String, String>, StartError> {
    let (mut flags, mut args) = (BTreeMap::new(), args.iter());
    while let Some(arg) = args.next() {
        let Some(rest) = arg.strip_prefix('-').filter(|rest| !rest.is_empty()) else { continue };
        let Some(long) = rest.strip_prefix('-') else {
            return Err(shorthand(rest, arg, version));
        };
        if long.is_empty() {
            break;
        }
        if long.starts_with(['-', '=']) {
            return Err(usage(&format!("bad flag syntax: {arg}")));
        }
        let (name, given) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let kind = kind_of(name, version)?;
        let value = match given {
            Some(value) => value,
            None if kind == Kind::Bool => "true".to_owned(),
            None => args.next().cloned().ok_or_else(|| usage(&format!("flag needs an argument: --{name}")))?,
        };
        check(kind, &value)
            .map_err(|why| usage(&format!("invalid argument {value:?} for \"--{name}\" flag: {why}")))?;
        flags.insert(name.to_owned(), value);
    }
    Ok(flags)
}

fn kind_of(name: &str, version: &str) -> Result<Kind, StartError> {
    match name {
        UI_MESSAGE => Ok(Kind::Text),
        "version" => Err(printed(version)),
        "help" => Err(printed("Usage of default:")),
        _ => {
            let flag = FLAGS.iter().find(|flag| flag.0 == name);
            flag.map(|flag| flag.1).ok_or_else(|| usage(&format!("unknown flag: --{name}")))
        }
    }
}

fn shorthand(rest: &str, arg: &str, version: &str) -> StartError {
    match rest.chars().next() {
        Some('v') => printed(version),
        Some('h') => printed("Usage of default:"),
        letter => usage(&format!("unknown shorthand flag: {:?} in {arg}", letter.unwrap_or('-'))),
    }
}

/// `--version` and `--help` print and exit with 0, so there is nothing that serves.
fn printed(text: &str) -> StartError {
    StartError { exit_code: 0, message: text.to_owned() }
}

fn check(kind: Kind, value: &str) -> Result<(), String> {
    match kind {
        Kind::Text => Ok(()),
        Kind::Int => parse_int(value).map(drop),
        Kind::Bool => parse_bool(value).map(drop),
        Kind::Duration => go_duration(value),
    }
}

/// Go's `strconv.ParseInt` with base 0: a sign, then decimal or `0x`.
fn parse_int(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse(),
        None => return Err(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
    };
    parsed.map(|value| sign * value).map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => format!("strconv.ParseInt: parsing {text:?}: value out of range"),
        _ => format!("strconv.ParseInt: parsing {text:?}: invalid syntax"),
    })
}

/// Go's `strconv.ParseBool`.
pub(in crate::traffic) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// The texts of Go's `time.ParseDuration`.
fn go_duration(text: &str) -> Result<(), String> {
    if parse_go(text).is_ok() {
        return Ok(());
    }
    let number_ends = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    Err(match number_ends {
        None if !text.is_empty() => format!("time: missing unit in duration {text:?}"),
        Some(end) if end > 0 => format!("time: unknown unit {:?} in duration {text:?}", &text[end..]),
        _ => format!("time: invalid duration {text:?}"),
    })
}
