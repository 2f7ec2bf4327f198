//! One run over real sockets: a lab that is up, reached by its name, with TLS and token, on the wall clock. The policy is as
//! short as Flagger allows.

use super::{SECOND, storm};
use coalmine::event::{Event, Outcome};
use coalmine::home::{Home, LabName};
use coalmine::lab::{Reach, Up, UpOptions};
use coalmine::model::command::{Command, Speed};
use coalmine::scenario::Plan;
use coalmine::scenario::plan::{Expect, When};
use coalmine::session::{Control, Journal, Launch, Place, TrafficFrom, Watching};
use coalmine::sys::rng::Seed;
use std::sync::Arc;
use std::time::Duration;

/// Ticks every 10 s, Flagger's floor, and one strike.
fn short() -> Plan {
    let mut plan = storm();
    for object in plan.objects.iter_mut().filter(|it| it["kind"] == "Canary") {
        object["spec"]["analysis"]["interval"] = "10s".into();
        object["spec"]["analysis"]["threshold"] = 1.into();
    }
    let verdict = Some(Outcome::RolledBack);
    let events = vec!["Halt podinfo.test advancement success rate * < 99%".to_owned()];
    let expect = Expect { verdict, events, ..Expect::default() };
    plan.steps[0].when = When::At(Duration::ZERO);
    Plan { expect, warmup: SECOND, settle: SECOND, ..plan }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_and_a_look_on_a_lab_that_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let (home, name) = (Home::at(folder.path()), "short".parse::<LabName>().unwrap());
    let up = Up::start(&home, &name, UpOptions::default(), Arc::new(|_| {})).await.unwrap();
    let (_, endpoints) = home.ready(&name).unwrap();
    let reach = Reach::of(&name, &endpoints).unwrap();
    let (journal, look, looker) = (Journal::default(), Journal::default(), Control::new(Speed::Max));
    let launch = Launch {
        plan: short(),
        place: Place::Remote(reach.clone()),
        seed: Seed(1),
        traffic_from: TrafficFrom::Here,
        journal: journal.clone(),
        sinks: Vec::new(),
        control: Control::new(Speed::Max),
    };
    let run = tokio::task::spawn_blocking(move || launch.run());
    let canary = coalmine::model::object::ObjectRef::new("flagger.app/v1beta1", "Canary", "test", "podinfo");
    while up.lab().kubernetes.get(&canary).await.unwrap().is_none() {
        tokio::time::sleep(SECOND / 4).await;
    }
    let (sinks, control) = (vec![look.sink()], looker.clone());
    let watching = Watching { reach, namespace: Some("test".to_owned()), canary: None, sinks, control };
    let watched = tokio::task::spawn_blocking(move || watching.run());
    let ended = run.await.unwrap().unwrap();
    looker.send(Command::Quit);
    watched.await.unwrap().unwrap();
    assert!(ended.as_expected(), "{ended:#?}");
    let run = journal.take();
    let Event::RunStarted(started) = &run[0].event else { panic!("a record begins with RunStarted") };
    assert_eq!(started.lab, "short");
    let harmed: u64 = run
        .iter()
        .filter_map(|it| if let Event::Requests(it) = &it.event { Some(it) } else { None })
        .flat_map(|it| it.versions.values())
        .map(|it| it.harmed)
        .sum();
    assert!(harmed > 0, "requests went through the router's socket to the bad version");
    let told = |journal: &[coalmine::event::Envelope]| -> Vec<String> {
        let all = journal.iter().map(|it| it.event.to_string());
        all.filter(|it| it.contains("podinfo.test") && !it.contains("not ready")).collect()
    };
    assert_eq!(told(&look.take()), told(&run), "who looks on sees what the run saw");
    up.down().await.unwrap();
}
