//! A demo app's settings, checked.

use super::DemoSpec;
use super::flags::{Settings, panicked};
use crate::traffic::process::StartError;
use std::time::Duration;

/// Go's `log.Fatal`, which podinfo calls when a server cannot listen.
const EXIT_FATAL: i32 = 1;

/// What podinfo was told, typed.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) port: u16,
    /// None when the metrics server is off (`--port-metrics 0`).
    pub(super) port_metrics: Option<u16>,
    pub(super) debug: bool,
    pub(super) http_server_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) random_delay: Option<RandomDelay>,
    pub(super) random_error: bool,
    pub(super) unhealthy: bool,
    pub(super) unready: bool,
    pub(super) ui_logo: String,
    pub(super) ui_color: String,
    pub(super) ui_message: String,
    /// `--config-path`
    pub(super) files_path: String,
    pub(super) has_cache_server: bool,
    pub(super) backends: Vec<String>,
    pub(super) jwt_secret: String,
}

/// `--random-delay`: whole units from `min` up to, but not including, `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RandomDelay {
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) unit: Duration,
}

impl Config {
    /// Reads flags, environment and configuration file. Refuses what podinfo refuses, with its exit codes.
    pub(super) fn read(spec: &DemoSpec) -> Result<Self, StartError> {
        let mut settings = Settings::read(&spec.args, &spec.env, &spec.version)?;
        let config_path = settings.text("config-path");
        let directory = spec.files.get(config_path.trim_end_matches('/'));
        if let Some(text) = directory.and_then(|files| files.get(&settings.text("config"))) {
            settings.read_file(text);
        }
        let random_delay = random_delay(&settings)?;
        if settings.int("secure-port")? != 0 {
            return Err(fatal("HTTPS server crashed: the embedded demo app has no TLS; leave --secure-port out"));
        }
        // gRPC is not served; the flag is read so that real manifests start.
        settings.int("grpc-port")?;
        Ok(Self {
            port: listen_port(settings.int("port")?)?,
            port_metrics: Some(settings.int("port-metrics")?).filter(|port| *port > 0).map(listen_port).transpose()?,
            debug: settings.text("level") == "debug",
            http_server_timeout: settings.duration("http-server-timeout")?,
            shutdown_timeout: settings.duration("server-shutdown-timeout")?,
            random_delay,
            random_error: settings.bool("random-error")?,
            unhealthy: settings.bool("unhealthy")?,
            unready: settings.bool("unready")?,
            ui_logo: settings.text("ui-logo"),
            ui_color: settings.text("ui-color"),
            ui_message: settings.text("ui-message"),
            files_path: config_path.trim_end_matches('/').to_owned(),
            has_cache_server: !settings.text("cache-server").is_empty(),
            backends: list(&settings.text("backend-url")),
            jwt_secret: settings.text("jwt-secret"),
        })
    }
}

/// podinfo checks the bounds and the unit even when the delay is off.
fn random_delay(settings: &Settings) -> Result<Option<RandomDelay>, StartError> {
    let (min, max) = (settings.int("random-delay-min")?, settings.int("random-delay-max")?);
    if max < min {
        return Err(panicked("`--random-delay-max` should be greater than `--random-delay-min`"));
    }
    let unit = match settings.text("random-delay-unit").as_str() {
        "s" => Duration::from_secs(1),
        "ms" => Duration::from_millis(1),
        _ => return Err(panicked("`random-delay-unit` accepted values are: s|ms")),
    };
    let delay = RandomDelay { min: min.max(0).unsigned_abs(), max: max.max(0).unsigned_abs(), unit };
    Ok(settings.bool("random-delay")?.then_some(delay))
}

fn listen_port(port: i64) -> Result<u16, StartError> {
    u16::try_from(port).map_err(|_| fatal(&format!("HTTP server crashed: listen tcp: address {port}: invalid port")))
}

fn fatal(message: &str) -> StartError {
    StartError { exit_code: EXIT_FATAL, message: message.to_owned() }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
