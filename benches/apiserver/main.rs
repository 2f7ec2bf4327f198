//! The embedded API server against kube-apiserver with etcd, on this machine: the same client, the same requests, one run.
//!
//! `cargo bench --bench apiserver` needs `kube-apiserver` and `etcd` on PATH and says so loudly where they are missing;
//! `cargo bench --bench apiserver -- ours` measures ours alone. Ours runs in a process of its own (this program again, with
//! `serve`), so that its memory can be read as theirs is.
//!
//! What is measured, and in which unit, is in [`figures`]. Throughput is what one machine gives when client and server
//! share it, for both alike.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench that fails says so by panicking")]
#![allow(clippy::unchecked_time_subtraction, reason = "later less earlier")]

#[path = "../../tests/it/connection.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod connection;
#[path = "../router/cpu.rs"]
#[allow(dead_code, reason = "shared with the router's bench")]
mod cpu;
mod figures;
mod pod;
#[path = "../../tests/it/real.rs"]
#[allow(dead_code, reason = "shared with the tests, which wait in another way")]
mod real;
mod serve;

use figures::{Arm, Figure};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    if args.first().is_some_and(|it| it == "serve") {
        return serve::run(args.get(1).is_some_and(|it| it == "tls"));
    }
    let alone = args.first().is_some_and(|it| it == "ours");
    rustls::crypto::ring::default_provider().install_default().expect("nobody has installed another one");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (ours, plain, theirs) = runtime.block_on(async {
        let theirs = if alone { None } else { Arm::real().await };
        let theirs = match theirs {
            Some(arm) => Some(arm.measure().await),
            None => None,
        };
        (Arm::ours(true).await.measure().await, Arm::ours(false).await.measure().await, theirs)
    });
    print(&ours, &plain, theirs.as_deref());
}

/// The ratios are those of the two over TLS.
fn print(ours: &[Figure], plain: &[Figure], theirs: Option<&[Figure]>) {
    println!("\n{:<46} {:>38} {:>8}   processor time each, us", "", "", "");
    println!(
        "{:<46} {:>12} {:>12} {:>12} {:>8}   {:>10} {:>10} {:>8}",
        "figure", "ours", "without TLS", "theirs", "times", "ours", "theirs", "times"
    );
    for (at, (figure, plain)) in ours.iter().zip(plain).enumerate() {
        print!("{:<46} {:>12.2} {:>12.2}", figure.name, figure.value, plain.value);
        let Some(other) = theirs.and_then(|it| it.get(at)) else {
            println!(" {:>12} {:>8}   {:>10.1}", "", "", figure.cpu_micros.unwrap_or_default());
            continue;
        };
        let times = if figure.more_is_better { figure.value / other.value } else { other.value / figure.value };
        print!(" {:>12.2} {times:>7.1}x", other.value);
        match (figure.cpu_micros, other.cpu_micros) {
            (Some(ours), Some(theirs)) => println!("   {ours:>10.1} {theirs:>10.1} {:>7.1}x", theirs / ours),
            _ => println!(),
        }
    }
}
