//! What holds for every policy, every fault and every answer (section 9.8 of the reference).

use crate::canary::world::{Ticked, World, status_gauges};
use coalmine::canary::{ApiError, ApiReason, Next, QueryError, status, strategy, tick};
use coalmine::canary::{Input, Outcome};
use coalmine::model::canary::{CanaryStatus, Phase};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Long enough for every policy below to end, or to show that it does not.
const TICKS: usize = 40;

/// Everything that is drawn for one run.
#[derive(Debug, Clone)]
struct Draw {
    policy: Value,
    /// One draw for each tick: what goes wrong in it.
    mishaps: Vec<Mishap>,
    ready_in: (usize, usize),
}

#[derive(Debug, Clone)]
struct Mishap {
    /// Success rate; none is "no values".
    rate: Option<f64>,
    refused_hook: bool,
    rollback: bool,
    new_image: bool,
    /// Which write of the tick fails.
    failed_write: Option<usize>,
    deleted_ingress: bool,
}

fn policy() -> impl Strategy<Value = Value> {
    let weighted = (1i64..60, 1i64..=100).prop_map(|(step, max)| json!({"stepWeight": step, "maxWeight": max}));
    let listed = prop::collection::vec(1i64..=100, 1..5).prop_map(|list| json!({"stepWeights": list}));
    let promoted = (1i64..60).prop_map(|step| json!({"stepWeight": 25, "maxWeight": 75, "stepWeightPromotion": step}));
    let blue_green = (1i64..6).prop_map(|iterations| json!({"iterations": iterations}));
    let matches = json!([{"headers": {"x-canary": {"exact": "insider"}}}]);
    let ab = (1i64..6).prop_map(move |iterations| json!({"iterations": iterations, "match": matches}));
    let shape = prop_oneof![4 => weighted, 2 => listed, 2 => promoted, 2 => blue_green, 2 => ab];
    let hooks = [
        "pre-rollout",
        "rollout",
        "confirm-rollout",
        "confirm-promotion",
        "confirm-traffic-increase",
        "post-rollout",
        "rollback",
    ];
    let hooks = prop::collection::vec(prop::sample::select(hooks.to_vec()), 0..4);
    (shape, 0i64..6, hooks, prop::bool::weighted(0.1)).prop_map(|(mut analysis, threshold, hooks, skip)| {
        analysis["threshold"] = json!(threshold);
        analysis["interval"] = json!("15s");
        analysis["metrics"] = json!([{"name": "request-success-rate", "thresholdRange": {"min": 99}}]);
        let hook =
            |(index, kind): (usize, &str)| json!({"name": format!("{kind}-{index}"), "type": kind, "url": "http://h/"});
        analysis["webhooks"] = hooks.into_iter().enumerate().map(hook).collect();
        json!({"analysis": analysis, "skipAnalysis": skip})
    })
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let rate = prop_oneof![6 => Just(Some(100.0)), 2 => (0.0f64..99.0).prop_map(Some), 1 => Just(None)];
    let rare = || prop::bool::weighted(0.03);
    let failed_write = prop::option::weighted(0.05, 1usize..6);
    (rate, prop::bool::weighted(0.1), rare(), rare(), failed_write, rare()).prop_map(
        |(rate, refused_hook, rollback, new_image, failed_write, deleted_ingress)| Mishap {
            rate,
            refused_hook,
            rollback,
            new_image,
            failed_write,
            deleted_ingress,
        },
    )
}

fn draw() -> impl Strategy<Value = Draw> {
    (policy(), prop::collection::vec(mishap(), TICKS), (0usize..3, 0usize..3))
        .prop_map(|(policy, mishaps, ready_in)| Draw { policy, mishaps, ready_in })
}

/// One tick with what was there before and after it.
struct Seen {
    before: CanaryStatus,
    after: CanaryStatus,
    live_before: i64,
    live_after: i64,
    ticked: Ticked,
}

impl Seen {
    fn has(&self, words: &str) -> bool {
        self.ticked.events.iter().any(|it| it[2..].starts_with(words))
    }

    /// Whether a write of this tick failed: then the tick broke off where it was.
    fn broke_off(&self) -> bool {
        self.ticked.events.iter().any(|it| it.contains("injected")) || self.logged("injected")
    }

    fn logged(&self, words: &str) -> bool {
        let logs = |it: &coalmine::canary::Tell| matches!(it, coalmine::canary::Tell::Log { message, .. } if message.contains(words));
        self.ticked.told.iter().any(logs)
    }
}

fn run(draw: &Draw) -> Vec<Seen> {
    let mut world = World::initialised(&draw.policy);
    world.ready_in.insert("podinfo".to_owned(), vec![draw.ready_in.0]);
    world.ready_in.insert("podinfo-primary".to_owned(), vec![draw.ready_in.1]);
    let [metric, hook, write] = [(); 3].map(|()| draw.mishaps.clone());
    world.script.metric = Box::new(move |tick, _| metric[tick].rate.ok_or(QueryError::NoValues));
    world.script.hook = Box::new(move |tick, call| {
        let refuses = if call.hook.hook_type == "rollback" { !hook[tick].rollback } else { hook[tick].refused_hook };
        if refuses { Err("Forbidden".to_owned()) } else { Ok(()) }
    });
    world.script.write = Box::new(move |tick, number| {
        let fails = write[tick].failed_write == Some(number);
        fails.then(|| ApiError { reason: ApiReason::Other, message: "injected".to_owned() })
    });
    world.release("podinfo:6.9.3");
    (0..TICKS).map(|number| see(&mut world, draw, number)).collect()
}

fn see(world: &mut World, draw: &Draw, number: usize) -> Seen {
    if draw.mishaps[number].new_image {
        world.release(&format!("podinfo:7.0.{number}"));
    }
    if draw.mishaps[number].deleted_ingress {
        world.delete("Ingress", "podinfo-canary");
    }
    let (before, live_before) = (world.canary.status.clone(), world.live_weight());
    let ticked = world.tick();
    Seen { before, after: world.canary.status.clone(), live_before, live_after: world.live_weight(), ticked }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    /// 1. At most one of Advance, Halt, Copying, Routing, Promotion completed in a tick.
    #[test]
    fn a_tick_takes_one_step(draw in draw()) {
        let policy_skips = draw.policy["skipAnalysis"] == true;
        for seen in run(&draw) {
            let steps = ["Advance", "Halt", "Copying", "Routing", "Promotion completed"];
            let taken: usize = steps.iter().map(|step| seen.ticked.events.iter().filter(|it| it[2..].starts_with(step)).count()).sum();
            // Skipping the analysis copies and completes in one tick.
            prop_assert!(taken <= 1 + usize::from(policy_skips), "{:?}", seen.ticked.events);
            if seen.has("Starting") && !seen.has("Halt") && !seen.broke_off() {
                let at_once = seen.has("Advance") || seen.has("Copying");
                let sticks = weights_stall_at_zero(&draw);
                prop_assert!(at_once || sticks, "started and did nothing: {:?}", seen.ticked.events);
            }
        }
    }

    /// 2. The live weight rises by the policy's steps alone, and falls to nothing or along stepWeightPromotion.
    #[test]
    fn the_weight_moves_as_the_policy_says(draw in draw()) {
        let promotion = draw.policy["analysis"]["stepWeightPromotion"].as_i64().unwrap_or(0);
        let mut world = World::initialised(&draw.policy);
        world.tick();
        let analysis = world.canary.spec.analysis.clone();
        for seen in run(&draw) {
            let (from, to) = (seen.live_before, seen.live_after);
            prop_assert!((0..=100).contains(&to));
            if to > from {
                let to_all = seen.has("Routing all traffic to canary") || analysis.iterations > 0;
                let by_step = to == (from + strategy::step_from(&analysis, from)).min(100);
                prop_assert!(to_all && to == 100 || by_step, "{from} to {to}: {:?}", seen.ticked.events);
            }
            if to < from && to != 0 {
                prop_assert_eq!(to, from - promotion);
                prop_assert!(seen.has("Advance podinfo.test primary weight"));
            }
        }
    }

    /// 3. and 4. Strikes only grow, except back to zero; a Failed object shows none; a rollback by threshold is one at the
    /// threshold.
    #[test]
    fn strikes_are_counted_and_end_the_run(draw in draw()) {
        let threshold = draw.policy["analysis"]["threshold"].as_i64().unwrap().max(1);
        for seen in run(&draw) {
            let (before, after) = (seen.before.failed_checks, seen.after.failed_checks);
            prop_assert!(after == 0 || after == before || after == before + 1);
            if after < before {
                let anew = seen.has("New revision detected!") || seen.after.phase == Phase::Failed;
                prop_assert!(anew, "{before} to {after}: {:?}", seen.ticked.events);
            }
            prop_assert!(seen.after.phase != Phase::Failed || after == 0);
            let judged = matches!(seen.before.phase, Phase::Progressing | Phase::WaitingPromotion);
            if seen.has("Rolling back podinfo.test failed checks threshold reached") {
                prop_assert!(before >= threshold);
            } else if judged && before >= threshold {
                let stopped = seen.has("canary deployment") || seen.has("podinfo-primary.test not ready")
                    || seen.has("New revision") || draw.policy["skipAnalysis"] == true || seen.broke_off();
                prop_assert!(stopped, "no rollback at {before} strikes: {:?}", seen.ticked.events);
            }
        }
    }

    /// 5. and 6. Promoting and Finalising ask no metrics; what is promoted is written at Initialized and Succeeded alone.
    #[test]
    fn promotion_is_carried_out_without_asking(draw in draw()) {
        for seen in run(&draw) {
            if matches!(seen.before.phase, Phase::Promoting | Phase::Finalising) {
                prop_assert!(seen.ticked.queries.is_empty());
            }
            if seen.before.last_promoted_spec != seen.after.last_promoted_spec {
                prop_assert!(matches!(seen.after.phase, Phase::Initialized | Phase::Succeeded));
            }
            // The gauge follows the phase that a tick saw or wrote.
            for value in status_gauges(&seen.ticked) {
                let known = [seen.before.phase, seen.after.phase].map(status::gauge);
                prop_assert!(known.contains(&value), "{value} is neither of {known:?}");
            }
        }
    }

    /// The same answers give the same decision, and each shorter list of them the ask that came next.
    #[test]
    fn recorded_answers_replay_the_decision(draw in draw(), at in 0usize..TICKS) {
        let mut world = World::initialised(&draw.policy);
        world.release("podinfo:6.9.3");
        let mut seen = None;
        for _ in 0..=at.min(8) {
            let settings = world.settings.clone();
            seen = Some((world.now, settings, world.tick()));
        }
        let (now, settings, ticked) = seen.unwrap();
        let input = Input { namespace: "test", name: "podinfo", now, settings: &settings };
        let again = tick(&input, &ticked.answers);
        prop_assert_eq!(again.next, Next::Done(ticked.outcome.clone()));
        let mut told = Vec::new();
        for known in 0..=ticked.answers.len() {
            let turn = tick(&input, &ticked.answers[..known]);
            told.extend(turn.tell);
            prop_assert_eq!(matches!(turn.next, Next::Ask(_)), known < ticked.answers.len());
        }
        prop_assert_eq!(told, ticked.told, "each thing is told exactly once");
        // Through JSON and back they are the same answers.
        let text = serde_json::to_string(&ticked.answers).unwrap();
        let answers: Vec<coalmine::canary::Answer> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(answers, ticked.answers);
    }
}

/// A list of steps cannot start where its first is followed by nothing greater; the first is always above zero here.
fn weights_stall_at_zero(draw: &Draw) -> bool {
    let analysis = serde_json::from_value(draw.policy["analysis"].clone()).unwrap();
    strategy::weights(&analysis).stalls_at == Some(0)
}

#[test]
fn answers_of_another_tick_are_refused() {
    let mut world = World::initialised(&json!({"analysis": {"stepWeight": 10}}));
    let settings = world.settings.clone();
    let now = world.now;
    let mut answers = world.tick().answers;
    answers.swap(0, 1);
    let input = Input { namespace: "test", name: "podinfo", now, settings: &settings };
    let Next::Done(Outcome::Mismatch { at: 0, asked }) = tick(&input, &answers).next else { panic!("it was accepted") };
    assert_eq!(asked, "Canary");
}
