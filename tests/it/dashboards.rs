//! The dashboards and alert rules that come with a lab's Grafana: each of their queries is asked while one release
//! goes well and another wrong, and answered with data.

use crate::real::find;
use coalmine::event::{ClockKind, Event, RunStarted};
use coalmine::lab::{Embedded, Endpoint, Lab, Options};
use coalmine::model::fault::FaultTarget;
use coalmine::scenario::plan::Act;
use coalmine::scenario::{Plan, builtin};
use coalmine::session::{Bus, Journal, Session, TrafficFrom};
use coalmine::stack::{self, Images, Profile, Theirs};
use coalmine::sys::clock::Clock;
use coalmine::sys::rng::Seed;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const ASK_EVERY: Duration = Duration::from_secs(10);

/// A query, and where it stands.
pub struct Query {
    pub place: String,
    pub text: String,
}

/// What stands in a ConfigMap of the parts' objects.
fn data(objects: &[Value], name: &str) -> Vec<Value> {
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap" && it["metadata"]["name"] == name).unwrap();
    let texts = map["data"].as_object().unwrap().values();
    texts.map(|it| serde_json::from_str(it.as_str().unwrap()).unwrap()).collect()
}

fn grafana() -> Vec<Value> {
    stack::grafana(&Images::default()).unwrap().objects
}

/// Every query of every panel, for one Canary.
pub fn panels(namespace: &str, canary: &str) -> Vec<Query> {
    let mut queries = Vec::new();
    for dashboard in data(&grafana(), "grafana-dashboards") {
        let given = dashboard["templating"]["list"].as_array().unwrap();
        let constants = given.iter().filter_map(|it| Some((it["name"].as_str()?, it["current"]["value"].as_str()?)));
        let constants: Vec<_> = constants.collect();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let mut text = target["expr"].as_str().unwrap().to_owned();
                for (name, value) in [("namespace", namespace), ("canary", canary), ("__range", "15m")] {
                    text = text.replace(&format!("${name}"), value);
                }
                for (name, value) in &constants {
                    text = text.replace(&format!("${name}"), value);
                }
                let [dashboard, panel, query] =
                    [&dashboard["title"], &panel["title"], &target["refId"]].map(Value::as_str);
                let place = format!("{}: {}, {}", dashboard.unwrap(), panel.unwrap(), query.unwrap());
                queries.push(Query { place, text });
            }
        }
    }
    assert!(queries.len() > 20, "the dashboards were not read");
    queries
}

/// The query of every alert rule.
fn alerts() -> Vec<Query> {
    let rules = data(&grafana(), "grafana-alerting");
    let groups = rules.iter().flat_map(|it| it["groups"].as_array().unwrap());
    let rules = groups.flat_map(|it| it["rules"].as_array().unwrap());
    let query = |it: &Value| Query {
        place: it["title"].as_str().unwrap().to_owned(),
        text: it["data"][0]["model"]["expr"].as_str().unwrap().to_owned(),
    };
    let queries: Vec<Query> = rules.map(query).collect();
    assert!(!queries.is_empty(), "the alert rules were not read");
    queries
}

/// Whether there was data; that the server refuses a query is a failure.
pub async fn has_data(prometheus: &Endpoint, query: &Query) -> bool {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", &query.text);
    let request = http::Request::get(format!("{}/api/v1/query?{}", prometheus.address, form.finish()));
    let answer = prometheus.http.send(request.body(bytes::Bytes::new()).unwrap(), Duration::from_secs(30)).await;
    let answer: Value = serde_json::from_slice(answer.unwrap().body()).unwrap();
    assert_eq!(answer["status"], "success", "{}: {}\n{answer}", query.place, query.text);
    !answer["data"]["result"].as_array().unwrap().is_empty()
}

/// A release that is promoted, and then 500-storm, but for half of all requests: the primary's too, so that the error budget
/// burns.
async fn releases(lab: Lab) {
    let [good, mut bad] = ["healthy-release", "500-storm"].map(|it| builtin::load(it).and_then(|(it, _)| it).unwrap());
    for step in &mut bad.steps {
        if let Act::FaultOn { spec, target, .. } = &mut step.act {
            (spec.rate, *target) = (0.5, FaultTarget::All);
        }
    }
    play(lab.clone(), good).await;
    play(lab, bad).await;
}

async fn play(lab: Lab, plan: Plan) {
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
    let (_person, commands) = mpsc::channel(1);
    let traffic_from = TrafficFrom::Here;
    let session = Session { plan: Arc::new(plan), lab, seed: Seed(1), traffic_from, bus, journal, commands };
    session.run().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_panel_and_every_alert_has_data_while_releases_go_well_and_wrong() {
    let embedded = Embedded::start(Clock::simulated(), Seed(1), Options::default(), Arc::new(|_| {})).await.unwrap();
    let lab = embedded.lab();
    let run = tokio::spawn(releases(lab.clone()));
    let queries: Vec<Query> = panels("test", "podinfo").into_iter().chain(alerts()).collect();
    let mut silent: BTreeSet<usize> = (0..queries.len()).collect();
    while !run.is_finished() {
        for (number, query) in queries.iter().enumerate() {
            if has_data(&lab.prometheus, query).await {
                silent.remove(&number);
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    run.await.unwrap();
    let silent: Vec<String> =
        silent.iter().map(|it| format!("{}: {}", queries[*it].place, queries[*it].text)).collect();
    assert!(silent.is_empty(), "no data came for\n{}", silent.join("\n"));
    embedded.stop().await;
}

#[test]
fn the_real_prometheus_would_load_every_rule() {
    let Some(promtool) = find("promtool") else { return };
    let folder = tempfile::tempdir().unwrap();
    let parts = stack::parts(Profile::Builtin, &Images::default(), &Theirs::default()).unwrap();
    let objects: Vec<Value> = parts.into_iter().flat_map(|it| it.objects).collect();
    let is_prometheus = |it: &&Value| it["kind"] == "ConfigMap" && it["metadata"]["name"] == "prometheus";
    let own = objects.iter().find(is_prometheus).unwrap()["data"]["flagger.rules.yml"].as_str().unwrap().to_owned();
    let rule = |it: Query| json!({"alert": it.place, "expr": it.text});
    let rules: Vec<Value> = alerts().into_iter().map(rule).collect();
    let grafanas = json!({"groups": [{"name": "grafana", "rules": rules}]}).to_string();
    for (name, text) in [("own.yml", own), ("grafana.yml", grafanas)] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let checked = Command::new(&promtool).args(["check", "rules"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && said.contains("SUCCESS"), "{name}: {said}");
    }
}
