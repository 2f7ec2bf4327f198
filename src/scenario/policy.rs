//! A Canary's policy as numbers: which weights it goes through, how long a run takes at best.

pub(super) use crate::canary::policy::{limits, window};

use crate::canary::strategy;
use crate::canary::{self, Settings, Strategy};
use crate::event::Policy;
use crate::model::canary::{Analysis, Canary};

/// How Flagger decides about releases of this Canary, with the fix-up that it makes for provider `kubernetes`, which has
/// neither weights nor header rules.
pub(super) fn strategy_of(canary: &Canary) -> Strategy {
    if canary.spec.provider == "kubernetes" { Strategy::BlueGreen } else { strategy::of(canary) }
}

/// Iterations in force.
pub(super) fn iterations(canary: &Canary) -> i64 {
    let given = canary.spec.analysis.iterations;
    if canary.spec.provider == "kubernetes" && given < 1 { 10 } else { given }
}

/// The live weights in order, as Flagger takes them (they can pass `maxWeight`: 20, 40, 60 for step 20 and max 50).
/// A policy that sticks ends where it sticks.
pub(super) fn weights(analysis: &Analysis) -> Vec<i64> {
    strategy::weights(analysis).taken
}

/// The least number of intervals from the detection of the new revision to Succeeded (flagger.md 9.1).
pub(super) fn intervals_to_promotion(canary: &Canary) -> i64 {
    let spec = &canary.spec;
    if spec.skip_analysis {
        return 1;
    }
    let analysis = &spec.analysis;
    match strategy_of(canary) {
        Strategy::BlueGreen => iterations(canary) + 4,
        Strategy::AbTesting => analysis.iterations + 3,
        Strategy::Canary => {
            let weights = weights(analysis);
            let top = weights.last().copied().unwrap_or_default();
            let promotion = analysis.step_weight_promotion;
            let routing = if promotion > 0 { (top + promotion - 1) / promotion } else { 1 };
            weights.len() as i64 + 2 + routing.max(1)
        }
    }
}

/// The policy in words and limits, for views and reports.
pub(super) fn describe(canary: &Canary) -> Policy {
    // A provider that is not said is the lab's, which is not known yet.
    let settings = Settings { mesh_provider: String::new(), ..Settings::default() };
    canary::policy(canary, &settings)
}
