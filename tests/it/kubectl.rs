//! kubectl against the embedded API and against kube-apiserver: the same scripts, and the same output.
//!
//! One script is `kubectl/script/*.md`, for the servers alone; the other is `kubectl/controllers/*.md`, where Deployments make
//! ReplicaSets and those make pods: by our own controllers, and by kube-controller-manager. Each file is a part with a namespace of its own, each `##` a case, and what stands
//! below it is given to `sh` in `kubectl/manifests`, word for word, so that a reader can paste it. Both arms play it at the
//! same time. Standard output, standard error and exit code are compared after `kubectl/redactions.txt`; the cases that
//! differ must be those of `docs/kubectl-differences.md`, no more and no less.
//!
//! `COALMINE_KUBECTL_PARTS=get,apply` plays some parts only. What each arm said lies in `target/tmp/kubectl-*.md`.

mod arms;
mod differences;
mod kubelet;
mod redactions;
mod script;

use arms::{Embedded, Real};
use differences::Listed;
use redactions::Redactions;
use script::{Part, Said};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one arm said to every case, in the order of the script.
type Transcript = Vec<(String, Said)>;

/// How many parts an arm plays at the same time: some cases wait and leave the processor idle.
const LANES: usize = 2;

/// Plays all parts with one kubeconfig, each in its own namespace.
fn play(parts: &[Part], kubeconfig: &str, record: &str) -> Transcript {
    let home = tempfile::tempdir().unwrap();
    let redactions = Redactions::read();
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut said = Vec::new();
        while let Some((at, part)) = parts.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            let shell = script::Shell::of(part, home.path(), kubeconfig);
            let cases = part
                .cases
                .iter()
                .map(|it| (format!("{}: {}", part.name, it.name), redactions.apply(shell.run(&it.command))));
            said.push((at, cases.collect::<Transcript>()));
        }
        said
    };
    let mut said = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|it| it.join().unwrap()).collect::<Vec<_>>()
    });
    said.sort_by_key(|(at, _)| *at);
    let transcript: Transcript = said.into_iter().flat_map(|(_, cases)| cases).collect();
    let text: String = transcript.iter().map(|(name, said)| format!("## {name}\n\n{said}\n")).collect();
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("kubectl-{record}.md")), text).unwrap();
    transcript
}

/// The cases that the two arms answered differently, with both answers.
fn differing(embedded: &Transcript, real: &Transcript) -> Vec<(String, String)> {
    let pairs = embedded.iter().zip(real).filter(|(ours, real)| ours.1 != real.1);
    pairs.map(|((name, ours), (_, real))| (name.clone(), ours.against(real))).collect()
}

/// Plays a script against both arms and compares.
fn compare(script: &str, controllers: bool) {
    if crate::real::find("kubectl").is_none() {
        return;
    }
    let Some(mut real) = Real::start(controllers) else { return };
    let parts = script::read(script);
    let embedded = Embedded::start(controllers);
    let (ours, theirs) = std::thread::scope(|scope| {
        let real = scope.spawn(|| play(&parts, &real.ready(), &format!("{script}-real")));
        let ours = play(&parts, &embedded.kubeconfig(), &format!("{script}-embedded"));
        (ours, real.join().unwrap())
    });
    let found = differing(&ours, &theirs);
    let listed = Listed::read();
    let mut wrong = String::new();
    for (name, difference) in found.iter().filter(|(name, _)| !listed.has(name)) {
        let _ = writeln!(wrong, "## {name}\n{difference}");
    }
    for name in listed.names().filter(|listed| ours.iter().any(|(name, _)| name == *listed)) {
        if found.iter().all(|(differing, _)| differing != name) {
            let _ = writeln!(wrong, "## {name}\nis listed in {} but no longer differs", differences::FILE);
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{wrong}", found.len(), ours.len());
}

#[test]
fn kubectl_says_the_same_of_both_servers() {
    compare(script::SERVER, false);
}

#[test]
fn kubectl_says_the_same_of_both_sets_of_controllers() {
    compare(script::CONTROLLERS, true);
}

#[test]
fn every_case_has_a_name_of_its_own_and_every_listed_difference_is_one_of_them() {
    let parts = [script::all(script::SERVER), script::all(script::CONTROLLERS)].concat();
    let mut names: Vec<_> =
        parts.iter().flat_map(|part| part.cases.iter().map(|it| format!("{}: {}", part.name, it.name))).collect();
    assert!(names.len() >= 200, "the script has {} cases", names.len());
    for name in Listed::read().names() {
        assert!(names.contains(name), "{} lists {name:?}, which is no case of the script", differences::FILE);
    }
    names.sort();
    let twice: Vec<_> = names.windows(2).filter(|it| it[0] == it[1]).collect();
    assert!(twice.is_empty(), "two cases have the same name: {twice:?}");
}
