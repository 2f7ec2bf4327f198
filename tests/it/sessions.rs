//! Sessions on a lab that is there already: what is the same as on one made for the run, and what goes wrong on the way.
//!
//! The lab is the embedded one, on the simulated clock; the session reaches it through a [`Door`] that a test can shut.

mod door;
mod sockets;

use coalmine::cluster::Client;
use coalmine::event::{ClockKind, Envelope, Event, Outcome, RunEnded, RunStarted};
use coalmine::lab::{Embedded, Lab, Options, Reach};
use coalmine::model::command::{Command, Speed};
use coalmine::model::object::ObjectRef;
use coalmine::report::compare::compare;
use coalmine::scenario::plan::Act;
use coalmine::scenario::{Plan, builtin};
use coalmine::session::{Bus, Control, Journal, RunError, Session, TrafficFrom, Watching};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use door::{Door, plain};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const SECOND: Duration = Duration::from_secs(1);

/// An embedded lab, and a door to it.
struct Stage {
    embedded: Embedded,
    door: Door,
}

/// What a session left.
struct Played {
    result: Result<RunEnded, RunError>,
    events: Vec<Envelope>,
}

impl Stage {
    async fn new() -> Self {
        let embedded =
            Embedded::start(Clock::simulated(), Seed(1), Options::default(), Arc::new(|_| {})).await.unwrap();
        Self { embedded, door: Door::new() }
    }

    /// The lab as a session reaches it.
    fn lab(&self) -> Lab {
        let kubernetes = self.door.client(self.embedded.api());
        Lab { name: "here".to_owned(), kubernetes, ..self.embedded.lab() }
    }

    /// The lab's own way to its API, past the door.
    fn kubernetes(&self) -> Client {
        self.embedded.lab().kubernetes
    }

    async fn play(&self, plan: &Plan) -> Played {
        play(self.lab(), plan).await
    }

    async fn canary(&self) -> Value {
        let canary = ObjectRef::new("flagger.app/v1beta1", "Canary", "test", "podinfo");
        self.kubernetes().get(&canary).await.unwrap().unwrap_or_default()
    }

    async fn until(&self, condition: impl Fn(&Value) -> bool) {
        while !condition(&self.canary().await) {
            tokio::time::sleep(SECOND / 4).await;
        }
    }
}

async fn play(lab: Lab, plan: &Plan) -> Played {
    let journal = Journal::default();
    let bus = Bus::new(lab.clock, vec![journal.sink()]);
    bus.publish(Event::RunStarted(RunStarted {
        scenario: plan.name.clone(),
        title: String::new(),
        lab: lab.name.clone(),
        clock: ClockKind::Simulated,
        seed: 1,
        version: String::new(),
        started: String::new(),
        policy: plan.policy.clone(),
    }));
    // The sender stays: without a person nobody quits.
    let (_person, commands) = mpsc::channel(1);
    let session = Session {
        plan: Arc::new(plan.clone()),
        lab,
        seed: Seed(1),
        traffic_from: TrafficFrom::Here,
        bus,
        journal: journal.clone(),
        commands,
    };
    let result = session.run().await;
    Played { result, events: journal.take() }
}

impl Played {
    fn outcome(&self) -> Outcome {
        self.result.as_ref().unwrap().outcome
    }

    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }

    /// The sentences of all events of one kind of wording.
    fn told(&self, start: &str) -> Vec<String> {
        self.events.iter().map(|it| it.event.to_string()).filter(|it| it.starts_with(start)).collect()
    }

    fn assert_as_expected(&self) {
        let ended = self.result.as_ref().unwrap();
        assert!(ended.as_expected(), "{:#?}", ended.expectations);
    }

    fn assert_alike(&self, other: &Self) {
        let comparison = compare(&self.events, &other.events, None);
        assert!(comparison.alike, "{}", comparison.text());
    }
}

fn storm() -> Plan {
    builtin::load("500-storm").and_then(|(plan, _)| plan).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_second_run_on_the_same_lab_is_like_the_first() {
    let stage = Stage::new().await;
    let first = stage.play(&storm()).await;
    first.assert_as_expected();
    assert!(first.told("lab: remove").is_empty(), "a new lab has nothing to remove");
    let second = stage.play(&storm()).await;
    second.assert_as_expected();
    second.assert_alike(&first);
    let removed = second.told("lab: remove");
    assert!(removed[0].ends_with("Canary podinfo, Deployment podinfo"), "{removed:?}");
    let healthy = builtin::load("healthy-release").and_then(|(plan, _)| plan).unwrap();
    let third = stage.play(&healthy).await;
    third.assert_as_expected();
    // After a promotion the target runs another version than the scenario begins with.
    stage.play(&storm()).await.assert_alike(&first);
    let lease = ObjectRef::new("coordination.k8s.io/v1", "Lease", "test", "coalmine-run");
    assert_eq!(stage.kubernetes().get(&lease).await.unwrap(), None, "no claim is left");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_gone_for_20_s_in_mid_run_changes_nothing_but_notes() {
    let undisturbed = Stage::new().await.play(&storm()).await;
    let stage = Stage::new().await;
    let disturb = async {
        stage.until(|it| it["status"]["canaryWeight"] == 10).await;
        tokio::time::sleep(SECOND).await;
        stage.door.shut();
        tokio::time::sleep(SECOND * 20).await;
        stage.door.open();
        // Where the watches were is forgotten meanwhile.
        let left = std::sync::atomic::AtomicU32::new(4);
        stage.door.instead(move |request| {
            let is_watch = request.uri().query().is_some_and(|it| it.contains("watch=true"));
            let take = |it: u32| it.checked_sub(1);
            let order = std::sync::atomic::Ordering::Relaxed;
            (is_watch && left.fetch_update(order, order, take).is_ok()).then(|| plain(410, ""))
        });
    };
    let lab = stage.lab();
    let plan = storm();
    let (played, ()) = tokio::join!(play(lab, &plan), disturb);
    played.assert_as_expected();
    played.assert_alike(&undisturbed);
    let notes = played.told("note: the Kubernetes API");
    assert!(notes[0].contains("does not answer: an error on the server (\"nobody is there\")"), "{notes:#?}");
    assert!(notes[1].contains("answers again, after ") && notes.len() == 2, "{notes:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_stays_away_ends_the_run_without_a_verdict() {
    let stage = Stage::new().await;
    let shut = async {
        stage.until(|it| it["status"]["phase"] == "Progressing").await;
        stage.door.shut();
    };
    let (lab, plan) = (stage.lab(), storm());
    let (played, ()) = tokio::join!(play(lab, &plan), shut);
    assert!(matches!(played.result, Err(RunError::Lost(_))), "{:?}", played.result);
    assert!(played.error().starts_with("the Kubernetes API has not answered for 2m0s: "), "{}", played.error());
    assert!(played.told("rolled back").is_empty(), "there is no verdict");
}

#[tokio::test(start_paused = true)]
async fn two_runs_never_play_at_once_and_a_killed_ones_claim_is_given_up() {
    let stage = Stage::new().await;
    let plan = storm();
    let late = async {
        stage.until(|it| it["status"]["phase"] == "Progressing").await;
        stage.play(&plan).await
    };
    let (first, second) = tokio::join!(play(stage.lab(), &plan), late);
    first.assert_as_expected();
    let error = second.error();
    assert!(error.starts_with("another run plays in this namespace now: 500-storm, process "), "{error}");
    assert!(error.contains("Lease coalmine-run in test is its claim"), "{error}");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "coalmine-run", "namespace": "test"},
        // Far in the future: clocks of machines differ, so its times say nothing.
        "spec": {"holderIdentity": "a killed run", "renewTime": "2030-01-01T00:00:00.000000Z"}});
    stage.kubernetes().create(&lease).await.unwrap();
    let third = stage.play(&plan).await;
    third.assert_as_expected();
    assert!(third.told("lab: wait for the last run's claim").len() == 2, "{:?}", third.told("lab: "));
}

#[tokio::test(start_paused = true)]
async fn what_others_made_is_left_alone() {
    let stage = Stage::new().await;
    let kubernetes = stage.kubernetes();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}});
    kubernetes.create(&namespace).await.unwrap();
    let theirs = storm().objects.into_iter().find(|it| it["kind"] == "Canary").unwrap();
    kubernetes.apply(&theirs, "kubectl", true).await.unwrap();
    let before = stage.canary().await["spec"].clone();
    let error = stage.play(&storm()).await.error();
    assert!(error.starts_with("Canary podinfo in test is there already and coalmine did not make it"), "{error}");
    assert!(error.ends_with("delete it: kubectl delete canary podinfo -n test"), "{error}");
    assert_eq!(stage.canary().await["spec"], before);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_going_on_is_waited_for_and_one_at_a_gate_is_refused() {
    let stage = Stage::new().await;
    stage.play(&storm()).await.assert_as_expected();
    // Somebody releases by hand.
    let target = ObjectRef::new("apps/v1", "Deployment", "test", "podinfo");
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.9.4"}]}}}});
    stage.kubernetes().strategic_patch(&target, &patch).await.unwrap();
    stage.until(|it| it["status"]["phase"] == "Progressing").await;
    let played = stage.play(&storm()).await;
    played.assert_as_expected();
    let waited = played.told("lab: wait for the release that is going on");
    assert!(
        waited[0].ends_with("phase Progressing; at most 10m0s") && waited[1].ends_with("done: Failed"),
        "{waited:?}"
    );
    let gated = builtin::load("gated-release").and_then(|(plan, _)| plan).unwrap();
    let unopened = Plan { steps: gated.steps.iter().take(1).cloned().collect(), time_limit: SECOND * 60, ..gated };
    assert_eq!(stage.play(&unopened).await.outcome(), Outcome::Undecided);
    let error = stage.play(&storm()).await.error();
    assert!(
        error.contains("waits at a gate (phase Waiting)") && error.contains("kubectl delete canary podinfo"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_comes_with_the_release_where_the_app_has_no_switch() {
    let stage = Stage::new().await;
    let no_switch = |request: &axum::extract::Request| {
        request.uri().path().contains("/fault_injection").then(|| plain(404, "404 page not found"))
    };
    stage.door.instead(no_switch);
    let played = stage.play(&storm()).await;
    assert_eq!(played.outcome(), Outcome::RolledBack);
    let notes = played.told("note: step 2");
    assert!(notes.len() == 1 && notes[0].contains("PODINFO_RANDOM_ERROR"), "{notes:?}");
    assert!(!stage.door.asked().iter().any(|it| it.contains("/fault_injection/enable")), "nothing is switched");
    let mut hang = storm();
    for step in &mut hang.steps {
        if let Act::FaultOn { spec, .. } = &mut step.act {
            spec.fault = coalmine::model::fault::FaultKind::Hang;
        }
    }
    let refused = stage.play(&hang).await;
    let error = refused.error();
    assert!(
        error.contains("cannot be done on this lab: it has no /fault_injection, and podinfo has no flag"),
        "{error}"
    );
    assert!(refused.told("scenario starts").is_empty(), "it is said before the run begins");
}

#[tokio::test(start_paused = true)]
async fn a_look_shows_past_and_present_and_changes_nothing() {
    let stage = Stage::new().await;
    stage.play(&storm()).await.assert_as_expected();
    let journal = Journal::default();
    let control = Control::new(Speed::Max);
    let watching = Watching {
        reach: Reach { name: "here".to_owned(), ..Reach::default() },
        namespace: None,
        canary: None,
        sinks: vec![journal.sink()],
        control: control.clone(),
    };
    let looker = Door::new();
    let cluster = looker.client(stage.embedded.api());
    let release = async {
        tokio::time::sleep(SECOND * 2).await;
        control.send(Command::RollBack);
        let target = ObjectRef::new("apps/v1", "Deployment", "test", "podinfo");
        let patch = json!({"spec": {"template": {"metadata": {"annotations": {"again": "1"}}}}});
        stage.kubernetes().strategic_patch(&target, &patch).await.unwrap();
        stage.until(|it| it["status"]["phase"] == "Progressing").await;
        tokio::time::sleep(SECOND * 30).await;
        control.send(Command::Quit);
    };
    let (result, ()) = tokio::join!(watching.watch(cluster, stage.embedded.lab().clock), release);
    result.unwrap();
    let asked = looker.asked();
    assert!(asked.iter().all(|it| it.starts_with("GET ")), "{asked:#?}");
    assert!(asked.iter().any(|it| it.contains("/services/prometheus:9090/proxy/api/v1/query")), "{asked:#?}");
    let events = journal.take();
    let told: Vec<String> = events.iter().map(|it| it.event.to_string()).collect();
    let place = |text: &str| told.iter().position(|it| it == text).unwrap_or_else(|| panic!("no {text} in {told:#?}"));
    assert!(
        place("Rolling back podinfo.test failed checks threshold reached 5")
            < place(
                "note: this is a look only: it \
        changes nothing, and real time has one speed"
            ),
        "the past comes first"
    );
    assert!(place("Canary failed! Scaling down podinfo.test") < place("routes: primary 100 %, canary 0 %"));
    let revisions = told.iter().filter(|it| *it == "New revision detected! Scaling up podinfo.test").count();
    assert_eq!(revisions, 2, "one of the past and one of now: {told:#?}");
    assert!(told.iter().any(|it| it.starts_with("measured: request-success-rate")), "{told:#?}");
    assert!(
        told.iter().any(|it| it.starts_with("note: now: Failed, weight 0 %, failed checks 0, last changed at ")),
        "{told:#?}"
    );
    assert!(events.windows(2).all(|it| it[0].at_ms <= it[1].at_ms), "time never goes back");
}

#[tokio::test(start_paused = true)]
async fn a_look_without_a_name_takes_the_only_canary_or_lists_them() {
    let stage = Stage::new().await;
    let look = async |canary: Option<&str>, namespace: Option<&str>| {
        let watching = Watching {
            reach: Reach { name: "here".to_owned(), ..Reach::default() },
            namespace: namespace.map(str::to_owned),
            canary: canary.map(str::to_owned),
            sinks: Vec::new(),
            control: Control::new(Speed::Max),
        };
        watching.watch(stage.kubernetes(), stage.embedded.lab().clock).await.unwrap_err().to_string()
    };
    assert!(look(None, None).await.starts_with("there is no Canary in here: "));
    let kubernetes = stage.kubernetes();
    let canary = storm().objects.into_iter().find(|it| it["kind"] == "Canary").unwrap();
    for namespace in ["a", "b"] {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        kubernetes.create(&object).await.unwrap();
        let mut canary = canary.clone();
        canary["metadata"]["namespace"] = namespace.into();
        kubernetes.create(&canary).await.unwrap();
    }
    let several = look(Some("podinfo"), None).await;
    assert!(several.contains("\n  podinfo  -n a  (") && several.contains("\n  podinfo  -n b  ("), "{several}");
    assert!(look(Some("shop"), Some("a")).await.starts_with("there is no Canary `shop` in namespace a: "));
}

#[tokio::test(start_paused = true)]
async fn flux_is_suspended_for_the_time_of_a_run_where_coalmine_installed_it() {
    let stage = Stage::new().await;
    let kubernetes = stage.kubernetes();
    let kustomization = ObjectRef::new("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "test", "podinfo");
    for object in flux_objects() {
        kubernetes.apply(&object, "kustomize-controller", true).await.unwrap();
    }
    let plan = storm();
    let theirs = stage.play(&plan).await.error();
    assert!(theirs.starts_with("Canary podinfo in test belongs to Flux's Kustomization podinfo in test"), "{theirs}");
    let ours = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "coalmine"}}});
    kubernetes.merge_patch(&kustomization, None, &ours).await.unwrap();
    let suspended = async || kubernetes.get(&kustomization).await.unwrap().unwrap()["spec"]["suspend"].clone();
    let look = async {
        stage.until(|it| it["status"]["phase"] == "Progressing").await;
        suspended().await
    };
    let (played, meanwhile) = tokio::join!(stage.play(&plan), look);
    played.assert_as_expected();
    assert_eq!((meanwhile, suspended().await), (json!(true), Value::Null));
    let kept = ObjectRef::new("v1", "ConfigMap", "test", "of-flux");
    assert!(kubernetes.get(&kept).await.unwrap().is_some(), "what else Flux made stays");
}

/// Flux' kind, a Kustomization, and what it applied: the Canary and something else.
fn flux_objects() -> Vec<Value> {
    let labels =
        json!({"kustomize.toolkit.fluxcd.io/name": "podinfo", "kustomize.toolkit.fluxcd.io/namespace": "test"});
    let mut canary = storm().objects.into_iter().find(|it| it["kind"] == "Canary").unwrap();
    canary["metadata"]["labels"] = labels.clone();
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "test"}}),
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "kustomizations.kustomize.toolkit.fluxcd.io"},
            "spec": {"group": "kustomize.toolkit.fluxcd.io", "scope": "Namespaced",
                "names": {"kind": "Kustomization", "plural": "kustomizations", "singular": "kustomization",
                    "listKind": "KustomizationList"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}}),
        json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"interval": "10m"}}),
        canary,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "of-flux", "namespace": "test",
            "labels": labels}}),
    ]
}
