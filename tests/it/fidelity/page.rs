//! The comparison, and `docs/fidelity.md`, which says how it comes out.

use crate::fidelity::arm::Arm;
use crate::fidelity::known::KNOWN;
use crate::fidelity::normal::{ASPECTS, Lines, aspects};
use crate::fidelity::policy::Policy;
use std::fmt::Write as _;

const HEAD: &str = include_str!("page_head.md");

/// How an aspect of a policy came out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Neither arm left anything.
    Nothing,
    Agrees,
    /// What is different, as lines with `-` (Flagger) and `+` (coalmine).
    Differs(String),
}

/// One policy's outcomes, in the order of [`ASPECTS`].
pub struct Row<'a> {
    policy: &'a Policy,
    outcomes: Vec<Outcome>,
}

impl Row<'_> {
    pub fn name(&self) -> &'static str {
        self.policy.name
    }

    /// Whether it came out otherwise than is known.
    pub fn is_surprising(&self) -> bool {
        !surprises(std::slice::from_ref(self)).is_empty()
    }
}

/// Newer rows in place of those of the same policies.
pub fn replace<'a>(rows: &mut [Row<'a>], newer: Vec<Row<'a>>) {
    for row in newer {
        if let Some(old) = rows.iter_mut().find(|it| it.name() == row.name()) {
            *old = row;
        }
    }
}

/// Compares both arms, policy by policy. What got stuck is a failure of its own.
pub fn compare<'a>(policies: &'a [Policy], ours: &Arm, theirs: &Arm) -> Vec<Row<'a>> {
    let row = |policy: &'a Policy| {
        let of = |arm: &Arm| aspects(policy, arm);
        let outcomes = of(theirs).into_iter().zip(of(ours)).map(|(theirs, ours)| outcome(&theirs, &ours));
        Row { policy, outcomes: outcomes.collect() }
    };
    policies.iter().map(row).collect()
}

fn outcome(theirs: &Lines, ours: &Lines) -> Outcome {
    if theirs != ours {
        return Outcome::Differs(difference(theirs, ours));
    }
    if ours.is_empty() { Outcome::Nothing } else { Outcome::Agrees }
}

/// The lines between the common beginning and the common end.
fn difference(theirs: &Lines, ours: &Lines) -> String {
    let head = theirs.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let tail = theirs[head..].iter().rev().zip(ours[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for (sign, lines) in [('-', theirs), ('+', ours)] {
        for line in &lines[head..lines.len() - tail] {
            let _ = writeln!(text, "    {sign} {line}");
        }
    }
    text
}

/// What is neither equal nor named among the known differences, and known ones that are no more; empty if all is well.
pub fn surprises(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        for (aspect, outcome) in ASPECTS.iter().zip(&row.outcomes) {
            let known = KNOWN.iter().any(|it| it.policy == row.policy.name && it.aspect == *aspect);
            let name = row.policy.name;
            let _ = match outcome {
                Outcome::Differs(lines) if !known => {
                    writeln!(text, "{name}, {aspect} (- Flagger, + coalmine):\n{lines}")
                }
                Outcome::Differs(_) => Ok(()),
                _ if known => writeln!(text, "{name}, {aspect}: is known to differ, and does not"),
                _ => Ok(()),
            };
        }
    }
    text
}

/// The whole page.
pub fn page(rows: &[Row<'_>]) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "\n| policy | shows | {} |", ASPECTS.join(" | "));
    let _ = writeln!(text, "|---|---|{}", "---|".repeat(ASPECTS.len()));
    for row in rows {
        let cells: Vec<String> =
            ASPECTS.iter().zip(&row.outcomes).map(|(aspect, it)| cell(row.policy.name, aspect, it)).collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", row.policy.name, row.policy.shows, cells.join(" | "));
    }
    text.push_str("\n## What differs\n\n");
    if KNOWN.is_empty() {
        text.push_str("Nothing that these policies show.\n");
    }
    for (number, known) in KNOWN.iter().enumerate() {
        let _ = writeln!(text, "{}. `{}`, {}: {}", number + 1, known.policy, known.aspect, known.reason);
    }
    text
}

fn cell(policy: &str, aspect: &str, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Nothing => "–".to_owned(),
        Outcome::Agrees => "agrees".to_owned(),
        Outcome::Differs(_) => {
            let number = KNOWN.iter().position(|it| it.policy == policy && it.aspect == aspect);
            number.map_or("differs".to_owned(), |it| format!("differs ({})", it + 1))
        }
    }
}
