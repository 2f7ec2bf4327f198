//! The predicted sequences of the reference (sections 9.2 to 9.7), as data: one YAML file per table in `tables/`.
//!
//! A file says what the world does by tick and, for each tick, the events in order, the phase, the router's live weight,
//! the status' weight and failed checks.

use crate::canary::world::World;
use coalmine::canary::QueryError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// One table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Table {
    /// Which part of the reference it is.
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    /// Merged over the usual Canary spec.
    spec: Value,
    /// Begin with the objects just applied, instead of with a release.
    #[serde(default)]
    from_the_beginning: bool,
    #[serde(default)]
    world: Changes,
    ticks: Vec<Row>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Changes {
    /// Ticks that each of a Deployment's rollouts takes; the last repeats.
    ready_in: BTreeMap<String, Vec<usize>>,
    /// From which tick a Deployment's rollout is past Kubernetes' deadline.
    stuck_from: BTreeMap<String, usize>,
    metrics: Vec<Measured>,
    hooks: Vec<Hook>,
    edits: Vec<Edit>,
}

/// What the queries that contain `query` answer at some ticks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    query: String,
    at: Vec<usize>,
    /// None is "no values found".
    value: Option<f64>,
}

/// The ticks at which a hook refuses, and its words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hook {
    name: String,
    refuses: Vec<usize>,
    text: String,
}

/// A change that somebody makes before a tick: a merge patch, or a deletion where there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    before: usize,
    kind: String,
    name: String,
    #[serde(default)]
    patch: Value,
}

/// What a tick must look like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    k: usize,
    events: Vec<String>,
    phase: String,
    live: i64,
    weight: i64,
    failed: i64,
    #[serde(default)]
    iterations: i64,
    /// Checked where it is given.
    alerts: Option<Vec<String>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/canary/tables")
}

fn play(name: &str) {
    let file = folder().join(format!("{name}.yaml"));
    let table: Table = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let mut world = if table.from_the_beginning { World::new(&table.spec) } else { World::initialised(&table.spec) };
    world.ready_in.clone_from(&table.world.ready_in);
    world.stuck_from.clone_from(&table.world.stuck_from);
    answer_as(&mut world, &table.world);
    if !table.from_the_beginning {
        world.release("podinfo:6.9.3");
    }
    let mut differences = String::new();
    for row in &table.ticks {
        assert_eq!(row.k, world.tick, "{name}: a tick is missing before k{}", row.k);
        for edit in table.world.edits.iter().filter(|it| it.before == row.k) {
            match &edit.patch {
                Value::Null => world.delete(&edit.kind, &edit.name),
                patch => world.edit(&edit.kind, &edit.name, patch),
            }
        }
        compare(row, &mut world, &mut differences);
    }
    assert!(differences.is_empty(), "{} differs:\n{differences}", file.display());
}

fn answer_as(world: &mut World, changes: &Changes) {
    let (metrics, hooks) = (changes.metrics.clone(), changes.hooks.clone());
    let healthy = std::mem::take(&mut world.script).metric;
    world.script.metric = Box::new(move |tick, query| {
        let told = metrics.iter().find(|it| query.query.contains(&it.query) && it.at.contains(&tick));
        told.map_or_else(|| healthy(tick, query), |it| it.value.ok_or(QueryError::NoValues))
    });
    world.script.hook = Box::new(move |tick, call| {
        let refusal = hooks.iter().find(|it| it.name == call.hook.name && it.refuses.contains(&tick));
        refusal.map_or(Ok(()), |it| Err(it.text.clone()))
    });
}

fn compare(row: &Row, world: &mut World, differences: &mut String) {
    let ticked = world.tick();
    let status = &world.canary.status;
    let mut differ = |what: &str, wanted: String, seen: String| {
        if wanted != seen {
            writeln!(differences, "k{} {what}\n  wanted {wanted}\n  seen   {seen}", row.k).unwrap();
        }
    };
    differ("events", format!("{:#?}", row.events), format!("{:#?}", ticked.events));
    differ("phase", row.phase.clone(), status.phase.name().to_owned());
    let numbers = |live: i64, weight: i64, failed: i64, iterations: i64| {
        format!("live {live}, weight {weight}, failed {failed}, iterations {iterations}")
    };
    differ(
        "numbers",
        numbers(row.live, row.weight, row.failed, row.iterations),
        numbers(world.live_weight(), status.canary_weight, status.failed_checks, status.iterations),
    );
    if let Some(alerts) = &row.alerts {
        differ("alerts", format!("{alerts:?}"), format!("{:?}", ticked.alerts));
    }
}

/// One test for each file, and one that no file is left out.
macro_rules! tables {
    ($($test:ident = $file:literal),* $(,)?) => {
        $(#[test] fn $test() { play($file); })*

        #[test]
        fn every_file_is_played() {
            let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            files.sort();
            let mut played = vec![$(format!("{}.yaml", $file)),*];
            played.sort();
            assert_eq!(files, played);
        }
    };
}

tables! {
    initialisation = "9.2-initialisation",
    healthy_release = "9.3-healthy",
    healthy_with_slow_pods = "9.3-healthy-slow-pods",
    storm_from_the_first_request = "9.4a-storm",
    storm_in_mid_run = "9.4b-storm-mid-run",
    storm_that_ends = "9.4c-storm-ends",
    no_traffic = "9.4d-no-traffic",
    sustained_latency = "9.5-latency-sustained",
    transient_latency = "9.5-latency-transient",
    pods_never_ready = "9.6-never-ready",
    pre_rollout_always_fails = "9.6-pre-rollout-fails",
    new_image_in_mid_run = "9.6-new-image",
    promotion_gate = "9.6-confirm-promotion",
    rollout_gate = "9.6-confirm-rollout",
    rollback_by_hand = "9.6-manual-rollback",
    blue_green = "9.6-blue-green",
    ab_testing = "9.6-ab-testing",
    step_weight_promotion = "9.6-step-weight-promotion",
    skip_analysis = "9.6-skip-analysis",
    golden_trace = "9.7-golden-trace",
}
