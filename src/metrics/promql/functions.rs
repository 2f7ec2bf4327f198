//! Functions by name.

use super::eval::date::DatePart;
use super::eval::label_functions::pieces;
use super::eval::over_time::RangeFunction;
use super::expr::{Call, Expr};
use super::lower::{call, lower};
use super::syntax::{Node, Scale};
use super::value::QueryError;
use crate::metrics::store::anchored;

/// The arguments of one call, taken in order. Their number and types were checked.
struct Arguments<'n> {
    name: &'n str,
    rest: std::slice::Iter<'n, Node>,
    scale: Scale,
}

impl Arguments<'_> {
    fn optional(&mut self) -> Result<Option<Expr>, QueryError> {
        self.rest.next().map(|arg| lower(arg, self.scale)).transpose()
    }

    fn next(&mut self) -> Result<Expr, QueryError> {
        let missing = || QueryError::Execution(format!("an argument of {:?} is missing", self.name));
        lower(self.rest.next().ok_or_else(missing)?, self.scale)
    }

    fn text(&mut self) -> Result<String, QueryError> {
        match self.next()? {
            Expr::Text(text) => Ok(text),
            _ => Err(QueryError::Execution(format!("an argument of {:?} is no text", self.name))),
        }
    }

    /// Where the next argument stands in the query.
    fn place(&self) -> usize {
        self.rest.as_slice().first().map_or(0, |arg| arg.start)
    }
}

/// A call of the function `name`, which begins at `at`.
pub(super) fn lower_call(name: &str, args: &[Node], at: usize, scale: Scale) -> Result<Expr, QueryError> {
    let mut args = Arguments { name, rest: args.iter(), scale };
    let lowered = match (range_function(name), date_part(name), math(name)) {
        (Some(function), ..) => over_time(function, &mut args)?,
        (_, Some(part), _) => Call::Date(part, args.optional()?),
        (.., Some(function)) => Call::Math(function, args.next()?),
        _ => other(name, &mut args, at)?,
    };
    Ok(call(lowered))
}

fn over_time(function: RangeFunction, args: &mut Arguments) -> Result<Call, QueryError> {
    let at = args.place();
    let (range, parameter) = match function {
        RangeFunction::Quantile => {
            let q = args.next()?;
            (args.next()?, Some(q))
        }
        RangeFunction::PredictLinear => (args.next()?, Some(args.next()?)),
        _ => (args.next()?, None),
    };
    Ok(Call::OverTime { function, range, parameter, at })
}

fn other(name: &str, args: &mut Arguments, at: usize) -> Result<Call, QueryError> {
    Ok(match name {
        "time" => Call::Time,
        "pi" => Call::Pi,
        "scalar" => Call::Scalar(args.next()?),
        "vector" => Call::Vector(args.next()?),
        "timestamp" => Call::Timestamp(args.next()?),
        "absent" => Call::Absent(args.next()?),
        "absent_over_time" => Call::AbsentOverTime(args.next()?),
        "round" => Call::Round(args.next()?, args.optional()?),
        "clamp" => Call::Clamp(args.next()?, Some(args.next()?), Some(args.next()?)),
        "clamp_min" => Call::Clamp(args.next()?, Some(args.next()?), None),
        "clamp_max" => Call::Clamp(args.next()?, None, Some(args.next()?)),
        "sort" | "sort_desc" => Call::Sort { descending: name == "sort_desc", expr: args.next()?, at },
        "histogram_quantile" => {
            let (q_at, q) = (args.place(), args.next()?);
            Call::HistogramQuantile { q, at: args.place(), expr: args.next()?, q_at }
        }
        "histogram_fraction" => {
            let (lower, upper) = (args.next()?, args.next()?);
            Call::HistogramFraction { lower, upper, at: args.place(), expr: args.next()? }
        }
        "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev" | "histogram_stdvar" => {
            Call::NativeHistogram(args.next()?)
        }
        "label_replace" => label_replace(args)?,
        "label_join" => label_join(args)?,
        _ => return Err(QueryError::Execution(format!("function {name:?} is left out"))),
    })
}

fn label_replace(args: &mut Arguments) -> Result<Call, QueryError> {
    let expr = args.next()?;
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
    let expr = args.next()?;
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
