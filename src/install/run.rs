//! Installing: every part as soon as what it needs is ready.

use super::part::{self, Part, PlanError};
use super::ready::{Readiness, readiness};
use super::steps::{Outcome, Steps};
use super::why::{missing_image, why_not_ready};
use crate::cluster::{Client, ClusterError};
use crate::model::object::{Labels, ObjectRef};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often an object that is not ready is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked whether pods get their images, and how long a part waits when one does not: kubelet has tried three
/// times by then.
const LOOK_FOR_IMAGES_EVERY: Duration = Duration::from_secs(5);
const WAIT_FOR_IMAGES: Duration = Duration::from_mins(1);
/// A cluster that has just come up refuses now and then: its kinds, its webhooks, its namespaces are not there yet.
const TRY_AGAIN_EVERY: Duration = Duration::from_millis(500);

/// Brings parts into one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Installer {
    pub cluster: Client,
    pub steps: Steps,
    /// Whom the objects belong to (server-side apply).
    pub field_manager: &'static str,
    /// Labels that every object gets, by which [`super::remove`] knows them again.
    pub mark: Labels,
    /// When every part has to be ready, by the clock's time since it began, whatever its own limit.
    pub until: Option<Duration>,
    /// What becomes of an object that is there already and does not bear the mark.
    pub others: Others,
}

/// Objects of other people that have the name of one that is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They become the installer's: the cluster is its own.
    Take,
    /// Namespaces and definitions are used as they are; anything else is an error.
    Leave,
}

/// How long one step took, from when it could begin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    pub name: String,
    /// Since the first step began.
    pub began: Duration,
    pub took: Duration,
    /// Every object was there already, as it should be.
    pub unchanged: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{part}: {object} is there already, and somebody else's: it is left as it is. Rename or remove it")]
    NotOurs { part: &'static str, object: ObjectRef },
    #[error("{part}: {object} was refused: {source}")]
    Refused { part: &'static str, object: ObjectRef, source: ClusterError },
    #[error("{part} was not ready within {}: {}{}", crate::model::duration::go(*limit), waiting.join("; "), likely(causes))]
    NotReady { part: &'static str, limit: Duration, waiting: Vec<String>, causes: &'static [&'static str] },
    #[error(
        "{part}: the cluster does not get the image {image}: {why}\n  \
        `docker pull {image}` and `coalmine up` again bring it into a cluster of the lab's own; nodes of another have to be able \
        to pull it. --images FILE names another one"
    )]
    NoImage { part: &'static str, image: String, why: String },
    #[error("{part}: {why}{}", likely(causes))]
    Failed { part: &'static str, why: String, causes: &'static [&'static str] },
    #[error("the Kubernetes API broke while {part} was being installed: {source}")]
    Api { part: &'static str, source: ClusterError },
}

fn likely(causes: &[&str]) -> String {
    causes.iter().map(|it| format!("\n  likely: {it}")).collect()
}

/// What applying did to a part's objects.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Changes {
    created: usize,
    configured: usize,
    unchanged: usize,
}

impl Changes {
    fn outcome(self) -> Outcome {
        let some = [(self.created, "created"), (self.configured, "configured")].into_iter().filter(|it| it.0 > 0);
        let words: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        match words.is_empty() {
            true if self.unchanged == 0 => Outcome::done(""),
            true => Outcome::unchanged(),
            false => Outcome::done(words.join(", ")),
        }
    }
}

impl Installer {
    /// Installs all parts, side by side where they need nothing of each other. The first that fails ends the others' waiting;
    /// what they applied stays, and a second call goes on from there. Timings are in the order in which parts became ready.
    pub async fn install(&self, parts: Vec<Part>) -> Result<Vec<Timing>, InstallError> {
        part::check(&parts)?;
        let (mut waiting, mut done, mut timings) = (parts, BTreeSet::new(), Vec::new());
        let mut running = FuturesUnordered::new();
        loop {
            let (next, rest): (Vec<Part>, Vec<Part>) =
                waiting.into_iter().partition(|it| it.needs.iter().all(|need| done.contains(need)));
            waiting = rest;
            running
                .extend(next.into_iter().map(|it| async { (it.name, self.steps.step(it.name, self.bring(it)).await) }));
            let Some((name, timing)) = running.next().await else { return Ok(timings) };
            timings.push(timing?);
            done.insert(name);
        }
    }

    async fn bring(&self, part: Part) -> Result<Outcome, InstallError> {
        let began = self.steps.clock.elapsed();
        let until = self.until.unwrap_or(Duration::MAX).min(began + part.limit);
        let part = Part { limit: part.limit.min(Duration::from_secs(until.saturating_sub(began).as_secs())), ..part };
        let mut changes = Changes::default();
        for object in &part.objects {
            self.apply(&part, object, until, &mut changes).await?;
        }
        self.wait(&part, until).await?;
        let (name, causes, limit) = (part.name, part.causes, part.limit);
        let Some(act) = part.act else { return Ok(changes.outcome()) };
        tokio::select! {
            biased;
            result = act() => result.map_err(|why| InstallError::Failed { part: name, why: why.to_string(), causes }),
            () = self.steps.clock.sleep_until(until) => {
                Err(InstallError::NotReady { part: name, limit, waiting: vec!["it had not ended".to_owned()], causes })
            }
        }
    }

    /// Applies one object, and again while the cluster is not ready to take it.
    async fn apply(
        &self,
        part: &Part,
        object: &Value,
        until: Duration,
        changes: &mut Changes,
    ) -> Result<(), InstallError> {
        let object = self.marked(object);
        let named = ObjectRef::of(&object);
        loop {
            match self.apply_once(&object, &named, changes).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(InstallError::NotOurs { part: part.name, object: named }),
                Err(error) if is_passing(&error) && self.steps.clock.elapsed() < until => {
                    self.steps.clock.sleep_until((self.steps.clock.elapsed() + TRY_AGAIN_EVERY).min(until)).await;
                }
                Err(source) => return Err(InstallError::Refused { part: part.name, object: named, source }),
            }
        }
    }

    /// Says whether it might.
    async fn apply_once(&self, object: &Value, named: &ObjectRef, changes: &mut Changes) -> Result<bool, ClusterError> {
        let before = self.cluster.get(named).await?;
        if self.others == Others::Leave && before.as_ref().is_some_and(|it| !self.bears_mark(it)) {
            changes.unchanged += 1;
            return Ok(is_shared(named));
        }
        let after = self.cluster.apply(object, self.field_manager, true).await?;
        let version = |it: &Value| it.pointer("/metadata/resourceVersion").cloned();
        match before {
            None => changes.created += 1,
            Some(before) if version(&before) == version(&after) => changes.unchanged += 1,
            Some(_) => changes.configured += 1,
        }
        Ok(true)
    }

    /// Whether an object is the installer's.
    #[must_use]
    pub fn bears_mark(&self, object: &Value) -> bool {
        self.mark.iter().all(|(name, value)| object["metadata"]["labels"][name.as_str()] == value.as_str())
    }

    fn marked(&self, object: &Value) -> Value {
        let mut object = object.clone();
        for (name, value) in &self.mark {
            object["metadata"]["labels"][name.as_str()] = Value::from(value.as_str());
        }
        object
    }

    /// Waits until every object of the part is ready, or one says that it will not be.
    async fn wait(&self, part: &Part, until: Duration) -> Result<(), InstallError> {
        let mut left: Vec<ObjectRef> =
            part.objects.iter().map(ObjectRef::of).chain(part.awaits.iter().cloned()).collect();
        let mut images = MissingImages { since: None, look: self.steps.clock.elapsed() + LOOK_FOR_IMAGES_EVERY };
        loop {
            let mut reasons = Vec::new();
            for object in std::mem::take(&mut left) {
                let found = match self.cluster.get(&object).await {
                    Ok(found) => found,
                    Err(error) if is_passing(&error) => None,
                    Err(source) => return Err(InstallError::Api { part: part.name, source }),
                };
                match readiness(found.as_ref()) {
                    Readiness::Ready => (),
                    Readiness::Waiting(why) => {
                        reasons.push(format!("{object}: {why}"));
                        left.push(object);
                    }
                    Readiness::Failed(why) => {
                        let pods = why_not_ready(&self.cluster, &object).await;
                        let why = [vec![format!("{object}: {why}")], pods].concat().join("; ");
                        return Err(InstallError::Failed { part: part.name, why, causes: part.causes });
                    }
                }
            }
            if left.is_empty() {
                return Ok(());
            }
            if let Some((image, why)) = images.in_vain(self, &left).await {
                return Err(InstallError::NoImage { part: part.name, image, why });
            }
            if self.steps.clock.elapsed() >= until {
                for object in &left {
                    reasons.extend(why_not_ready(&self.cluster, object).await);
                }
                return Err(InstallError::NotReady {
                    part: part.name,
                    limit: part.limit,
                    waiting: reasons,
                    causes: part.causes,
                });
            }
            self.steps.clock.sleep_until((self.steps.clock.elapsed() + LOOK_EVERY).min(until)).await;
        }
    }
}

/// Since when a part waits for an image.
struct MissingImages {
    since: Option<Duration>,
    /// When to look again.
    look: Duration,
}

impl MissingImages {
    /// The image that has been waited for long enough, and why it does not come.
    async fn in_vain(&mut self, installer: &Installer, objects: &[ObjectRef]) -> Option<(String, String)> {
        let now = installer.steps.clock.elapsed();
        if now < self.look {
            return None;
        }
        self.look = now + LOOK_FOR_IMAGES_EVERY;
        for object in objects {
            if let Some(missing) = missing_image(&installer.cluster, object).await {
                let since = *self.since.get_or_insert(now);
                return (now >= since + WAIT_FOR_IMAGES).then_some(missing);
            }
        }
        self.since = None;
        None
    }
}

/// Whether several may use an object of this kind, whoever made it.
#[must_use]
pub fn is_shared(object: &ObjectRef) -> bool {
    matches!(object.kind.as_str(), "Namespace" | "CustomResourceDefinition")
}

/// Errors that a young cluster, or one whose API server is being restarted, answers for a while.
fn is_passing(error: &ClusterError) -> bool {
    match error {
        // A namespace that is being made, or a kind whose definition was Established a moment ago.
        ClusterError::UnknownKind { .. } | ClusterError::NotFound(_) | ClusterError::Conflict(_) => true,
        ClusterError::Refused { code: 403, message } => message.contains("is being terminated"),
        other => other.is_passing(),
    }
}
