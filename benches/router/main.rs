//! The router against nginx, and the load generator against wrk, on this machine in one run.
//!
//! `cargo bench --bench router` needs Debian's `nginx` and `wrk` on PATH and says so loudly where one is missing.
//!
//! *Router*: nginx with `split_clients`, and `coalmine router` with one thread each, stand before the same backend
//! (an nginx that answers 200 at once) with the same weights, over kept connections; wrk asks both in turn. Ours counts
//! ingress-nginx' metrics meanwhile, nginx counts nothing; neither writes an access log.
//! *Load*: our generator at a constant rate, and wrk as fast as it can, against the backend alone.
//!
//! What counts is requests per second of processor time: cores of this machine may be shared with others, and a process's
//! own time is its own. p99 is wrk's, and is comparable within one run only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that fails says so by panicking")]
#![allow(clippy::unchecked_time_subtraction, reason = "later less earlier")]

mod cpu;
mod load;
mod nginx;
mod ours;
mod process;
#[path = "../../tests/it/real.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod real;
mod wrk;

use coalmine::sys::direct::Direct;
use coalmine::sys::http::SharedHttp;
use coalmine::sys::outside::Outside;
use nginx::Nginx;
use ours::Ours;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often both are measured; the median counts.
const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
/// Rates of the generator, in requests per second.
const RATES: [u32; 4] = [100, 1_000, 5_000, 20_000];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    if let [command, backend, rate] = &args[..]
        && command == "load"
    {
        return load::run(backend, rate, Duration::from_secs(SECONDS), sender());
    }
    let (Some(nginx), Some(wrk)) = (real::find("nginx"), real::find("wrk")) else { return };
    let backend = Nginx::backend(&nginx);
    compare_routers(&nginx, &wrk, &backend);
    compare_generators(&wrk, &backend);
}

/// How requests leave: as to a lab on this machine, or, to see what that is worth, through the client for the outside world.
fn sender() -> SharedHttp {
    if std::env::var_os("COALMINE_BENCH_OUTSIDE").is_some() {
        Arc::new(Outside::new())
    } else {
        Arc::new(Direct::new())
    }
}

/// What one round gave.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    per_second: f64,
    per_core: f64,
    p99_micros: f64,
}

fn compare_routers(nginx: &Path, wrk: &Path, backend: &Nginx) {
    let theirs = Nginx::split(nginx, backend.port);
    let ours = Ours::start(backend.port);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (rounds, process, port) in [(&mut a, ours.id(), ours.port), (&mut b, theirs.id(), theirs.port)] {
            let before = cpu::of(process);
            let told = wrk::run(wrk, port, SECONDS);
            let spent = cpu::of(process) - before;
            let per_core = told.requests / spent.as_secs_f64();
            rounds.push(Round { per_second: told.requests / SECONDS as f64, per_core, p99_micros: told.p99_micros });
        }
    }
    println!("\n{:<44} {:>12} {:>12} {:>8}", "router", "ours", "nginx", "times");
    row("requests per second of processor time", &a, &b, |it| it.per_core);
    row("requests per second, wrk -t1 -c32", &a, &b, |it| it.per_second);
    row("p99, microseconds (less is better)", &a, &b, |it| it.p99_micros);
}

fn row(name: &str, ours: &[Round], theirs: &[Round], pick: impl Fn(&Round) -> f64) {
    let median = |rounds: &[Round]| {
        let mut values: Vec<f64> = rounds.iter().map(&pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{name:<44} {ours:>12.0} {theirs:>12.0} {:>8.2}", ours / theirs);
}

fn compare_generators(wrk: &Path, backend: &Nginx) {
    println!(
        "\n{:<36} {:>11} {:>11} {:>9} {:>10} {:>10} {:>10}",
        "load", "per second", "per core", "not sent", "late p50", "late p99", "late max"
    );
    let before = cpu::of_children();
    let told = wrk::run(wrk, backend.port, SECONDS);
    let spent = cpu::of_children() - before;
    let per_second = told.requests / SECONDS as f64;
    println!(
        "{:<36} {per_second:>11.0} {:>11.0} {:>9}",
        "wrk -t1 -c32, as fast as it can",
        told.requests / spent.as_secs_f64(),
        "-"
    );
    for rate in RATES {
        let told = process::told(&["load", &format!("127.0.0.1:{}", backend.port), &rate.to_string()]);
        let told: load::Told = serde_json::from_str(&told).expect("the generator tells JSON");
        println!(
            "{:<36} {:>11.0} {:>11.0} {:>9} {:>8}us {:>8}us {:>8}us",
            format!("ours, at {rate}/s"),
            told.answered as f64 / told.seconds,
            told.answered as f64 / told.cpu_seconds,
            told.not_sent,
            told.late_p50_micros,
            told.late_p99_micros,
            told.late_max_micros
        );
    }
}
