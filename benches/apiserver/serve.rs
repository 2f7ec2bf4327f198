//! The embedded server as a process, on one thread as in a lab on the wall clock: on a free loopback port, which it prints.

use coalmine::apiserver::Server;
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use std::net::Ipv4Addr;

pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let server = Server::new(Clock::wall(), Seed(1));
        println!("{}", listener.local_addr().expect("it is bound").port());
        axum::serve(listener, server.router()).await.expect("the listener stays");
    });
}
