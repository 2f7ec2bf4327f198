//! `coalmine up --lab kind`, `minikube` or `context`, and its `down`: labs on real clusters, which live without this process.

use super::Exit;
use super::args::{LabArg, UpArgs};
use super::context::{self, AgreeError, Agreed};
use super::interrupt::Interrupts;
use super::terminal::{complain, failure, say};
use super::up::{addresses, line};
use crate::home::{Existing, Home, LabKind, LabName, Record};
use crate::install::{ActError, Steps, Timing};
use crate::lab::real::{
    ContextProvider, IMAGES_FILE, KUBECONFIG_FILE, KindOptions, KindProvider, MinikubeOptions, MinikubeProvider, On,
    Provider, RealError, RealLab, Wanted, version_of,
};
use crate::machine::{Environment, Pack, PackError};
use crate::stack::{Images, ImagesError, Profile, Theirs};
use crate::sys::clock::Clock;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What lab/images.yaml calls coalmine's own image.
const OWN: &str = "router";

/// Why the lab is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpError {
    #[error("{file} cannot be read: {why}")]
    Unreadable { file: String, why: std::io::Error },
    #[error("{file}: {why}")]
    Images { file: String, why: ImagesError },
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error(transparent)]
    Real(#[from] RealError),
    #[error(transparent)]
    Agree(#[from] AgreeError),
    #[error("--pack is for labs by kind: a pack has kind's node, and minikube downloads its own")]
    NoPack,
    #[error("the runtime could not be made: {why}")]
    Runtime { why: std::io::Error },
    #[error("coalmine's own image {image} could not be brought to the lab's node: {why}")]
    OwnImage { image: String, why: ActError },
}

impl UpError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreadable { .. } | Self::Images { .. } | Self::Pack(_) | Self::NoPack => Exit::Usage,
            Self::Agree(error) if error.is_usage() => Exit::Usage,
            Self::Real(_) | Self::Runtime { .. } | Self::OwnImage { .. } | Self::Agree(_) => Exit::Lab,
        }
    }
}

pub(crate) fn up(args: &UpArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed("the runtime could not be made", &error),
    };
    let exit = runtime.block_on(async {
        let home = Home::of_user().map_err(|it| failed("no lab", &it))?;
        let mut interrupts = Interrupts::new().map_err(|it| failed("signals cannot be heard", &it))?;
        let (name, steps) = (args.name(), steps());
        let made = interrupts.or(make(&home, &name, args, &steps)).await;
        if args.real.timings {
            complain(&timings(&steps.timings()));
        }
        Ok(match made {
            None => {
                complain("stopped; `coalmine up` goes on where it stopped, `coalmine down` removes what there is\n");
                Exit::Interrupted
            }
            Some(Ok(record)) => told(&name, &record),
            Some(Err(error)) => {
                failed("the lab could not be made", &error);
                error.exit()
            }
        })
    });
    runtime.shutdown_background();
    exit.unwrap_or_else(|exit: Exit| exit)
}

fn told(name: &LabName, record: &Record) -> Exit {
    if let Some(endpoints) = &record.endpoints {
        say(&addresses("is up", name, record, endpoints));
    }
    Exit::AsExpected
}

fn failed(what: &str, error: &dyn std::error::Error) -> Exit {
    complain(&failure(what, error));
    Exit::Lab
}

fn steps() -> Steps {
    Steps::new(Clock::wall(), Arc::new(|it| complain(&line(&it))))
}

/// The pinned images, but for what a person's file says; and that file's text.
pub(super) fn images(file: Option<&Path>) -> Result<(Images, Option<String>), UpError> {
    let Some(path) = file else { return Ok((Images::default(), None)) };
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| UpError::Unreadable { file: file.clone(), why })?;
    understood(text, file)
}

fn understood(text: String, file: String) -> Result<(Images, Option<String>), UpError> {
    let images = Images::default().with(&text).map_err(|why| UpError::Images { file, why })?;
    Ok((images, Some(text)))
}

/// The file of images that a lab was made with, if it was made with one.
pub(super) fn images_kept(home: &Home, name: &LabName) -> Option<PathBuf> {
    Some(home.folder(name).join(IMAGES_FILE)).filter(|it| it.exists())
}

async fn make(home: &Home, name: &LabName, args: &UpArgs, steps: &Steps) -> Result<Record, UpError> {
    let real = &args.real;
    let pack = real.pack.as_deref().map(Pack::open).transpose()?;
    let packed = pack.as_ref().and_then(|it| it.list.own_images.clone());
    let (images, own_images) = match (&real.stack.images, packed) {
        (None, Some(text)) => understood(text, "the pack's file of images".to_owned())?,
        (Some(file), _) => images(Some(file))?,
        (None, None) => images(images_kept(home, name).as_deref())?,
    };
    let agreed = match args.lab {
        LabArg::Context => Some(context::agree(home, name, args, &images, steps).await?),
        _ => context::none_wanted(args).map(|()| None)?,
    };
    let provider: Box<dyn Provider> = match (&agreed, args.lab) {
        (Some(agreed), _) => Box::new(of_context(home, name, &agreed.existing)),
        (None, LabArg::Minikube) => Box::new(minikube(home, name, options(args, &images)?).await?),
        (None, _) => {
            let node = pack.as_ref().map_or(&images.node, |it| &it.list.node.name);
            let options =
                KindOptions { lab: name.as_str(), image: node, folder: &home.folder(name), pack: pack.as_ref() };
            Box::new(KindProvider::find(Environment::of_this_process(), options).await.map_err(RealError::from)?)
        }
    };
    let lab = RealLab {
        home,
        name,
        kind: args.lab.into(),
        provider: &*provider,
        images: &images,
        own_images: own_images.as_deref(),
        profile: real.stack.router,
        grafana: real.stack.grafana,
        on: agreed.as_ref().map(Agreed::on),
        evidence: real.out.clone(),
        within: real.timeout,
        retain: real.retain,
    };
    Ok(lab.up(steps).await?)
}

/// What was said of minikube's node, and the Kubernetes of the pinned one.
fn options(args: &UpArgs, images: &Images) -> Result<MinikubeOptions, UpError> {
    if args.real.pack.is_some() {
        return Err(UpError::NoPack);
    }
    let (its, usual) = (&args.minikube, MinikubeOptions::default());
    Ok(MinikubeOptions {
        driver: its.driver.clone(),
        cpus: its.cpus.unwrap_or(usual.cpus),
        memory: its.memory.clone().unwrap_or(usual.memory),
        kubernetes: version_of(&images.node),
    })
}

async fn minikube(home: &Home, name: &LabName, options: MinikubeOptions) -> Result<MinikubeProvider, RealError> {
    let environment = Environment::of_this_process();
    Ok(MinikubeProvider::find(environment, name.as_str(), &home.folder(name), options).await?)
}

fn of_context(home: &Home, name: &LabName, existing: &Existing) -> ContextProvider {
    ContextProvider::new(name.as_str(), &existing.context, home.folder(name).join(KUBECONFIG_FILE))
}

/// The provider that a lab was made by: what is written down says which kind it is.
async fn of_record(home: &Home, name: &LabName, record: &Record) -> Result<Box<dyn Provider>, RealError> {
    let provider: Box<dyn Provider> = match (&record.existing, record.kind) {
        (Some(existing), _) => Box::new(of_context(home, name, existing)),
        (None, LabKind::Minikube) => Box::new(minikube(home, name, MinikubeOptions::default()).await?),
        (None, _) => {
            let options = KindOptions { lab: name.as_str(), image: "", folder: &home.folder(name), pack: None };
            Box::new(KindProvider::find(Environment::of_this_process(), options).await?)
        }
    };
    Ok(provider)
}

/// The name of coalmine's own image on a lab, which is brought there as far as it can be: nodes that are containers of this
/// machine take it from this program, others have to find it themselves.
pub(super) fn own_image(home: &Home, name: &LabName, record: &Record) -> Result<String, UpError> {
    let (images, _) = images(images_kept(home, name).as_deref())?;
    let image = images.of(OWN).map_or_else(String::new, |it| it.name.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| UpError::Runtime { why })?.block_on(async {
        let provider = of_record(home, name, record).await?;
        let bring = provider.bring_images(vec![Wanted { name: image.clone(), stand_in: None }]);
        bring().await.map_err(|why| UpError::OwnImage { image: image.clone(), why })
    })?;
    Ok(image)
}

/// Removes a real lab; what is written down says which kind it is.
pub(crate) async fn down(home: &Home, name: &LabName, record: &Record) -> Result<(), RealError> {
    let (images, theirs) = (Images::default(), Theirs::default());
    let provider = of_record(home, name, record).await?;
    let lab = RealLab {
        home,
        name,
        kind: record.kind,
        provider: &*provider,
        images: &images,
        own_images: None,
        profile: Profile::default(),
        grafana: false,
        on: record.existing.as_ref().map(|existing| On { existing, kubeconfig: None, theirs: &theirs }),
        evidence: None,
        within: Duration::MAX,
        retain: false,
    };
    lab.down(&steps()).await
}

/// When each step began and how long it took, as they ended.
fn timings(all: &[Timing]) -> String {
    let mut text = format!("\n{:>8}  {:>8}  STEP\n", "BEGAN", "TOOK");
    for it in all {
        let unchanged = if it.unchanged { ", unchanged" } else { "" };
        let _ =
            writeln!(text, "{:>7.1}s  {:>7.1}s  {}{unchanged}", it.began.as_secs_f64(), it.took.as_secs_f64(), it.name);
    }
    text
}
