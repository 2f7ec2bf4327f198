//! What a person agrees to before a lab is made on a cluster that is not the lab's own.

use super::args::{LabArg, PartArg, UpArgs};
use super::terminal::complain;
use crate::home::{Existing, Home, HomeError, LabName};
use crate::install::Steps;
use crate::lab::real::{Candidate, ContextError, FLAGGER, FLUX, On, Wish};
use crate::stack::{Images, Theirs};
use std::io::IsTerminal;

/// What was agreed on, and what of the cluster the lab uses.
pub(super) struct Agreed {
    pub existing: Existing,
    /// The lab's own, with the one context.
    kubeconfig: String,
    theirs: Theirs,
}

/// Why nothing is made.
#[derive(Debug, thiserror::Error)]
pub(super) enum AgreeError {
    #[error(
        "which cluster? Name a context of the kubeconfig: --context NAME (`kubectl config get-contexts` lists them)"
    )]
    NoContext,
    #[error("--{0} is for labs on a cluster that is there already: add --lab context")]
    NotForThis(&'static str),
    #[error("--driver, --cpus and --memory are for labs by minikube: add --lab minikube")]
    NotMinikube,
    #[error("--{0} is for labs that make their own cluster; nodes of somebody's cluster pull images for themselves")]
    NotForTheirs(&'static str),
    #[error("the lab `{name}` is there already, with {what}; `coalmine down --name {name}` first, or another --name")]
    Otherwise { name: LabName, what: String },
    #[error("nobody can be asked whether to go on, because this is no terminal: read the plan above, and add --yes")]
    NobodyToAsk,
    #[error("not agreed to; nothing was made")]
    Declined,
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Context(#[from] ContextError),
}

impl AgreeError {
    /// Whether other words on the command line would help.
    pub(super) fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoContext
                | Self::NotForThis(_)
                | Self::NotMinikube
                | Self::NotForTheirs(_)
                | Self::Otherwise { .. }
                | Self::NobodyToAsk
                | Self::Context(ContextError::Connect(_))
        )
    }
}

impl Agreed {
    pub(super) fn on(&self) -> On<'_> {
        On { existing: &self.existing, kubeconfig: Some(&self.kubeconfig), theirs: &self.theirs }
    }
}

/// For the other labs: words that would be for this one are an error.
pub(super) fn none_wanted(args: &UpArgs) -> Result<(), AgreeError> {
    let its = &args.existing;
    let given = [(its.context.is_some(), "context"), (its.yes, "yes"), (!its.use_existing.is_empty(), "use-existing")];
    let of_minikube = args.minikube.driver.is_some() || args.minikube.cpus.is_some() || args.minikube.memory.is_some();
    if of_minikube && args.lab != LabArg::Minikube {
        return Err(AgreeError::NotMinikube);
    }
    given.iter().find(|it| it.0).map_or(Ok(()), |it| Err(AgreeError::NotForThis(it.1)))
}

/// Looks at the cluster, shows what would be made, and asks, unless the same was agreed on before.
pub(super) async fn agree(
    home: &Home,
    name: &LabName,
    args: &UpArgs,
    images: &Images,
    steps: &Steps,
) -> Result<Agreed, AgreeError> {
    let (its, real) = (&args.existing, &args.real);
    let context = its.context.as_deref().ok_or(AgreeError::NoContext)?;
    for (given, word) in [(real.pack.is_some(), "pack"), (real.retain, "retain")] {
        if given {
            return Err(AgreeError::NotForTheirs(word));
        }
    }
    let (use_flux, use_flagger) =
        (its.use_existing.contains(&PartArg::Flux), its.use_existing.contains(&PartArg::Flagger));
    let candidate = Candidate::open(its.kubeconfig.as_deref(), context).await?;
    let uses = [(use_flux, FLUX), (use_flagger, FLAGGER)].into_iter().filter(|it| it.0);
    let existing = Existing {
        context: context.to_owned(),
        server: candidate.server.clone(),
        router: real.stack.router.name().to_owned(),
        grafana: real.stack.grafana,
        uses: uses.map(|it| it.1.to_owned()).collect(),
    };
    let before = before(home, name, &existing)?;
    let (profile, grafana) = (real.stack.router, real.stack.grafana);
    let wish = Wish { lab: name.as_str(), images, profile, grafana, use_flux, use_flagger };
    let plan = candidate.look(wish, steps).await?;
    if !before {
        complain(&format!("{plan}\n"));
        if !its.yes {
            ask().await?;
        }
    }
    Ok(Agreed { existing, kubeconfig: candidate.kubeconfig, theirs: plan.theirs })
}

/// Whether the same lab was agreed on before; an error where it is another one.
fn before(home: &Home, name: &LabName, now: &Existing) -> Result<bool, AgreeError> {
    let known = home.find(name)?.and_then(|it| it.record.ok()?.existing);
    let Some(then) = known else { return Ok(false) };
    let uses = |it: &Existing| {
        if it.uses.is_empty() {
            "nothing of the cluster's own".to_owned()
        } else {
            format!("the cluster's own {}", it.uses.join(" and "))
        }
    };
    let differs = [
        (then.server != now.server, format!("the cluster at {}", then.server)),
        (then.context != now.context, format!("the context {}", then.context)),
        (then.router != now.router, format!("the router {}", then.router)),
        (then.grafana != now.grafana, if then.grafana { "Grafana" } else { "no Grafana" }.to_owned()),
        (then.uses != now.uses, uses(&then)),
    ];
    match differs.into_iter().find(|it| it.0) {
        Some((_, what)) => Err(AgreeError::Otherwise { name: name.clone(), what }),
        None => Ok(true),
    }
}

/// y or yes goes on; anything else, and the end of the input, does not.
async fn ask() -> Result<(), AgreeError> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(AgreeError::NobodyToAsk);
    }
    complain("Go on? [y/N] ");
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = read.await.ok().and_then(Result::ok).unwrap_or_default();
    let yes = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if yes { Ok(()) } else { Err(AgreeError::Declined) }
}
