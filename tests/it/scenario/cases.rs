//! Tables of bad files: each is the good file with one thing changed; the snapshot has all that is said about it.

use super::{edited, load, render};
use std::fmt::Write as _;

/// A sentence, and the edits that make it true.
type Case = (&'static str, &'static [(&'static str, &'static str)]);

/// All diagnostics of all cases, and whether a plan came out.
fn report(cases: &[Case]) -> String {
    let mut out = String::new();
    for (name, edits) in cases {
        let (plan, problems) = load(&edited(edits));
        assert!(!problems.is_empty(), "{name}: nothing was reported");
        let errors = problems.iter().any(|it| it.severity == coalmine::scenario::Severity::Error);
        assert_eq!(plan.is_none(), errors, "{name}: a plan is there exactly when nothing is an error");
        let _ = writeln!(out, "### {name}\n{}", render(&problems));
    }
    out
}

#[test]
fn what_is_not_a_scenario() {
    let report = report(&[
        ("not YAML", &[("arrivals: {constant: 100}", "arrivals: {constant: 100")]),
        ("a tab", &[("  - name: visitors", "\t- name: visitors")]),
        ("an unknown field", &[("title: A base", "titel: A base")]),
        ("a field twice", &[("title: A base for bad files", "title: a\ntitle: b")]),
        ("a name with capitals", &[("name: base", "name: Base Line")]),
        ("text that YAML reads as a number", &[("tag: 6.9.3", "tag: 6.10")]),
        ("a list that is none", &[("phases: [Progressing, Promoting, Succeeded]", "phases: Succeeded")]),
        ("a duration without unit", &[("at: 10s", "at: 10")]),
        ("a unit that does not exist", &[("at: 10s", "at: 10 seconds")]),
        (
            "wrong in several steps",
            &[
                ("tag: 6.9.3", "tga: 6.9.3"),
                ("fault: http-500, rate: 30%", "fault: http-5000, rate: 300%"),
                ("openGate: {onPhase: WaitingPromotion", "openGates: {onPhase: WaitingPromotion"),
            ],
        ),
        ("a step that does not exist", &[("  - openGate: {onPhase: WaitingPromotion, within: 5m}", "  - deploy: {}")]),
        (
            "two steps in one",
            &[("  - openGate: {onPhase: WaitingPromotion, within: 5m}", "  - openGate: {}\n    wait: {after: 1s}")],
        ),
        ("a phase in American spelling", &[("phases: [Progressing, Promoting", "phases: [Progressing, Finalizing")]),
        ("a verdict that does not exist", &[("verdict: promoted", "verdict: rolledback")]),
        ("arrivals of an unknown kind", &[("constant: 100", "uniform: 100")]),
        ("negative arrivals", &[("constant: 100", "constant: -1")]),
        ("a path without a slash", &[("arrivals: {constant: 100}", "arrivals: {constant: 100}\n    path: status/200")]),
        (
            "a method that does not exist",
            &[("arrivals: {constant: 100}", "arrivals: {constant: 100}\n    method: get")],
        ),
        ("a template fault that is switched on", &[("fault: http-500, rate: 30%", "fault: crash")]),
        ("a runtime fault in a release", &[("tag: 6.9.3", "tag: 6.9.3, faults: [http-503]")]),
        ("a delay without a length", &[("fault: http-500, rate: 30%", "fault: delay")]),
        ("a length without a delay", &[("rate: 30%", "delay: 1s")]),
        (
            "a distribution the wrong way round",
            &[("fault: http-500, rate: 30%", "fault: delay, delay: {uniform: {min: 2s, max: 1s}}")],
        ),
        ("nothing in it", &[("expect:\n  verdict: promoted", "expect:\n  failedChecks: {}\n  verdict: promoted")]),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn what_is_wrong_with_the_manifests() {
    let report = report(&[
        ("a file that is not there", &[("builtin:podinfo/ingress.yaml", "builtin:podinfo/ingres.yaml")]),
        (
            "a file that is not YAML",
            &[("  - builtin:podinfo/autoscaler.yaml", "  - builtin:podinfo/autoscaler.yaml\n  - broken.yaml")],
        ),
        (
            "an object of a list without apiVersion",
            &[("  - builtin:podinfo/autoscaler.yaml", "  - builtin:podinfo/autoscaler.yaml\n  - list.yaml")],
        ),
        ("no Canary", &[("kind: Canary", "kind: Canarya")]),
        ("a Canary of another name", &[("title:", "canary: shop\ntitle:")]),
        (
            "two Canaries",
            &[
                ("  - apiVersion: flagger", "  - builtin:podinfo/canary.yaml\n  - apiVersion: flagger"),
                ("{name: podinfo, namespace: test}", "{name: shop, namespace: test}"),
            ],
        ),
        (
            "an object twice",
            &[(
                "  - builtin:podinfo/ingress.yaml",
                "  - builtin:podinfo/ingress.yaml\n  - builtin:podinfo/ingress.yaml",
            )],
        ),
        (
            "a field of the wrong type and a field that does not exist",
            &[("threshold: 5", "threshold: \"5\""), ("maxWeight: 50", "maxweight: 50")],
        ),
        ("a provider that is not routed", &[("provider: nginx", "provider: istio")]),
        ("a time that the CRD refuses", &[("interval: 15s", "interval: 1h")]),
        (
            "no Ingress reference",
            &[("      ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: podinfo}\n", "")],
        ),
        ("no Ingress", &[("  - builtin:podinfo/ingress.yaml\n", "")]),
        ("no target", &[("  - builtin:podinfo/deployment.yaml\n", "")]),
        ("a target of another kind", &[("kind: Deployment", "kind: DaemonSet")]),
        ("another namespace", &[("{name: podinfo, namespace: test}", "{name: podinfo, namespace: shop}")]),
        ("a backend of another name", &[("        port: 80", "        port: 80\n        name: shop")]),
        ("no load tester", &[("  - builtin:podinfo/loadtester.yaml\n", "")]),
        ("Gateway API without a Gateway", &[("provider: nginx", "provider: gatewayapi:v1")]),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_can_never_work_or_will_surprise_in_a_policy() {
    const TEMPLATE: &str = r#"  - apiVersion: flagger.app/v1beta1
    kind: MetricTemplate
    metadata: {name: errors, namespace: test}
    spec:
      provider: {type: prometheus, address: http://prometheus:9090}
      query: sum(rate(errors{namespace="{{ namespace }}"}[{{ interval }}])
  - apiVersion: flagger.app/v1beta1
    kind: Canary"#;
    const CANARY: &str = "  - apiVersion: flagger.app/v1beta1\n    kind: Canary";
    let report = report(&[
        ("an interval under 10 s", &[("interval: 15s", "interval: 5s")]),
        ("equal neighbours", &[("stepWeight: 10\n        maxWeight: 50", "stepWeights: [10, 20, 20, 50]")]),
        ("weights that go down", &[("stepWeight: 10\n        maxWeight: 50", "stepWeights: [10, 30, 20]")]),
        ("both kinds of steps", &[("stepWeight: 10", "stepWeight: 10\n        stepWeights: [10, 50]")]),
        ("no steps at all", &[("        stepWeight: 10\n", "")]),
        ("steps that pass the maximum", &[("stepWeight: 10", "stepWeight: 20")]),
        ("a threshold of nothing", &[("threshold: 5", "threshold: 0")]),
        ("a window under two scrapes", &[("interval: 1m", "interval: 9s")]),
        ("too little traffic to decide on", &[("constant: 100", "constant: 5")]),
        ("no traffic at all", &[("  - name: visitors\n    arrivals: {constant: 100}", "")]),
        ("a hook that answers 204", &[("http://flagger-loadtester.test/gate/check", "http://podinfo.test/status/204")]),
        ("a hook whose URL is none", &[("http://flagger-loadtester.test/gate/check", "flagger-loadtester/gate")]),
        ("a gate in a hook that does not wait", &[("type: confirm-promotion", "type: pre-rollout")]),
        (
            "a task without a command",
            &[("url: http://flagger-loadtester.test/gate/check", "url: http://flagger-loadtester.test/")],
        ),
        ("a metric that nobody knows", &[("name: request-success-rate", "name: error-rate")]),
        (
            "a template that is not there",
            &[("name: request-success-rate", "name: errors\n            templateRef: {name: errors}")],
        ),
        (
            "a template that is not PromQL",
            &[
                (CANARY, TEMPLATE),
                ("name: request-success-rate", "name: errors\n            templateRef: {name: errors}"),
            ],
        ),
        (
            "a template metric without interval",
            &[
                (CANARY, TEMPLATE),
                (
                    "name: request-success-rate\n            interval: 1m",
                    "name: errors\n            templateRef: {name: errors}",
                ),
            ],
        ),
        ("a query that is not PromQL", &[("name: request-success-rate", "name: errors\n            query: sum(")]),
        ("a metric without a limit", &[("            thresholdRange: {min: 99}\n", "")]),
        ("a rate as a share", &[("{min: 99}", "{min: 0.99}")]),
        (
            "blue/green on nginx",
            &[
                ("stepWeight: 10\n        maxWeight: 50", "iterations: 3"),
                ("faultOn: {onWeight: 10", "faultOn: {after: 10s"),
            ],
        ),
        (
            "A/B without a visitor who has the header",
            &[
                (
                    "stepWeight: 10\n        maxWeight: 50",
                    "iterations: 3\n        match: [{headers: {x-canary: {exact: insider}}}]",
                ),
                ("faultOn: {onWeight: 10", "faultOn: {after: 10s"),
            ],
        ),
        (
            "weights without a router",
            &[
                ("provider: nginx", "provider: kubernetes"),
                ("onWeight: 10", "onWeight: 100"),
                ("promotedWithin: 5m", "promotedWithin: 6m"),
            ],
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_can_never_work_or_will_surprise_in_steps_and_expectations() {
    const GATE: &str = "          - name: gate
            type: confirm-promotion
            url: http://flagger-loadtester.test/gate/check
";
    const ROLLBACK: &str = "          - name: rollback
            type: rollback
            url: http://flagger-loadtester.test/rollback/check
";
    let report = report(&[
        ("a gate step without a gate", &[(GATE, ""), ("onPhase: WaitingPromotion, within: 5m", "after: 1m")]),
        ("a phase that needs a gate", &[(GATE, ""), ("openGate: {onPhase", "wait: {onPhase")]),
        (
            "a roll-back step without a hook",
            &[(ROLLBACK, ""), ("openGate: {onPhase: WaitingPromotion, within: 5m}", "rollBack: {after: 1m}")],
        ),
        ("two moments", &[("onWeight: 10,", "onWeight: 10, after: 5s,")]),
        ("a bound without a wait", &[("at: 10s", "at: 10s, within: 1m")]),
        ("a wait for nothing", &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "wait: {}")]),
        ("a weight that never comes", &[("onWeight: 10", "onWeight: 60")]),
        ("steps out of order", &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "openGate: {at: 5s}")]),
        ("a time limit before the last step", &[("title:", "timeLimit: 5s\ntitle:")]),
        ("a release that changes nothing", &[("tag: 6.9.3", "tag: 6.9.2")]),
        ("two versions of one name", &[("tag: 6.9.3", "env: {PODINFO_UI_COLOR: red}")]),
        ("tag and image", &[("tag: 6.9.3", "tag: 6.9.3, image: podinfo:6.9.3")]),
        ("a ConfigMap that is not there", &[("tag: 6.9.3", "tag: 6.9.3, configs: {app: {color: red}}")]),
        (
            "a fault before the release",
            &[
                ("  - release: {at: 10s, tag: 6.9.3}\n  - faultOn: {onWeight: 10,", "  - faultOn: {at: 10s,"),
                (
                    "verdict: promoted\n  phases: [Progressing, Promoting, Succeeded]\n  promotedWithin: 5m",
                    "verdict: undecided",
                ),
            ],
        ),
        (
            "a fault that was never on",
            &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "faultOff: {fault: hang}")],
        ),
        (
            "a stream that does not exist",
            &[("openGate: {onPhase: WaitingPromotion, within: 5m}", "traffic: {stop: [robots]}")],
        ),
        (
            "a crash that nobody notices",
            &[
                ("tag: 6.9.3", "tag: 6.9.3, faults: [crash]"),
                (
                    "      autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}\n",
                    "",
                ),
                ("builtin:podinfo/deployment.yaml", "one-pod.yaml"),
            ],
        ),
        ("a promotion faster than the policy", &[("promotedWithin: 5m", "promotedWithin: 1m")]),
        (
            "a rollback faster than the policy",
            &[
                (ROLLBACK, ""),
                (
                    "verdict: promoted\n  phases: [Progressing, Promoting, Succeeded]\n  promotedWithin: 5m",
                    "verdict: rolled-back\n  rolledBackWithin: 1m",
                ),
            ],
        ),
        ("a promotion below its weight", &[("verdict: promoted", "verdict: promoted\n  weightNeverAbove: 40")]),
        ("verdict and time that exclude each other", &[("promotedWithin: 5m", "rolledBackWithin: 5m")]),
        (
            "phases the wrong way round",
            &[("[Progressing, Promoting, Succeeded]", "[Promoting, Progressing, Succeeded]")],
        ),
        ("an end that contradicts the verdict", &[("[Progressing, Promoting, Succeeded]", "[Progressing, Failed]")]),
        ("a phase before the steps", &[("[Progressing, Promoting, Succeeded]", "[Initializing, Succeeded]")]),
        ("a verdict without a release", &[("  - release: {at: 10s, tag: 6.9.3}\n", "")]),
    ]);
    insta::assert_snapshot!(report);
}
