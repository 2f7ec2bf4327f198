//! Step 26: rollout hooks, then built-in and inline checks, then template checks; the first failure ends it.

use super::alerts;
use super::ask::{LogLevel, Meter, MetricServer, Query, QueryError};
use super::check::{self, Bound, Limits};
use super::context::{Tick, text};
use super::hooks;
use super::messages;
use super::query::{self, Observer};
use super::script::{Context, Run, Stop};
use crate::model::canary::{Metric, MetricTemplateSpec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// Provider types that Flagger knows and coalmine cannot ask.
const OTHER_PROVIDERS: [&str; 10] = [
    "influxdb",
    "datadog",
    "externalmetrics",
    "stackdriver",
    "cloudwatch",
    "newrelic",
    "graphite",
    "dynatrace",
    "keptn",
    "splunk",
];

/// Whether the canary may advance. A failure has been told.
pub(super) fn run(tick: &mut Tick<'_>) -> Run<bool> {
    Ok(hooks::rollout(tick)? && builtin_and_inline(tick)? && templates(tick)?)
}

fn builtin_and_inline(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for metric in &canary.spec.analysis.metrics {
        let passed = match metric.name.as_str() {
            query::SUCCESS_RATE => success_rate(tick, metric)?,
            query::DURATION => request_duration(tick, metric)?,
            _ => true,
        };
        if !(passed && inline(tick, metric)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks a built-in query.
fn builtin<'a>(tick: &mut Tick<'a>, metric: &Metric) -> Run<Result<f64, &'a QueryError>> {
    let (canary, settings, provider) = (tick.canary, tick.settings, tick.provider);
    let observer = observer(provider)?;
    tick.script.query(|| {
        let query = observer.query(&metric.name, canary, query::window(metric)).unwrap_or_default();
        Query { server: query::server(canary, settings), query }
    })
}

fn observer(provider: &str) -> Run<Observer> {
    Observer::of(provider)
        .ok_or_else(|| Stop::Failed(format!("coalmine has no built-in checks for provider {provider}")))
}

fn success_rate(tick: &mut Tick<'_>, metric: &Metric) -> Run<bool> {
    let value = match builtin(tick, metric)? {
        Ok(value) => value,
        Err(error) => {
            let prefix = if observer(tick.provider)?.prefixes_errors() { "running query failed: " } else { "" };
            no_value(tick, metric, error, &format!(": {prefix}{error}"), prefix);
            return Ok(false);
        }
    };
    tick.meter(Meter::Analysis { metric: metric.name.clone(), value });
    Ok(passes(tick, check::success_rate(value, Limits::of(metric, Bound::Below))))
}

fn request_duration(tick: &mut Tick<'_>, metric: &Metric) -> Run<bool> {
    let observer = observer(tick.provider)?;
    let millis = match builtin(tick, metric)? {
        Ok(value) => (value * observer.duration_unit_ms()) as i64,
        Err(error) => {
            let prefix = if observer.prefixes_errors() { "running query failed: " } else { "" };
            no_value(tick, metric, error, "", prefix);
            return Ok(false);
        }
    };
    tick.meter(Meter::Analysis { metric: metric.name.clone(), value: millis as f64 / 1000.0 });
    Ok(passes(tick, check::request_duration(millis, Limits::of(metric, Bound::Above))))
}

/// Tells that a built-in check has no value; `suffix` follows the no-values text, `prefix` goes before other errors.
fn no_value(tick: &mut Tick<'_>, metric: &Metric, error: &QueryError, suffix: &str, prefix: &str) {
    let provider = tick.provider;
    match error {
        QueryError::NoValues => tick.warn(|it| {
            let (name, target) = (&metric.name, messages::target(it));
            format!(
                "Halt advancement no values found for {provider} metric {name} probably {target} is not receiving traffic{suffix}"
            )
        }),
        QueryError::Failed(error) => tick.error(|_| format!("Prometheus query failed: {prefix}{error}")),
    }
}

/// An inline PromQL query, where the metric has one.
fn inline(tick: &mut Tick<'_>, metric: &Metric) -> Run<bool> {
    if metric.query.is_empty() {
        return Ok(true);
    }
    let (canary, settings) = (tick.canary, tick.settings);
    let ask = || Query { server: query::server(canary, settings), query: query::collapse(&metric.query) };
    let name = &metric.name;
    match tick.script.query(ask)? {
        Ok(value) => Ok(judge(tick, metric, value)),
        Err(QueryError::NoValues) => {
            tick.warn(|_| format!("Halt advancement no values found for metric: {name}"));
            Ok(false)
        }
        Err(QueryError::Failed(error)) => {
            tick.error(|_| format!("Prometheus query failed for {name}: {error}"));
            Ok(false)
        }
    }
}

/// Compares the value of an inline or template metric.
fn judge(tick: &mut Tick<'_>, metric: &Metric, value: f64) -> bool {
    tick.meter(Meter::Analysis { metric: metric.name.clone(), value });
    passes(tick, check::other(&metric.name, value, Limits::of(metric, Bound::Above)))
}

fn passes(tick: &mut Tick<'_>, broken: Option<String>) -> bool {
    let Some(broken) = broken else { return true };
    tick.warn(|it| messages::halt(it, &broken));
    false
}

// --- templates

fn templates(tick: &mut Tick<'_>) -> Run<bool> {
    let canary = tick.canary;
    for metric in &canary.spec.analysis.metrics {
        let passed = if metric.template_ref.is_some() {
            match template(tick, metric) {
                Err(Stop::Failed(error)) => {
                    tick.error(|_| format!("Metric template {error}"));
                    false
                }
                other => other?,
            }
        } else if metric.query.is_empty() && !query::is_builtin(&metric.name) {
            tick.error(|_| "Metric query failed for no usable metrics template and query were configured".to_owned());
            false
        } else {
            true
        };
        if !passed {
            return Ok(false);
        }
    }
    Ok(true)
}

fn template(tick: &mut Tick<'_>, metric: &Metric) -> Run<bool> {
    let canary = tick.canary;
    let Some(reference) = &metric.template_ref else { return Ok(true) };
    let (namespace, place) = alerts::place(reference, canary.namespace());
    let (spec, server) = template_server(tick, namespace, place)?;
    let query = query::of_template(canary, metric, &spec.query)
        .map_err(|error| Stop::Failed(format!("{place}.{namespace} query render error: {error}")))?;
    tick.log(LogLevel::Debug, || format!("Metric template {place}.{namespace} query: {query}"));
    let name = &metric.name;
    match tick.script.query(|| Query { server, query })? {
        Ok(value) => Ok(judge(tick, metric, value)),
        Err(error @ QueryError::NoValues) => {
            tick.warn(|_| format!("Halt advancement no values found for custom metric: {name}: {error}"));
            Ok(false)
        }
        Err(QueryError::Failed(error)) => {
            tick.error(|_| format!("Metric query failed for {name}: {error}"));
            Ok(false)
        }
    }
}

/// A MetricTemplate and the server that it asks; failures say `{n}.{ns} error: …` and the like.
pub(super) fn template_server(
    tick: &mut Tick<'_>,
    namespace: &str,
    name: &str,
) -> Run<(MetricTemplateSpec, MetricServer)> {
    let found = tick
        .get_in(namespace, "flagger.app/v1beta1", "MetricTemplate", name)
        .context(|error| format!("{name}.{namespace} error: {error}"))?;
    let spec = MetricTemplateSpec::deserialize(&found["spec"])
        .map_err(|error| Stop::Failed(format!("{name}.{namespace} error: {error}")))?;
    let provider = &spec.provider;
    let mut server = MetricServer {
        address: provider.address.clone(),
        headers: provider.headers.clone(),
        insecure_skip_verify: provider.insecure_skip_verify,
        ..MetricServer::default()
    };
    if let Some(secret) = provider.secret_ref.as_ref().map(|it| it.name.as_str()) {
        let found = tick
            .get_in(namespace, "v1", "Secret", secret)
            .context(|error| format!("{name}.{namespace} secret {secret} error: {error}"))?;
        credentials(&mut server, found)
            .map_err(|error| Stop::Failed(format!("{name}.{namespace} provider {} error: {error}", provider.kind)))?;
    }
    if OTHER_PROVIDERS.contains(&provider.kind.as_str()) {
        let words = format!("{name}.{namespace} provider {} error: coalmine asks only Prometheus", provider.kind);
        return Err(Stop::Failed(words));
    }
    Ok((spec, server))
}

/// A token, or a user name with a password.
fn credentials(server: &mut MetricServer, secret: &Value) -> Result<(), String> {
    let key = |name: &str| {
        let bytes = STANDARD.decode(text(&secret["data"], &format!("/{name}"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    server.token = key("token");
    if server.token.is_empty() {
        (server.username, server.password) = (key("username"), key("password"));
        for (name, value) in [("username", &server.username), ("password", &server.password)] {
            if value.is_empty() {
                return Err(format!("prometheus credentials does not contain a {name}"));
            }
        }
    }
    Ok(())
}
