//! One run from its first event to its last.

use super::bus::Bus;
use super::commands::{obey, unless_quit};
use super::decide;
use super::faults::{self, FaultError, Keeper, PodSelectors, way};
use super::ground::Ground;
use super::journal::Journal;
use super::measure::{self, Asker};
use super::observe::{self, PodTeller, ReportTeller, RouteTeller, Seen, StatusTeller, Watch, WorkloadTeller};
use super::patience::{self, Lost, insist};
use super::player::{self, Hands, Played, StepError, TrafficChange};
use super::setup::{self, SetupError};
use super::traffic::{self, InsideError, Load, TrafficFrom};
use crate::canary::{Settings, routes};
use crate::cluster::ClusterError;
use crate::event::{Event, Outcome, RunEnded, ScenarioStarted, StepState};
use crate::lab::Lab;
use crate::model::canary::Canary;
use crate::model::command::Command;
use crate::scenario::plan::{Act, Plan};
use crate::scenario::{expect, verdict};
use crate::sys::rng::Seed;
use serde_json::Value;
use std::collections::BTreeSet;
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
    pub traffic_from: TrafficFrom,
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
    Fault(#[from] FaultError),
    #[error(transparent)]
    Inside(#[from] InsideError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("the Kubernetes API refused to be watched: {0}")]
    Watch(ClusterError),
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
    /// Runs to the end, publishes `RunEnded` and returns it. Everything that it started is stopped by then, and its claim
    /// on the lab is given back.
    pub async fn run(mut self) -> Result<RunEnded, RunError> {
        let ground = self.ground();
        let Some(hold) = unless_quit(&mut self.commands, &ground, setup::hold(&ground)).await else {
            return Ok(self.end(&End::Quit));
        };
        let hold = hold?;
        let end = tokio::select! {
            biased;
            lost = patience::watch_over(ground.cluster.clone(), ground.clock, ground.bus.clone()) => Err(RunError::from(lost)),
            end = self.run_alone(ground.clone()) => end,
        };
        if !matches!(end, Err(RunError::Lost(_))) {
            if self.traffic_from != TrafficFrom::Here {
                traffic::remove(&ground).await;
            }
            hold.release(&ground).await;
        }
        if self.bus.is_full() { Err(RunError::TooManyEvents) } else { Ok(self.end(&end?)) }
    }

    fn ground(&self) -> Ground {
        let plan = Arc::clone(&self.plan);
        Ground { plan, cluster: self.lab.kubernetes.clone(), clock: self.lab.clock, bus: self.bus.clone() }
    }

    /// Prepares the lab and plays, while nobody else does.
    async fn run_alone(&mut self, mut ground: Ground) -> Result<End, RunError> {
        let (seen_sender, mut seen) = watch::channel(Seen::default());
        let mut tasks = JoinSet::new();
        let selectors = PodSelectors::of(target_of(&ground.plan));
        let prepared = prepare(&ground, &mut tasks, &seen_sender, &mut seen, &selectors);
        let Some(prepared) = unless_quit(&mut self.commands, &ground, prepared).await else { return Ok(End::Quit) };
        let mut in_template = BTreeSet::new();
        if let Some(way::Prepared { plan, in_template: kinds }) = prepared? {
            (ground.plan, in_template) = (Arc::new(plan), kinds);
        }
        let load = Load::start(&self.traffic_from, &ground, &self.lab, self.seed);
        let Some(load) = unless_quit(&mut self.commands, &ground, load).await else { return Ok(End::Quit) };
        let (orders, order_receiver) = mpsc::channel(faults::MAX_WAITING_ORDERS);
        let (changes, change_receiver) = mpsc::channel(MAX_WAITING_CHANGES);
        let keeper = tokio::spawn(Keeper::new(ground.clone(), selectors, in_template).keep(order_receiver));
        let load = tokio::spawn(load?.send(change_receiver));
        tasks.spawn(measure::measure(self.asker(&ground)));
        let hands = Hands { ground, seen, faults: orders, traffic: changes, later: JoinSet::new() };
        let end = self.play(hands).await;
        // The generator ends with the last sender of changes, after its last requests are counted; the keeper with the
        // last sender of orders, after faults are off.
        load.await.ok();
        keeper.await.ok();
        tasks.shutdown().await;
        Ok(end?)
    }

    fn asker(&self, ground: &Ground) -> Asker {
        let asked = measure::asked_of(&canary_of(&ground.plan), &Settings::default(), &ground.plan.objects);
        let prometheus = self.lab.prometheus.clone();
        Asker { prometheus, clock: ground.clock, bus: ground.bus.clone(), asked }
    }

    /// From the warm-up to the decision. Dropping `hands` at its end stops faults and traffic.
    async fn play(&mut self, mut hands: Hands) -> Result<End, StepError> {
        let ground = hands.ground.clone();
        let (clock, plan) = (ground.clock, &ground.plan);
        let first = TrafficChange { streams: plan.traffic.clone(), stop: Vec::new() };
        let _ = hands.traffic.send(first).await;
        let until = clock.elapsed() + plan.warmup;
        let whole = async {
            let name = "warm up";
            ground.step(name, StepState::Started, "traffic runs until the metric windows are full");
            clock.sleep_until(until).await;
            ground.step(name, StepState::Done, "");
            ground.bus.publish(Event::ScenarioStarted(ScenarioStarted { steps: plan.steps.len() }));
            tokio::select! {
                biased;
                end = steps_then_decision(plan, &mut hands) => end,
                () = clock.sleep_until(until + plan.time_limit) => Ok(End::TimeUp),
            }
        };
        tokio::select! {
            biased;
            () = obey(&mut self.commands, &ground) => Ok(End::Quit),
            end = whole => end,
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

/// Brings the lab to where the scenario begins: free of what was, watched, and with a Canary that waits for a release. Gives
/// the plan as this lab can play it, where that differs.
async fn prepare(
    ground: &Ground,
    tasks: &mut JoinSet<()>,
    seen_sender: &watch::Sender<Seen>,
    seen: &mut watch::Receiver<Seen>,
    selectors: &PodSelectors,
) -> Result<Option<way::Prepared>, RunError> {
    let ran_before = setup::clear(ground).await?;
    observe(ground, tasks, seen_sender).await.map_err(RunError::Watch)?;
    setup::apply(ground).await?;
    setup::wait_until_initialized(ground, seen).await?;
    if ran_before {
        setup::close_gates(ground).await?;
    }
    Ok(way::prepare(ground, selectors).await?)
}

/// Watches all that a run tells about, from now on.
async fn observe(ground: &Ground, tasks: &mut JoinSet<()>, seen: &watch::Sender<Seen>) -> Result<(), ClusterError> {
    let plan = &ground.plan;
    let before = insist(ground.clock, || ground.cluster.list("v1", "Event", Some(&plan.namespace), None)).await?;
    let watch = |api_version, kind| Watch { api_version, kind };
    let mut follow = |watch: Watch, teller: Box<dyn observe::Teller + Send>| {
        let follow = observe::follow(ground.cluster.clone(), plan.namespace.clone(), watch, ground.bus.clone(), teller);
        tasks.spawn(follow);
    };
    let name = &plan.canary.name;
    follow(watch("flagger.app/v1beta1", "Canary"), Box::new(StatusTeller::new(name, seen.clone())));
    follow(watch("v1", "Event"), Box::new(ReportTeller::new(name).knowing(&before)));
    follow(watch("apps/v1", "Deployment"), Box::<WorkloadTeller>::default());
    follow(watch("v1", "Pod"), Box::<PodTeller>::default());
    let canary = canary_of(plan);
    if let Some(router) = routes::router_object(&canary, &Settings::default()) {
        follow(watch(router.api_version, router.kind), Box::new(RouteTeller::new(canary, seen.clone())));
    }
    Ok(())
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
    decide::decided(hands.ground.clock, hands.seen.clone(), release, plan.settle).await;
    Ok(End::Decided)
}

/// The plan's own Canary manifest.
fn canary_of(plan: &Plan) -> Canary {
    let manifest = plan.objects.iter().find(|it| it["kind"] == "Canary" && it["metadata"]["name"] == plan.canary.name);
    manifest.and_then(|it| serde_json::from_value(it.clone()).ok()).unwrap_or_default()
}

/// The plan's own target manifest.
fn target_of(plan: &Plan) -> &Value {
    let is_target = |it: &&Value| it["kind"] == "Deployment" && it["metadata"]["name"] == plan.target.name;
    plan.objects.iter().find(is_target).unwrap_or(&Value::Null)
}
