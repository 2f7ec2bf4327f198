//! What keeps the autoscaler from jumping: stabilisation windows, scaling policies, bounds. After `horizontal.go`. Pure.

use crate::workload::json::{int, list, text};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::VecDeque;

/// `--horizontal-pod-autoscaler-downscale-stabilization`, and the default of `scaleDown.stabilizationWindowSeconds`.
const DOWN_WINDOW_SECONDS: i64 = 300;

/// Longest window that Kubernetes allows: what is older is forgotten.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_secs(3_600);

/// Recommendations and scale events that are remembered: an hour of them.
const HISTORY: usize = 240;

const LOWEST: &str = "recent recommendations were lower than current one, applying the lowest recent recommendation";
const HIGHEST: &str = "recent recommendations were higher than current one, applying the highest recent recommendation";

/// One way of scaling.
#[derive(Debug, Clone, PartialEq)]
struct Rules {
    window: SignedDuration,
    select: Select,
    policies: Vec<Policy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Select {
    Max,
    Min,
    Disabled,
}

/// At most this much in this time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Policy {
    percent: bool,
    value: i64,
    period: SignedDuration,
}

impl Rules {
    fn of(value: &Value, default_window: i64, default_policies: &[Policy]) -> Self {
        let policy = |it: &Value| Policy {
            percent: text(it, "/type") == "Percent",
            value: int(it, "/value").unwrap_or_default(),
            period: SignedDuration::from_secs(int(it, "/periodSeconds").unwrap_or(15)),
        };
        let policies: Vec<Policy> = list(value, "/policies").iter().map(policy).collect();
        Self {
            window: SignedDuration::from_secs(int(value, "/stabilizationWindowSeconds").unwrap_or(default_window)),
            select: match text(value, "/selectPolicy") {
                "Min" => Select::Min,
                "Disabled" => Select::Disabled,
                _ => Select::Max,
            },
            policies: if policies.is_empty() { default_policies.to_vec() } else { policies },
        }
    }
}

/// `spec.behavior`, with Kubernetes' defaults.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Behavior {
    /// There is none: older rules hold, which differ a little from an empty behavior.
    absent: bool,
    up: Rules,
    down: Rules,
}

impl Behavior {
    pub(super) fn of(behavior: &Value) -> Self {
        let policy = |percent, value| Policy { percent, value, period: SignedDuration::from_secs(15) };
        Self {
            absent: behavior.is_null(),
            up: Rules::of(&behavior["scaleUp"], 0, &[policy(false, 4), policy(true, 100)]),
            down: Rules::of(&behavior["scaleDown"], DOWN_WINDOW_SECONDS, &[policy(true, 100)]),
        }
    }
}

/// What one autoscaler remembers between its passes.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    recommendations: VecDeque<(Timestamp, i64)>,
    /// Change of replicas: above zero up, below zero down.
    scalings: VecDeque<(Timestamp, i64)>,
}

impl History {
    fn remember(entries: &mut VecDeque<(Timestamp, i64)>, entry: (Timestamp, i64)) {
        entries.push_back(entry);
        while entries.len() > HISTORY || entries.front().is_some_and(|(at, _)| entry.0 > *at + LONGEST_WINDOW) {
            entries.pop_front();
        }
    }

    /// The target was scaled.
    pub(super) fn scaled(&mut self, from: i64, to: i64, now: Timestamp) {
        Self::remember(&mut self.scalings, (now, to - from));
    }

    /// Pods added (or removed) within the policy's period.
    fn changed(&self, period: SignedDuration, up: bool, now: Timestamp) -> i64 {
        let within = self.scalings.iter().filter(|(at, _)| *at > now - period);
        within.map(|(_, change)| if up { (*change).max(0) } else { (-*change).max(0) }).sum()
    }
}

/// A condition's status, reason and message.
pub(super) type Verdict = (bool, &'static str, &'static str);

/// A size that may be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limited {
    pub(super) replicas: i64,
    /// For `AbleToScale`.
    pub(super) able: Verdict,
    /// For `ScalingLimited`.
    pub(super) bounded: Verdict,
}

/// Present size and bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) current: i64,
    pub(super) min: i64,
    pub(super) max: i64,
}

/// Steadies and limits what the metrics ask for, and remembers it.
pub(super) fn limit(
    desired: i64,
    bounds: Bounds,
    behavior: &Behavior,
    history: &mut History,
    now: Timestamp,
) -> Limited {
    let steady = stabilize(desired, bounds.current, behavior, history, now);
    let able = match steady.cmp(&desired) {
        Ordering::Equal => (true, "ReadyForNewScale", "recommended size matches current size"),
        Ordering::Less => (true, "ScaleUpStabilized", LOWEST),
        Ordering::Greater => (true, "ScaleDownStabilized", HIGHEST),
    };
    let (replicas, reason, message) = bound(steady, bounds, behavior, history, now);
    Limited { replicas, able, bounded: (replicas != steady, reason, message) }
}

/// Growing follows the lowest recent recommendation, shrinking the highest.
fn stabilize(desired: i64, current: i64, behavior: &Behavior, history: &mut History, now: Timestamp) -> i64 {
    let recent = |window: SignedDuration| {
        history.recommendations.iter().filter(move |(at, _)| *at > now - window).map(|(_, it)| *it)
    };
    let lowest = recent(behavior.up.window).min().unwrap_or(desired).min(desired);
    let highest = recent(behavior.down.window).max().unwrap_or(desired).max(desired);
    History::remember(&mut history.recommendations, (now, desired));
    if behavior.absent { highest } else { current.max(lowest).min(highest) }
}

fn bound(
    desired: i64,
    Bounds { current, min, max }: Bounds,
    behavior: &Behavior,
    history: &History,
    now: Timestamp,
) -> (i64, &'static str, &'static str) {
    if desired > current {
        let allowed = if behavior.absent {
            (2 * current).max(4)
        } else {
            up_limit(current, &behavior.up, history, now).max(current)
        };
        if max > allowed && desired > allowed {
            return (
                allowed,
                "ScaleUpLimit",
                "the desired replica count is increasing faster than the maximum scale rate",
            );
        }
        if desired > max {
            return (max, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
        }
    } else if desired < current {
        let allowed = down_limit(current, &behavior.down, history, now).min(current);
        if min < allowed && desired < allowed {
            return (
                allowed,
                "ScaleDownLimit",
                "the desired replica count is decreasing faster than the maximum scale rate",
            );
        }
        if desired < min {
            return (min, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
        }
    }
    (desired, "DesiredWithinRange", "the desired count is within the acceptable range")
}

fn up_limit(current: i64, rules: &Rules, history: &History, now: Timestamp) -> i64 {
    let proposed = rules.policies.iter().map(|policy| {
        let start = period_start(current, policy, history, now);
        if policy.percent { ceil_percent(start, 100 + policy.value) } else { start + policy.value }
    });
    match rules.select {
        Select::Disabled => Some(current),
        Select::Max => proposed.max(),
        Select::Min => proposed.min(),
    }
    .unwrap_or(current)
}

fn down_limit(current: i64, rules: &Rules, history: &History, now: Timestamp) -> i64 {
    let proposed = rules.policies.iter().map(|policy| {
        let start = period_start(current, policy, history, now);
        // Towards zero, as Go turns a float into an int.
        if policy.percent { start * (100 - policy.value) / 100 } else { start - policy.value }
    });
    match rules.select {
        Select::Disabled => Some(current),
        // The policy that allows most is the one with the lowest result.
        Select::Max => proposed.min(),
        Select::Min => proposed.max(),
    }
    .unwrap_or(current)
}

/// The size at the beginning of the policy's period.
fn period_start(current: i64, policy: &Policy, history: &History, now: Timestamp) -> i64 {
    current - history.changed(policy.period, true, now) + history.changed(policy.period, false, now)
}

fn ceil_percent(value: i64, percent: i64) -> i64 {
    (value * percent + 99).div_euclid(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(10_000 + second).unwrap()
    }

    /// Plays recommendations (second, desired) and gives the sizes that come of them.
    fn sizes(behavior: &Value, (mut current, min, max): (i64, i64, i64), recommendations: &[(i64, i64)]) -> Vec<i64> {
        let (behavior, mut history) = (Behavior::of(behavior), History::default());
        let mut sizes = Vec::new();
        for (second, desired) in recommendations {
            let made = limit(*desired, Bounds { current, min, max }, &behavior, &mut history, at(*second));
            if made.replicas != current {
                history.scaled(current, made.replicas, at(*second));
            }
            current = made.replicas;
            sizes.push(current);
        }
        sizes
    }

    #[test]
    fn by_default_it_grows_at_once_and_shrinks_after_five_minutes() {
        let asked = [(0, 4), (15, 2), (30, 1), (285, 1), (300, 1), (315, 1), (330, 1)];
        assert_eq!(sizes(&json!(null), (2, 1, 10), &asked), [4, 4, 4, 4, 2, 1, 1]);
    }

    #[test]
    fn by_default_it_grows_by_four_pods_or_to_twice_the_size_in_fifteen_seconds() {
        assert_eq!(sizes(&json!({}), (1, 1, 100), &[(0, 50), (15, 50), (30, 50), (45, 50)]), [5, 10, 20, 40]);
        assert_eq!(sizes(&json!({}), (1, 1, 100), &[(0, 50), (5, 50), (10, 50), (15, 50)]), [5, 5, 5, 10]);
        assert_eq!(sizes(&json!(null), (1, 1, 100), &[(0, 50), (15, 50), (30, 50)]), [4, 8, 16], "without a behavior");
    }

    #[test]
    fn policies_and_windows_of_the_behavior_are_kept() {
        let slow = json!({
            "scaleUp": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]},
        });
        // It waits until all of the last minute asked for more, then takes one pod in thirty seconds.
        let asked = [(0, 2), (15, 9), (30, 9), (45, 9), (60, 9), (75, 9), (90, 9)];
        assert_eq!(sizes(&slow, (2, 1, 10), &asked), [2, 2, 2, 2, 3, 3, 4]);
        assert_eq!(sizes(&slow, (8, 1, 10), &[(0, 1), (15, 1), (30, 1), (60, 1), (75, 1)]), [4, 4, 4, 2, 2]);
        let min = json!({"scaleUp": {"selectPolicy": "Min", "policies": [
            {"type": "Pods", "value": 5, "periodSeconds": 15}, {"type": "Percent", "value": 10, "periodSeconds": 15}]}});
        assert_eq!(sizes(&min, (10, 1, 100), &[(0, 50)]), [11]);
        let never = json!({"scaleDown": {"selectPolicy": "Disabled", "stabilizationWindowSeconds": 0}});
        assert_eq!(sizes(&never, (5, 1, 100), &[(0, 1)]), [5]);
    }

    #[test]
    fn the_verdict_says_what_limited_it() {
        let verdict = |desired, bounds| {
            let made = limit(desired, bounds, &Behavior::of(&json!(null)), &mut History::default(), at(0));
            (made.replicas, made.bounded.0, made.bounded.1)
        };
        let bounds = Bounds { current: 3, min: 2, max: 5 };
        assert_eq!(verdict(9, bounds), (5, true, "TooManyReplicas"));
        assert_eq!(verdict(1, bounds), (2, true, "TooFewReplicas"));
        assert_eq!(verdict(4, bounds), (4, false, "DesiredWithinRange"));
        assert_eq!(verdict(50, Bounds { max: 100, ..bounds }), (6, true, "ScaleUpLimit"));
    }
}
