//! What the controller's texts mean. The texts are Flagger's, word for word (`reported` events), so this is the one place
//! that reads them; views ask [`Told`].

/// The meaning of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// `New revision detected! Scaling up …`
    NewRevision,
    /// `New revision detected! Restarting analysis for …`
    Restarted,
    /// `Starting canary analysis for …`
    Starting,
    /// `Advance … canary weight 20`, `canary iteration 1/3` or `primary weight 75`: what follows `Advance <canary> `.
    Advanced(String),
    /// A webhook that let the release pass.
    HookPassed,
    /// A check failed, in Flagger's words: `success rate 71.43% < 99%`.
    Halted(String),
    /// A check had no value to judge: the metric's name.
    NoValues(String),
    /// A gate is closed: what is waited for, and the webhook's name.
    Gate {
        approval: Approval,
        hook: String,
    },
    /// Pods are not ready: whose, and why.
    NotReady {
        primary: bool,
        reason: String,
    },
    Copying,
    RoutingToPrimary,
    RoutingToCanary,
    Promoted,
    /// `Rolling back … failed checks threshold reached 5`: what follows `Rolling back <canary> `.
    RollingBack(String),
    /// `Canary failed! Scaling down …`
    Failed,
    Initialized,
    /// Anything else, such as an error of the controller.
    Other,
}

/// What a closed gate holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    Rollout,
    TrafficIncrease,
    Promotion,
}

impl Approval {
    /// Fits after "approval of".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Rollout => "the release's start",
            Self::TrafficIncrease => "more traffic",
            Self::Promotion => "the promotion",
        }
    }
}

impl Told {
    /// Reads one text. Every text has a meaning; unknown ones are [`Told::Other`].
    #[must_use]
    pub fn of(text: &str) -> Self {
        if let Some(rest) = text.strip_prefix("Halt ") {
            return halt(rest);
        }
        if let Some(rest) = text.strip_prefix("Advance ") {
            return Self::Advanced(after_name(rest).to_owned());
        }
        if let Some(rest) = text.strip_prefix("Rolling back ") {
            return Self::RollingBack(after_name(rest).to_owned());
        }
        if let Some((whose, reason)) = text.split_once(" not ready: ") {
            let primary = !whose.starts_with("canary ");
            return Self::NotReady { primary, reason: reason.to_owned() };
        }
        if text.contains(" check ") && text.ends_with(" passed") {
            return Self::HookPassed;
        }
        let beginnings = [
            ("New revision detected! Restarting", Self::Restarted),
            ("New revision detected!", Self::NewRevision),
            ("Starting canary analysis", Self::Starting),
            ("Copying ", Self::Copying),
            ("Routing all traffic to primary", Self::RoutingToPrimary),
            ("Routing all traffic to canary", Self::RoutingToCanary),
            ("Stop traffic mirroring and route all traffic to canary", Self::RoutingToCanary),
            ("Promotion completed!", Self::Promoted),
            ("Canary failed!", Self::Failed),
            ("Initialization done!", Self::Initialized),
        ];
        beginnings.into_iter().find(|(start, _)| text.starts_with(start)).map_or(Self::Other, |(_, told)| told)
    }
}

/// `podinfo.test rest of it` without its first word.
fn after_name(text: &str) -> &str {
    text.split_once(' ').map_or("", |(_, rest)| rest)
}

fn halt(rest: &str) -> Told {
    if let Some(why) = rest.strip_prefix("advancement no values found for ") {
        let metric = why.split_once("metric").map_or(why, |(_, metric)| metric.trim_start_matches([':', ' ']));
        return Told::NoValues(metric.split([' ', ':']).next().unwrap_or_default().to_owned());
    }
    let why = after_name(rest).strip_prefix("advancement ").unwrap_or(rest);
    let gates = [
        ("waiting for approval ", Approval::Rollout),
        ("waiting for promotion approval ", Approval::Promotion),
        ("waiting for traffic increase approval ", Approval::TrafficIncrease),
    ];
    let gate = gates.into_iter().find_map(|(start, approval)| Some((why.strip_prefix(start)?, approval)));
    match gate {
        Some((hook, approval)) => Told::Gate { approval, hook: hook.to_owned() },
        None => Told::Halted(why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaggers_texts_have_their_meaning() {
        let text = |it: &str| it.to_owned();
        let gate = |approval| Told::Gate { approval, hook: text("gate") };
        for (message, told) in [
            ("New revision detected! Scaling up podinfo.test", Told::NewRevision),
            ("New revision detected! Restarting analysis for podinfo.test", Told::Restarted),
            ("Starting canary analysis for podinfo.test", Told::Starting),
            ("Pre-rollout check acceptance-test passed", Told::HookPassed),
            ("Advance podinfo.test canary weight 10", Told::Advanced(text("canary weight 10"))),
            ("Advance podinfo.test canary iteration 1/3", Told::Advanced(text("canary iteration 1/3"))),
            (
                "Halt podinfo.test advancement success rate 71.43% < 99%",
                Told::Halted(text("success rate 71.43% < 99%")),
            ),
            (
                "Halt advancement no values found for nginx metric request-success-rate probably podinfo.test is not \
                 receiving traffic: running query failed: no values found",
                Told::NoValues(text("request-success-rate")),
            ),
            ("Halt advancement no values found for metric: my-metric", Told::NoValues(text("my-metric"))),
            ("Halt advancement no values found for custom metric: mine: no values", Told::NoValues(text("mine"))),
            ("Halt podinfo.test advancement waiting for approval gate", gate(Approval::Rollout)),
            ("Halt podinfo.test advancement waiting for promotion approval gate", gate(Approval::Promotion)),
            (
                "Halt podinfo.test advancement waiting for traffic increase approval gate",
                gate(Approval::TrafficIncrease),
            ),
            (
                "podinfo-primary.test not ready: waiting for rollout to finish: 0 of 1",
                Told::NotReady { primary: true, reason: text("waiting for rollout to finish: 0 of 1") },
            ),
            ("canary deployment podinfo.test not ready: x", Told::NotReady { primary: false, reason: text("x") }),
            ("Copying podinfo.test template spec to podinfo-primary.test", Told::Copying),
            ("Routing all traffic to primary", Told::RoutingToPrimary),
            ("Promotion completed! Scaling down podinfo.test", Told::Promoted),
            (
                "Rolling back podinfo.test failed checks threshold reached 5",
                Told::RollingBack(text("failed checks threshold reached 5")),
            ),
            ("Canary failed! Scaling down podinfo.test", Told::Failed),
            ("all the metrics providers are available!", Told::Other),
            ("Halt ", Told::Halted(String::new())),
            ("", Told::Other),
        ] {
            assert_eq!(Told::of(message), told, "{message}");
        }
    }
}
