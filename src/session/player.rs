//! Plays the plan's steps, one after the other, each at its moment.

use super::faults::Order;
use super::ground::Ground;
use super::load_tester::{self, CallError};
use super::observe::Seen;
use super::patience::insist;
use crate::cluster::ClusterError;
use crate::event::{Event, StepTaken};
use crate::model::traffic::Stream;
use crate::scenario::plan::{Act, Plan, PlannedStep, Release, When};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// A change of traffic: these streams replace those of the same name; names in `stop` end.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TrafficChange {
    pub streams: Vec<Stream>,
    pub stop: Vec<String>,
}

/// What the player acts through.
pub(crate) struct Hands {
    pub ground: Ground,
    pub seen: watch::Receiver<Seen>,
    pub faults: mpsc::Sender<Order>,
    pub traffic: mpsc::Sender<TrafficChange>,
    /// Faults with an end of their own; they may outlive the last step.
    pub later: JoinSet<()>,
}

/// How far the plan came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Played {
    /// All steps were taken.
    All,
    /// A step waited in vain for a phase or weight; it and those below were not taken.
    Stuck,
}

/// A step that could not be carried out: the lab refused it.
#[derive(Debug, thiserror::Error)]
#[error("step {number} ({text}) could not be carried out: {source}")]
pub struct StepError {
    /// 1-based place in the plan.
    pub number: usize,
    pub text: String,
    #[source]
    source: ActError,
}

#[derive(Debug, thiserror::Error)]
enum ActError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    LoadTester(#[from] CallError),
}

/// Takes every step in order. `taken` hears the place of each step once it is taken.
pub(crate) async fn play(plan: &Plan, hands: &mut Hands, taken: impl Fn(usize)) -> Result<Played, StepError> {
    let zero = hands.ground.clock.elapsed();
    let mut previous = zero;
    for (index, step) in plan.steps.iter().enumerate() {
        if !hands.wait_for(&step.when, zero, previous).await {
            hands.note_skipped(plan, index, step);
            return Ok(Played::Stuck);
        }
        previous = hands.ground.clock.elapsed();
        let (kind, text) = (step.act.kind(), step.text.clone());
        hands.ground.bus.publish(Event::StepTaken(StepTaken { index, kind, text }));
        taken(index);
        let failed = |source| StepError { number: index + 1, text: step.text.clone(), source };
        hands.act(plan, &step.act).await.map_err(failed)?;
    }
    Ok(Played::All)
}

impl Hands {
    /// Whether the moment came.
    async fn wait_for(&mut self, when: &When, zero: Duration, previous: Duration) -> bool {
        let clock = self.ground.clock;
        match *when {
            When::At(since_zero) => clock.sleep_until(zero + since_zero).await,
            When::After(since_previous) => clock.sleep_until(previous + since_previous).await,
            When::OnPhase { phase, within } => {
                return self.wait_until(previous + within, |it| it.phase == phase).await;
            }
            When::OnWeight { weight, within } => {
                return self.wait_until(previous + within, |it| it.weight >= weight).await;
            }
        }
        true
    }

    async fn wait_until(&mut self, deadline: Duration, condition: impl FnMut(&Seen) -> bool) -> bool {
        tokio::select! {
            biased;
            seen = self.seen.wait_for(condition) => seen.is_ok(),
            () = self.ground.clock.sleep_until(deadline) => false,
        }
    }

    fn note_skipped(&self, plan: &Plan, index: usize, step: &PlannedStep) {
        let left = plan.steps.len() - index;
        let text = format!(
            "step {} ({}) and the {} below it are not taken: what it waits for did not happen in its time",
            index + 1,
            step.text,
            left - 1
        );
        self.ground.note(text);
    }

    async fn act(&mut self, plan: &Plan, act: &Act) -> Result<(), ActError> {
        match act {
            Act::Release(release) => self.release(plan, release).await?,
            Act::FaultOn { spec, target, lasting } => {
                self.order(Order::On(spec.clone(), *target)).await;
                if let Some(lasting) = lasting {
                    let (faults, end) = (self.faults.clone(), self.ground.clock.elapsed() + *lasting);
                    let (clock, off) = (self.ground.clock, Order::Off(Some(spec.fault), *target));
                    self.later.spawn(async move {
                        clock.sleep_until(end).await;
                        // The keeper of faults ends only after the player.
                        let _ = faults.send(off).await;
                    });
                }
            }
            Act::FaultOff { fault, target } => self.order(Order::Off(*fault, *target)).await,
            Act::Traffic { streams, stop } => {
                let change = TrafficChange { streams: streams.clone(), stop: stop.clone() };
                let _ = self.traffic.send(change).await;
            }
            Act::Gate { open } => {
                let path = if *open { load_tester::OPEN_GATE } else { load_tester::CLOSE_GATE };
                load_tester::call(&self.ground, path).await?;
            }
            Act::RollBack => load_tester::call(&self.ground, load_tester::OPEN_ROLLBACK).await?,
            Act::Wait => {}
        }
        Ok(())
    }

    async fn order(&self, order: Order) {
        let _ = self.faults.send(order).await;
    }

    async fn release(&self, plan: &Plan, release: &Release) -> Result<(), ActError> {
        let Ground { cluster, clock, .. } = &self.ground;
        for (object, patch) in &release.configs {
            insist(*clock, || cluster.merge_patch(object, None, patch)).await?;
        }
        if release.patch.as_object().is_some_and(|it| !it.is_empty()) {
            insist(*clock, || cluster.strategic_patch(&plan.target, &release.patch)).await?;
        }
        Ok(())
    }
}
