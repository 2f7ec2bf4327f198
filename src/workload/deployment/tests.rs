//! Tables for the rollout's arithmetic; each row is a state of the world and what the controller does next.

use super::hash;
use super::plan::{Plan, sync};
use super::rollout::Change;
use super::view::{Deployment, ReplicaSet};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const START: &str = "2026-01-01T00:00:00Z";

fn start() -> Timestamp {
    START.parse().unwrap()
}

fn template(version: &str) -> Value {
    json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": format!("x:{version}")}]}})
}

/// A Deployment of version `new` with absolute surge and unavailable.
fn deployment(replicas: i64, surge: i64, unavailable: i64) -> Value {
    json!({
        "metadata": {"name": "x", "namespace": "test", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "x"}},
            "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": template("new"),
        },
        "status": {"observedGeneration": 1},
    })
}

/// A ReplicaSet `name` with `desired` pods, `available` of them available.
fn set(name: &str, version: &str, desired: i64, available: i64) -> ReplicaSet {
    let mut template = template(version);
    template["metadata"]["labels"][hash::LABEL] = json!(name);
    ReplicaSet::of(&json!({
        "metadata": {
            "name": name,
            "generation": 1,
            "creationTimestamp": if version == "new" { "2026-01-01T00:00:00Z" } else { "2025-12-31T00:00:00Z" },
            "annotations": {"deployment.kubernetes.io/revision": if version == "new" { "2" } else { "1" }},
        },
        "spec": {"replicas": desired, "template": template},
        "status": {"replicas": desired, "readyReplicas": available, "availableReplicas": available, "observedGeneration": 1},
    }))
}

fn plan_at(deployment: &Value, sets: Vec<ReplicaSet>, seconds: i64) -> Plan {
    let now = start() + SignedDuration::from_secs(seconds);
    sync(&Deployment::of(deployment), sets, &BTreeMap::new(), now)
}

fn plan(deployment: &Value, sets: Vec<ReplicaSet>) -> Plan {
    plan_at(deployment, sets, 0)
}

/// `name=replicas` for each change of size.
fn sizes(plan: &Plan) -> String {
    let size = |change: &Change| match change {
        Change::CreateReplicaSet { replicas, .. } => Some(format!("+{replicas}")),
        Change::UpdateReplicaSet { name, replicas, .. } => Some(format!("{name}={replicas}")),
        Change::DeleteReplicaSet { name } => Some(format!("-{name}")),
        _ => None,
    };
    plan.changes.iter().filter_map(size).collect::<Vec<_>>().join(" ")
}

/// Only real changes of size: what is not in the last annotation update.
fn scaled(plan: &Plan) -> String {
    let text = |change: &Change| match change {
        Change::Scaled { message } => message.strip_prefix("Scaled ").map(str::to_owned),
        _ => None,
    };
    plan.changes.iter().filter_map(text).collect::<Vec<_>>().join("; ")
}

fn condition(plan: &Plan, kind: &str) -> String {
    let found = plan.status.condition(kind);
    found.map_or_else(|| "none".to_owned(), |it| format!("{} {} {}", it.status, it.reason, it.message))
}

#[test]
fn a_rolling_update_goes_by_these_steps() {
    for (case, (replicas, surge, unavailable), old, new, expected) in [
        ("the new one starts with the surge", (4, 1, 0), (4, 4), None, "up replica set x-{hash} from 0 to 1"),
        (
            "or with nothing when nobody may be extra",
            (4, 0, 1),
            (4, 4),
            Some((0, 0)),
            "down replica set old from 4 to 3",
        ),
        ("an unavailable new pod holds old ones", (4, 1, 0), (4, 4), Some((1, 0)), ""),
        ("an available one lets an old one go", (4, 1, 0), (4, 4), Some((1, 1)), "down replica set old from 4 to 3"),
        ("then the next new one comes", (4, 1, 0), (3, 3), Some((1, 1)), "up replica set new from 1 to 2"),
        (
            "unhealthy old pods go first and at once",
            (4, 1, 0),
            (4, 2),
            Some((1, 1)),
            "down replica set old from 4 to 3",
        ),
        (
            "with room for unavailable ones, old ones go before new ones are up",
            (4, 1, 2),
            (4, 4),
            Some((1, 0)),
            "down replica set old from 4 to 2",
        ),
        ("the last old pod goes", (4, 1, 0), (1, 1), Some((4, 4)), "down replica set old from 1 to 0"),
        ("a new one that is too big shrinks", (2, 1, 0), (0, 0), Some((4, 4)), "down replica set new from 4 to 2"),
        ("all is done", (4, 1, 0), (0, 0), Some((4, 4)), ""),
    ] {
        let mut sets = vec![set("old", "old", old.0, old.1)];
        sets.extend(new.map(|(desired, available)| set("new", "new", desired, available)));
        let deployment = deployment(replicas, surge, unavailable);
        let expected = expected.replace("{hash}", &hash::of(&template("new"), None));
        assert_eq!(scaled(&plan(&deployment, sets)), expected, "{case}");
    }
}

#[test]
fn unhealthy_pods_of_several_old_sets_go_oldest_first_and_within_the_budget() {
    let sets = vec![set("a", "a", 3, 0), set("b", "b", 3, 1), set("new", "new", 2, 2)];
    // Eight pods, five must be there, two are available: three may go, all of them unhealthy ones.
    assert_eq!(scaled(&plan(&deployment(6, 2, 1), sets)), "down replica set a from 3 to 0");
}

#[test]
fn a_scale_during_a_rollout_is_shared_out_in_proportion() {
    let sized = |name: &str, version: &str, desired: i64, was: i64| {
        let mut set = set(name, version, desired, desired);
        set.annotations.insert(super::view::DESIRED_REPLICAS.to_owned(), was.to_string());
        set.annotations.insert(super::view::MAX_REPLICAS.to_owned(), (was + 3).to_string());
        set
    };
    for (case, wanted, (old, new), expected) in [
        ("the documentation's example", 15, (8, 5), "up replica set old from 8 to 11; up replica set new from 5 to 7"),
        ("shrinking", 5, (8, 5), "down replica set old from 8 to 5; down replica set new from 5 to 3"),
        ("to nothing", 0, (8, 5), "down replica set old from 8 to 0; down replica set new from 5 to 0"),
    ] {
        let sets = vec![sized("old", "old", old, 10), sized("new", "new", new, 10)];
        assert_eq!(scaled(&plan(&deployment(wanted, 3, 2), sets)), expected, "{case}");
    }
    let alone = vec![sized("new", "new", 10, 10)];
    assert_eq!(scaled(&plan(&deployment(3, 1, 0), alone)), "down replica set new from 10 to 3");
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut recreate = deployment(3, 0, 0);
    recreate["spec"]["strategy"] = json!({"type": "Recreate"});
    assert_eq!(scaled(&plan(&recreate, vec![set("old", "old", 3, 3)])), "down replica set old from 3 to 0");
    let mut emptied = set("old", "old", 0, 0);
    emptied.replicas = 1;
    assert_eq!(sizes(&plan(&recreate, vec![emptied.clone()])), "", "one is still counted");
    emptied.replicas = 0;
    let live = BTreeMap::from([("old".to_owned(), 1)]);
    let waiting = sync(&Deployment::of(&recreate), vec![emptied.clone()], &live, start());
    assert_eq!(sizes(&waiting), "", "one is terminating");
    assert_eq!(sizes(&plan(&recreate, vec![emptied])), "+3");
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let mut paused = deployment(4, 1, 0);
    paused["spec"]["paused"] = json!(true);
    let plan_paused = plan(&paused, vec![set("old", "old", 2, 2)]);
    assert_eq!(scaled(&plan_paused), "up replica set old from 2 to 4");
    assert_eq!(condition(&plan_paused, "Progressing"), "Unknown DeploymentPaused Deployment is paused");
}

#[test]
fn rolling_back_makes_an_old_set_the_newest_revision_and_keeps_its_past() {
    let mut old = set("old", "old", 3, 3);
    old.annotations.insert(super::view::REVISION.to_owned(), "2".to_owned());
    let mut new = set("new", "new", 0, 0);
    new.annotations.insert(super::view::REVISION.to_owned(), "1".to_owned());
    let plan = plan(&deployment(3, 1, 0), vec![old, new]);
    let Some(Change::UpdateReplicaSet { annotations, .. }) = plan.changes.first() else { panic!("{:?}", plan.changes) };
    assert_eq!(annotations[super::view::REVISION], "3");
    assert_eq!(annotations[super::view::REVISION_HISTORY], "1");
    assert!(plan.changes.contains(&Change::SetRevision { revision: "3".to_owned() }));
}

#[test]
fn empty_sets_beyond_the_history_limit_go_lowest_revision_first() {
    let revision = |name: &str, revision: &str| {
        let mut set = set(name, name, 0, 0);
        set.annotations.insert(super::view::REVISION.to_owned(), revision.to_owned());
        set
    };
    let mut done = deployment(2, 1, 0);
    done["spec"]["revisionHistoryLimit"] = json!(1);
    done["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
    let mut new = set("new", "new", 2, 2);
    new.annotations.insert(super::view::REVISION.to_owned(), "9".to_owned());
    let sets = vec![revision("c", "7"), revision("a", "5"), revision("b", "6"), new];
    assert_eq!(sizes(&plan(&done, sets)).split(' ').filter(|it| it.starts_with('-')).collect::<Vec<_>>(), ["-a", "-b"]);
}

#[test]
fn two_templates_with_one_hash_get_two_names() {
    let deployment = deployment(1, 1, 0);
    let name = format!("x-{}", hash::of(&template("new"), None));
    let plan = plan(&deployment, vec![set(&name, "other", 0, 0)]);
    assert_eq!((sizes(&plan).as_str(), plan.status.collisions), ("", Some(1)));
}

/// The status of a plan as the Deployment's, for the next pass.
fn store(deployment: &mut Value, plan: &Plan) {
    let mut status = super::status_body(&plan.status);
    status["replicas"] = json!(plan.status.replicas);
    deployment["status"] = status;
}

#[test]
fn the_deadline_counts_from_the_last_step_forward() {
    let mut rolling = deployment(2, 1, 0);
    rolling["spec"]["progressDeadlineSeconds"] = json!(60);
    rolling["status"] = json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 2});
    let old = || set("old", "old", 2, 2);
    let first = plan(&rolling, vec![old()]);
    let name = format!("x-{}", hash::of(&template("new"), None));
    assert_eq!(
        condition(&first, "Progressing"),
        format!("True NewReplicaSetCreated Created new replica set \"{name}\"")
    );
    store(&mut rolling, &first);
    // A pod came: a step forward, at second 10.
    let second = plan_at(&rolling, vec![old(), set("new", "new", 1, 0)], 10);
    assert_eq!(condition(&second, "Progressing"), "True ReplicaSetUpdated ReplicaSet \"new\" is progressing.");
    assert_eq!(second.again.map(|it| it.as_secs()), Some(61));
    store(&mut rolling, &second);
    for (second, expected) in [
        (70, "True ReplicaSetUpdated ReplicaSet \"new\" is progressing."),
        (71, "False ProgressDeadlineExceeded ReplicaSet \"new\" has timed out progressing."),
    ] {
        let plan = plan_at(&rolling, vec![old(), set("new", "new", 1, 0)], second);
        assert_eq!(condition(&plan, "Progressing"), expected, "second {second}");
    }
    // It recovers when pods become available after all.
    let exceeded = plan_at(&rolling, vec![old(), set("new", "new", 1, 0)], 71);
    store(&mut rolling, &exceeded);
    let late = plan_at(&rolling, vec![set("old", "old", 0, 0), set("new", "new", 2, 2)], 90);
    assert_eq!(
        condition(&late, "Progressing"),
        "True NewReplicaSetAvailable ReplicaSet \"new\" has successfully progressed."
    );
}

/// Flagger depends on it: the template of an idle target is changed, later it is scaled up.
#[test]
fn a_template_changed_at_zero_replicas_never_times_out_when_scaled_up() {
    let mut idle = deployment(0, 1, 0);
    idle["spec"]["progressDeadlineSeconds"] = json!(60);
    let changed = plan(&idle, vec![set("old", "old", 0, 0)]);
    let name = format!("x-{}", hash::of(&template("new"), None));
    let done = format!("True NewReplicaSetAvailable ReplicaSet \"{name}\" has successfully progressed.");
    assert_eq!(condition(&changed, "Progressing"), done);
    store(&mut idle, &changed);
    idle["spec"]["replicas"] = json!(2);
    let grown = plan_at(&idle, vec![set("old", "old", 0, 0), set(&name, "new", 0, 0)], 10);
    assert_eq!(scaled(&grown), format!("up replica set {name} from 0 to 2"));
    store(&mut idle, &grown);
    let stuck = plan_at(&idle, vec![set("old", "old", 0, 0), set(&name, "new", 2, 0)], 10_000);
    assert_eq!(condition(&stuck, "Progressing"), done);
    assert_eq!(
        condition(&stuck, "Available"),
        "False MinimumReplicasUnavailable Deployment does not have minimum availability."
    );
}

#[test]
fn the_transition_time_moves_with_the_status_and_the_update_time_with_each_step() {
    let mut rolling = deployment(3, 1, 0);
    let first = plan(&rolling, vec![set("new", "new", 3, 0)]);
    store(&mut rolling, &first);
    let second = plan_at(&rolling, vec![set("new", "new", 3, 1)], 30);
    let progressing = second.status.condition("Progressing").unwrap();
    assert_eq!(progressing.last_transition, start());
    assert_eq!(progressing.last_update, start() + SignedDuration::from_secs(30));
}

#[test]
fn counts_and_availability_are_those_of_all_sets() {
    for (available, expected) in [(3, "True MinimumReplicasAvailable"), (2, "False MinimumReplicasUnavailable")] {
        let sets = vec![set("old", "old", 2, available - 1), set("new", "new", 3, 1)];
        let plan = plan(&deployment(4, 1, 1), sets);
        let status = &plan.status;
        assert_eq!(
            (status.replicas, status.updated, status.available, status.unavailable),
            (5, 3, available, 5 - available)
        );
        assert!(condition(&plan, "Available").starts_with(expected), "{status:?}");
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn world() -> impl Strategy<Value = (Value, Vec<ReplicaSet>)> {
        let old = proptest::collection::vec((0i64..6, 0i64..6), 0..4);
        (0i64..9, 0i64..4, 0i64..4, old, proptest::option::of((0i64..9, 0i64..9))).prop_map(
            |(replicas, surge, unavailable, old, new)| {
                let named = |(at, (desired, available)): (usize, (i64, i64))| {
                    let name = format!("old-{at}");
                    set(&name, &name, desired, available.min(desired))
                };
                let mut sets: Vec<ReplicaSet> = old.into_iter().enumerate().map(named).collect();
                sets.extend(new.map(|(desired, available)| set("new", "new", desired, available.min(desired))));
                (deployment(replicas, surge, unavailable), sets)
            },
        )
    }

    /// Each set's `desired` after the plan.
    fn after(plan: &Plan, sets: &[ReplicaSet]) -> BTreeMap<String, i64> {
        let mut desired: BTreeMap<String, i64> = sets.iter().map(|it| (it.name.clone(), it.desired)).collect();
        for change in &plan.changes {
            if let Change::CreateReplicaSet { name, replicas, .. } | Change::UpdateReplicaSet { name, replicas, .. } =
                change
            {
                desired.insert(name.clone(), *replicas);
            }
        }
        desired
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the world looks like, one pass adds no pod beyond the surge and takes no available pod that is needed.
        #[test]
        fn one_pass_never_breaks_the_bounds((deployment, sets) in world()) {
            let read = Deployment::of(&deployment);
            let desired = after(&plan(&deployment, sets.clone()), &sets);
            let before: i64 = sets.iter().map(|it| it.desired).sum();
            let total: i64 = desired.values().sum();
            prop_assert!(total <= before.max(read.replicas + read.max_surge()), "{before} to {total}");
            let available: i64 = sets.iter().map(|it| it.available).sum();
            // A shrinking set gives up its unavailable pods first.
            let left: i64 = sets.iter().map(|it| it.available.min(desired[&it.name])).sum();
            let needed = read.replicas - read.max_unavailable();
            let new_shrank = sets.iter().any(|it| it.name == "new" && desired["new"] < it.desired);
            prop_assert!(new_shrank || left >= available.min(needed), "{available} to {left}, {needed} needed");
        }

        /// A world in which every pod becomes available reaches the end of its rollout, and then stands still.
        #[test]
        fn a_rollout_of_healthy_pods_ends((mut deployment, mut sets) in world()) {
            let wanted = Deployment::of(&deployment).replicas;
            for _ in 0..60 {
                let made = plan(&deployment, sets.clone());
                let desired = after(&made, &sets);
                for (name, size) in &desired {
                    match sets.iter_mut().find(|it| it.name == *name) {
                        Some(known) => (known.desired, known.replicas, known.available) = (*size, *size, *size),
                        None => sets.push(set(name, "new", *size, *size)),
                    }
                }
                for change in &made.changes {
                    if let Change::UpdateReplicaSet { name, annotations, .. } = change {
                        let known = sets.iter_mut().find(|it| it.name == *name).expect("it was there");
                        known.annotations.clone_from(annotations);
                    }
                }
                store(&mut deployment, &made);
            }
            let done = plan(&deployment, sets.clone());
            prop_assert_eq!(scaled(&done), "");
            prop_assert_eq!(done.status.updated, wanted);
            prop_assert_eq!(done.status.replicas, wanted);
            prop_assert!(condition(&done, "Progressing").starts_with("True NewReplicaSetAvailable"));
        }
    }
}
