//! A whole rollout, from an empty process to the verdict, on the simulated clock.
//!
//! The real thing is Flagger on its own grid: a rollout takes it the scenario's time, whatever the machine. The first
//! lines give that ratio; what follows are divan's figures.

use coalmine::event::RunEnded;
use coalmine::model::command::Speed;
use coalmine::scenario::builtin;
use coalmine::session::{Control, Journal, Launch, Place, TrafficFrom};
use coalmine::sys::rng::Seed;
use std::time::Duration;

const SCENARIOS: [&str; 3] = ["healthy-release", "500-storm", "latency-spike"];

fn main() {
    for name in SCENARIOS {
        let journal = Journal::default();
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let began = std::time::Instant::now();
        run(name, &journal);
        let took = began.elapsed();
        let simulated = journal.read(|events| events.last().map_or(Duration::ZERO, coalmine::event::Envelope::at));
        let times = simulated.as_secs_f64() / took.as_secs_f64();
        println!("{name}: {simulated:?} of Flagger's time in {took:?}: {times:.0} times as fast");
    }
    divan::main();
}

fn run(name: &str, journal: &Journal) -> RunEnded {
    let plan = builtin::load(name).and_then(|it| it.0).expect("a built-in scenario has a plan");
    let launch = Launch {
        plan,
        place: Place::Simulated,
        seed: Seed(1),
        traffic_from: TrafficFrom::Here,
        journal: journal.clone(),
        sinks: Vec::new(),
        control: Control::new(Speed::Max),
    };
    launch.run().expect("a built-in scenario comes to its verdict")
}

#[divan::bench(args = SCENARIOS, sample_count = 10, sample_size = 1)]
fn rollout(name: &str) -> RunEnded {
    run(name, &Journal::default())
}
