//! What a decision costs: whole ticks through the tests' small world, and one replay of their recorded answers.

#[path = "../tests/it/canary/world.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests' own world, of which the tests use more")]
mod world;

use coalmine::canary::{Answer, Input, Settings, tick};
use divan::{Bencher, black_box};
use jiff::Timestamp;
use serde_json::json;
use world::World;

fn main() {
    divan::main();
}

/// A run at its third tick: hooks, two metrics, a weight to set.
fn in_mid_run() -> World {
    let hooks = json!([{"name": "a", "type": "rollout", "url": "http://h/"}, {"name": "b", "type": "rollback", "url": "http://h/"}]);
    let metrics = json!([{"name": "request-success-rate", "thresholdRange": {"min": 99}},
        {"name": "request-duration", "thresholdRange": {"max": 500}}]);
    let spec = json!({"analysis": {"stepWeight": 1, "maxWeight": 100, "webhooks": hooks, "metrics": metrics}});
    let mut world = World::initialised(&spec);
    world.script.hook = Box::new(|_, call| if call.hook.name == "b" { Err("no".to_owned()) } else { Ok(()) });
    world.release("podinfo:6.9.3");
    for _ in 0..3 {
        world.tick();
    }
    world
}

/// A tick in mid-run with everything that it asks, the world's own work included.
#[divan::bench]
fn a_tick_and_its_world(bencher: Bencher) {
    bencher.with_inputs(in_mid_run).bench_local_values(|mut world| world.tick());
}

/// The judge alone: all its calls for one tick, each with one answer more than the last.
#[divan::bench]
fn a_tick_by_replay(bencher: Bencher) {
    let (answers, now) = recorded();
    let settings = Settings::default();
    bencher.bench_local(|| {
        for known in 0..=answers.len() {
            black_box(tick(&input(now, &settings), black_box(&answers[..known])));
        }
    });
}

/// The last of those calls.
#[divan::bench]
fn one_replay(bencher: Bencher) {
    let (answers, now) = recorded();
    let settings = Settings::default();
    bencher.bench_local(|| black_box(tick(&input(now, &settings), black_box(&answers))));
}

fn recorded() -> (Vec<Answer>, Timestamp) {
    let mut world = in_mid_run();
    let now = world.now;
    (world.tick().answers, now)
}

fn input(now: Timestamp, settings: &Settings) -> Input<'_> {
    Input { namespace: "test", name: "podinfo", now, settings }
}
