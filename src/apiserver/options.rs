//! What a caller may ask for beside the object itself.

use super::selector::{field::FieldSelector, label::LabelSelector};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A part of an object with an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subresource {
    /// The object itself.
    #[default]
    Main,
    Status,
    Scale,
}

/// One object, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// `deployments.apps`; the plural alone for the core group.
    pub resource: &'a str,
    /// Empty for cluster-scoped kinds.
    pub namespace: &'a str,
    pub name: &'a str,
    pub subresource: Subresource,
}

impl<'a> Target<'a> {
    #[must_use]
    pub fn new(resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self { resource, namespace, name, subresource: Subresource::Main }
    }

    /// Its status subresource.
    #[must_use]
    pub fn status(self) -> Self {
        Self { subresource: Subresource::Status, ..self }
    }

    /// Its scale subresource.
    #[must_use]
    pub fn scale(self) -> Self {
        Self { subresource: Subresource::Scale, ..self }
    }
}

/// Which objects of a kind. The selectors are parsed texts, see [`LabelSelector::parse`].
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    pub label_selector: Option<LabelSelector>,
    /// `metadata.name=x,status.phase!=Running`; which fields exist depends on the kind.
    pub field_selector: Option<FieldSelector>,
    /// At most this many; the rest comes with `continue_`.
    pub limit: Option<u64>,
    /// The token of the page before.
    pub continue_: Option<String>,
    /// As in `resourceVersion`: empty and `0` mean the newest, which is what this server always has.
    pub resource_version: Option<u64>,
    /// `resourceVersionMatch=Exact`: the objects as they were at `resource_version`.
    pub exact: bool,
}

/// Which changes, and from where on.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    pub label_selector: Option<LabelSelector>,
    pub field_selector: Option<FieldSelector>,
    /// Changes after this revision. None and 0: the present objects as `Added`, then changes.
    pub resource_version: Option<u64>,
    /// Now and then a `Bookmark` event that tells how far the watch has come.
    pub allow_bookmarks: bool,
    /// Streaming list: `Some(true)` sends the present objects and then a bookmark marked `k8s.io/initial-events-end`.
    pub send_initial_events: Option<bool>,
    /// The stream ends after this long; None: only with the server.
    pub timeout: Option<Duration>,
}

/// What to do with fields that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// What was wrong with the text of an object, which the object itself no longer shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextFaults {
    /// If a field stands twice: all fields in the order of the text, and whether each had been there before.
    pub fields: Vec<(String, bool)>,
    /// The same of a YAML text, by line: `line 6: key "k" already set in map`.
    pub lines: Vec<String>,
    /// The same of the operations of a JSON patch: `json patch unknown field "[0].foo"`.
    pub operations: Vec<String>,
}

impl TextFaults {
    /// One sentence for each field that stands twice or that is `unknown`, in the order of the text where it is known.
    #[must_use]
    pub fn told(&self, unknown: &[String]) -> Vec<String> {
        let mut told = [&self.lines[..], &self.operations[..]].concat();
        let sentence = |path: &str| format!("unknown field \"{path}\"");
        let mut left: Vec<&String> = unknown.iter().collect();
        // What lies within an unknown field is not looked at.
        let within = |path: &str| {
            unknown.iter().any(|it| path.strip_prefix(it.as_str()).is_some_and(|rest| rest.starts_with(['.', '['])))
        };
        for (path, before) in self.fields.iter().filter(|(path, _)| !within(path)) {
            if *before {
                told.push(format!("duplicate field \"{path}\""));
            } else if let Some(at) = left.iter().position(|it| *it == path) {
                told.push(sentence(left.remove(at)));
            }
        }
        told.extend(left.into_iter().map(|it| sentence(it)));
        told
    }

    /// Every sentence at once, as a strict decoder ends with them.
    #[must_use]
    pub fn strict(&self, unknown: &[String]) -> String {
        let mut sentences = self.told(unknown).split_off(self.lines.len());
        if !self.lines.is_empty() {
            let lines: String = self.lines.iter().map(|it| format!("\n  {it}")).collect();
            sentences.insert(0, format!("yaml: unmarshal errors:{lines}"));
        }
        format!("strict decoding error: {}", sentences.join(", "))
    }
}

/// How a write is done.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// The version in which the object or patch is written, where its fields are others than those that are kept
    /// (`v1` of autoscalers); else empty.
    pub version: &'static str,
    /// `dryRun=All`: everything but the commit.
    pub dry_run: bool,
    /// Who owns the fields that change; empty: the name the [`super::Api`] was made with.
    pub field_manager: String,
    pub field_validation: FieldValidation,
    /// What whoever read the text found in it.
    pub text: TextFaults,
    /// Where warnings go (unknown fields); None: nobody wants them.
    pub warnings: Option<Arc<Mutex<Vec<String>>>>,
}

/// The four kinds of patch, by media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/json-patch+json`, RFC 6902.
    Json,
    /// `application/merge-patch+json`, RFC 7386.
    Merge,
    /// `application/strategic-merge-patch+json`; built-in kinds only.
    Strategic,
    /// `application/apply-patch+yaml`: server-side apply. Creates what is not there.
    Apply { field_manager: String, force: bool },
}

/// Who takes the dependents along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// The object goes, then its dependents.
    #[default]
    Background,
    /// The dependents that block go first; until then the object waits under the finalizer `foregroundDeletion`.
    Foreground,
    /// The dependents stay and lose their reference.
    Orphan,
}

/// The delete happens only if these hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preconditions {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// None: the kind's default, which is background.
    pub propagation: Option<Propagation>,
    pub preconditions: Preconditions,
    /// Seconds a pod gets to stop; None: its own `terminationGracePeriodSeconds`; 0: at once.
    pub grace_period_seconds: Option<i64>,
    pub dry_run: bool,
}
