//! Labs on real clusters: made by kind or minikube, or somebody's own.
//!
//! In: this machine (`machine`), parts to install (`install`), a name. Out: a cluster with everything that a lab has, written
//! down in `home`; and its end, with nothing left.
//! Never: scenarios, views; what a canary is.

mod adapt;
mod bring;
mod context;
mod evidence;
mod kind;
mod minikube;
mod owned;
mod parts;
mod proof;
mod provider;

pub use adapt::{FLAGGER, FLUX, IMAGES_FILE, adapt};
pub use bring::{KUBECONFIG_FILE, On, RealError, RealLab};
pub use context::{Candidate, ContextError, ContextProvider, Plan, Wish};
pub use kind::{KindOptions, KindProvider, kubernetes_of, version_of};
pub use minikube::{MinikubeOptions, MinikubeProvider};
pub use parts::images_of_lab;
pub use provider::{Cluster, Provider, ProviderError, Wanted};
