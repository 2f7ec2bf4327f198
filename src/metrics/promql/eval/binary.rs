//! Operators between two expressions.

use super::frame::{ABSENT, Frame};
use super::{Engine, Evaluated, Steps};
use crate::metrics::promql::expr::{Binary, BinaryOp};
use crate::metrics::promql::value::QueryError;

impl Engine<'_> {
    pub(super) fn binary(&self, binary: &Binary, steps: Steps) -> Result<Evaluated, QueryError> {
        let lhs = self.evaluate(&binary.lhs, steps)?;
        let rhs = self.evaluate(&binary.rhs, steps)?;
        Ok(match (lhs, rhs) {
            (Evaluated::Scalar(lhs), Evaluated::Scalar(rhs)) => {
                let pairs = lhs.into_iter().zip(rhs);
                Evaluated::Scalar(pairs.map(|(lhs, rhs)| scalars(binary.op, lhs, rhs)).collect())
            }
            (Evaluated::Vector(frame), Evaluated::Scalar(numbers)) => {
                Evaluated::Vector(with_scalar(binary, frame, &numbers, false)?)
            }
            (Evaluated::Scalar(numbers), Evaluated::Vector(frame)) => {
                Evaluated::Vector(with_scalar(binary, frame, &numbers, true)?)
            }
            (Evaluated::Vector(lhs), Evaluated::Vector(rhs)) if binary.op.is_set() => {
                Evaluated::Vector(self.set(binary, lhs, &rhs)?)
            }
            (Evaluated::Vector(lhs), Evaluated::Vector(rhs)) => Evaluated::Vector(self.matched(binary, &lhs, &rhs)?),
        })
    }
}

/// The value of an operator; comparisons give the left value where they hold.
pub(super) fn apply(op: BinaryOp, lhs: f64, rhs: f64) -> Option<f64> {
    use BinaryOp as Op;
    #[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
    let holds = match op {
        Op::Add => return Some(lhs + rhs),
        Op::Sub => return Some(lhs - rhs),
        Op::Mul => return Some(lhs * rhs),
        Op::Div => return Some(lhs / rhs),
        Op::Mod => return Some(lhs % rhs),
        Op::Pow => return Some(power(lhs, rhs)),
        Op::Atan2 => return Some(lhs.atan2(rhs)),
        Op::Equal => lhs == rhs,
        Op::NotEqual => lhs != rhs,
        Op::Greater => lhs > rhs,
        Op::Less => lhs < rhs,
        Op::GreaterEqual => lhs >= rhs,
        Op::LessEqual => lhs <= rhs,
        Op::And | Op::Or | Op::Unless => false,
    };
    holds.then_some(lhs)
}

/// Go's `math.Pow`, which is C's.
fn power(base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

fn scalars(op: BinaryOp, lhs: f64, rhs: f64) -> f64 {
    if op.is_comparison() {
        return f64::from(u8::from(apply(op, lhs, rhs).is_some()));
    }
    apply(op, lhs, rhs).unwrap_or(f64::NAN)
}

/// A vector with one number per step; `swapped` when the number stands on the left.
fn with_scalar(binary: &Binary, mut frame: Frame, numbers: &[f64], swapped: bool) -> Result<Frame, QueryError> {
    frame.map_steps(|step, value| {
        let (lhs, rhs) = if swapped { (numbers[step], value) } else { (value, numbers[step]) };
        let result = apply(binary.op, lhs, rhs);
        if binary.bool_result {
            f64::from(u8::from(result.is_some()))
        } else if binary.op.is_comparison() {
            // The vector's value stays, on whichever side it stands.
            if result.is_some() { value } else { ABSENT }
        } else {
            result.unwrap_or(ABSENT)
        }
    });
    if binary.op.is_comparison() && !binary.bool_result { Ok(frame) } else { frame.without_metric() }
}
