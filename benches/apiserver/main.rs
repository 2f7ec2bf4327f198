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
        return serve::run();
    }
    let alone = args.first().is_some_and(|it| it == "ours");
    rustls::crypto::ring::default_provider().install_default().expect("nobody has installed another one");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (ours, theirs) = runtime.block_on(async {
        let theirs = if alone { None } else { Arm::real().await };
        let theirs = match theirs {
            Some(arm) => Some(arm.measure().await),
            None => None,
        };
        (Arm::ours().await.measure().await, theirs)
    });
    print(&ours, theirs.as_deref());
}

fn print(ours: &[Figure], theirs: Option<&[Figure]>) {
    println!("\n{:<48} {:>14} {:>14} {:>8}", "figure", "ours", "kube-apiserver", "times");
    for (at, figure) in ours.iter().enumerate() {
        let Some(other) = theirs.and_then(|it| it.get(at)) else {
            println!("{:<48} {:>14.2}", figure.name, figure.value);
            continue;
        };
        let times = if figure.more_is_better { figure.value / other.value } else { other.value / figure.value };
        println!("{:<48} {:>14.2} {:>14.2} {times:>7.1}x", figure.name, figure.value, other.value);
    }
}
