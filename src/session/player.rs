//! Plays the plan's steps, one after the other, each at its moment.

use super::bus::Bus;
use super::faults::Order;
use super::observe::Seen;
use crate::cluster::{Client, ClusterError};
use crate::event::{Event, Note, StepTaken};
use crate::model::object::ObjectRef;
use crate::model::traffic::Stream;
use crate::scenario::plan::{Act, Plan, PlannedStep, Release, When};
use crate::sys::clock::Clock;
use bytes::Bytes;
use serde_json::json;
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
    pub cluster: Client,
    pub clock: Clock,
    pub bus: Bus,
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
    #[error("the load tester answered {status}; is it installed in the Canary's namespace?")]
    LoadTester { status: http::StatusCode },
    #[error("the scenario has no load tester: a Canary webhook has to name its address")]
    NoLoadTester,
    #[error("`{0}` is not the address of a Service: write http://NAME.NAMESPACE")]
    NotAService(String),
}

/// Takes every step in order. `taken` hears the place of each step once it is taken.
pub(crate) async fn play(plan: &Plan, hands: &mut Hands, taken: impl Fn(usize)) -> Result<Played, StepError> {
    let zero = hands.clock.elapsed();
    let mut previous = zero;
    for (index, step) in plan.steps.iter().enumerate() {
        if !hands.wait_for(&step.when, zero, previous).await {
            hands.note_skipped(plan, index, step);
            return Ok(Played::Stuck);
        }
        previous = hands.clock.elapsed();
        let (kind, text) = (step.act.kind(), step.text.clone());
        hands.bus.publish(Event::StepTaken(StepTaken { index, kind, text }));
        taken(index);
        let failed = |source| StepError { number: index + 1, text: step.text.clone(), source };
        hands.act(plan, &step.act).await.map_err(failed)?;
    }
    Ok(Played::All)
}

impl Hands {
    /// Whether the moment came.
    async fn wait_for(&mut self, when: &When, zero: Duration, previous: Duration) -> bool {
        let clock = self.clock;
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
            () = self.clock.sleep_until(deadline) => false,
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
        self.bus.publish(Event::Note(Note { text }));
    }

    async fn act(&mut self, plan: &Plan, act: &Act) -> Result<(), ActError> {
        match act {
            Act::Release(release) => self.release(plan, release).await?,
            Act::FaultOn { spec, target, lasting } => {
                self.order(Order::On(spec.clone(), *target)).await;
                if let Some(lasting) = lasting {
                    let (faults, end) = (self.faults.clone(), self.clock.elapsed() + *lasting);
                    let (clock, off) = (self.clock, Order::Off(Some(spec.fault), *target));
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
            Act::Gate { open } => self.load_tester(plan, if *open { "/gate/open" } else { "/gate/close" }).await?,
            Act::RollBack => self.load_tester(plan, "/rollback/open").await?,
            Act::Wait => {}
        }
        Ok(())
    }

    async fn order(&self, order: Order) {
        let _ = self.faults.send(order).await;
    }

    async fn release(&self, plan: &Plan, release: &Release) -> Result<(), ActError> {
        for (object, patch) in &release.configs {
            self.cluster.merge_patch(object, None, patch).await?;
        }
        if release.patch.as_object().is_some_and(|it| !it.is_empty()) {
            self.cluster.strategic_patch(&plan.target, &release.patch).await?;
        }
        Ok(())
    }

    async fn load_tester(&self, plan: &Plan, path: &str) -> Result<(), ActError> {
        call_load_tester(&self.cluster, plan, path).await
    }
}

/// Posts to the load tester's gate or roll-back switch, through the Kubernetes API's Service proxy.
async fn call_load_tester(cluster: &Client, plan: &Plan, path: &str) -> Result<(), ActError> {
    let address = plan.load_tester.as_deref().ok_or(ActError::NoLoadTester)?;
    let (service, port) = service_of(address, &plan.namespace)?;
    let body = json!({"name": plan.canary.name, "namespace": plan.canary.namespace}).to_string();
    let request = http::Request::post(path)
        .header("content-type", "application/json")
        .body(Bytes::from(body))
        .expect("a fixed path and header make a request");
    let answer = cluster.service_request(&service.namespace, &service.name, port, request).await?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(ActError::LoadTester { status }) }
}

/// The Service behind `http://name[.namespace[.svc…]][:port]`.
fn service_of(address: &str, namespace: &str) -> Result<(ObjectRef, u16), ActError> {
    let uri: http::Uri = address.parse().map_err(|_| ActError::NotAService(address.to_owned()))?;
    let mut names = uri.host().unwrap_or_default().split('.');
    let name = names.next().filter(|it| !it.is_empty()).ok_or_else(|| ActError::NotAService(address.to_owned()))?;
    let namespace = names.next().unwrap_or(namespace);
    Ok((ObjectRef::new("v1", "Service", namespace, name), uri.port_u16().unwrap_or(80)))
}

/// What a person asked for by hand; failures become notes, because a run goes on.
pub(crate) async fn by_hand(cluster: &Client, plan: &Plan, bus: &Bus, path: &str) {
    if let Err(error) = call_load_tester(cluster, plan, path).await {
        bus.publish(Event::Note(Note { text: format!("could not be done: {error}") }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_tester_is_found_by_its_service_name() {
        for (address, namespace, name, port) in [
            ("http://flagger-loadtester.test", "test", "flagger-loadtester", 80),
            ("http://flagger-loadtester.tools.svc.cluster.local:8080/", "tools", "flagger-loadtester", 8080),
            ("http://flagger-loadtester", "home", "flagger-loadtester", 80),
        ] {
            let (service, found) = service_of(address, "home").unwrap();
            assert_eq!((service.namespace.as_str(), service.name.as_str(), found), (namespace, name, port));
        }
        assert!(service_of("not an address", "home").is_err());
    }
}
