//! One body, two arms: the same requests to kube-apiserver and to the embedded server, and the same answers.
//!
//! Each theme is a table of requests in a namespace of its own, made one after the other; what an answer said (its revision,
//! its uid, its continue token) can stand in later requests. It needs `etcd` and `kube-apiserver` on PATH and is skipped,
//! loudly, where they are missing. A row that is known to differ says why, and fails when it no longer does.

mod applies;
mod arms;
mod bodies;
mod built_in;
mod conflicts;
mod custom;
mod finalizers;
mod generation;
mod lists;
mod names;
mod namespaces;
mod owners;
mod patches;
mod rows;
mod selectors;
mod subresources;
mod watching;

use super::support::server;
use crate::real::KubeApi;
use arms::{Arm, differing};
use rows::Table;

fn tables() -> Vec<Table> {
    vec![
        built_in::workloads(),
        built_in::others(),
        conflicts::table(),
        generation::table(),
        finalizers::table(),
        owners::table(),
        applies::table(),
        applies::lists(),
        patches::table(),
        names::table(),
        bodies::table(),
        lists::table(),
        watching::table(),
        selectors::table(),
        subresources::table(),
        namespaces::table(),
        custom::table(),
    ]
}

#[test]
fn the_real_server_and_ours_answer_alike() {
    let Some(real) = KubeApi::start() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        real.ready(&client).await;
        let (mut ours, mut theirs) = (Arm::ours(server()), Arm::theirs(&real, client));
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for table in tables() {
            ours.begin(table.theme).await;
            theirs.begin(table.theme).await;
            for row in &table.rows {
                asked += 1;
                let (wanted, found) = (theirs.ask(row).await, ours.ask(row).await);
                wrong.extend(differing(table.theme, row, &wanted, &found));
            }
        }
        println!("{asked} requests");
        assert!(wrong.is_empty(), "{} of {asked} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}
