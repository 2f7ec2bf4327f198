//! The strategy step: how the canary gets more traffic, or its turn, and when it has had enough.

use super::ask::{LogLevel, Meter, StatusWrite, Step, Strategy};
use super::context::Tick;
use super::hooks;
use super::messages;
use super::promote;
use super::routes::{self, Routes};
use super::script::{Run, Stop};
use crate::model::canary::{Analysis, Canary, Phase};

/// Iterations that the provider `kubernetes` is given where the policy has none.
pub(super) const KUBERNETES_ITERATIONS: i64 = 10;

/// The strategy that a Canary asks for.
#[must_use]
pub fn of(canary: &Canary) -> Strategy {
    let analysis = &canary.spec.analysis;
    match (analysis.iterations > 0, analysis.matches.is_empty()) {
        (true, false) => Strategy::AbTesting,
        (true, true) => Strategy::BlueGreen,
        (false, _) => Strategy::Canary,
    }
}

/// The weight at which the analysis ends, percent.
#[must_use]
pub fn max_weight(analysis: &Analysis) -> i64 {
    match analysis.step_weights.last() {
        Some(last) => (*last).min(100),
        None if analysis.max_weight > 0 => analysis.max_weight,
        None => 100,
    }
}

/// By how much the weight rises from `weight`; zero or less sticks there for ever.
#[must_use]
pub fn step_from(analysis: &Analysis, weight: i64) -> i64 {
    let steps = &analysis.step_weights;
    if analysis.step_weight > 0 || steps.is_empty() {
        return analysis.step_weight;
    }
    let rest = 100 - weight;
    if rest == 0 {
        // Any step above zero leads on to the promotion.
        return 1;
    }
    if weight == 0 {
        return rest.min(steps[0]);
    }
    let next = steps.windows(2).find(|pair| pair[0] == weight).map(|pair| pair[1] - weight);
    next.map_or(rest, |step| rest.min(step))
}

/// The weights that a weighted canary will take, and how they end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weights {
    /// In order, percent.
    pub taken: Vec<i64>,
    /// The weight at which it would stay for ever.
    pub stalls_at: Option<i64>,
}

/// Plays the weighted strategy without failures: the weights it takes, and where it sticks.
#[must_use]
pub fn weights(analysis: &Analysis) -> Weights {
    let mut played = Weights::default();
    let (mut weight, max) = (0, max_weight(analysis));
    loop {
        let step = step_from(analysis, weight);
        if step > 0 && weight >= max {
            return played;
        }
        let next = (weight + step).min(100);
        // No step, or a maximum above 100 that is never reached.
        if next <= weight {
            played.stalls_at = Some(weight);
            return played;
        }
        weight = next;
        played.taken.push(weight);
    }
}

/// Steps 27 and 28.
pub(super) fn run(tick: &mut Tick<'_>, live: Routes) -> Run<Step> {
    let analysis = &tick.canary.spec.analysis;
    let (mut has_matches, mut iterations) = (!analysis.matches.is_empty(), analysis.iterations);
    if tick.provider == "kubernetes" {
        if has_matches {
            tick.warn(|_| "A/B testing is not supported when using the kubernetes provider".to_owned());
            has_matches = false;
        }
        if iterations < 1 {
            tick.warn(|_| "Progressive traffic is not supported when using the kubernetes provider".to_owned());
            tick.warn(|_| format!("Setting canaryAnalysis.iterations: {KUBERNETES_ITERATIONS}"));
            iterations = KUBERNETES_ITERATIONS;
        }
    }
    match (iterations > 0, has_matches) {
        (true, true) => ab_testing(tick, iterations),
        (true, false) => blue_green(tick, live, iterations),
        (false, _) => weighted(tick, live),
    }
}

fn weighted(tick: &mut Tick<'_>, live: Routes) -> Run<Step> {
    let analysis = &tick.canary.spec.analysis;
    let step = step_from(analysis, live.canary);
    if step <= 0 {
        return Ok(Step::Strategy);
    }
    let asks_gate = !live.mirrored && tick.phase != Phase::WaitingPromotion;
    if asks_gate && !hooks::confirm_traffic_increase(tick)? {
        return Ok(Step::Strategy);
    }
    if live.canary >= max_weight(analysis) {
        if hooks::confirm_promotion(tick, analysis.iterations)? {
            return promote::begin(tick);
        }
        return Ok(Step::Strategy);
    }
    let next = next_routes(tick, live, step);
    tick.step(Step::Strategy, |tick| routes::set(tick, next))?;
    tick.step(Step::Strategy, |tick| tick.set_status(|| StatusWrite::SetWeight(next.canary)))?;
    tick.meter(Meter::Weight { primary: next.primary, canary: next.canary });
    tick.normal(|it| messages::advance_weight(it, next.canary));
    Ok(Step::Strategy)
}

/// One step further; with `mirror`, the first step only mirrors.
fn next_routes(tick: &mut Tick<'_>, live: Routes, step: i64) -> Routes {
    if !tick.canary.spec.analysis.mirror || live.canary != 0 {
        return Routes {
            primary: (live.primary - step).max(0),
            canary: (live.canary + step).min(100),
            mirrored: live.mirrored,
        };
    }
    let next = if live.mirrored {
        Routes { primary: 100 - step, canary: step, mirrored: false }
    } else {
        Routes { primary: 100, canary: 0, mirrored: true }
    };
    tick.log(LogLevel::Info, || format!("Running mirror step {}/{}/{}", next.primary, next.canary, next.mirrored));
    next
}

fn ab_testing(tick: &mut Tick<'_>, iterations: i64) -> Run<Step> {
    let done = tick.canary.status.iterations;
    if done < iterations {
        tick.step(Step::Strategy, |tick| routes::set(tick, Routes::CANARY))?;
        tick.meter(Meter::Weight { primary: 0, canary: 100 });
        return advance_iteration(tick, iterations);
    }
    if !hooks::confirm_promotion(tick, iterations)? {
        return Ok(Step::Strategy);
    }
    if done == iterations { promote::begin(tick) } else { Ok(Step::Strategy) }
}

fn blue_green(tick: &mut Tick<'_>, live: Routes, iterations: i64) -> Run<Step> {
    let (mirror, done) = (tick.canary.spec.analysis.mirror, tick.canary.status.iterations);
    let routed = tick.provider != "kubernetes";
    if done < iterations {
        if routed && mirror && !live.mirrored {
            start_mirroring(tick)?;
        }
        return advance_iteration(tick, iterations);
    }
    if !hooks::confirm_promotion(tick, iterations)? {
        return Ok(Step::Strategy);
    }
    if done > iterations {
        return promote::begin(tick);
    }
    if routed {
        tick.normal(|_| messages::all_to_canary(mirror));
        tick.step(Step::Strategy, |tick| routes::set(tick, Routes::CANARY))?;
        tick.meter(Meter::Weight { primary: 0, canary: 100 });
    }
    tick.step(Step::Strategy, |tick| tick.set_status(|| StatusWrite::SetIterations(done + 1)))?;
    Ok(Step::Strategy)
}

/// A failure is told and does not stop the iteration.
fn start_mirroring(tick: &mut Tick<'_>) -> Run<()> {
    match routes::set(tick, Routes { mirrored: true, ..Routes::PRIMARY }) {
        Err(Stop::Failed(words)) => tick.warn(|_| words),
        other => other?,
    }
    tick.log(LogLevel::Info, || "Start traffic mirroring".to_owned());
    Ok(())
}

fn advance_iteration(tick: &mut Tick<'_>, iterations: i64) -> Run<Step> {
    let next = tick.canary.status.iterations + 1;
    tick.step(Step::Strategy, |tick| tick.set_status(|| StatusWrite::SetIterations(next)))?;
    tick.normal(|it| messages::advance_iteration(it, next, iterations));
    Ok(Step::Strategy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stepping(step_weight: i64, max_weight: i64) -> Analysis {
        Analysis { max_weight, step_weight, ..Analysis::default() }
    }

    fn steps(list: &[i64]) -> Analysis {
        Analysis { step_weights: list.to_vec(), ..Analysis::default() }
    }

    #[test]
    fn weights_rise_by_the_step_and_may_pass_the_maximum() {
        for (analysis, taken, stalls_at) in [
            (stepping(10, 50), vec![10, 20, 30, 40, 50], None),
            (stepping(20, 50), vec![20, 40, 60], None),
            (stepping(60, 0), vec![60, 100], None),
            (stepping(30, 150), vec![30, 60, 90, 100], Some(100)),
            (steps(&[1, 2, 10, 80]), vec![1, 2, 10, 80], None),
            (steps(&[50, 120]), vec![50, 100], None),
            // Neither equal nor falling neighbours are ever left.
            (steps(&[10, 10, 20]), vec![10], Some(10)),
            (steps(&[20, 10, 30]), vec![20], Some(20)),
            (stepping(0, 50), vec![], Some(0)),
            // A step wins over the list, the list's last element over the maximum.
            (Analysis { step_weight: 20, ..steps(&[5, 40]) }, vec![20, 40], None),
            (Analysis { max_weight: 90, ..steps(&[5, 40]) }, vec![5, 40], None),
        ] {
            assert_eq!(weights(&analysis), Weights { taken, stalls_at }, "{analysis:?}");
        }
    }

    #[test]
    fn a_weight_that_is_not_in_the_list_jumps_to_all() {
        assert_eq!(step_from(&steps(&[10, 20, 40]), 15), 85);
        assert_eq!(step_from(&steps(&[10, 20, 40]), 40), 60, "the last element has no successor");
        assert_eq!(step_from(&steps(&[10, 100]), 100), 1, "leads on to the promotion");
    }
}
