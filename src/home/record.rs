//! What is written down about one lab.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The form of `lab.json`; raised when an older coalmine could misread it.
pub(super) const VERSION: u32 = 1;

/// One lab, as `lab.json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`VERSION`] of the file's form.
    pub(super) version: u32,
    pub kind: LabKind,
    pub controller: Controller,
    /// The process that the lab lives in; none for labs that need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When its making began: RFC 3339, UTC, whole seconds.
    pub started: String,
    /// Where a detached lab writes what it has to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// The scenario whose run made this lab and ends it; none for labs that stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The cluster that was there before the lab; none where the lab made its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// None while it is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
}

impl Record {
    /// A lab whose making begins now.
    #[must_use]
    pub fn new(kind: LabKind, controller: Controller, started: String) -> Self {
        Self {
            version: VERSION,
            kind,
            controller,
            pid: None,
            started,
            log: None,
            run: None,
            existing: None,
            endpoints: None,
        }
    }

    /// The same lab, on a cluster that is not its own.
    #[must_use]
    pub fn on(self, existing: Option<Existing>) -> Self {
        Self { existing, ..self }
    }

    /// The same lab, with a file that it writes its log to.
    #[must_use]
    pub fn with_log(self, log: Option<PathBuf>) -> Self {
        Self { log, ..self }
    }

    /// The same lab, made for one run of this scenario.
    #[must_use]
    pub fn with_run(self, run: Option<String>) -> Self {
        Self { run, ..self }
    }
}

/// Somebody's own cluster, and what was agreed on when a lab was made there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// As the kubeconfig calls it that was given.
    pub context: String,
    /// Base URL of its Kubernetes API.
    pub server: String,
    /// The profile of the router.
    pub router: String,
    pub grafana: bool,
    /// What the lab uses of the cluster's own: `flux`, `flagger`.
    pub uses: Vec<String>,
}

/// What a lab is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabKind {
    /// A cluster in one process of this program.
    Embedded,
    /// A cluster of containers, made by kind.
    Kind,
    /// A cluster of minikube's.
    Minikube,
    /// Somebody's own cluster, by its context.
    Context,
}

impl LabKind {
    /// As `lab.json` and `--lab` spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Kind => "kind",
            Self::Minikube => "minikube",
            Self::Context => "context",
        }
    }
}

/// Who decides releases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// coalmine's own canary controller, inside the lab.
    #[default]
    Builtin,
    /// Somebody else's: the lab has Flagger's CustomResourceDefinitions, and nothing that acts on them.
    External,
    /// Flagger itself, installed in the lab.
    Flagger,
}

impl Controller {
    /// As `lab.json` and `--controller` spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::External => "external",
            Self::Flagger => "flagger",
        }
    }
}

/// How a lab is reached. URLs have no slash at their end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    pub kubernetes: Kubernetes,
    /// Base URL of the Prometheus API.
    pub prometheus: String,
    /// Base URL at which users' requests enter.
    pub entry: String,
    /// The canary controller's own metrics, the whole URL; none where the lab has no controller or it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
    /// An HTTP proxy into the cluster's network: the `HTTP_PROXY` of a canary controller that runs outside it. None where
    /// the lab has a controller of its own or none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// How a lab's Kubernetes API is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// Base URL, for people; clients take the kubeconfig, which has the credentials.
    pub server: String,
    /// An absolute path.
    pub kubeconfig: PathBuf,
    /// The context of the kubeconfig that means this lab.
    pub context: String,
}
