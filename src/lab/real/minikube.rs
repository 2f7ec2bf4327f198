//! A cluster by minikube: a profile of its own, a kubeconfig of its own, images from this machine's engine.

use super::bring::KUBECONFIG_FILE;
use super::kind::full_name;
use super::provider::{Cluster, Provider, ProviderError, Wanted};
use crate::cluster::Client;
use crate::event::StepState;
use crate::install::{Act, ActError, Outcome, Steps};
use crate::machine::{
    self, Engine, Environment, Minikube, MinikubeError, MinikubeEvent, ProfileSpec, ProfileState, Verdict,
};
use crate::model::object::ObjectRef;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};

/// Named after the lab: the profile, and with it its machine, its node and its context.
const PREFIX: &str = "coalmine-";
/// In the lab's folder, from before the profile is made until after it is deleted: the profile is this lab's. A profile of
/// this name without it is somebody else's, and left alone.
const MINE: &str = "minikube-profile";
/// What is in it: minikube came to its last step, or not yet.
const WHOLE: &str = "whole";
const HALF_MADE: &str = "half made";
/// In the lab's folder, for as long as it is being loaded: coalmine's own image.
const OWN_TAR: &str = "router.tar";
/// coalmine's own image, for its router.
const OWN: &str = "docker.io/library/coalmine:";
/// A download tells how far it is each time this many more hundredths are there.
const TELL_EVERY: u32 = 10;

/// A minikube profile for one lab.
pub struct MinikubeProvider {
    minikube: Minikube,
    environment: Environment,
    /// None: images are the node's to pull.
    engine: Option<Engine>,
    profile: String,
    options: MinikubeOptions,
    folder: PathBuf,
}

/// What a minikube lab depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinikubeOptions {
    /// minikube chooses where it is none.
    pub driver: Option<String>,
    pub cpus: u32,
    /// As minikube reads it: `4g`.
    pub memory: String,
    /// `v1.35.8`; minikube chooses where it is none.
    pub kubernetes: Option<String>,
}

impl Default for MinikubeOptions {
    fn default() -> Self {
        Self { driver: None, cpus: 2, memory: "4g".to_owned(), kubernetes: None }
    }
}

impl MinikubeProvider {
    /// Finds the minikube command, and the engine if there is one.
    pub async fn find(
        environment: Environment,
        lab: &str,
        folder: &Path,
        options: MinikubeOptions,
    ) -> Result<Self, ProviderError> {
        // Drivers of virtual machines need none.
        let engine = Engine::connect(&environment).await.ok();
        let host = engine.as_ref().map(|it| it.endpoint.host.as_str());
        let minikube = Minikube::find(&environment, &folder.join(KUBECONFIG_FILE), host)?;
        let profile = format!("{PREFIX}{lab}");
        Ok(Self { minikube, environment, engine, profile, options, folder: folder.to_owned() })
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join(KUBECONFIG_FILE)
    }

    async fn examine(&self) -> Result<Outcome, ProviderError> {
        let facts = machine::gather(&self.environment, (0, 0)).await;
        let checks = machine::examine_minikube(&facts, self.options.driver.as_deref());
        let (ill, rest): (Vec<_>, Vec<_>) = checks.into_iter().partition(|it| it.verdict == Verdict::Failed);
        if !ill.is_empty() {
            return Err(ProviderError::Machine(ill));
        }
        let warnings = rest.iter().filter(|it| it.verdict == Verdict::Warning);
        let warnings: Vec<_> = warnings.map(|it| format!("{}: {}", it.name, it.found)).collect();
        Ok(Outcome { detail: warnings.join("; "), unchanged: true })
    }

    async fn have_cluster(&self, steps: &Steps) -> Result<Outcome, ProviderError> {
        // What a killed predecessor started would go on beside what is started here.
        machine::end_orphans("minikube", &self.profile).await;
        let (state, mine) = (self.minikube.state(&self.profile).await?, self.mine());
        match (state, mine.as_deref()) {
            (ProfileState::Running, Some(WHOLE)) if self.kubeconfig().exists() => return Ok(Outcome::unchanged()),
            (ProfileState::Absent, _) | (ProfileState::Running | ProfileState::Stopped, Some(_)) => {}
            (ProfileState::Broken, Some(_)) => self.minikube.delete(&self.profile).await?,
            (_, None) => return Err(MinikubeError::Taken { name: self.profile.clone() }.into()),
        }
        self.write(MINE, HALF_MADE)?;
        let spec = ProfileSpec {
            name: &self.profile,
            driver: self.options.driver.as_deref(),
            cpus: self.options.cpus,
            memory: &self.options.memory,
            kubernetes: self.options.kubernetes.as_deref(),
        };
        let mut progress = Progress { steps, told: 0 };
        self.minikube.start(spec, &mut |it| progress.tell(it)).await?;
        // minikube was told to leave the current context as it is; in the lab's own file the lab's is the current one.
        let own = Client::extract(Some(&self.kubeconfig()), &self.profile)?;
        self.write(KUBECONFIG_FILE, &own.kubeconfig)?;
        self.write(MINE, WHOLE)?;
        Ok(Outcome::done(if state == ProfileState::Stopped { "its node was stopped" } else { &*self.profile }))
    }

    /// What a node is called depends on the driver.
    async fn nodes(&self) -> Result<Vec<ObjectRef>, ProviderError> {
        let client = Client::connect_context(Some(&self.kubeconfig()), Some(&self.profile)).await?;
        let nodes = client.list("v1", "Node", None, None).await?;
        Ok(nodes.iter().map(ObjectRef::of).collect())
    }

    fn mine(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join(MINE)).ok()
    }

    fn write(&self, file: &str, text: &str) -> Result<(), ProviderError> {
        let path = self.folder.join(file);
        crate::home::write_private(&path, text).map_err(|why| ProviderError::File { path, did: "written", why })
    }

    async fn remove(&self) -> Result<Outcome, ProviderError> {
        machine::end_orphans("minikube", &self.profile).await;
        if self.mine().is_none() || self.minikube.state(&self.profile).await? == ProfileState::Absent {
            return Ok(Outcome::unchanged());
        }
        self.minikube.delete(&self.profile).await?;
        Ok(Outcome::done(""))
    }
}

/// minikube's events as steps.
struct Progress<'a> {
    steps: &'a Steps,
    /// Of the download that goes on, so many hundredths have been told.
    told: u32,
}

impl Progress<'_> {
    fn tell(&mut self, event: MinikubeEvent) {
        let say = |name: &str, state, detail: &str| self.steps.tell(name, state, detail);
        match event {
            MinikubeEvent::Step { name, current, total, message } => {
                let state = if name == "Done" { StepState::Done } else { StepState::Started };
                say(&format!("minikube: {name}"), state, &format!("{current} of {total}, {message}"));
            }
            MinikubeEvent::Download { artifact } => {
                self.told = 0;
                say("minikube: download", StepState::Started, &artifact);
            }
            MinikubeEvent::Progress { artifact, part } => {
                let hundredths = (part * 100.0) as u32;
                if hundredths < self.told {
                    self.told = 0;
                }
                if hundredths >= self.told + TELL_EVERY {
                    self.told = hundredths;
                    say("minikube: download", StepState::Started, &format!("{artifact}, {hundredths} %"));
                }
            }
            MinikubeEvent::Remark(text) => say("minikube", StepState::Started, &text),
            MinikubeEvent::Failed { message, .. } => say("minikube", StepState::Failed, &message),
        }
    }
}

impl Provider for MinikubeProvider {
    fn provision<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<Cluster, ProviderError>> {
        async {
            steps.step("this machine", self.examine()).await?;
            steps.step("cluster", self.have_cluster(steps)).await?;
            let mut awaits = self.nodes().await?;
            awaits.push(ObjectRef::new("apps/v1", "Deployment", "kube-system", "coredns"));
            Ok(Cluster { kubeconfig: self.kubeconfig(), context: self.profile.clone(), awaits })
        }
        .boxed()
    }

    fn bring_images(&self, images: Vec<Wanted>) -> Act {
        let node = Node {
            minikube: self.minikube.clone(),
            engine: self.engine.clone(),
            environment: self.environment.clone(),
            profile: self.profile.clone(),
            tar: self.folder.join(OWN_TAR),
        };
        let bring = async move { node.bring(&images).await.map_err(|it| ActError(it.to_string())) };
        Box::new(move || bring.boxed())
    }

    fn delete<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<(), ProviderError>> {
        async { steps.step("delete the cluster", self.remove()).await.map(|_| ()) }.boxed()
    }

    fn evidence<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move { Ok(self.minikube.logs(&self.profile, &folder.join("minikube.log")).await?) }.boxed()
    }
}

/// The images of a profile's node.
struct Node {
    minikube: Minikube,
    engine: Option<Engine>,
    environment: Environment,
    profile: String,
    tar: PathBuf,
}

impl Node {
    /// Loads what the node does not have and the engine does. What neither has the node pulls for itself, but for coalmine's
    /// own image, which is made of this program.
    async fn bring(&self, images: &[Wanted]) -> Result<Outcome, ProviderError> {
        let there = self.minikube.images(&self.profile).await?;
        let (mut said, mut loaded, mut left) = (Vec::new(), 0, 0);
        for wanted in images.iter().filter(|it| !there.contains(&full_name(&it.name))) {
            let source = wanted.stand_in.as_deref().unwrap_or(&wanted.name);
            if self.engine_has(source).await? {
                self.minikube.load_image(&self.profile, source, true).await?;
                loaded += 1;
            } else if full_name(source).starts_with(OWN) {
                self.load_own(&full_name(source)).await?;
                said.push(format!("{source} made of this program"));
            } else {
                left += 1;
                continue;
            }
            if wanted.stand_in.is_some() {
                self.minikube.tag_image(&self.profile, &full_name(source), &full_name(&wanted.name)).await?;
                said.push(format!("{source} stands in for {}", wanted.name));
            }
        }
        if loaded > 0 {
            said.push(format!("{loaded} loaded"));
        }
        let unchanged = said.is_empty();
        if left > 0 {
            said.push(format!("{left} left for the node to pull"));
        }
        Ok(if said.is_empty() { Outcome::unchanged() } else { Outcome { detail: said.join(", "), unchanged } })
    }

    async fn engine_has(&self, image: &str) -> Result<bool, ProviderError> {
        match &self.engine {
            Some(engine) => Ok(engine.image(image).await?.is_some()),
            None => Ok(false),
        }
    }

    /// minikube takes files, not streams.
    async fn load_own(&self, name: &str) -> Result<(), ProviderError> {
        let tar = machine::own_image(name, &self.environment).await?;
        let failed = |why| ProviderError::File { path: self.tar.clone(), did: "written", why };
        std::fs::write(&self.tar, tar).map_err(failed)?;
        let loaded = self.minikube.load_image(&self.profile, &self.tar.display().to_string(), false).await;
        std::fs::remove_file(&self.tar).map_err(failed)?;
        Ok(loaded?)
    }
}
