//! The schedule: interval, threshold, weights.

use crate::canary::strategy;
use crate::model::canary::MIN_INTERVAL;
use crate::model::duration;
use crate::scenario::problem::Problems;
use crate::scenario::scene::Scene;

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    interval(scene, problems);
    threshold(scene, problems);
    strategy_keys(scene, problems);
    step_weights(scene, problems);
    step_weight(scene, problems);
    provider_limits(scene, problems);
}

fn interval(scene: &Scene<'_>, problems: &mut Problems) {
    let text = &scene.canary.spec.analysis.interval;
    let at = scene.doc.place("/spec/analysis/interval");
    match duration::parse_go(text) {
        Ok(interval) if interval < MIN_INTERVAL => {
            let message = format!("Flagger makes an interval of {text} one of 10s, its lower bound");
            problems.warn(at, message, "write 10s or more");
        }
        Ok(_) => {}
        Err(_) => problems.warn(at, format!("Flagger cannot read `{text}` and takes 60s"), "write 30s or 1m"),
    }
}

fn threshold(scene: &Scene<'_>, problems: &mut Problems) {
    let threshold = scene.canary.spec.analysis.threshold;
    if threshold <= 0 {
        let message = format!("Flagger makes a threshold of {threshold} one of 1: the first failed check rolls back");
        problems.warn(scene.doc.place("/spec/analysis/threshold"), message, "write 1 or more");
    }
}

/// The CRD wants exactly one of `iterations`, `stepWeight`, `stepWeights`.
fn strategy_keys(scene: &Scene<'_>, problems: &mut Problems) {
    let Some(analysis) = scene.doc.node.pointer("/spec/analysis") else { return };
    let given: Vec<&str> =
        ["iterations", "stepWeight", "stepWeights"].into_iter().filter(|key| analysis.get(key).is_some()).collect();
    match given.as_slice() {
        [] => {
            let message =
                "the analysis has none of `stepWeight`, `stepWeights` and `iterations`: the API server refuses it";
            problems.error(scene.doc.key_place("/spec/analysis"), message, "add `stepWeight: 10` and `maxWeight: 50`");
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("the analysis has both `{first}` and `{second}`: the API server refuses it");
            problems.error(scene.doc.key_place(&format!("/spec/analysis/{second}")), message, "keep one of them");
        }
    }
}

fn step_weights(scene: &Scene<'_>, problems: &mut Problems) {
    let list = &scene.canary.spec.analysis.step_weights;
    for (i, pair) in list.windows(2).enumerate() {
        let at = scene.doc.place(&format!("/spec/analysis/stepWeights/{}", i + 1));
        if pair[0] == pair[1] {
            let message = format!(
                "weight {} comes twice in a row: the step from one to the next is 0, so the release stays there for ever",
                pair[0]
            );
            problems.error(at, message, "let each weight be higher than the one before");
        } else if pair[0] > pair[1] {
            let message = format!(
                "weight {} comes after {}: Flagger only goes up, so the release stays there for ever",
                pair[1], pair[0]
            );
            problems.error(at, message, "let each weight be higher than the one before");
        }
    }
    for (i, weight) in list.iter().enumerate().filter(|(_, weight)| !(1..=100).contains(*weight)) {
        let at = scene.doc.place(&format!("/spec/analysis/stepWeights/{i}"));
        problems.error(at, format!("{weight} is not a weight"), "write 1 to 100");
    }
    if list.is_empty() && scene.doc.node.pointer("/spec/analysis/stepWeights").is_some() {
        let message = "the list of weights is empty, so the weight never moves";
        problems.error(scene.doc.place("/spec/analysis/stepWeights"), message, "write weights such as [10, 20, 50]");
    }
    if !list.is_empty() && scene.canary.spec.analysis.max_weight > 0 {
        let message = "`maxWeight` is ignored where there are `stepWeights`: the last of them counts";
        problems.warn(scene.doc.key_place("/spec/analysis/maxWeight"), message, "take `maxWeight` out");
    }
}

fn step_weight(scene: &Scene<'_>, problems: &mut Problems) {
    let analysis = &scene.canary.spec.analysis;
    if scene.doc.node.pointer("/spec/analysis/stepWeight").is_none() {
        return;
    }
    let at = scene.doc.place("/spec/analysis/stepWeight");
    let (step, max) = (analysis.step_weight, strategy::max_weight(analysis));
    if step <= 0 {
        problems.error(at, format!("a step of {step} never moves the weight"), "write 1 or more");
    } else if max % step != 0 {
        let top = (max + step - 1) / step * step;
        let message = format!("steps of {step} pass the maximum of {max}: the last weight is {}", top.min(100));
        problems.warn(at, message, format!("let `maxWeight` be a multiple of {step}"));
    }
    if analysis.max_weight > 100 {
        let message = format!("a weight of {} is never reached: weights end at 100", analysis.max_weight);
        problems.error(scene.doc.place("/spec/analysis/maxWeight"), message, "write 1 to 100");
    }
}

fn provider_limits(scene: &Scene<'_>, problems: &mut Problems) {
    let (spec, doc) = (&scene.canary.spec, scene.doc);
    let analysis = &spec.analysis;
    if spec.provider == "kubernetes" {
        if analysis.iterations < 1 {
            let message =
                "provider kubernetes cannot split traffic: Flagger warns on every tick and takes 10 iterations";
            problems.warn(doc.place("/spec/provider"), message, "write `iterations: 10`, or another provider");
        }
        if !analysis.matches.is_empty() {
            let message = "provider kubernetes cannot route by header: Flagger warns on every tick and ignores `match`";
            problems.warn(
                doc.key_place("/spec/analysis/match"),
                message,
                "take `match` out, or write another provider",
            );
        }
    }
    if spec.provider == "nginx" && analysis.mirror {
        let message = "nginx does not mirror: the weight stays at 0 for ever";
        problems.error(doc.key_place("/spec/analysis/mirror"), message, "take `mirror` out");
    }
    if analysis.iterations < 1 && !analysis.matches.is_empty() {
        let message = "`match` without `iterations` is no A/B test: nginx reads it back as weight 100 and promotes on the second tick";
        problems.warn(
            doc.key_place("/spec/analysis/match"),
            message,
            "write `iterations` in place of the step weights",
        );
    }
    if spec.provider.starts_with("gatewayapi") && spec.service.gateway_refs.is_empty() {
        let message = "GatewayRefs must be specified when using Gateway API as a provider: Flagger stops there";
        problems.error(doc.key_place("/spec/service"), message, "add `gatewayRefs: [{name: …, namespace: …}]`");
    }
}
