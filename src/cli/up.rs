//! `coalmine up`: an embedded lab on the wall clock, in this process or, with `--detach`, in one of its own.

use super::args::UpArgs;
use super::interrupt::Interrupts;
use super::terminal::{self, complain, say};
use super::{Exit, context, detach};
use crate::event::{LabStep, StepState};
use crate::home::{Endpoints, Found, Home, LabName, NotReady, Record, State};
use crate::lab::{LabError, Ports, ServeError, Up, UpError, UpOptions};
use crate::sys::rng::Seed;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether a lab that another process makes is ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// On more than one thread: the API and the data plane answer while the controllers work.
pub(crate) fn up(args: &UpArgs) -> Exit {
    if let Err(error) = context::none_wanted(args) {
        failed("no lab", &error);
        return Exit::Usage;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed("the runtime could not be made", &error),
    };
    let exit = runtime.block_on(async {
        let home = Home::of_user().map_err(|it| failed("no lab", &it))?;
        let interrupts = Interrupts::new().map_err(|it| failed("signals cannot be heard", &it))?;
        Ok(Command { home, name: args.name(), args, interrupts }.run().await)
    });
    runtime.shutdown_background();
    exit.unwrap_or_else(|exit: Exit| exit)
}

fn failed(what: &str, error: &dyn std::error::Error) -> Exit {
    complain(&terminal::failure(what, error));
    Exit::Lab
}

struct Command<'a> {
    home: Home,
    name: LabName,
    args: &'a UpArgs,
    interrupts: Interrupts,
}

impl Command<'_> {
    async fn run(mut self) -> Exit {
        if self.args.detached.is_some() {
            detach::leave_session();
            return self.here().await;
        }
        match self.home.find(&self.name) {
            Ok(Some(found)) if found.state != State::Stale => self.theirs(found).await,
            Ok(_) if self.args.detach => self.elsewhere().await,
            Ok(_) => self.here().await,
            Err(error) => failed("no lab", &error),
        }
    }

    /// Makes the lab in this process and keeps it until somebody ends it.
    async fn here(&mut self) -> Exit {
        let (name, args) = (&self.name, self.args);
        let options = UpOptions {
            controller: args.controller.unwrap_or_default().into(),
            ports: args.ports.into(),
            seed: Seed(args.seed),
            log: args.detached.clone(),
            run: None,
        };
        let making = Up::start(&self.home, name, options, Arc::new(|it| complain(&line(&it))));
        let up = match self.interrupts.or(making).await {
            // What was half made has been dropped, which ends it: only its files are left.
            None => return self.forget(),
            Some(Err(UpError::Taken(found))) => return self.theirs(*found).await,
            Some(Err(error)) => return not_made(&error),
            Some(Ok(up)) => up,
        };
        match (args.detached.is_some(), &up.record().endpoints) {
            (true, _) => detach::say_ready(),
            (false, Some(endpoints)) => say(&addresses("is up", name, up.record(), endpoints)),
            (false, None) => {}
        }
        self.interrupts.next().await;
        complain(&format!("the lab `{name}` ends\n"));
        match self.interrupts.or(up.down()).await {
            None => self.forget(),
            Some(Err(error)) => failed("the lab has ended, and its files are still there", &error),
            Some(Ok(())) => Exit::AsExpected,
        }
    }

    /// Has it made by a process of its own.
    async fn elsewhere(&mut self) -> Exit {
        match detach::start(&self.home, &self.name, &mut self.interrupts).await {
            Ok(Exit::AsExpected) => match self.home.ready(&self.name) {
                Ok((record, endpoints)) => {
                    say(&addresses("is up", &self.name, &record, &endpoints));
                    Exit::AsExpected
                }
                Err(error) => failed("the lab went as soon as it was there", &error),
            },
            Ok(other) => other,
            Err(error) => failed("no process for the lab", &error),
        }
    }

    /// Waits for a lab that another process makes or has made, and says where it is.
    async fn theirs(&mut self, found: Found) -> Exit {
        if found.state == State::Starting {
            complain(&format!("the lab `{}` is being made by another process: waiting for it\n", found.name));
        }
        let ready = async {
            loop {
                match self.home.ready(&found.name) {
                    Err(NotReady::Starting { .. }) => tokio::time::sleep(LOOK_EVERY).await,
                    other => return other,
                }
            }
        };
        let (record, endpoints) = match self.interrupts.or(ready).await {
            None => return Exit::Interrupted,
            Some(Err(error)) => return failed("no lab", &error),
            Some(Ok(ready)) => ready,
        };
        let differs = differences(self.args, &record, &endpoints);
        if differs.is_empty() {
            say(&addresses("is up already", &found.name, &record, &endpoints));
            return Exit::AsExpected;
        }
        let name = &found.name;
        complain(&format!(
            "coalmine: the lab `{name}` is up already, and not as asked for: {}. `coalmine down --name {name}` ends it; \
            another --name makes another one\n",
            differs.join(", ")
        ));
        Exit::Usage
    }

    /// After an interrupt.
    fn forget(&self) -> Exit {
        match self.home.forget(&self.name) {
            Ok(_) => Exit::Interrupted,
            Err(error) => failed("the lab's files are still there", &error),
        }
    }
}

/// What was asked for explicitly and is otherwise in the lab that is there.
fn differences(args: &UpArgs, record: &Record, endpoints: &Endpoints) -> Vec<String> {
    let mut differs = Vec::new();
    if let Some(controller) = args.controller.filter(|it| crate::home::Controller::from(*it) != record.controller) {
        let asked = crate::home::Controller::from(controller).name();
        differs.push(format!("its controller is {}, not {asked}", record.controller.name()));
    }
    let ports = Ports::from(args.ports);
    let is = |url: &str| url.parse::<http::Uri>().ok().and_then(|it| it.port_u16()).unwrap_or_default();
    for (what, asked, url) in [
        ("Kubernetes API", ports.kubernetes, Some(&endpoints.kubernetes.server)),
        ("Prometheus API", ports.prometheus, Some(&endpoints.prometheus)),
        ("entry", ports.entry, Some(&endpoints.entry)),
        ("controller's metrics", ports.metrics, endpoints.metrics.as_ref()),
    ] {
        if let Some(url) = url.filter(|url| asked != 0 && is(url) != asked) {
            differs.push(format!("its {what} is at {url}, not at port {asked}"));
        }
    }
    differs
}

fn not_made(error: &UpError) -> Exit {
    let exit = failed("the lab could not be made", error);
    if let UpError::Lab(LabError::Serve(ServeError::Listen { port: 1.., .. })) = error {
        complain("  hint: choose another port, or leave it out for a free one\n");
    }
    exit
}

/// One step of making the lab.
pub(crate) fn line(step: &LabStep) -> String {
    let state = match step.state {
        StepState::Started => " …",
        StepState::Done => "",
        StepState::Failed => ": failed",
    };
    let detail = if step.detail.is_empty() { String::new() } else { format!(": {}", step.detail) };
    format!("{}{state}{detail}\n", step.name)
}

/// Where the lab is, and what to type next.
pub(crate) fn addresses(is: &str, name: &LabName, record: &Record, endpoints: &Endpoints) -> String {
    let mut text = format!("the lab `{name}` {is}, controller {}\n\n", record.controller.name());
    let mut row = |what: &str, address: &str| {
        let _ = writeln!(text, "  {what:<15} {address}");
    };
    row("Kubernetes API", &endpoints.kubernetes.server);
    row("Prometheus API", &endpoints.prometheus);
    row("requests enter", &endpoints.entry);
    if let Some(metrics) = &endpoints.metrics {
        row("metrics", metrics);
    }
    if let Some(network) = &endpoints.network {
        row("cluster network", network);
    }
    if let Some(log) = &record.log {
        row("log", &log.display().to_string());
    }
    let flag = if *name == LabName::default() { String::new() } else { format!(" --name {name}") };
    // Webhooks and metric providers have the names of Services, which only the cluster's network knows.
    let then = match endpoints.network {
        None => "kubectl get canaries,deploy,pods,ingress -A",
        Some(_) => {
            "HTTP_PROXY=\"$COALMINE_NETWORK\" flagger -kubeconfig \"$KUBECONFIG\" -mesh-provider nginx -metrics-server \
            \"$COALMINE_PROMETHEUS\""
        }
    };
    let end = if record.log.is_none() && record.pid == Some(std::process::id()) { "Ctrl-C, or " } else { "" };
    let _ = write!(text, "\n  eval \"$(coalmine env{flag})\"\n  {then}\n\n{end}`coalmine down{flag}` ends it\n");
    text
}
