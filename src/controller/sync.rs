//! The informer: watches Canary objects, checks and remembers them.
//!
//! A Canary is looked at again when it is new or its spec has changed, when it is being deleted, or when it wants a
//! finalizer that it does not have; writes of its status are not a reason. At most [`WORKERS`] are looked at at once, one
//! object never twice at a time.

use crate::canary::admission::admit;
use crate::canary::deletion::{FINALIZER, wanted_finalizers};
use crate::canary::{ApiError, Outcome, StatusWrite, Step, finalize};
use crate::cluster::Watched;
use crate::controller::Context;
use crate::controller::drive::{self, FLAGGER, Part, canary_ref, change, write_status};
use crate::controller::log::{Level, canary_key};
use crate::model::canary::Canary;
use crate::model::object::ObjectRef;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// `-threadiness`
const WORKERS: usize = 2;
/// Waits before another try, as in client-go's work queue: 5 ms, doubled each time, at most this.
const RETRY_START: Duration = Duration::from_millis(5);
const RETRY_LIMIT: Duration = Duration::from_secs(1_000);
/// The number of doublings after which [`RETRY_LIMIT`] is reached in any case.
const MAX_DOUBLINGS: u32 = 20;

/// What the control loop needs to know about a Canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) canary: ObjectRef,
    pub(super) interval: Duration,
    /// `{t}.{ns}`
    pub(super) target: String,
}

/// The Canaries that are scheduled, by `{name}.{namespace}`. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Canaries(Arc<Mutex<BTreeMap<String, Known>>>);

impl Canaries {
    pub(super) fn all(&self) -> BTreeMap<String, Known> {
        self.lock().clone()
    }

    fn put(&self, canary: &Canary) {
        let reference = canary_ref(canary.namespace(), canary.name());
        let target = format!("{}.{}", canary.spec.target_ref.name, canary.namespace());
        let interval = canary.spec.analysis.effective_interval();
        self.lock().insert(canary_key(&reference), Known { canary: reference, interval, target });
    }

    fn remove(&self, canary: &ObjectRef) {
        self.lock().remove(&canary_key(canary));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a Canary could not be taken in.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    /// Only another spec can help.
    #[error("invalid canary spec: {0}")]
    Invalid(String),
    /// Worth another try.
    #[error("{what}: {why}")]
    Refused { what: &'static str, why: ApiError },
    #[error("unable to finalize: {0}")]
    Unfinished(String),
}

/// Watches until it is dropped.
pub(super) async fn run(context: Arc<Context>, canaries: Canaries) {
    let namespace = Some(context.settings.namespace.clone()).filter(|it| !it.is_empty());
    let mut watch = context.client.watch(FLAGGER, "Canary", namespace.as_deref(), None);
    let mut queue = Queue::default();
    let mut running: FuturesUnordered<BoxFuture<'static, (ObjectRef, Result<(), SyncError>)>> = FuturesUnordered::new();
    loop {
        while let Some((canary, object)) = queue.start() {
            let (context, canaries) = (context.clone(), canaries.clone());
            running.push(Box::pin(async move {
                let done = take_in(&context, &canaries, &canary, &object).await;
                (canary, done)
            }));
        }
        let retry = queue.next_retry();
        tokio::select! {
            biased;
            Some((canary, done)) = running.next(), if !running.is_empty() => queue.finish(&context, &canary, done),
            Some(told) = watch.next() => queue.told(&context, &canaries, told),
            () = tokio::time::sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => queue.retry(),
        }
    }
}

/// client-go's work queue, with the objects as last seen.
#[derive(Default)]
struct Queue {
    seen: BTreeMap<ObjectRef, Value>,
    waiting: BTreeSet<ObjectRef>,
    busy: BTreeSet<ObjectRef>,
    /// Tries so far, and when the next is due.
    failed: BTreeMap<ObjectRef, (u32, Instant)>,
}

impl Queue {
    fn told(&mut self, context: &Context, canaries: &Canaries, told: Watched) {
        match told {
            Watched::Applied(object) => self.applied(object),
            Watched::Deleted(object) => self.deleted(context, canaries, &ObjectRef::of(&object)),
            Watched::Restarted(objects) => {
                let listed: BTreeSet<_> = objects.iter().map(ObjectRef::of).collect();
                let gone: Vec<_> = self.seen.keys().filter(|it| !listed.contains(it)).cloned().collect();
                for canary in &gone {
                    self.deleted(context, canaries, canary);
                }
                for object in objects {
                    self.applied(object);
                }
            }
        }
    }

    fn applied(&mut self, object: Value) {
        let canary = ObjectRef::of(&object);
        let old = self.seen.get(&canary);
        if old.is_none_or(|it| it["spec"] != object["spec"]) || wants_finalizer_work(&object) {
            self.waiting.insert(canary.clone());
            self.failed.remove(&canary);
        }
        self.seen.insert(canary, object);
    }

    fn deleted(&mut self, context: &Context, canaries: &Canaries, canary: &ObjectRef) {
        let message = format!("Deleting {} from cache", canary_key(canary));
        context.log.write(Level::Info, "", &message);
        self.seen.remove(canary);
        self.waiting.remove(canary);
        self.failed.remove(canary);
        canaries.remove(canary);
    }

    /// The next Canary to look at, while a worker is free.
    fn start(&mut self) -> Option<(ObjectRef, Value)> {
        if self.busy.len() >= WORKERS {
            return None;
        }
        let canary = self.waiting.iter().find(|it| !self.busy.contains(*it))?.clone();
        self.waiting.remove(&canary);
        let object = self.seen.get(&canary)?.clone();
        self.busy.insert(canary.clone());
        Some((canary, object))
    }

    fn finish(&mut self, context: &Context, canary: &ObjectRef, done: Result<(), SyncError>) {
        self.busy.remove(canary);
        let Err(why) = done else {
            self.failed.remove(canary);
            return;
        };
        let message = format!("error syncing '{}/{}': {why}", canary.namespace, canary.name);
        context.log.write(Level::Error, "", &message);
        if !matches!(why, SyncError::Invalid(_)) && self.seen.contains_key(canary) {
            let tries = self.failed.get(canary).map_or(0, |it| it.0);
            let wait = (RETRY_START * 2u32.pow(tries.min(MAX_DOUBLINGS))).min(RETRY_LIMIT);
            self.failed.insert(canary.clone(), (tries + 1, Instant::now() + wait));
        }
    }

    /// When the next failed Canary is due; those that wait or run already are not.
    fn next_retry(&self) -> Option<Instant> {
        let idle = self.failed.iter().filter(|(it, _)| !self.waiting.contains(*it) && !self.busy.contains(*it));
        idle.map(|(_, (_, due))| *due).min()
    }

    fn retry(&mut self) {
        let now = Instant::now();
        let due = self.failed.iter().filter(|(_, (_, due))| *due <= now).map(|(canary, _)| canary.clone());
        self.waiting.extend(due);
    }
}

/// Whether the object is to be finalized, or its finalizers are to change.
fn wants_finalizer_work(object: &Value) -> bool {
    let wanted = wanted_finalizers(&object["metadata"], reverts(object));
    if is_deleted(object) { has_finalizer(object) } else { wanted.is_some() }
}

fn reverts(object: &Value) -> bool {
    object["spec"]["revertOnDeletion"] == true
}

fn is_deleted(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn has_finalizer(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|it| it.iter().any(|it| it == FINALIZER))
}

/// Checks a Canary, gives it its first status, and remembers it; or carries out its end.
async fn take_in(
    context: &Context,
    canaries: &Canaries,
    reference: &ObjectRef,
    object: &Value,
) -> Result<(), SyncError> {
    let canary = drive::parse(object).map_err(|why| SyncError::Invalid(why.message))?;
    admit(&canary, &context.settings.judge).map_err(SyncError::Invalid)?;
    if is_deleted(object) && reverts(object) {
        return end(context, reference, object).await;
    }
    let refused = |what| move |why| SyncError::Refused { what, why };
    if canary.status.conditions.is_empty() {
        let write = StatusWrite::SetInitializing;
        write_status(context, reference, &write).await.map_err(refused("failed to set the initializing status"))?;
    }
    canaries.put(&canary);
    if !is_deleted(object) && wanted_finalizers(&object["metadata"], reverts(object)).is_some() {
        let changed = change(context, reference, Part::Object, |object| {
            if let Some(wanted) = wanted_finalizers(&object["metadata"], reverts(object)) {
                object["metadata"]["finalizers"] = wanted.into();
            }
            Ok(())
        });
        changed.await.map_err(refused("unable to change finalizers"))?;
    }
    context.log.write(Level::Info, "", &format!("Synced {}/{}", reference.namespace, reference.name));
    Ok(())
}

/// Puts back what the Canary changed, and lets it go.
async fn end(context: &Context, reference: &ObjectRef, object: &Value) -> Result<(), SyncError> {
    let key = canary_key(reference);
    let said = if has_finalizer(object) {
        match drive::run(context, reference, finalize).await {
            Outcome::Failed(why) => return Err(SyncError::Unfinished(why)),
            // It went meanwhile.
            Outcome::Ended(Step::Read) => return Ok(()),
            _ => format!("Canary {key} has been successfully processed and marked for deletion"),
        }
    } else {
        format!("Canary {key} has been finalized")
    };
    context.log.write(Level::Info, "", &said);
    Ok(())
}
