//! Built-in scenarios, the schema, and the plan that comes out.

mod parts;
mod runs;

use super::*;
use crate::event::Outcome;
use crate::model::canary::Phase;
use crate::scenario::plan::{Act, When};
use serde_json::json;
use std::time::Duration;

fn plan(name: &str) -> Plan {
    let (plan, problems) = builtin::load(name).unwrap();
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), "", "{name}");
    plan.unwrap()
}

#[test]
fn built_in_scenarios_have_no_problems_and_are_called_as_their_files() {
    for name in builtin::names() {
        assert_eq!(plan(name).name, name);
    }
    assert_eq!(&builtin::names()[..3], ["healthy-release", "500-storm", "latency-spike"]);
}

#[test]
fn the_500_storm_becomes_this_plan() {
    let plan = plan("500-storm");
    assert_eq!(
        (plan.version.as_str(), plan.provider.as_str(), plan.host.as_str()),
        ("6.9.2", "nginx", "app.example.com")
    );
    assert_eq!(plan.load_tester.as_deref(), Some("http://flagger-loadtester.test"));
    let kinds: Vec<&str> = plan.objects.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"Namespace"), Some(&"Canary")));
    assert_eq!(plan.policy.weights, [10, 20, 30, 40, 50]);
    assert_eq!(plan.expect.verdict, Some(Outcome::RolledBack));
    assert_eq!(plan.expect.phases, [Phase::Progressing, Phase::Failed]);
    let Act::Release(release) = &plan.steps[0].act else { panic!("{:?}", plan.steps[0]) };
    let image = json!({"name": "podinfod", "image": "ghcr.io/stefanprodan/podinfo:6.9.3"});
    assert_eq!(release.patch, json!({"spec": {"template": {"spec": {"containers": [image]}}}}));
    assert_eq!(plan.steps[1].when, When::OnWeight { weight: 10, within: Duration::from_secs(300) });
    assert_eq!(plan.steps[1].text, "turn on http-500 at 30 % on the canary");
}
