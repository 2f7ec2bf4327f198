//! What this computer has for labs of containers: an engine, commands, memory, disk, limits.
//!
//! In: the environment, the engine's API, commands on PATH, /proc.
//! Out: facts, each shortcoming with the fix to type; images in the engine and in nodes; kind clusters made and deleted.
//! Never: Kubernetes objects, what a lab is for. `bollard` is named here alone.

mod command;
mod doctor;
pub mod endpoint;
mod engine;
mod environment;
mod facts;
mod kind;
mod minikube;
mod network;
mod orphans;
mod own_image;
mod pack;

pub use command::{Call, CommandError, From, Output, Tool};
pub use doctor::{Check, Verdict, examine, examine_minikube};
pub use engine::{Container, Engine, EngineError, EngineFacts, Image, Pulled};
pub use environment::Environment;
pub use facts::{Facts, gather};
pub use kind::{CLUSTER_LABEL, ClusterSpec, Kind, KindError, KindStep, StepState};
pub use minikube::{MIN_MINIKUBE, Minikube, MinikubeError, MinikubeEvent, ProfileSpec, ProfileState};
pub use orphans::end_orphans;
pub use own_image::{OwnImageError, image_of, own_image};
pub use pack::{Pack, PackError, PackList, Packed, ToPack};
