//! Webhooks, and the steps that need one.

use crate::model::canary::Webhook;
use crate::scenario::format::StepFile;
use crate::scenario::problem::Problems;
use crate::scenario::scene::Scene;

/// Types whose answer holds a release up.
pub(super) const GATES: [&str; 3] = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"];

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    for (i, hook) in scene.canary.spec.analysis.webhooks.iter().enumerate() {
        let path = format!("/spec/analysis/webhooks/{i}");
        url(scene, hook, &path, problems);
        load_tester_path(scene, hook, &path, problems);
    }
    steps(scene, problems);
}

fn path_of(url: &str) -> String {
    url.parse::<http::Uri>().map(|uri| uri.path().to_owned()).unwrap_or_default()
}

fn url(scene: &Scene<'_>, hook: &Webhook, path: &str, problems: &mut Problems) {
    let at = scene.doc.place(&format!("{path}/url"));
    let uri = hook.url.parse::<http::Uri>();
    if !uri.as_ref().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some()) {
        problems.error(at, format!("`{}` is not a URL", hook.url), "write http://NAME.NAMESPACE/PATH");
        return;
    }
    let status = path_of(&hook.url).rsplit('/').next().and_then(|it| it.parse::<u16>().ok());
    if let Some(code @ 203..=299) = status
        && hook.hook_type != "event"
    {
        let message =
            format!("this answers {code}, and Flagger takes only codes up to 202 for success: the hook always fails");
        problems.warn(at, message, "answer with 200");
    }
}

/// The load tester's gates and roll-back switch make sense for some types only.
fn load_tester_path(scene: &Scene<'_>, hook: &Webhook, path: &str, problems: &mut Problems) {
    let at = scene.doc.place(&format!("{path}/url"));
    let kind = if hook.hook_type.is_empty() { "rollout" } else { &hook.hook_type };
    match path_of(&hook.url).as_str() {
        "/rollback/check" if kind != "rollback" => {
            let message = format!("/rollback/check refuses until someone rolls back, so this {kind} hook always fails");
            problems.warn(at, message, "write `type: rollback`");
        }
        "/gate/check" if kind == "rollback" => {
            let message = "a rollback hook rolls back when it is approved: opening the gate rolls the release back";
            problems.warn(at, message, "use /rollback/check");
        }
        "/gate/check" if matches!(kind, "pre-rollout" | "rollout") => {
            let message = format!("a closed gate counts as a failed check in a {kind} hook, and rolls back in the end");
            problems.warn(at, message, "write a type that waits: confirm-rollout or confirm-promotion");
        }
        "/" | "" if !hook.metadata.contains_key("cmd") && is_load_tester(&hook.url) => {
            let message = "the load tester answers 400 to a task without a command";
            problems.error(scene.doc.place(path), message, "add `metadata: {type: bash, cmd: …}`");
        }
        _ => {}
    }
}

fn is_load_tester(url: &str) -> bool {
    url.parse::<http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
        .is_some_and(|it| it.contains("loadtester"))
}

/// Whether the Canary asks the load tester's gate before it goes on, and at which points.
pub(super) fn gate_types(scene: &Scene<'_>) -> Vec<String> {
    let hooks = scene.canary.spec.analysis.webhooks.iter();
    hooks.filter(|it| GATES.contains(&it.hook_type.as_str())).map(|it| it.hook_type.clone()).collect()
}

pub(super) fn has_rollback_switch(scene: &Scene<'_>) -> bool {
    scene
        .canary
        .spec
        .analysis
        .webhooks
        .iter()
        .any(|it| it.hook_type == "rollback" && path_of(&it.url) == "/rollback/check")
}

fn steps(scene: &Scene<'_>, problems: &mut Problems) {
    let hooks = &scene.canary.spec.analysis.webhooks;
    let gate = hooks.iter().any(|it| GATES.contains(&it.hook_type.as_str()) && path_of(&it.url) == "/gate/check");
    let switch = has_rollback_switch(scene);
    for step in &scene.file.steps {
        let at = (scene.source, step.place);
        match step.step {
            StepFile::OpenGate(_) | StepFile::CloseGate(_) if !gate => {
                let message = "the Canary asks no gate, so this step changes nothing";
                let help =
                    "add a webhook of type confirm-promotion with url http://flagger-loadtester.NAMESPACE/gate/check";
                problems.error(at, message, help);
            }
            StepFile::RollBack(_) if !switch => {
                let message = "the Canary has no rollback webhook, so it cannot be rolled back by hand";
                let help = "add a webhook of type rollback with url http://flagger-loadtester.NAMESPACE/rollback/check";
                problems.error(at, message, help);
            }
            _ => {}
        }
    }
}
