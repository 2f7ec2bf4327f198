//! Which functions there are, what they take and what they give.

use crate::metrics::promql::expr::Kind;

/// A function's signature.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::metrics::promql) struct Function {
    pub(in crate::metrics::promql) name: &'static str,
    pub(in crate::metrics::promql) takes: &'static [Kind],
    /// How many arguments there may be beyond those but the last of `takes`; -1 for any number, 0 when the number is fixed.
    pub(in crate::metrics::promql) variadic: i32,
    pub(in crate::metrics::promql) gives: Kind,
    /// Needs a feature flag of Prometheus, which is never set here.
    pub(in crate::metrics::promql) experimental: bool,
}

const fn fixed(name: &'static str, takes: &'static [Kind]) -> Function {
    Function { name, takes, variadic: 0, gives: Kind::Vector, experimental: false }
}

const fn variadic(name: &'static str, takes: &'static [Kind], variadic: i32) -> Function {
    Function { variadic, ..fixed(name, takes) }
}

const fn scalar(name: &'static str, takes: &'static [Kind]) -> Function {
    Function { gives: Kind::Scalar, ..fixed(name, takes) }
}

const fn experimental(function: Function) -> Function {
    Function { experimental: true, ..function }
}

const S: Kind = Kind::Scalar;
const V: Kind = Kind::Vector;
const M: Kind = Kind::Matrix;
const T: Kind = Kind::Text;

/// Ordered by name.
const FUNCTIONS: &[Function] = &[
    fixed("abs", &[V]),
    fixed("absent", &[V]),
    fixed("absent_over_time", &[M]),
    fixed("acos", &[V]),
    fixed("acosh", &[V]),
    fixed("asin", &[V]),
    fixed("asinh", &[V]),
    fixed("atan", &[V]),
    fixed("atanh", &[V]),
    fixed("avg_over_time", &[M]),
    fixed("ceil", &[V]),
    fixed("changes", &[M]),
    fixed("clamp", &[V, S, S]),
    fixed("clamp_max", &[V, S]),
    fixed("clamp_min", &[V, S]),
    fixed("cos", &[V]),
    fixed("cosh", &[V]),
    fixed("count_over_time", &[M]),
    variadic("day_of_month", &[V], 1),
    variadic("day_of_week", &[V], 1),
    variadic("day_of_year", &[V], 1),
    variadic("days_in_month", &[V], 1),
    fixed("deg", &[V]),
    fixed("delta", &[M]),
    fixed("deriv", &[M]),
    experimental(fixed("double_exponential_smoothing", &[M, S, S])),
    experimental(scalar("end", &[])),
    fixed("exp", &[V]),
    fixed("first_over_time", &[M]),
    fixed("floor", &[V]),
    fixed("histogram_avg", &[V]),
    fixed("histogram_count", &[V]),
    fixed("histogram_fraction", &[S, S, V]),
    fixed("histogram_quantile", &[S, V]),
    experimental(variadic("histogram_quantiles", &[V, T, S, S], 9)),
    fixed("histogram_stddev", &[V]),
    fixed("histogram_stdvar", &[V]),
    fixed("histogram_sum", &[V]),
    variadic("hour", &[V], 1),
    fixed("idelta", &[M]),
    fixed("increase", &[M]),
    experimental(variadic("info", &[V, V], 1)),
    fixed("irate", &[M]),
    variadic("label_join", &[V, T, T, T], -1),
    fixed("label_replace", &[V, T, T, T, T]),
    fixed("last_over_time", &[M]),
    fixed("ln", &[V]),
    fixed("log10", &[V]),
    fixed("log2", &[V]),
    experimental(fixed("mad_over_time", &[M])),
    experimental(scalar("max_of", &[S, S])),
    fixed("max_over_time", &[M]),
    experimental(scalar("min_of", &[S, S])),
    fixed("min_over_time", &[M]),
    variadic("minute", &[V], 1),
    variadic("month", &[V], 1),
    scalar("pi", &[]),
    fixed("predict_linear", &[M, S]),
    fixed("present_over_time", &[M]),
    fixed("quantile_over_time", &[S, M]),
    fixed("rad", &[V]),
    experimental(scalar("range", &[])),
    fixed("rate", &[M]),
    fixed("resets", &[M]),
    variadic("round", &[V, S], 1),
    scalar("scalar", &[V]),
    fixed("sgn", &[V]),
    fixed("sin", &[V]),
    fixed("sinh", &[V]),
    fixed("sort", &[V]),
    experimental(variadic("sort_by_label", &[V, T], -1)),
    experimental(variadic("sort_by_label_desc", &[V, T], -1)),
    fixed("sort_desc", &[V]),
    fixed("sqrt", &[V]),
    experimental(scalar("start", &[])),
    experimental(fixed("start_timestamp", &[V])),
    fixed("stddev_over_time", &[M]),
    fixed("stdvar_over_time", &[M]),
    experimental(scalar("step", &[])),
    fixed("sum_over_time", &[M]),
    fixed("tan", &[V]),
    fixed("tanh", &[V]),
    scalar("time", &[]),
    fixed("timestamp", &[V]),
    experimental(fixed("ts_of_first_over_time", &[M])),
    experimental(fixed("ts_of_last_over_time", &[M])),
    experimental(fixed("ts_of_max_over_time", &[M])),
    experimental(fixed("ts_of_min_over_time", &[M])),
    fixed("vector", &[S]),
    variadic("year", &[V], 1),
];

/// The function of that name, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|place| &FUNCTIONS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(FUNCTIONS.iter().all(|function| find(function.name) == Some(function)));
        assert_eq!(find("nonsense"), None);
    }
}
