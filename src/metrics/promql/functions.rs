//! Functions by name.

use super::eval::date::DatePart;
use super::eval::label_functions::pieces;
use super::eval::over_time::RangeFunction;
use super::expr::{Call, Expr, Kind};
use super::lower::{call, error, expect, kind_name};
use super::value::QueryError;
use crate::metrics::store::anchored;

/// The arguments of one call, taken in order.
struct Arguments<'n> {
    name: &'n str,
    rest: std::vec::IntoIter<Expr>,
}

impl Arguments<'_> {
    fn optional(&mut self, kind: Kind) -> Result<Option<Expr>, QueryError> {
        let place = format!("call to function {:?}", self.name);
        self.rest.next().map(|argument| expect(argument, kind, &place)).transpose()
    }

    fn next(&mut self, kind: Kind) -> Result<Expr, QueryError> {
        match self.optional(kind)? {
            Some(argument) => Ok(argument),
            None => error(format!("expected more arguments in call to {:?}: {}", self.name, kind_name(kind))),
        }
    }

    fn text(&mut self) -> Result<String, QueryError> {
        match self.next(Kind::Text)? {
            Expr::Text(text) => Ok(text),
            _ => error(format!("expected a plain string in call to function {:?}", self.name)),
        }
    }

    fn end(mut self) -> Result<(), QueryError> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => error(format!("too many arguments in call to {:?}", self.name)),
        }
    }
}

/// A call of the function `name`.
pub(super) fn lower_call(name: &str, args: Vec<Expr>) -> Result<Expr, QueryError> {
    let mut args = Arguments { name, rest: args.into_iter() };
    let lowered = match (range_function(name), date_part(name), math(name)) {
        (Some(function), ..) => over_time(function, &mut args)?,
        (_, Some(part), _) => Call::Date(part, args.optional(Kind::Vector)?),
        (.., Some(function)) => Call::Math(function, args.next(Kind::Vector)?),
        _ => other(name, &mut args)?,
    };
    args.end()?;
    Ok(call(lowered))
}

fn over_time(function: RangeFunction, args: &mut Arguments) -> Result<Call, QueryError> {
    let (range, parameter) = match function {
        RangeFunction::Quantile => {
            let q = args.next(Kind::Scalar)?;
            (args.next(Kind::Matrix)?, Some(q))
        }
        RangeFunction::PredictLinear => (args.next(Kind::Matrix)?, Some(args.next(Kind::Scalar)?)),
        _ => (args.next(Kind::Matrix)?, None),
    };
    Ok(Call::OverTime { function, range, parameter })
}

fn other(name: &str, args: &mut Arguments) -> Result<Call, QueryError> {
    Ok(match name {
        "time" => Call::Time,
        "pi" => Call::Pi,
        "scalar" => Call::Scalar(args.next(Kind::Vector)?),
        "vector" => Call::Vector(args.next(Kind::Scalar)?),
        "timestamp" => Call::Timestamp(args.next(Kind::Vector)?),
        "absent" => Call::Absent(args.next(Kind::Vector)?),
        "absent_over_time" => Call::AbsentOverTime(args.next(Kind::Matrix)?),
        "round" => Call::Round(args.next(Kind::Vector)?, args.optional(Kind::Scalar)?),
        "clamp" => {
            Call::Clamp(args.next(Kind::Vector)?, Some(args.next(Kind::Scalar)?), Some(args.next(Kind::Scalar)?))
        }
        "clamp_min" => Call::Clamp(args.next(Kind::Vector)?, Some(args.next(Kind::Scalar)?), None),
        "clamp_max" => Call::Clamp(args.next(Kind::Vector)?, None, Some(args.next(Kind::Scalar)?)),
        "sort" | "sort_desc" => Call::Sort { descending: name == "sort_desc", expr: args.next(Kind::Vector)? },
        "histogram_quantile" => Call::HistogramQuantile(args.next(Kind::Scalar)?, args.next(Kind::Vector)?),
        "histogram_fraction" => {
            Call::HistogramFraction(args.next(Kind::Scalar)?, args.next(Kind::Scalar)?, args.next(Kind::Vector)?)
        }
        "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev" | "histogram_stdvar" => {
            Call::NativeHistogram(args.next(Kind::Vector)?)
        }
        "label_replace" => label_replace(args)?,
        "label_join" => label_join(args)?,
        _ => return error(format!("unknown function with name {name:?}")),
    })
}

fn label_replace(args: &mut Arguments) -> Result<Call, QueryError> {
    let expr = args.next(Kind::Vector)?;
    let (to, replacement, from, pattern) = (args.text()?, args.text()?, args.text()?, args.text()?);
    let Ok(compiled) = anchored(&pattern) else {
        let text = format!("invalid regular expression in label_replace(): {pattern}");
        return Err(QueryError::Execution(text));
    };
    if to.is_empty() {
        return Err(QueryError::Execution(format!("invalid destination label name in label_replace(): {to}")));
    }
    Ok(Call::LabelReplace { expr, to, replacement: pieces(&replacement), from, pattern: compiled })
}

fn label_join(args: &mut Arguments) -> Result<Call, QueryError> {
    let expr = args.next(Kind::Vector)?;
    let (to, separator) = (args.text()?, args.text()?);
    let mut from = Vec::new();
    while args.rest.len() > 0 {
        from.push(args.text()?);
    }
    let (which, bad) = match from.iter().find(|name| name.is_empty()) {
        Some(_) => ("source", true),
        None => ("destination", to.is_empty()),
    };
    if bad {
        return Err(QueryError::Execution(format!("invalid {which} label name in label_join(): ")));
    }
    Ok(Call::LabelJoin { expr, to, separator, from })
}

fn range_function(name: &str) -> Option<RangeFunction> {
    use RangeFunction as F;
    Some(match name {
        "rate" => F::Rate,
        "increase" => F::Increase,
        "delta" => F::Delta,
        "irate" => F::Irate,
        "idelta" => F::Idelta,
        "deriv" => F::Deriv,
        "predict_linear" => F::PredictLinear,
        "resets" => F::Resets,
        "changes" => F::Changes,
        "avg_over_time" => F::Avg,
        "min_over_time" => F::Min,
        "max_over_time" => F::Max,
        "sum_over_time" => F::Sum,
        "count_over_time" => F::Count,
        "first_over_time" => F::First,
        "last_over_time" => F::Last,
        "quantile_over_time" => F::Quantile,
        "stddev_over_time" => F::Stddev,
        "stdvar_over_time" => F::Stdvar,
        "present_over_time" => F::Present,
        _ => return None,
    })
}

fn date_part(name: &str) -> Option<DatePart> {
    Some(match name {
        "minute" => DatePart::Minute,
        "hour" => DatePart::Hour,
        "day_of_week" => DatePart::DayOfWeek,
        "day_of_month" => DatePart::DayOfMonth,
        "day_of_year" => DatePart::DayOfYear,
        "days_in_month" => DatePart::DaysInMonth,
        "month" => DatePart::Month,
        "year" => DatePart::Year,
        _ => return None,
    })
}

fn math(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "rad" => f64::to_radians,
        "deg" => f64::to_degrees,
        "sgn" => sign,
        _ => return None,
    })
}

/// Zero and NaN stay what they are.
fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}
