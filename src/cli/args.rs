//! What can be typed. No decisions here: each command's own file says what the words mean.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::home::{Controller, LabKind, LabName};
use crate::lab::{Address, Ports};
use crate::model::command::Speed;
use crate::stack::Profile;

/// A canary-release lab in one binary: scripted releases, decided as Flagger decides them, with a verdict.
#[derive(Debug, Parser)]
#[command(name = "coalmine", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 as expected, 1 an expectation was not met, 2 bad usage or file, \
    3 the lab could not be made or broke, 130 interrupted.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario on a lab and say how it ended, and why
    Run(RunArgs),
    /// Make a lab on the wall clock that other programs can reach, until Ctrl-C or `coalmine down`
    Up(UpArgs),
    /// End a lab and remove what was written down about it
    Down(DownArgs),
    /// Show the labs of this machine and where they are
    Status(StatusArgs),
    /// Print how other programs reach a lab: eval "$(coalmine env)"
    Env(EnvArgs),
    /// Open a port of this machine that leads to a lab's Prometheus or another of its Services, until Ctrl-C
    Forward(ForwardArgs),
    /// Look at a Canary of any lab or cluster with Flagger; changes nothing
    Watch(WatchArgs),
    /// Put two run records side by side; exit code 0 alike, 1 different
    Compare(CompareArgs),
    /// List, show and check scenarios
    #[command(subcommand)]
    Scenarios(ScenariosCommand),
    /// Show a run record again, live or as lines
    Replay(ReplayArgs),
    /// Write the reports of a run record again
    Report(ReportArgs),
    /// Put every image of a real lab into one file, for machines without a network
    Pack(PackArgs),
    /// Look whether this machine can hold a lab of containers, and say how to mend what it lacks
    Doctor(DoctorArgs),
    /// Be the router of a cluster, from inside it: Ingresses with ingress-nginx' annotations, and HTTPRoutes
    Router(RouterArgs),
    /// Send requests from inside a cluster, as a run tells it (`coalmine run --traffic-from cluster` starts it)
    Visitors(VisitorsArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A built-in scenario's name (see `coalmine scenarios list`) or a file
    pub scenario: String,
    /// Run on this lab, which is up (`coalmine up`), instead of one made for this run; implies the wall clock
    #[arg(long, value_name = "NAME")]
    pub lab: Option<LabName>,
    /// Name of the lab that is made for this run, where others can join it: on the wall clock [default: run, or run-2, …]
    #[arg(long, value_name = "NAME", conflicts_with = "lab")]
    pub name: Option<LabName>,
    /// Which clock the lab runs on [default: simulated]
    #[arg(long, value_enum)]
    pub clock: Option<ClockArg>,
    /// Where users' requests come from: from here, or from a pod of the lab's cluster
    #[arg(long, value_enum, default_value_t, requires = "lab")]
    pub traffic_from: TrafficArg,
    /// Simulated seconds per real second, or `max` [default: 10 in the live view, max without it]
    #[arg(long, value_name = "TIMES|max")]
    pub speed: Option<Speed>,
    /// Fixes every random choice; one seed gives one record on the simulated clock
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write record.jsonl, report.md, report.html, junit.xml and result.json into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print lines even where the live view could be shown
    #[arg(long)]
    pub lines: bool,
    /// Print the verdict only
    #[arg(long, short, conflicts_with = "lines")]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// What the lab is made of
    #[arg(long, value_enum, default_value_t)]
    pub lab: LabArg,
    /// Its name; labs of different names live side by side [default: what it is made of]
    #[arg(long)]
    pub name: Option<LabName>,
    /// Leave the lab to a process of its own; returns when the lab is ready
    #[arg(long)]
    pub detach: bool,
    /// Who decides releases [default: builtin]
    #[arg(long, value_enum)]
    pub controller: Option<ControllerArg>,
    #[command(flatten)]
    pub ports: PortArgs,
    /// Fixes names, uids and random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Given by `--detach` to the process that it starts: this is that process, and here is its log
    #[arg(long, value_name = "LOG", hide = true)]
    pub detached: Option<PathBuf>,
    #[command(flatten)]
    pub real: RealArgs,
    #[command(flatten)]
    pub minikube: MinikubeArgs,
    #[command(flatten)]
    pub existing: ExistingArgs,
}

impl UpArgs {
    /// The name that was given, or the one that labs of this kind have.
    #[must_use]
    pub fn name(&self) -> LabName {
        self.name.clone().unwrap_or_else(|| LabName::of(self.lab.into()))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LabArg {
    /// A cluster inside this program: there at once, no Docker, nothing to pull
    #[default]
    Embedded,
    /// A real cluster in containers, with Flux, Flagger, a router and Prometheus: needs Docker and kind
    Kind,
    /// The same by minikube, on any of its drivers: needs minikube
    Minikube,
    /// The same on a cluster that is there already, by --context: what it will make is shown first
    Context,
}

impl From<LabArg> for LabKind {
    fn from(it: LabArg) -> Self {
        match it {
            LabArg::Embedded => Self::Embedded,
            LabArg::Kind => Self::Kind,
            LabArg::Minikube => Self::Minikube,
            LabArg::Context => Self::Context,
        }
    }
}

/// What a lab on a real cluster consists of: the same words make it and pack it.
#[derive(Debug, Args)]
pub struct StackArgs {
    /// Who carries users' requests: nginx-gateway, ingress-nginx (retired upstream in March 2026), or builtin (coalmine's own)
    #[arg(long, default_value = "ingress-nginx")]
    pub router: Profile,
    /// A file that says which images to use in place of the pinned ones (of the form of lab/images.yaml)
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// Install Grafana too, last
    #[arg(long)]
    pub grafana: bool,
}

/// For labs on real clusters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Labs on real clusters")]
pub struct RealArgs {
    #[command(flatten)]
    pub stack: StackArgs,
    /// Take all images from this file, which `coalmine pack` made
    #[arg(long, value_name = "FILE", requires = "lab")]
    pub pack: Option<PathBuf>,
    /// Say at the end how long each step took
    #[arg(long)]
    pub timings: bool,
    /// Give up after this time: 90s, 15m
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = crate::model::duration::parse_go)]
    pub timeout: std::time::Duration,
    /// Where events, logs, objects and the nodes' journals go if the lab does not come up
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Keep what there is of a cluster that could not be made
    #[arg(long)]
    pub retain: bool,
}

/// For labs by minikube.
#[derive(Debug, Args)]
#[command(next_help_heading = "Labs by minikube (--lab minikube)")]
pub struct MinikubeArgs {
    /// What minikube makes the node with: docker, kvm2, qemu, vfkit, … [default: what minikube chooses]
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    /// Processors of the node [default: 2]
    #[arg(long, value_name = "COUNT")]
    pub cpus: Option<u32>,
    /// Memory of the node, as minikube writes it [default: 4g]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
}

/// For labs on clusters that are there already.
#[derive(Debug, Args)]
#[command(next_help_heading = "Labs on a cluster that is there already (--lab context)")]
pub struct ExistingArgs {
    /// Which cluster: a context of the kubeconfig, never the current one by itself
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig that has the context [default: that of KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "context")]
    pub kubeconfig: Option<PathBuf>,
    /// Make what is shown without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Use what the cluster has of these, instead of refusing it
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    pub use_existing: Vec<PartArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PartArg {
    Flux,
    Flagger,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ControllerArg {
    /// coalmine's own, inside the lab
    #[default]
    Builtin,
    /// None inside the lab: one of your own, such as Flagger, decides from outside
    External,
}

impl From<ControllerArg> for Controller {
    fn from(it: ControllerArg) -> Self {
        match it {
            ControllerArg::Builtin => Self::Builtin,
            ControllerArg::External => Self::External,
        }
    }
}

/// Ports of 127.0.0.1.
#[derive(Debug, Clone, Copy, Args)]
#[expect(clippy::struct_field_names, reason = "the fields are the options' names")]
pub struct PortArgs {
    /// Port of the Kubernetes API [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub kubernetes_port: u16,
    /// Port of the Prometheus API [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub prometheus_port: u16,
    /// Port at which requests enter [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub entry_port: u16,
    /// Port of the built-in controller's metrics [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub metrics_port: u16,
    /// Port of the HTTP proxy into the cluster's network, for an external controller [default: a free one]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub network_port: u16,
}

impl From<PortArgs> for Ports {
    fn from(it: PortArgs) -> Self {
        Self {
            kubernetes: it.kubernetes_port,
            prometheus: it.prometheus_port,
            entry: it.entry_port,
            metrics: it.metrics_port,
            network: it.network_port,
        }
    }
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// Which lab
    #[arg(long, visible_alias = "lab", default_value_t)]
    pub name: LabName,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    pub lab: NameArgs,
    /// Remove only what is written down here: the cluster that the lab was on is gone, or is to be left as it is
    #[arg(long)]
    pub forget: bool,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// This lab only; exit code 3 if it cannot be used [default: all]
    #[arg(long, visible_alias = "lab")]
    pub name: Option<LabName>,
    /// JSON instead of a table
    #[arg(long, short, value_enum)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub struct EnvArgs {
    /// Which lab
    #[arg(long, visible_alias = "lab", default_value_t)]
    pub name: LabName,
    /// JSON instead of commands for sh
    #[arg(long, short, value_enum)]
    pub output: Option<Output>,
}

#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// `prometheus`, `entry` (where requests enter), or NAMESPACE/SERVICE:PORT, such as grafana/grafana:3000
    #[arg(default_value = "prometheus")]
    pub what: String,
    /// Which lab
    #[arg(long, visible_alias = "lab", default_value_t)]
    pub name: LabName,
    /// The port of this machine [default: any that is free]
    #[arg(long, default_value_t, hide_default_value = true)]
    pub port: u16,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The Canary; may be left out where there is only one
    pub canary: Option<String>,
    /// Its namespace [default: all]
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// A lab that is up (`coalmine up`)
    #[arg(long, value_name = "NAME", conflicts_with = "context")]
    pub lab: Option<LabName>,
    /// A context of the kubeconfig [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Flagger's Prometheus: http://HOST:PORT, or NAMESPACE/SERVICE:PORT [default: the one that Flagger asks]
    #[arg(long, value_name = "ADDRESS")]
    pub prometheus: Option<Address>,
    /// When it ends, write record.jsonl and the reports into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print lines even where the live view could be shown
    #[arg(long)]
    pub lines: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A record.jsonl that `coalmine run --out` wrote
    pub left: PathBuf,
    /// Another one
    pub right: PathBuf,
    /// How much earlier or later an event may come after the detection of the new revision: 15s, 1m30s [default: one
    /// interval of the policy]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub tolerance: Option<Duration>,
    /// A table, or JSON
    #[arg(long, short, value_enum, default_value_t = FormatArg::Table)]
    pub output: FormatArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    Table,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::model::duration::parse_go(text).map_err(|_| format!("`{text}` is no duration: write 15s or 1m30s"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClockArg {
    /// As fast as it can, or at --speed; one seed gives one record
    Simulated,
    /// Real time, with the lab's three endpoints on loopback sockets
    Wall,
}

#[derive(Debug, Subcommand)]
pub enum ScenariosCommand {
    /// The built-in scenarios
    List,
    /// One built-in scenario: its file
    Show { name: String },
    /// All problems of scenario files, each with its place
    Check {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// A JSON Schema of scenario files, for editors
    Schema,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A record.jsonl that `coalmine run --out` wrote
    pub record: PathBuf,
    /// Recorded seconds per real second in the live view, or `max`
    #[arg(long, value_name = "TIMES|max", default_value = "10")]
    pub speed: Speed,
    /// Print lines even where the live view could be shown
    #[arg(long)]
    pub lines: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A record.jsonl that `coalmine run --out` wrote
    pub record: PathBuf,
    /// The folder to write to [default: the record's own]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RouterArgs {
    /// Where requests enter
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Where /metrics and /healthz are
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:10254")]
    pub metrics: SocketAddr,
    /// Read the cluster of this kubeconfig, instead of the one that this process is a pod of
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of that kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,
    /// The pod's name, as the metrics say it
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub pod: Option<String>,
    /// The pod's namespace, as the metrics say it
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,
}

/// Who sends users' requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TrafficArg {
    /// This process, through a port-forward to the lab's router
    #[default]
    Here,
    /// A Job in the scenario's namespace, with coalmine's own image
    Cluster,
}

#[derive(Debug, Args)]
pub struct VisitorsArgs {
    /// Where orders are taken
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// What stands in front of each request's path: http://SERVICE.NAMESPACE:PORT
    #[arg(long, value_name = "URL")]
    pub base: String,
    /// Host header of requests that have none of their own
    #[arg(long, value_name = "NAME", default_value = "")]
    pub host: String,
    /// The Deployment that the Canary watches, to tell primary from canary
    #[arg(long, value_name = "NAME", default_value = "")]
    pub target: String,
    /// Fixes every random choice
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What kind of lab this machine is to hold
    #[arg(long, value_enum, default_value = "kind")]
    pub lab: LabArg,
    /// The driver that minikube is to use [default: what minikube chooses]
    #[arg(long, value_name = "NAME")]
    pub driver: Option<String>,
    /// The file of images that the lab is to be made with: its node may be of another Kubernetes
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// Print JSON
    #[arg(long, short, value_enum)]
    pub output: Option<Output>,
}

/// Forms of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Json,
}

#[derive(Debug, Args)]
pub struct PackArgs {
    /// The file to write: lab.tar.zst
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub stack: StackArgs,
}
