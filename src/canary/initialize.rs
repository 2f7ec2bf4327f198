//! Steps 4 to 13: the target, the Services, the metrics servers, the primary workload, its autoscaler, and the first status.

use super::alerts;
use super::analysis::template_server;
use super::ask::{Ask, LogLevel, MetricServer, Write};
use super::context::{Target, Tick};
use super::detect;
use super::messages;
use super::objects::service::{self, Role};
use super::objects::{autoscaler, config, workload};
use super::query;
use super::readiness::{self, Demand, NotReady};
use super::script::{Context, Run, Stop};
use crate::model::canary::{AutoscalerRef, Phase};
use serde_json::{Value, json};

pub(super) const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

/// Step 4: the target and the first selector label that its pods are selected by.
pub(super) fn target<'a>(tick: &mut Tick<'a>) -> Run<Target<'a>> {
    let reference = &tick.canary.spec.target_ref;
    let (name, namespace) = (reference.name.as_str(), tick.canary.namespace());
    if reference.kind != "Deployment" {
        let kind = &reference.kind;
        let words = format!("{kind} {name}.{namespace} is not supported as a target: coalmine releases Deployments");
        return Err(Stop::Failed(words));
    }
    let deployment = tick
        .get(DEPLOYMENT.0, DEPLOYMENT.1, name)
        .context(|error| format!("deployment {name}.{namespace} get query error: {error}"))?;
    let labels = &tick.settings.selector_labels;
    let selected = &deployment["spec"]["selector"]["matchLabels"];
    let found = labels.iter().find_map(|label| Some((label.as_str(), selected[label.as_str()].as_str()?)));
    let (label, value) = found.ok_or_else(|| {
        let labels = labels.join(" ");
        let words = format!("deployment {name}.{namespace} spec.selector.matchLabels must contain one of [{labels}]");
        Stop::Failed(words)
    })?;
    Ok(Target { deployment, label, value })
}

/// Steps 5 and 10: creates a Service, or brings its ports and selector back.
pub(super) fn service(tick: &mut Tick<'_>, target: &Target<'_>, role: Role) -> Run<()> {
    let canary = tick.canary;
    let (name, namespace) = (role.name(canary), canary.namespace());
    let existing =
        tick.find("v1", "Service", &name).context(|error| format!("service {name} get query error: {error}"))?;
    let Some(existing) = existing else {
        tick.write(|| Write::Create(service::create(canary, role, target)))
            .context(|error| format!("service {name}.{namespace} create error: {error}"))?;
        tick.log(LogLevel::Info, || format!("Service {name}.{namespace} created"));
        return Ok(());
    };
    if let Some(changed) = service::update(existing, canary, role, target) {
        tick.write(|| Write::Replace(changed)).context(|error| format!("service {name} update error: {error}"))?;
        tick.log(LogLevel::Info, || format!("Service {name} updated"));
    }
    Ok(())
}

/// Step 6: asks each metric's server whether it is there. A problem is told and does not stop the tick.
pub(super) fn metric_servers(tick: &mut Tick<'_>) -> Run<()> {
    match ping_all(tick) {
        Ok(()) => tick.normal(messages::providers_available),
        Err(Stop::Failed(error)) => tick.error(|_| messages::providers_unavailable(&error)),
        Err(stop) => return Err(stop),
    }
    Ok(())
}

fn ping_all(tick: &mut Tick<'_>) -> Run<()> {
    let canary = tick.canary;
    for metric in &canary.spec.analysis.metrics {
        if query::is_builtin(&metric.name) {
            let server = query::server(canary, tick.settings);
            ping(tick, server).context(|error| format!("prometheus not avaiable: {error}"))?;
        } else if let Some(reference) = &metric.template_ref {
            let (namespace, name) = alerts::place(reference, canary.namespace());
            let (template, server) =
                template_server(tick, namespace, name).context(|error| format!("metric template {error}"))?;
            ping(tick, server).context(|error| {
                format!("{} in metric template {name}.{namespace} not avaiable: {error}", template.provider.kind)
            })?;
        }
    }
    Ok(())
}

fn ping(tick: &mut Tick<'_>, server: MetricServer) -> Run<()> {
    tick.call(|| Ask::Ping(server))?.map_err(|error| Stop::Failed(error.to_owned()))
}

/// Step 8: the primary, created where it is not there.
pub(super) fn primary<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<&'a Value> {
    let (canary, namespace) = (tick.canary, tick.canary.namespace());
    let name = format!("{}-primary", canary.spec.target_ref.name);
    let words = |error: &str| format!("deployment {name}.{namespace} get query error: {error}");
    if let Some(primary) = tick.find(DEPLOYMENT.0, DEPLOYMENT.1, &name).context(words)? {
        return Ok(primary);
    }
    let configs = tick.configs(target)?;
    copy_configs(tick, &configs)?;
    let flagger_id = tick.script.text(|| Ask::FlaggerId)?;
    let settings = tick.settings;
    tick.write(|| {
        let source = workload::Source { canary, settings, target: *target, configs: &configs, flagger_id };
        Write::Create(workload::create(&source))
    })
    .context(|error| format!("creating deployment {name}.{namespace} failed: {error}"))?;
    tick.log(LogLevel::Info, || format!("Deployment {name}.{namespace} created"));
    tick.get(DEPLOYMENT.0, DEPLOYMENT.1, &name).context(words)
}

/// Writes the primary's copies of the tracked configs.
pub(super) fn copy_configs(tick: &mut Tick<'_>, configs: &[detect::Tracked<'_>]) -> Run<()> {
    let canary = tick.canary;
    for tracked in configs {
        let (kind, name) = (tracked.kind.kind(), config::name(tracked));
        let (word, namespace) = (tracked.kind.word(), canary.namespace());
        let existing = tick.find("v1", kind, &name)?;
        match existing {
            None => tick
                .write(|| Write::Create(config::copy(tracked, canary, None)))
                .context(|error| format!("creating {word} {name}.{namespace} failed: {error}"))?,
            Some(existing) if !config::is_current(tracked, existing) => tick
                .write(|| Write::Replace(config::copy(tracked, canary, Some(existing))))
                .context(|error| format!("updating {word} {name}.{namespace} failed: {error}"))?,
            Some(_) => {}
        }
        tick.log(LogLevel::Info, || format!("{kind} {name} synced"));
    }
    Ok(())
}

/// What a primary has to meet.
pub(super) fn primary_readiness(tick: &Tick<'_>, primary: &Value) -> Result<(), NotReady> {
    let threshold = tick.canary.spec.analysis.primary_ready_threshold.unwrap_or(100);
    readiness::check(primary, demand(tick, threshold))
}

/// What a canary has to meet.
pub(super) fn canary_readiness(tick: &Tick<'_>, target: &Target<'_>) -> Result<(), NotReady> {
    let threshold = tick.canary.spec.analysis.canary_ready_threshold.unwrap_or(100);
    readiness::check(target.deployment, demand(tick, threshold))
}

fn demand(tick: &Tick<'_>, threshold: i64) -> Demand {
    Demand { deadline: alerts::deadline_seconds(tick.canary), threshold, now: tick.now }
}

/// Step 9: the primary's autoscaler, created where it is not there and (unless `create_only`) refreshed where it is.
pub(super) fn autoscaler(tick: &mut Tick<'_>, create_only: bool) -> Run<()> {
    let canary = tick.canary;
    let Some(reference) = &canary.spec.autoscaler_ref else { return Ok(()) };
    let hpa = target_autoscaler(tick, reference)?;
    let (name, namespace) = (format!("{}-primary", reference.name), canary.namespace());
    let existing = tick
        .find(autoscaler::API_VERSION, autoscaler::KIND, &name)
        .context(|error| format!("HorizontalPodAutoscaler {name}.{namespace} get query failed: {error}"))?;
    let (act, write) = match existing {
        None => ("creat", Write::Create(autoscaler::create(hpa, canary, reference))),
        Some(_) if create_only => return Ok(()),
        Some(existing) => match autoscaler::update(existing, hpa, canary, reference) {
            Some(changed) => ("updat", Write::Replace(changed)),
            None => return Ok(()),
        },
    };
    tick.write(|| write)
        .context(|error| format!("{act}ing HorizontalPodAutoscaler v2 {name}.{namespace} failed: {error}"))?;
    tick.log(LogLevel::Info, || format!("HorizontalPodAutoscaler v2 {name}.{namespace} {act}ed"));
    Ok(())
}

/// The target's own autoscaler.
pub(super) fn target_autoscaler<'a>(tick: &mut Tick<'a>, reference: &AutoscalerRef) -> Run<&'a Value> {
    let (name, namespace) = (&reference.name, tick.canary.namespace());
    if reference.kind != autoscaler::KIND {
        let words = "the server could not find the requested resource (coalmine has no KEDA)";
        return Err(Stop::Failed(format!("Keda {} {name}.{namespace} get query error: {words}", reference.kind)));
    }
    tick.get(autoscaler::API_VERSION, autoscaler::KIND, name)
        .context(|error| format!("HorizontalPodAutoscaler {name}.{namespace} get query error: {error}"))
}

/// Sets the target's replicas.
pub(super) fn scale(tick: &mut Tick<'_>, replicas: i64) -> Run<()> {
    let (name, namespace) = (tick.canary.spec.target_ref.name.as_str(), tick.canary.namespace());
    tick.patch(DEPLOYMENT.0, DEPLOYMENT.1, name, || json!({"spec": {"replicas": replicas}}))
        .context(|error| format!("deployment {name}.{namespace} patch query error: {error}"))
}

/// Step 11: the target idles from now on.
pub(super) fn scale_down(tick: &mut Tick<'_>) -> Run<()> {
    let canary = tick.canary;
    let kind = &canary.spec.target_ref.kind;
    tick.log(LogLevel::Info, || format!("Scaling down {kind} {}", messages::target(canary)));
    scale(tick, 0).context(|error| format!("scaling down canary {kind} {} failed: {error}", messages::target(canary)))
}

/// Step 13: the first status. The template of this moment counts as applied and promoted.
pub(super) fn finish<'a>(tick: &mut Tick<'a>, target: &Target<'a>) -> Run<()> {
    let canary = tick.canary;
    tick.sync(Phase::Initialized, 0, target)
        .context(|error| format!("failed to sync canary {} status: {error}", messages::canary(canary)))?;
    tick.phase = Phase::Initialized;
    tick.meter_status(Phase::Initialized);
    tick.normal(messages::initialised);
    let kind = &canary.spec.target_ref.kind;
    tick.alert_with_metadata(|| format!("New {kind} detected, initialization completed."));
    Ok(())
}
