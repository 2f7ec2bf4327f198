//! The objects around the Canary: Deployment, Ingress, Services, namespaces.

use crate::model::fault::FaultKind;
use crate::scenario::format::StepFile;
use crate::scenario::manifests::Doc;
use crate::scenario::problem::Problems;
use crate::scenario::release::Container;
use crate::scenario::scene::Scene;
use serde_json::Value;

/// Labels by which Flagger tells pods apart, in its order.
const SELECTOR_LABELS: [&str; 3] = ["app", "name", "app.kubernetes.io/name"];

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    backend(scene, problems);
    if let Some(target) = scene.target {
        selector(target, problems);
        container(target, problems);
        deadlock(scene, target, problems);
    }
    if let Some(namespace) = scene.docs.iter().find(|doc| doc.id.kind == "Namespace") {
        namespaces(scene, namespace, problems);
    }
    load_tester(scene, problems);
}

/// Flagger stops with `backend {svc} not found in ingress {ingress}`.
fn backend(scene: &Scene<'_>, problems: &mut Problems) {
    let Some(ingress) = scene.ingress else { return };
    let service = scene.canary.service_name();
    let rules = ingress.value.pointer("/spec/rules").and_then(Value::as_array);
    let mut first = None;
    for (i, rule) in rules.into_iter().flatten().enumerate() {
        for (j, path) in rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten().enumerate() {
            if path.pointer("/backend/service/name").and_then(Value::as_str) == Some(service) {
                return;
            }
            first.get_or_insert_with(|| format!("/spec/rules/{i}/http/paths/{j}/backend/service/name"));
        }
    }
    let message = format!("backend {service} not found in ingress {}: Flagger stops there", ingress.id.name);
    let at = ingress.place(first.as_deref().unwrap_or("/spec/rules"));
    problems.error(at, message, format!("let a path's backend be the Canary's service, `{service}`"));
}

fn selector(target: &Doc, problems: &mut Problems) {
    let labels = target.value.pointer("/spec/selector/matchLabels");
    if !SELECTOR_LABELS.iter().any(|label| labels.is_some_and(|it| it.get(label).is_some())) {
        let message = format!(
            "deployment {}.{} spec.selector.matchLabels must contain one of [app name app.kubernetes.io/name]: Flagger stops there",
            target.id.name, target.id.namespace
        );
        problems.error(target.place("/spec/selector/matchLabels"), message, format!("add `app: {}`", target.id.name));
    }
    if target.value.pointer("/spec/replicas").is_some() {
        let message = "Flagger scales the target to 0 when it is idle; whoever applies this manifest again (GitOps) brings it back to this number";
        problems.warn(
            target.key_place("/spec/replicas"),
            message,
            "leave `replicas` out and use a HorizontalPodAutoscaler",
        );
    }
}

fn container(target: &Doc, problems: &mut Problems) {
    let at = target.place("/spec/template/spec/containers");
    let Some(container) = Container::of(&target.value) else {
        problems.error(at, "the Deployment has no container with a name", "add one");
        return;
    };
    if container.tag.is_empty() {
        let message = "the image has no tag, so versions cannot be told apart";
        problems.error(target.place("/spec/template/spec/containers/0/image"), message, "write one, such as :6.9.2");
    }
    if target.value.pointer("/spec/template/spec/containers/0/readinessProbe").is_none() {
        let message = "without a readiness probe a pod is ready before the app is: the first requests are harmed";
        problems.warn(target.place("/spec/template/spec/containers/0"), message, "add a `readinessProbe`");
    }
}

/// Flagger's deadline looks at condition Available, which stays True while `maxUnavailable` covers every pod
/// (flagger.md 3.5).
fn deadlock(scene: &Scene<'_>, target: &Doc, problems: &mut Problems) {
    let never_ready = |kind: FaultKind| matches!(kind, FaultKind::Crash | FaultKind::NeverReady | FaultKind::ImagePull);
    let broken = scene.file.steps.iter().any(|step| match &step.step {
        StepFile::Release(release) => release.faults.iter().any(|it| never_ready(it.kind)),
        _ => false,
    });
    if !broken {
        return;
    }
    let replicas = replicas(scene, target);
    let unavailable = max_unavailable(&target.value, replicas);
    if unavailable >= replicas {
        let message = format!(
            "maxUnavailable is {unavailable} of {replicas} replicas, so the Deployment always counts as available and Flagger waits for ever for pods that never get ready"
        );
        let help = "write `maxUnavailable: 0`, or run 2 replicas or more";
        problems.warn(target.place("/spec/strategy/rollingUpdate/maxUnavailable"), message, help);
    }
}

/// Replicas of the canary during a run: the autoscaler's minimum where there is one.
fn replicas(scene: &Scene<'_>, target: &Doc) -> i64 {
    let of_target = target.value.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let Some(reference) = &scene.canary.spec.autoscaler_ref else { return of_target.max(1) };
    let autoscaler = scene.object("HorizontalPodAutoscaler", scene.namespace(), &reference.name);
    let min = autoscaler.and_then(|doc| doc.value.pointer("/spec/minReplicas")).and_then(Value::as_i64);
    min.unwrap_or(1).max(1)
}

/// As the Deployment controller counts it: 25 %, rounded down, where nothing is said.
fn max_unavailable(deployment: &Value, replicas: i64) -> i64 {
    let given = deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable");
    let percent = |percent: i64| replicas * percent / 100;
    match given {
        None => percent(25),
        Some(value) => value.as_i64().unwrap_or_else(|| {
            let text = value.as_str().unwrap_or_default().trim_end_matches('%');
            percent(text.parse().unwrap_or(25))
        }),
    }
}

/// The Canary lives in a namespace that the scenario makes, if it makes any.
fn namespaces(scene: &Scene<'_>, first: &Doc, problems: &mut Problems) {
    let made: Vec<&str> =
        scene.docs.iter().filter(|doc| doc.id.kind == "Namespace").map(|doc| doc.id.name.as_str()).collect();
    for doc in scene.docs {
        let namespace = doc.id.namespace.as_str();
        if namespace.is_empty() || namespace == "default" || made.contains(&namespace) {
            continue;
        }
        let message =
            format!("{} is in namespace {namespace}, and the scenario makes only {}", doc.id.kind, made.join(", "));
        let help = format!("write `namespace: {}`, or add a Namespace object", first.id.name);
        problems.error(doc.place("/metadata/namespace"), message, help);
    }
}

/// Webhooks that speak to a Service by name need that Service.
fn load_tester(scene: &Scene<'_>, problems: &mut Problems) {
    for (i, hook) in scene.canary.spec.analysis.webhooks.iter().enumerate() {
        let Some(host) = hook.url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else {
            continue;
        };
        let mut parts = host.split('.');
        let name = parts.next().unwrap_or_default();
        let namespace = parts.next().unwrap_or(scene.namespace());
        let made_by_flagger =
            [format!("{}-canary", scene.canary.service_name()), format!("{}-primary", scene.canary.service_name())];
        let known = scene.object("Service", namespace, name).is_some()
            || name == scene.canary.service_name()
            || made_by_flagger.iter().any(|it| it == name);
        // Other names, and addresses, are outside the lab.
        let inside = match host.matches('.').count() {
            0 => true,
            1 => scene.docs.iter().any(|doc| doc.id.namespace == namespace || doc.id.name == name),
            _ => host.split('.').nth(2) == Some("svc"),
        };
        if inside && !known {
            let message =
                format!("the manifests have no Service `{name}` in namespace {namespace}, so this hook fails");
            let at = scene.doc.place(&format!("/spec/analysis/webhooks/{i}/url"));
            problems.warn(at, message, "add `- builtin:podinfo/loadtester.yaml` to the manifests, or correct the name");
        }
    }
}
