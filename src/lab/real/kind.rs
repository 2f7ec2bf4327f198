//! A cluster by kind: one node, a kubeconfig and a network of its own, images streamed into the node.

use super::provider::{Cluster, Provider, ProviderError, Wanted};
use crate::event::StepState;
use crate::home;
use crate::install::{Act, ActError, Outcome, Steps};
use crate::machine::{
    self, ClusterSpec, Container, Engine, EngineError, Environment, Kind, Pack, PackError, Pulled, Verdict,
};
use crate::model::object::ObjectRef;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, stream};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// Named after the lab: the cluster, its container and its network.
const PREFIX: &str = "coalmine-";
/// In the node: the cluster was wholly made. A cluster without it was left half made, and is made anew.
const WHOLE: &str = "/kind/coalmine-whole";
/// The node's containerd, as kubelet uses it.
const CTR: [&str; 3] = ["ctr", "--namespace=k8s.io", "images"];
/// coalmine's own image, for its router.
const OWN: &str = "docker.io/library/coalmine:";
/// How often a node is made that does not boot in time: kind gives it 30 s, which a busy machine can miss.
const MAX_BOOTS: u32 = 3;
/// A pull tells how far it is each time this many more hundredths are there.
const TELL_EVERY: u64 = 10;

/// A kind cluster for one lab.
pub struct KindProvider {
    pub(super) engine: Engine,
    kind: Kind,
    environment: Environment,
    /// The name of the cluster, and of its network.
    pub(super) cluster: String,
    /// The lab's own, in `home`.
    pub(super) folder: PathBuf,
    /// The node's image.
    image: String,
    kubernetes: (u32, u32),
    pub(super) kubeconfig: PathBuf,
    pack: Option<Arc<PackedImages>>,
}

/// The images of a pack, which are all brought into the node at once: by whoever needs the first.
struct PackedImages {
    pack: Pack,
    brought: OnceCell<()>,
}

/// What a kind lab depends on.
#[derive(Debug, Clone, Copy)]
pub struct KindOptions<'a> {
    /// The lab's name.
    pub lab: &'a str,
    /// The node's image: `kindest/node:v1.35.8@sha256:…`
    pub image: &'a str,
    /// The lab's own folder: the kubeconfig is written there.
    pub folder: &'a Path,
    /// Where images come from on a machine without a network.
    pub pack: Option<&'a Pack>,
}

impl KindProvider {
    /// Finds the engine and the kind command.
    pub async fn find(environment: Environment, options: KindOptions<'_>) -> Result<Self, ProviderError> {
        let engine = Engine::connect(&environment).await?;
        let cluster = format!("{PREFIX}{}", options.lab);
        let kind = Kind::find(&environment, &engine.endpoint.host)?.in_network(&cluster);
        Ok(Self {
            engine,
            kind,
            environment,
            image: options.image.to_owned(),
            kubernetes: kubernetes_of(options.image),
            kubeconfig: options.folder.join("kubeconfig"),
            folder: options.folder.to_owned(),
            pack: options.pack.map(|it| Arc::new(PackedImages { pack: it.clone(), brought: OnceCell::new() })),
            cluster,
        })
    }

    pub(super) fn node(&self) -> String {
        format!("{}-control-plane", self.cluster)
    }

    async fn examine(&self) -> Result<Outcome, ProviderError> {
        let checks = machine::examine(&machine::gather(&self.environment, self.kubernetes).await);
        let ill: Vec<_> = checks.iter().filter(|it| it.verdict == Verdict::Failed).cloned().collect();
        if !ill.is_empty() {
            return Err(ProviderError::Machine(ill));
        }
        let warnings: Vec<_> = checks
            .iter()
            .filter(|it| it.verdict == Verdict::Warning)
            .map(|it| format!("{}: {}", it.name, it.found))
            .collect();
        Ok(Outcome { detail: warnings.join("; "), unchanged: true })
    }

    /// kind pulls in silence; here a person sees how far it is.
    async fn have_image(&self, steps: &Steps) -> Result<Outcome, ProviderError> {
        if self.engine.image(&self.image).await?.is_some() {
            return Ok(Outcome::unchanged());
        }
        if let Some(packed) = self.pack.as_ref().filter(|it| it.pack.list.node.name == self.image) {
            packed.pack.fits(&self.engine).await?;
            self.engine.load(packed.pack.node()).await?;
            return Ok(Outcome::done("loaded from the pack"));
        }
        let platform = self.engine.facts().await?.platform();
        let told = Mutex::new(0);
        let tell = |it: Pulled| {
            let hundredths = (it.bytes * 100).checked_div(it.of).unwrap_or_default();
            let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if hundredths >= *told + TELL_EVERY {
                *told = hundredths;
                let text = format!("{} of {} MB", it.bytes / 1_000_000, it.of / 1_000_000);
                steps.tell("node image", StepState::Started, &text);
            }
        };
        let pulled = self.engine.pull(&self.image, &platform, &tell).await;
        pulled.map_err(|source| ProviderError::Pull { image: self.image.clone(), source })?;
        Ok(Outcome::done("pulled"))
    }

    async fn have_cluster(&self, steps: &Steps) -> Result<Outcome, ProviderError> {
        if !self.owned().await? {
            self.own().await?;
        }
        if let Some(node) = self.found().await? {
            let woken = self.wake(&node).await;
            match woken {
                Ok(outcome) if self.is_whole(&node).await => return self.take_kubeconfig().await.map(|()| outcome),
                // A node that does not even start is as good as half made.
                _ => self.remove_cluster().await?,
            };
        }
        let spec = ClusterSpec { name: &self.cluster, image: &self.image, kubeconfig: &self.kubeconfig };
        let mut tell = |step: machine::KindStep| {
            let state = match step.state {
                machine::StepState::Started => StepState::Started,
                machine::StepState::Done => StepState::Done,
                machine::StepState::Failed => StepState::Failed,
            };
            steps.tell(&format!("kind: {}", step.name), state, "");
        };
        let mut boots = 1;
        while let Err(error) = self.kind.create(spec, &mut tell).await {
            if boots == MAX_BOOTS || !error.is_slow_boot() {
                return Err(error.into());
            }
            boots += 1;
            self.remove_cluster().await?;
        }
        self.engine.run_in(&self.node(), &["touch", WHOLE]).await?;
        Ok(Outcome::done(self.cluster.clone()))
    }

    /// The node's container, in whatever state.
    async fn found(&self) -> Result<Option<Container>, ProviderError> {
        Ok(self.containers().await?.into_iter().find(|it| it.name == self.node()))
    }

    async fn is_whole(&self, node: &Container) -> bool {
        self.engine.run_in(&node.name, &["test", "-e", WHOLE]).await.is_ok_and(|(code, _)| code == 0)
    }

    async fn wake(&self, node: &Container) -> Result<Outcome, EngineError> {
        let was = match node.state.as_str() {
            "running" => return Ok(Outcome::unchanged()),
            "paused" => {
                self.engine.unpause(&node.name).await?;
                "its node was paused"
            }
            _ => {
                self.engine.start(&node.name).await?;
                "its node was stopped"
            }
        };
        Ok(Outcome::done(was))
    }

    /// The node's address changes when its container starts anew.
    async fn take_kubeconfig(&self) -> Result<(), ProviderError> {
        let text = self.kind.kubeconfig(&self.cluster).await?;
        let written = home::write_private(&self.kubeconfig, &text);
        written.map_err(|why| ProviderError::File { path: self.kubeconfig.clone(), did: "written", why })
    }

    async fn remove_cluster(&self) -> Result<Outcome, ProviderError> {
        let was = self.containers().await?;
        self.kind.delete(&self.cluster, &self.kubeconfig).await?;
        let left = self.containers().await?;
        if !left.is_empty() {
            return Err(ProviderError::Lingering(left.into_iter().map(|it| it.name).collect()));
        }
        Ok(if was.is_empty() { Outcome::unchanged() } else { Outcome::done("") })
    }

    async fn remove_network(&self) -> Result<Outcome, ProviderError> {
        let was_there = self.engine.remove_network(&self.cluster).await?;
        Ok(if was_there { Outcome::done("") } else { Outcome::unchanged() })
    }

    async fn remove(&self, steps: &Steps) -> Result<(), ProviderError> {
        self.end_predecessors().await;
        // What is somebody else's stays, whatever its name.
        match self.owned().await {
            Ok(_) => drop(steps.step("delete the cluster", self.remove_cluster()).await?),
            Err(ProviderError::Taken { .. }) => (),
            Err(other) => return Err(other),
        }
        match self.owns_network().await {
            Ok(_) => steps.step("remove the network", self.remove_network()).await.map(drop),
            Err(ProviderError::Taken { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

impl Provider for KindProvider {
    fn provision<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<Cluster, ProviderError>> {
        async {
            self.end_predecessors().await;
            steps.step("this machine", self.examine()).await?;
            steps.step("node image", self.have_image(steps)).await?;
            steps.step("cluster", self.have_cluster(steps)).await?;
            Ok(Cluster {
                kubeconfig: self.kubeconfig.clone(),
                context: format!("kind-{}", self.cluster),
                awaits: vec![
                    ObjectRef::new("v1", "Node", "", &self.node()),
                    ObjectRef::new("apps/v1", "Deployment", "kube-system", "coredns"),
                ],
            })
        }
        .boxed()
    }

    fn bring_images(&self, images: Vec<Wanted>) -> Act {
        let node = Node {
            engine: self.engine.clone(),
            name: self.node(),
            environment: self.environment.clone(),
            pack: self.pack.clone(),
        };
        let bring = async move { node.bring(&images).await.map_err(|it| ActError(it.to_string())) };
        Box::new(move || bring.boxed())
    }

    fn delete<'a>(&'a self, steps: &'a Steps) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.remove(steps).boxed()
    }

    fn evidence<'a>(&'a self, folder: &'a Path) -> BoxFuture<'a, Result<(), ProviderError>> {
        async move { Ok(self.kind.export_logs(&self.cluster, &folder.join("kind")).await?) }.boxed()
    }
}

/// A node's containerd.
struct Node {
    engine: Engine,
    name: String,
    environment: Environment,
    pack: Option<Arc<PackedImages>>,
}

impl Node {
    /// Imports what the node does not have. What this machine has neither the node pulls for itself, but for coalmine's own
    /// image, which is made of this program, and with a pack nothing is pulled.
    async fn bring(&self, images: &[Wanted]) -> Result<Outcome, ProviderError> {
        let mut there = self.images().await?;
        let (mut here, mut said, mut left) = (Vec::new(), Vec::new(), 0);
        let missing = |there: &BTreeSet<String>| {
            let missing = images.iter().filter(|it| !there.contains(&full_name(&it.name)));
            missing.collect::<Vec<_>>()
        };
        if let Some(packed) = self.pack.as_ref().filter(|it| missing(&there).iter().any(|image| it.has(image))) {
            let before = missing(&there).len();
            let import = || self.engine.import_into(&self.name, packed.pack.images());
            packed.brought.get_or_try_init(import).await?;
            there = self.images().await?;
            said.push(format!("{} from the pack", before - missing(&there).len()));
        }
        for wanted in missing(&there) {
            let source = source_of(wanted);
            if there.contains(&full_name(source)) {
                self.stand_in(source, wanted, &mut said).await?;
            } else if is_own(source) && self.engine.image(source).await?.is_none() {
                self.import_own(&full_name(source)).await?;
                said.push(format!("{source} made of this program"));
            } else if self.engine.image(source).await?.is_some() {
                here.push((source, wanted));
            } else if let Some(packed) = &self.pack {
                let (path, image) = (packed.pack.path.clone(), source.to_owned());
                return Err(PackError::Lacks { path, image }.into());
            } else {
                left += 1;
            }
        }
        if !here.is_empty() {
            said.push(format!("{} imported", here.len()));
            self.import(&here, &mut said).await?;
        }
        let unchanged = said.is_empty();
        if left > 0 {
            said.push(format!("{left} left for the node to pull"));
        }
        Ok(if said.is_empty() { Outcome::unchanged() } else { Outcome { detail: said.join(", "), unchanged } })
    }

    /// What the node has, by full names.
    async fn images(&self) -> Result<BTreeSet<String>, ProviderError> {
        let (_, listed) = self.engine.run_in(&self.name, &[&CTR[..], &["list", "--quiet"]].concat()).await?;
        Ok(listed.lines().map(|it| it.trim().to_owned()).collect())
    }

    async fn import_own(&self, name: &str) -> Result<(), ProviderError> {
        let tar = machine::own_image(name, &self.environment).await?;
        Ok(self.engine.import_into(&self.name, stream::iter([Ok(Bytes::from(tar))])).await?)
    }

    async fn import(&self, here: &[(&str, &Wanted)], said: &mut Vec<String>) -> Result<(), ProviderError> {
        let sources: BTreeSet<&str> = here.iter().map(|(source, _)| *source).collect();
        let sources: Vec<&str> = sources.into_iter().collect();
        self.engine.import_into(&self.name, self.engine.save(&sources)).await?;
        for (source, wanted) in here.iter().filter(|(_, it)| it.stand_in.is_some()) {
            self.stand_in(source, wanted, said).await?;
        }
        Ok(())
    }

    /// Gives an image that the node has the name of the wanted one.
    async fn stand_in(&self, source: &str, wanted: &Wanted, said: &mut Vec<String>) -> Result<(), ProviderError> {
        let (from, to) = (full_name(source), full_name(&wanted.name));
        self.engine.run_in(&self.name, &[&CTR[..], &["tag", "--force", &from, &to]].concat()).await?;
        said.push(format!("{source} stands in for {}", wanted.name));
        Ok(())
    }
}

impl PackedImages {
    fn has(&self, wanted: &Wanted) -> bool {
        self.pack.list.images.iter().any(|it| it.name == source_of(wanted))
    }
}

/// The image that is brought for it.
fn source_of(wanted: &Wanted) -> &str {
    wanted.stand_in.as_deref().unwrap_or(&wanted.name)
}

/// coalmine's own image.
pub(super) fn is_own(image: &str) -> bool {
    full_name(image).starts_with(OWN)
}

/// As containerd lists it: with registry and path, `docker.io/library/redis:7` for `redis:7`.
pub(super) fn full_name(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// The Kubernetes version of a node's image, as minikube takes it: `v1.35.8` of `kindest/node:v1.35.8@sha256:…`.
#[must_use]
pub fn version_of(image: &str) -> Option<String> {
    let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
    tag.starts_with('v').then(|| tag.to_owned())
}

/// The Kubernetes version, major and minor, of a node's image: `(1, 35)` of `kindest/node:v1.35.8@sha256:…`; `(0, 0)` where the tag
/// says nothing, which asks for nothing special.
#[must_use]
pub fn kubernetes_of(image: &str) -> (u32, u32) {
    let tag = image.split('@').next().and_then(|it| it.rsplit_once(':')).map_or("", |(_, tag)| tag);
    let mut numbers = tag.trim_start_matches('v').split('.').map(|it| it.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_looked_for_under_its_full_name() {
        for (name, full) in [
            ("redis:7", "docker.io/library/redis:7"),
            ("kindest/node:v1", "docker.io/kindest/node:v1"),
            ("ghcr.io/fluxcd/flagger:1.44.0", "ghcr.io/fluxcd/flagger:1.44.0"),
            ("localhost:5000/x:1", "localhost:5000/x:1"),
            ("localhost/x:1", "localhost/x:1"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }

    #[test]
    fn the_nodes_kubernetes_is_in_its_images_tag() {
        for (image, version) in [
            ("kindest/node:v1.35.8@sha256:abc", (1, 35)),
            ("localhost:5000/node:v1.34.3", (1, 34)),
            ("kindest/node", (0, 0)),
            ("kindest/node:latest", (0, 0)),
        ] {
            assert_eq!(kubernetes_of(image), version, "{image}");
            assert_eq!(version_of(image).is_some(), version != (0, 0), "{image}");
        }
    }
}
