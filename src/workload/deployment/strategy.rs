//! `spec.strategy`: how many pods a rollout may have too many, and how many too few.

use crate::workload::json::text;
use serde_json::Value;

/// A number of pods, or a share of the desired ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Pods(i64),
    Percent(i64),
}

impl Amount {
    /// Kubernetes' `IntOrString`; what cannot be read counts as 0, as in the real controller.
    fn of(value: &Value, default: Self) -> Self {
        match value {
            Value::Null => default,
            Value::Number(number) => Self::Pods(number.as_i64().unwrap_or_default().max(0)),
            Value::String(text) => match text.strip_suffix('%').map(str::parse::<i64>) {
                Some(Ok(percent)) => Self::Percent(percent.clamp(0, 1_000_000)),
                _ => Self::Pods(0),
            },
            _ => Self::Pods(0),
        }
    }

    fn of_pods(self, desired: i64, round_up: bool) -> i64 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => {
                let hundredths = percent.saturating_mul(desired);
                if round_up { hundredths.saturating_add(99) / 100 } else { hundredths / 100 }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    Recreate,
    RollingUpdate { max_surge: Amount, max_unavailable: Amount },
}

impl Strategy {
    pub(super) fn of(value: &Value) -> Self {
        if text(value, "/type") == "Recreate" {
            return Self::Recreate;
        }
        let rolling = &value["rollingUpdate"];
        Self::RollingUpdate {
            max_surge: Amount::of(&rolling["maxSurge"], Amount::Percent(25)),
            max_unavailable: Amount::of(&rolling["maxUnavailable"], Amount::Percent(25)),
        }
    }

    pub(super) fn max_surge(self, desired: i64) -> i64 {
        match self {
            Self::Recreate => 0,
            Self::RollingUpdate { .. } => self.fenceposts(desired).0,
        }
    }

    pub(super) fn max_unavailable(self, desired: i64) -> i64 {
        match self {
            Self::Recreate => 0,
            Self::RollingUpdate { .. } if desired == 0 => 0,
            Self::RollingUpdate { .. } => self.fenceposts(desired).1.min(desired),
        }
    }

    /// `ResolveFenceposts`: surge rounds up, unavailable rounds down, and when both come to 0 one pod may be unavailable,
    /// because nothing could move otherwise.
    fn fenceposts(self, desired: i64) -> (i64, i64) {
        let Self::RollingUpdate { max_surge, max_unavailable } = self else { return (0, 0) };
        let surge = max_surge.of_pods(desired, true);
        let unavailable = max_unavailable.of_pods(desired, false);
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fenceposts_are_the_real_controllers() {
        for (surge, unavailable, desired, expected) in [
            (json!("25%"), json!("25%"), 4, (1, 1)),
            (json!("25%"), json!("25%"), 2, (1, 0)),
            (json!("25%"), json!("25%"), 1, (1, 0)),
            (json!(null), json!(null), 10, (3, 2)),
            (json!(0), json!("10%"), 2, (0, 1)),
            (json!(0), json!(0), 5, (0, 1)),
            (json!(1), json!(0), 3, (1, 0)),
            (json!("100%"), json!("100%"), 3, (3, 3)),
            (json!(5), json!(9), 3, (5, 3)),
            (json!("a"), json!("b%"), 3, (0, 1)),
        ] {
            let strategy = Strategy::of(&json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}));
            let seen = (strategy.max_surge(desired), strategy.max_unavailable(desired));
            assert_eq!(seen, expected, "surge {surge}, unavailable {unavailable} of {desired}");
        }
    }

    #[test]
    fn nothing_may_be_unavailable_of_nothing_and_recreate_has_no_surge() {
        let rolling = Strategy::of(&json!({}));
        assert_eq!((rolling.max_surge(0), rolling.max_unavailable(0)), (0, 0));
        let recreate = Strategy::of(&json!({"type": "Recreate"}));
        assert_eq!((recreate.max_surge(3), recreate.max_unavailable(3)), (0, 0));
    }
}
