//! The built-in controller against the real Flagger: the same policies, played in two labs, compared line by line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the test's failure, also in helpers")]

mod arm;
mod known;
mod leader;
mod normal;
mod page;
mod play;
mod policies;
mod policy;
mod record;

use crate::docs;
use crate::real::find;
use arm::Arm;
use policy::Policy;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What this test says, and, from its own heading on, what `kind.rs` says.
pub const PAGE: &str = "docs/fidelity.md";
pub const ON_KIND: &str = "## The same scenarios on kind";

/// Beside it two real Flaggers elect their leader in a lab of their own: Flagger's Lease lasts a minute, which is mostly
/// waiting, and the comparison takes longer than that.
#[test]
fn the_built_in_controller_does_what_flagger_does() {
    let Some(program) = find("flagger") else { return };
    let election = {
        let program = program.clone();
        std::thread::spawn(move || leader::one_takes_over_from_the_other(&program))
    };
    let policies = policies::all();
    let ours = arm::built_in(&policies);
    finished("the built-in controller", &ours);
    let folder = tempfile::tempdir().unwrap();
    let theirs = arm::real(&program, &folder, &policies);
    keep(&policies, &ours, &theirs);
    if let Err(panic) = election.join() {
        std::panic::resume_unwind(panic);
    }
    let mut rows = page::compare(&policies, &ours, &theirs);
    let slipped = slipped(&rows, &theirs);
    if !slipped.is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let again = arm::real(&program, &folder, &slipped);
        finished("Flagger", &again);
        page::replace(&mut rows, page::compare(&slipped, &ours, &again));
    }
    let page = page::page(&rows) + "\n";
    assert_eq!(page::surprises(&rows), "");
    docs::hold(PAGE, &docs::Part::Before(ON_KIND), &page);
}

/// Policies to be played once more, with less beside them. On a busy machine a tick of the real Flagger comes late now and
/// then, and a policy ends otherwise than its Canary says; what differs for a reason differs again.
fn slipped(rows: &[page::Row<'_>], theirs: &Arm) -> Vec<Policy> {
    let surprises = page::surprises(rows);
    let is_stuck = |name: &str| theirs.played[name].stuck.is_some();
    let names: Vec<_> =
        rows.iter().filter(|it| it.is_surprising() || is_stuck(it.name())).map(page::Row::name).collect();
    if !names.is_empty() {
        eprintln!("played once more: {}\n{surprises}", names.join(", "));
    }
    policies::all().into_iter().filter(|it| names.contains(&it.name)).collect()
}

/// Every policy came to its end.
fn finished(who: &str, arm: &Arm) {
    let stuck = arm.played.iter().filter_map(|(name, it)| {
        let waits = it.stuck.as_ref()?;
        let last = it.record.texts(0).last().unwrap_or_default();
        Some(format!("\n  {name} waits for {waits} in phase {:?}, last event {last:?}", it.record.phase()))
    });
    let stuck: String = stuck.collect();
    assert!(stuck.is_empty(), "under {who} these policies got stuck:{stuck}");
}

/// Leaves both arms' lines where `COALMINE_FIDELITY` says, for whoever looks into a difference.
fn keep(policies: &[Policy], ours: &Arm, theirs: &Arm) {
    let Some(folder) = std::env::var_os("COALMINE_FIDELITY") else { return };
    let folder = Path::new(&folder);
    fs::create_dir_all(folder).unwrap();
    for (arm, name) in [(ours, "ours"), (theirs, "theirs")] {
        fs::write(folder.join(format!("log.{name}")), &arm.log).unwrap();
        for policy in policies {
            let mut text = String::new();
            for (aspect, lines) in normal::ASPECTS.iter().zip(normal::aspects(policy, arm)) {
                let _ = writeln!(text, "--- {aspect}\n{}", lines.join("\n"));
            }
            fs::write(folder.join(format!("{}.{name}", policy.name)), text).unwrap();
        }
    }
}
