//! One tick: the judge's questions, carried out one after another.

use crate::canary::{
    Answer, ApiError, ApiReason, Ask, Input, Level, LogLevel, Meter, Next, Outcome, StatusWrite, Tell, Turn, Write,
};
use crate::cluster::ClusterError;
use crate::controller::events::Involved;
use crate::controller::meters::Target;
use crate::controller::{Context, hooks, log, notify, prometheus};
use crate::model::canary::Canary;
use crate::model::object::ObjectRef;
use rand::Rng;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// `apiVersion` of Flagger's kinds.
pub(super) const FLAGGER: &str = "flagger.app/v1beta1";
/// How often a write is tried while the object changes under it.
const MAX_CONFLICTS: u32 = 4;
/// The wait after the first conflict, and the factor for each further one.
const CONFLICT_WAIT: Duration = Duration::from_millis(10);
const CONFLICT_FACTOR: u32 = 5;
/// Length of a session cookie's value.
const COOKIE_LENGTH: usize = 10;

/// A pure decision that is driven: [`crate::canary::tick()`] or [`crate::canary::finalize()`].
pub(super) type Script = fn(&Input<'_>, &[Answer]) -> Turn;

/// Where a Canary is.
pub(super) fn canary_ref(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(FLAGGER, "Canary", namespace, name)
}

/// Runs a script for one Canary to its end, and says how it ended.
pub(super) async fn run(context: &Context, canary: &ObjectRef, script: Script) -> Outcome {
    let mut drive = Drive { context, reference: canary, canary: None, key: log::canary_key(canary), timer: None };
    let input = Input {
        namespace: &canary.namespace,
        name: &canary.name,
        now: context.clock.now(),
        settings: &context.settings.judge,
    };
    let mut answers = Vec::new();
    let outcome = loop {
        let Turn { tell, next } = script(&input, &answers);
        for told in tell {
            drive.tell(told).await;
        }
        match next {
            Next::Ask(ask) => {
                let answer = drive.perform(ask).await;
                answers.push(answer);
            }
            Next::Done(outcome) => break outcome,
        }
    };
    drive.finish(&outcome);
    outcome
}

struct Drive<'a> {
    context: &'a Context,
    reference: &'a ObjectRef,
    /// As the tick read it.
    canary: Option<Canary>,
    key: String,
    /// When the duration timer started, since the clock's start.
    timer: Option<Duration>,
}

impl Drive<'_> {
    async fn perform(&mut self, ask: Ask) -> Answer {
        let context = self.context;
        match ask {
            Ask::Canary => Answer::Canary(self.read_canary().await),
            Ask::Read(object) => Answer::Object(context.client.get(&object).await.map_err(|why| refusal(&why))),
            Ask::Write(write) => Answer::Written(self.write(write).await),
            Ask::Status(write) => Answer::Written(write_status(context, self.reference, &write).await),
            Ask::Hook(call) => Answer::Carried(hooks::call(&context.http, &context.clock, &call).await),
            Ask::Query(query) => Answer::Value(prometheus::query(&context.http, &query.server, &query.query).await),
            Ask::Ping(server) => Answer::Carried(prometheus::ping(&context.http, &server).await),
            Ask::FlaggerId => Answer::Text(context.uuid()),
            Ask::Cookie => Answer::Text(context.cookie()),
            Ask::Wait(wait) => {
                tokio::time::sleep(wait).await;
                Answer::Carried(Ok(()))
            }
        }
    }

    async fn read_canary(&mut self) -> Result<Option<Box<Canary>>, ApiError> {
        let found = self.context.client.get(self.reference).await.map_err(|why| refusal(&why))?;
        self.canary = found.as_ref().map(parse).transpose()?;
        Ok(self.canary.clone().map(Box::new))
    }

    async fn write(&self, write: Write) -> Result<(), ApiError> {
        let client = &self.context.client;
        let written = match write {
            Write::Create(object) => client.create(&object).await,
            Write::Replace(object) => client.replace(&object).await,
            Write::MergePatch { target, patch } => client.merge_patch(&target, None, &patch).await,
        };
        written.map(drop).map_err(|why| refusal(&why))
    }

    async fn tell(&mut self, told: Tell) {
        let context = self.context;
        match told {
            Tell::Log { level, message, named } => {
                context.log.write(level_of(level), if named { &self.key } else { "" }, &message);
            }
            Tell::Meter(Meter::ObserveDuration) => self.timer = Some(context.clock.elapsed()),
            Tell::Meter(meter) => context.meters.apply(self.target(), &meter),
            Tell::Event(event) => {
                let Some(canary) = &self.canary else { return };
                let warning = event.level != Level::Normal;
                let level = if event.level == Level::Error { log::Level::Error } else { log::Level::Info };
                context.log.write_event(level, &self.key, &event.message, warning);
                let involved = Involved::of(self.reference.clone(), &canary.metadata);
                context.recorder.record(involved, warning, &event.message);
                notify::event_webhooks(context, canary, &self.key, &event).await;
            }
            Tell::Alert(alert) => {
                if let Some(canary) = &self.canary {
                    notify::alert(context, canary, &self.key, &alert).await;
                }
            }
        }
    }

    fn target(&self) -> Target<'_> {
        let name = self.canary.as_ref().map_or("", |it| it.spec.target_ref.name.as_str());
        Target { name, namespace: &self.reference.namespace }
    }

    fn finish(&self, outcome: &Outcome) {
        if let Some(started) = self.timer {
            let took = self.context.clock.elapsed().saturating_sub(started);
            self.context.meters.observe_duration(self.target(), took);
        }
        if let Outcome::Mismatch { at, asked } = outcome {
            // The judge and this driver disagree about the language: a fault of coalmine, to be seen and not to be hidden.
            let message = format!("coalmine: answer {at} of the tick does not fit the question {asked}");
            self.context.log.write(log::Level::Error, &self.key, &message);
        }
    }
}

impl Context {
    /// A version 4 UUID from the seed.
    fn uuid(&self) -> String {
        let mut bytes = [0u8; 16];
        self.fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        text
    }

    /// Letters and digits from the seed.
    fn cookie(&self) -> String {
        const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let mut bytes = [0u8; COOKIE_LENGTH];
        self.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.random.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        random.fill_bytes(bytes);
    }
}

/// Writes a Canary's status on a freshly read object, again while others write it too.
pub(super) async fn write_status(context: &Context, canary: &ObjectRef, write: &StatusWrite) -> Result<(), ApiError> {
    change(context, canary, Part::Status, |object| {
        let status = write.apply(&parse(object)?, context.clock.now());
        object["status"] = serde_json::to_value(status).map_err(|why| other(&why))?;
        Ok(())
    })
    .await
}

/// Which part of a Canary is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Object,
    Status,
}

/// Reads a Canary, changes it, and replaces that part of it; on a conflict all of that again.
pub(super) async fn change(
    context: &Context,
    canary: &ObjectRef,
    part: Part,
    change: impl Fn(&mut Value) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut wait = CONFLICT_WAIT;
    let mut tries = 0;
    loop {
        tries += 1;
        let read = context.client.get(canary).await.map_err(|why| refusal(&why))?;
        let mut object = read.ok_or_else(|| ApiError {
            reason: ApiReason::NotFound,
            message: format!("canaries.flagger.app {:?} not found", canary.name),
        })?;
        change(&mut object)?;
        let client = &context.client;
        let written = match part {
            Part::Object => client.replace(&object).await,
            Part::Status => client.replace_status(&object).await,
        };
        match written {
            Err(ClusterError::Conflict(_)) if tries < MAX_CONFLICTS => tokio::time::sleep(wait).await,
            written => return written.map(drop).map_err(|why| refusal(&why)),
        }
        wait *= CONFLICT_FACTOR;
    }
}

/// Reads a Canary from its JSON.
pub(super) fn parse(object: &Value) -> Result<Canary, ApiError> {
    Canary::deserialize(object).map_err(|why| other(&why))
}

fn other(why: &dyn std::fmt::Display) -> ApiError {
    ApiError { reason: ApiReason::Other, message: why.to_string() }
}

fn refusal(error: &ClusterError) -> ApiError {
    let reason = match error {
        ClusterError::NotFound(_) => ApiReason::NotFound,
        ClusterError::Conflict(_) => ApiReason::Conflict,
        ClusterError::AlreadyExists(_) => ApiReason::AlreadyExists,
        _ => ApiReason::Other,
    };
    ApiError { reason, message: error.to_string() }
}

fn level_of(level: LogLevel) -> log::Level {
    match level {
        LogLevel::Debug => log::Level::Debug,
        LogLevel::Info => log::Level::Info,
        LogLevel::Error => log::Level::Error,
    }
}

#[cfg(test)]
mod tests;
