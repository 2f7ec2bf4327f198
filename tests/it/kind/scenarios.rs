//! The built-in scenarios on one kind lab, compared with the same on the embedded lab.
//!
//! They are played side by side, each in a namespace of its own: copies of the built-in files in which the namespace and the
//! host have other names, the warm-up is shorter, only the scenario that needs many requests has many, pods ask for less of
//! the processor (a node of two has no room for three apps otherwise), and have longer to become ready. Both labs get the same
//! copies.

use crate::kind::support::Coalmine;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;

/// The scenarios, which are the namespaces too, and how many requests per second each gets. One that counts on a few percent of errors needs many.
pub const PLAYED: [(&str, &str); 3] = [("healthy-release", "40"), ("500-storm", "100"), ("latency-spike", "40")];
/// The scenario whose requests come from inside the cluster.
const FROM_INSIDE: &str = "healthy-release";
/// What a comparison judges and a page can say: the same on every machine.
const JUDGED: [&str; 5] = ["scenario", "policy", "verdict", "phases", "weights"];
/// Longer than any run: when an event came depends on the machine.
const ANY_TIME: &str = "1h";

const HEAD: &str = "\
## The same scenarios on kind

This section is written by `tests/it/kind.rs`. Each scenario is played on a kind lab, where the real Flagger asks the cluster's
Prometheus about the real podinfo behind coalmine's router, and on the embedded lab on the simulated clock;
`coalmine compare` puts the two records side by side.

| column | what is compared |
|---|---|
| verdict, phases, weights | what was decided; every phase and every weight of the canary, in order |
| events | Flagger's events in order, measured values left out, but for the strikes (`Halt …`) |
| strikes | that the check that decided is the same: the kind lab has each `Halt …` of the embedded one at its place |

| scenario | verdict | phases | weights | events | strikes |
|---|---|---|---|---|---|
";

const TAIL: &str = "
What is not compared, because it depends on the lab and not on the decision:

- times and the number of requests, which `coalmine compare` shows (a tolerance of its own judges times);
- how often a tick found pods that were not ready;
- further strikes on the kind lab. On podinfo 6.9, which has no switch for faults, the fault comes with the release: it can hit
  the acceptance test before the first visitors come (`Halt podinfo.… advancement pre-rollout check acceptance-test failed`, one in
  nine), which is one strike more at the beginning and one less at the end. And a machine that stalls makes every check slow.
";

/// Plays all of them on the lab and beside it, and gives what the page says of them.
pub fn compare(coalmine: &Coalmine<'_>, lab: &str) -> String {
    for (name, rate) in PLAYED {
        copy(coalmine.state, name, rate);
    }
    thread::scope(|scope| {
        for (name, _) in PLAYED {
            scope.spawn(move || {
                let file = format!("{name}/scenarios/{name}.yaml");
                let from = if name == FROM_INSIDE { "cluster" } else { "here" };
                let out = format!("{name}/real");
                decided(coalmine, &["run", &file, "--lab", lab, "--traffic-from", from, "--quiet", "--out", &out]);
            });
        }
    });
    let mut page = HEAD.to_owned();
    for (name, _) in PLAYED {
        let file = format!("{name}/scenarios/{name}.yaml");
        decided(coalmine, &["run", &file, "--quiet", "--out", &format!("{name}/embedded")]);
        page += &row(coalmine, name);
    }
    page + TAIL
}

/// The scenario's file and manifests in a namespace that is named after it.
fn copy(folder: &Path, name: &str, rate: &str) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (scenarios, manifests) = (folder.join(name).join("scenarios"), folder.join(name).join("manifests/podinfo"));
    fs::create_dir_all(&scenarios).unwrap();
    fs::create_dir_all(&manifests).unwrap();
    let own = |text: &str| {
        text.replace("namespace: test\n", &format!("namespace: {name}\n"))
            .replace("  name: test\n", &format!("  name: {name}\n"))
            .replace("podinfo.test", &format!("podinfo.{name}"))
            .replace("podinfo-canary.test/", &format!("podinfo-canary.{name}/"))
            .replace("flagger-loadtester.test/", &format!("flagger-loadtester.{name}/"))
            .replace("app.example.com", &format!("{name}.example.com"))
            .replace("constant: 100", &format!("constant: {rate}"))
            .replace("cpu: 100m", "cpu: 10m")
            .replace("progressDeadlineSeconds: 60", "progressDeadlineSeconds: 300")
    };
    let file = fs::read_to_string(sources.join(format!("scenarios/{name}.yaml"))).unwrap();
    fs::write(scenarios.join(format!("{name}.yaml")), own(&file).replace("\nsteps:", "\nwarmup: 20s\nsteps:")).unwrap();
    for entry in fs::read_dir(sources.join("manifests/podinfo")).unwrap() {
        let entry = entry.unwrap();
        fs::write(manifests.join(entry.file_name()), own(&fs::read_to_string(entry.path()).unwrap())).unwrap();
    }
}

/// The run came to a decision. Whether nobody was harmed and all was in time is the machine's affair.
fn decided(coalmine: &Coalmine<'_>, args: &[&str]) {
    let output = coalmine.run(args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {}\n{said}", output.status);
}

/// A line of the table. What differs beyond what may is a failure that shows the whole comparison.
fn row(coalmine: &Coalmine<'_>, name: &str) -> String {
    let records = [format!("{name}/embedded/record.jsonl"), format!("{name}/real/record.jsonl")];
    let ask = |output: &str| {
        let args = ["compare", &records[0], &records[1], "--tolerance", ANY_TIME, "--output", output];
        String::from_utf8(coalmine.run(&args).stdout).unwrap()
    };
    let (comparison, table): (Value, _) = (serde_json::from_str(&ask("json")).unwrap(), ask("table"));
    eprintln!("{table}");
    let aspect = |name: &str| comparison["aspects"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
    for judged in JUDGED {
        assert_eq!(aspect(judged)["mark"], "same", "{judged} of {name} differs\n{table}");
    }
    let events = comparison["events"].as_array().unwrap();
    // The embedded lab is the left one.
    let differing = events.iter().filter(|it| it["mark"] == "different");
    let wrong: Vec<&Value> = differing.filter(|it| !may_differ(it, events)).collect();
    assert!(wrong.is_empty(), "of {name}: {wrong:#?}\n{table}");
    let strikes = events.iter().any(|it| is_strike(it) && !it["leftMs"].is_null());
    let mut row = format!("| `{name}` | {}", aspect("verdict")["left"].as_str().unwrap());
    let strikes = if strikes { "agree" } else { "–" };
    let _ = writeln!(row, " | agree | {} | agree | {strikes} |", aspect("weights")["left"].as_str().unwrap());
    row
}

fn is_strike(line: &Value) -> bool {
    line["text"].as_str().unwrap().starts_with("Halt ")
}

/// Strikes that only the kind lab has; and, in their place, strikes that it has fewer of, as long as it has one of them.
fn may_differ(line: &Value, events: &[Value]) -> bool {
    let check = |it: &Value| it["text"].as_str().unwrap().split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    let seen_there = || events.iter().any(|it| !it["rightMs"].is_null() && check(it) == check(line));
    // After a failed acceptance test the analysis begins anew.
    let anew = line["text"].as_str().unwrap().starts_with("Starting canary analysis ");
    (is_strike(line) || anew) && (line["leftMs"].is_null() || seen_there())
}
