//! What the steps of one tick share: the Canary as it was read, the settings, the script, and short words for telling.

use super::ask::{
    Alert, Ask, Event, Input, Level, LogLevel, Meter, SessionCookies, Settings, Severity, StatusWrite, Step, Sync,
    Tell, Write,
};
use super::detect::{self, Tracked};
use super::script::{Run, Script, Stop};
use super::{alerts, hash, status};
use crate::model::canary::{Analysis, Canary, Phase};
use crate::model::object::ObjectRef;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::rc::Rc;

/// One tick in its making.
pub(super) struct Tick<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    /// As it was read at the beginning; the tick's own writes do not show in it, as in Flagger.
    pub(super) canary: &'a Canary,
    /// The phase as this tick sees it: the read one, or Initialized from step 13 on.
    pub(super) phase: Phase,
    /// `spec.provider`, or the controller's own.
    pub(super) provider: &'a str,
    pub(super) script: Script<'a>,
    /// Cookies that the router holds since this tick; the next write of the status carries them.
    pub(super) cookies: Option<SessionCookies>,
    configs: Option<Rc<[Tracked<'a>]>>,
}

/// The target Deployment and the label by which its pods are selected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) deployment: &'a Value,
    pub(super) label: &'a str,
    pub(super) value: &'a str,
}

impl Target<'_> {
    /// Hash of the pod template: what `lastAppliedSpec` holds.
    pub(super) fn hash(&self) -> String {
        hash::of(&self.deployment["spec"]["template"])
    }
}

impl<'a> Tick<'a> {
    pub(super) fn new(input: &Input<'a>, canary: &'a Canary, script: Script<'a>) -> Self {
        let own = canary.spec.provider.as_str();
        let provider = if own.is_empty() { input.settings.mesh_provider.as_str() } else { own };
        Self {
            settings: input.settings,
            now: input.now,
            canary,
            phase: canary.status.phase,
            provider,
            script,
            cookies: None,
            configs: None,
        }
    }

    /// Whether the workloads are still being made: no phase, or Initializing.
    pub(super) fn initialising(&self) -> bool {
        matches!(self.phase, Phase::None | Phase::Initializing)
    }

    /// `skipAnalysis`, also where there is nothing to analyse by.
    pub(super) fn skips_analysis(&self) -> bool {
        self.canary.spec.skip_analysis || self.canary.spec.analysis == Analysis::default()
    }

    /// Runs one step: a failure becomes a Warning event with its words and ends the tick.
    pub(super) fn step<T>(&mut self, step: Step, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        match run(self) {
            Err(Stop::Failed(words)) => {
                self.warn(|_| words);
                Err(Stop::End(step))
            }
            other => other,
        }
    }

    /// Runs something whose failure is only logged; the tick goes on.
    pub(super) fn or_log(&mut self, run: impl FnOnce(&mut Self) -> Run<()>) -> Run<bool> {
        match run(self) {
            Err(Stop::Failed(words)) => {
                self.log(LogLevel::Error, || words);
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    // --- telling

    pub(super) fn normal(&mut self, message: impl FnOnce(&Canary) -> String) {
        self.event(Level::Normal, self.phase, message);
    }

    pub(super) fn warn(&mut self, message: impl FnOnce(&Canary) -> String) {
        self.event(Level::Warning, self.phase, message);
    }

    /// A Warning that is logged as an error.
    pub(super) fn error(&mut self, message: impl FnOnce(&Canary) -> String) {
        self.event(Level::Error, self.phase, message);
    }

    /// An event about the Canary as it will be in `phase`.
    pub(super) fn event(&mut self, level: Level, phase: Phase, message: impl FnOnce(&Canary) -> String) {
        let canary = self.canary;
        self.script.tell(|| Tell::Event(Event { level, message: message(canary), phase }));
    }

    pub(super) fn log(&mut self, level: LogLevel, message: impl FnOnce() -> String) {
        self.script.tell(|| Tell::Log { level, message: message(), named: true });
    }

    /// An info line that names the Canary in its text alone.
    pub(super) fn say(&mut self, message: impl FnOnce() -> String) {
        self.script.tell(|| Tell::Log { level: LogLevel::Info, message: message(), named: false });
    }

    pub(super) fn alert(&mut self, severity: Severity, message: impl FnOnce() -> String) {
        self.script.tell(|| Tell::Alert(Alert { severity, message: message(), fields: Vec::new() }));
    }

    /// An info alert with the fields that describe the policy.
    pub(super) fn alert_with_metadata(&mut self, message: impl FnOnce() -> String) {
        let (canary, settings) = (self.canary, self.settings);
        self.script.tell(|| {
            let fields = alerts::metadata(canary, settings);
            Tell::Alert(Alert { severity: Severity::Info, message: message(), fields })
        });
    }

    pub(super) fn meter(&mut self, meter: Meter) {
        self.script.tell(|| Tell::Meter(meter));
    }

    pub(super) fn meter_status(&mut self, phase: Phase) {
        self.meter(Meter::Status { value: status::gauge(phase) });
    }

    // --- asking

    /// Reads an object of the Canary's namespace; a missing one is `None`.
    pub(super) fn find(&mut self, api_version: &str, kind: &str, name: &str) -> Run<Option<&'a Value>> {
        let namespace = self.canary.namespace();
        let found = self.script.read(|| ObjectRef::new(api_version, kind, namespace, name))?;
        found.map_err(|error| Stop::Failed(error.message.clone()))
    }

    /// Reads an object that must be there; a missing one fails in the API server's words.
    pub(super) fn get(&mut self, api_version: &str, kind: &str, name: &str) -> Run<&'a Value> {
        self.find(api_version, kind, name)?.ok_or_else(|| Stop::Failed(not_found(kind, name)))
    }

    /// The same in another namespace.
    pub(super) fn get_in(&mut self, namespace: &str, api_version: &str, kind: &str, name: &str) -> Run<&'a Value> {
        let found = self.script.read(|| ObjectRef::new(api_version, kind, namespace, name))?;
        let found = found.map_err(|error| Stop::Failed(error.message.clone()))?;
        found.ok_or_else(|| Stop::Failed(not_found(kind, name)))
    }

    pub(super) fn write(&mut self, write: impl FnOnce() -> Write) -> Run<()> {
        self.script.write(write)?.map_err(|error| Stop::Failed(error.message.clone()))
    }

    /// Patches an object of the Canary's namespace.
    pub(super) fn patch(
        &mut self,
        api_version: &str,
        kind: &str,
        name: &str,
        patch: impl FnOnce() -> Value,
    ) -> Run<()> {
        let namespace = self.canary.namespace();
        let target = || ObjectRef::new(api_version, kind, namespace, name);
        self.write(|| Write::MergePatch { target: target(), patch: patch() })
    }

    pub(super) fn set_status(&mut self, write: impl FnOnce() -> StatusWrite) -> Run<()> {
        let cookies = self.cookies.take();
        let write = || match cookies {
            None => write(),
            Some(cookies) => StatusWrite::WithCookies { cookies, write: Box::new(write()) },
        };
        self.script.status(write)?.map_err(|error| Stop::Failed(error.message.clone()))
    }

    pub(super) fn set_phase(&mut self, phase: Phase) -> Run<()> {
        self.set_status(|| StatusWrite::SetPhase(phase))
    }

    /// Writes the whole status with the target's template hash and the tracked configs as they are now; counters zero.
    pub(super) fn sync(&mut self, phase: Phase, weight: i64, target: &Target<'a>) -> Run<()> {
        let configs = self.configs(target)?;
        self.set_status(|| {
            StatusWrite::Sync(Sync {
                phase,
                weight,
                failed_checks: 0,
                iterations: 0,
                last_applied: target.hash(),
                tracked_configs: Some(detect::checksums(&configs)),
            })
        })
    }

    /// The ConfigMaps and Secrets that the target refers to; read once a tick.
    pub(super) fn configs(&mut self, target: &Target<'a>) -> Run<Rc<[Tracked<'a>]>> {
        if let Some(configs) = &self.configs {
            return Ok(Rc::clone(configs));
        }
        let configs: Rc<[_]> = detect::tracked(self, target)?.into();
        self.configs = Some(Rc::clone(&configs));
        Ok(configs)
    }

    pub(super) fn call(&mut self, ask: impl FnOnce() -> Ask) -> Run<Result<(), &'a str>> {
        self.script.carry_out(ask)
    }
}

/// The API server's words for an object that is not there.
pub(super) fn not_found(kind: &str, name: &str) -> String {
    let resource = match kind {
        "Deployment" => "deployments.apps",
        "Service" => "services",
        "ConfigMap" => "configmaps",
        "Secret" => "secrets",
        "Ingress" => "ingresses.networking.k8s.io",
        "HTTPRoute" => "httproutes.gateway.networking.k8s.io",
        "MetricTemplate" => "metrictemplate.flagger.app",
        "HorizontalPodAutoscaler" => "horizontalpodautoscalers.autoscaling",
        other => return format!("{other} \"{name}\" not found"),
    };
    format!("{resource} \"{name}\" not found")
}

/// An object's string field, empty where it is missing.
pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// An object's map of strings (labels, annotations); entries that are not strings are left out.
pub(super) fn strings(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}
