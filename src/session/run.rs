//! One run from its first event to its last.

use super::bus::Bus;
use super::faults::{self, PodSelectors};
use super::journal::Journal;
use super::observe::{self, PodTeller, ReportTeller, RouteTeller, Seen, StatusTeller, Watch, WorkloadTeller};
use super::player::{self, Hands, Played, StepError, TrafficChange};
use super::setup::{self, SetupError};
use super::{decide, measure, traffic};
use crate::canary::routes;
use crate::event::{Event, Note, Outcome, RunEnded, ScenarioStarted, StepState};
use crate::lab::Lab;
use crate::model::canary::Canary;
use crate::model::command::Command;
use crate::model::object::Labels;
use crate::scenario::plan::{Act, Plan};
use crate::scenario::{expect, verdict};
use crate::sys::rng::Seed;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Changes of traffic that may wait for the generator.
const MAX_WAITING_CHANGES: usize = 256;

/// One run: a plan on a lab that is ready.
pub struct Session {
    pub plan: Arc<Plan>,
    pub lab: Lab,
    pub seed: Seed,
    pub bus: Bus,
    /// Must be one of the bus's sinks.
    pub journal: Journal,
    pub commands: mpsc::Receiver<Command>,
}

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("the run reached its limit of {} events", super::bus::MAX_EVENTS)]
    TooManyEvents,
}

/// How playing came to its end.
enum End {
    Decided,
    TimeUp,
    Quit,
}

impl Session {
    /// Runs to the end, publishes `RunEnded` and returns it. Everything that it started is stopped by then.
    pub async fn run(mut self) -> Result<RunEnded, RunError> {
        let (seen_sender, mut seen) = watch::channel(Seen::default());
        let mut tasks = JoinSet::new();
        self.observe(&mut tasks, &seen_sender);
        let (orders, order_receiver) = mpsc::channel(faults::MAX_WAITING_ORDERS);
        let (changes, change_receiver) = mpsc::channel(MAX_WAITING_CHANGES);
        let prepared = async {
            setup::apply(&self.plan, &self.lab.kubernetes, &self.bus).await?;
            setup::wait_until_initialized(&self.plan, self.lab.clock, &self.bus, &mut seen).await
        };
        let quit_early = tokio::select! {
            biased;
            () = quit(&mut self.commands, &self.bus) => true,
            result = prepared => { result?; false }
        };
        if quit_early {
            return Ok(self.end(&End::Quit));
        }
        self.keep_faults(&mut tasks, order_receiver);
        let load = tokio::spawn(traffic::send(
            traffic::Load::new(&self.plan, &self.lab, self.seed, &self.bus),
            change_receiver,
        ));
        let hands = Hands {
            cluster: self.lab.kubernetes.clone(),
            clock: self.lab.clock,
            bus: self.bus.clone(),
            seen,
            faults: orders,
            traffic: changes,
            later: JoinSet::new(),
        };
        let end = self.play(&mut tasks, hands).await;
        // The generator ends with the last sender of changes, after its last requests are counted.
        load.await.ok();
        tasks.shutdown().await;
        let end = end?;
        if self.bus.is_full() { Err(RunError::TooManyEvents) } else { Ok(self.end(&end)) }
    }

    fn observe(&self, tasks: &mut JoinSet<()>, seen: &watch::Sender<Seen>) {
        let plan = &self.plan;
        let watch = |api_version, kind| Watch { api_version, kind };
        let name = &plan.canary.name;
        self.follow(tasks, watch("flagger.app/v1beta1", "Canary"), StatusTeller::new(name, seen.clone()));
        self.follow(tasks, watch("v1", "Event"), ReportTeller::new(name));
        self.follow(tasks, watch("apps/v1", "Deployment"), WorkloadTeller::default());
        self.follow(tasks, watch("v1", "Pod"), PodTeller::default());
        let canary = canary_of(plan);
        if let Some(router) = routes::router_object(&canary, &crate::canary::Settings::default()) {
            let teller = RouteTeller::new(canary, seen.clone());
            self.follow(tasks, watch(router.api_version, router.kind), teller);
        }
    }

    fn follow(&self, tasks: &mut JoinSet<()>, watch: Watch, teller: impl observe::Teller + Send + 'static) {
        let (cluster, namespace) = (self.lab.kubernetes.clone(), self.plan.namespace.clone());
        tasks.spawn(observe::follow(cluster, namespace, watch, self.bus.clone(), teller));
    }

    fn keep_faults(&self, tasks: &mut JoinSet<()>, orders: mpsc::Receiver<faults::Order>) {
        let (cluster, namespace) = (self.lab.kubernetes.clone(), self.plan.namespace.clone());
        tasks.spawn(faults::keep(cluster, namespace, selectors_of(&self.plan), self.bus.clone(), orders));
    }

    /// From the warm-up to the decision. Dropping `hands` at its end stops faults and traffic.
    async fn play(&mut self, tasks: &mut JoinSet<()>, mut hands: Hands) -> Result<End, RunError> {
        let clock = self.lab.clock;
        tasks.spawn(measure::measure(self.lab.clone(), Arc::clone(&self.plan), self.bus.clone()));
        let first = TrafficChange { streams: self.plan.traffic.clone(), stop: Vec::new() };
        let _ = hands.traffic.send(first).await;
        let plan = Arc::clone(&self.plan);
        let until = clock.elapsed() + plan.warmup;
        let whole = async {
            let name = "warm up";
            setup::step(&hands.bus, name, StepState::Started, "traffic runs until the metric windows are full");
            clock.sleep_until(until).await;
            setup::step(&hands.bus, name, StepState::Done, "");
            hands.bus.publish(Event::ScenarioStarted(ScenarioStarted { steps: plan.steps.len() }));
            tokio::select! {
                biased;
                end = steps_then_decision(&plan, &mut hands) => end,
                () = clock.sleep_until(until + plan.time_limit) => Ok(End::TimeUp),
            }
        };
        tokio::select! {
            biased;
            () = obey(&mut self.commands, &self.lab, &plan, &self.bus) => Ok(End::Quit),
            end = whole => end.map_err(RunError::from),
        }
    }

    fn end(&self, end: &End) -> RunEnded {
        let ended = self.journal.read(|events| {
            let verdict = verdict::explain(events);
            let outcome = if matches!(end, End::Quit) { Outcome::Interrupted } else { verdict.outcome };
            let expectations = expect::judge(&self.plan.expect, events);
            RunEnded { outcome, why: verdict.why, next: verdict.next, expectations }
        });
        self.bus.publish(Event::RunEnded(ended.clone()));
        ended
    }
}

async fn steps_then_decision(plan: &Plan, hands: &mut Hands) -> Result<End, StepError> {
    let last_release = Mutex::new(None);
    let seen = hands.seen.clone();
    let taken = |index: usize| {
        if matches!(plan.steps[index].act, Act::Release(_)) {
            *last_release.lock().unwrap_or_else(PoisonError::into_inner) = Some(*seen.borrow());
        }
    };
    // After a step that waited in vain the release still comes to its own end.
    let (Played::All | Played::Stuck) = player::play(plan, hands, taken).await?;
    let release = *last_release.lock().unwrap_or_else(PoisonError::into_inner);
    decide::decided(hands.clock, hands.seen.clone(), release, plan.settle).await;
    Ok(End::Decided)
}

/// Waits for Quit; other commands come too early, and are noted.
async fn quit(commands: &mut mpsc::Receiver<Command>, bus: &Bus) {
    while let Some(command) = commands.recv().await {
        if command == Command::Quit {
            return tell(bus, "quit");
        }
        bus.publish(Event::Note(Note { text: "not yet: the lab is being made".to_owned() }));
    }
    std::future::pending::<()>().await;
}

/// Does what a person asks for, until they quit.
async fn obey(commands: &mut mpsc::Receiver<Command>, lab: &Lab, plan: &Plan, bus: &Bus) {
    while let Some(command) = commands.recv().await {
        let (text, path) = match command {
            Command::OpenGate => ("open the gate", "/gate/open"),
            Command::CloseGate => ("close the gate", "/gate/close"),
            Command::RollBack => ("roll back", "/rollback/open"),
            Command::Quit => return tell(bus, "quit"),
            Command::Pause | Command::Resume | Command::Step { .. } | Command::Speed(_) => {
                let text = "the wall clock cannot be paused, stepped or sped up".to_owned();
                bus.publish(Event::Note(Note { text }));
                continue;
            }
        };
        tell(bus, text);
        player::by_hand(&lab.kubernetes, plan, bus, path).await;
    }
    std::future::pending::<()>().await;
}

fn tell(bus: &Bus, text: &str) {
    bus.publish(Event::Command(crate::event::Command { text: text.to_owned() }));
}

/// The plan's own Canary manifest.
pub(crate) fn canary_of(plan: &Plan) -> Canary {
    let manifest = plan.objects.iter().find(|it| it["kind"] == "Canary" && it["metadata"]["name"] == plan.canary.name);
    manifest.and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default()
}

/// The target's pods by its selector, the primary's as Flagger makes it: the first value gets `-primary`.
fn selectors_of(plan: &Plan) -> PodSelectors {
    let target =
        plan.objects.iter().find(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == plan.target.name);
    let labels = target.map_or(&Value::Null, |it| &it["spec"]["selector"]["matchLabels"]);
    let canary: Labels = serde_json::from_value(labels.clone()).unwrap_or_default();
    let mut primary = canary.clone();
    let selector = ["app", "name", "app.kubernetes.io/name"].into_iter().find(|it| canary.contains_key(*it));
    if let Some(value) = selector.and_then(|it| primary.get_mut(it)) {
        value.push_str("-primary");
    }
    PodSelectors { canary, primary }
}
