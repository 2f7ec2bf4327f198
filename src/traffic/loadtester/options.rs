//! The load tester's flags, read as Go's `flag` package reads them.

use crate::model::duration::parse_go;
use crate::traffic::demo::parse_bool;
use crate::traffic::process::StartError;
use regex::Regex;
use std::time::Duration;

/// Go's exit code for flags that it cannot read, and for a panic.
const EXIT_USAGE: i32 = 2;

#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Without the flag 9090; the usual manifests say 8080.
    pub(super) port: u16,
    /// Longest time of one command.
    pub(super) timeout: Duration,
    namespaces: Option<Regex>,
}

impl Options {
    pub(super) fn read(args: &[String]) -> Result<Self, StartError> {
        let mut options = Self { port: 9090, timeout: Duration::from_secs(3600), namespaces: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            // Go stops at the first argument that is no flag.
            let Some(rest) = arg.strip_prefix('-').filter(|rest| !rest.is_empty() && *rest != "-") else { break };
            let rest = rest.strip_prefix('-').unwrap_or(rest);
            let (name, given) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
            if name == "zap-replace-globals" {
                let value = given.unwrap_or("true");
                parse_bool(value).map_err(|_| wrong(value, name, "parse error"))?;
                continue;
            }
            if matches!(name, "h" | "help") {
                return Err(StartError { exit_code: 0, message: "Usage of loadtester:".to_owned() });
            }
            if !matches!(name, "port" | "timeout" | "namespace-regexp" | "log-level" | "zap-encoding") {
                return Err(usage(format!("flag provided but not defined: -{name}")));
            }
            let value = given.or_else(|| args.next().map(String::as_str));
            let value = value.ok_or_else(|| usage(format!("flag needs an argument: -{name}")))?;
            options.set(name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), StartError> {
        match name {
            "port" => {
                self.port = value.parse().map_err(|_| StartError {
                    exit_code: 1,
                    message: format!("HTTP server crashed listen tcp: lookup tcp/{value}: unknown port"),
                })?;
            }
            "timeout" => self.timeout = parse_go(value).map_err(|_| wrong(value, name, "parse error"))?,
            "namespace-regexp" if value.is_empty() => self.namespaces = None,
            "namespace-regexp" => {
                let regex = Regex::new(value).map_err(|error| usage(format!("panic: regexp: Compile: {error}")))?;
                self.namespaces = Some(regex);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether Canaries of this namespace may use it.
    pub(super) fn allows(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|regex| regex.is_match(namespace))
    }
}

fn wrong(value: &str, name: &str, why: &str) -> StartError {
    usage(format!("invalid value {value:?} for flag -{name}: {why}"))
}

fn usage(message: String) -> StartError {
    StartError { exit_code: EXIT_USAGE, message }
}
