//! A query as the evaluator reads it: names resolved, patterns compiled, durations in milliseconds, types checked.

use super::eval::{date::DatePart, over_time::RangeFunction};
use crate::metrics::store::Matcher;

#[derive(Debug, Clone)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Selector(Selector),
    /// `selector[range]`
    Range(Selector, i64),
    Subquery(Box<Subquery>),
    Aggregate(Box<Aggregate>),
    Binary(Box<Binary>),
    Negate(Box<Expr>),
    Call(Box<Call>),
}

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Vector,
    Matrix,
    Text,
}

impl Kind {
    /// As the API names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::Text => "string",
        }
    }

    /// As messages name it.
    pub(super) fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            other => other.name(),
        }
    }
}

impl Expr {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Scalar,
            Self::Text(_) => Kind::Text,
            Self::Selector(_) | Self::Aggregate(_) => Kind::Vector,
            Self::Range(..) | Self::Subquery(_) => Kind::Matrix,
            Self::Binary(binary) => binary.kind,
            Self::Negate(inner) => inner.kind(),
            Self::Call(call) => match **call {
                Call::Time | Call::Pi | Call::Scalar(_) => Kind::Scalar,
                _ => Kind::Vector,
            },
        }
    }
}

/// When a selector looks, instead of at the time that is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Start,
    End,
    /// Milliseconds since 1970.
    Time(i64),
}

#[derive(Debug, Clone)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    /// The metric's name is fixed, so series differ without it.
    pub(super) named: bool,
    pub(super) when: When,
}

/// A shift in time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct When {
    pub(super) offset_ms: i64,
    pub(super) at: Option<At>,
}

#[derive(Debug, Clone)]
pub(super) struct Subquery {
    pub(super) expr: Expr,
    pub(super) range_ms: i64,
    pub(super) step_ms: i64,
    pub(super) when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Quantile,
    Topk,
    Bottomk,
    CountValues,
}

impl AggregateOp {
    const NAMES: [(&'static str, Self); 12] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("count", Self::Count),
        ("group", Self::Group),
        ("stddev", Self::Stddev),
        ("stdvar", Self::Stdvar),
        ("quantile", Self::Quantile),
        ("topk", Self::Topk),
        ("bottomk", Self::Bottomk),
        ("count_values", Self::CountValues),
    ];

    /// The operator of that name, in lower case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|(_, op)| *op)
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, op)| *op == self).map_or("", |(name, _)| name)
    }

    /// Whether a number or text comes before the vector.
    pub(super) fn takes_parameter(self) -> bool {
        matches!(self, Self::Quantile | Self::Topk | Self::Bottomk | Self::CountValues)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) op: AggregateOp,
    pub(super) expr: Expr,
    pub(super) param: Option<Expr>,
    /// Where the parameter stands in the query.
    pub(super) param_at: usize,
    pub(super) without: bool,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// As queries have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterEqual => ">=",
            Self::LessEqual => "<=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    pub(super) fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }

    pub(super) fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }
}

/// Which side may have several series for one match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cardinality {
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
}

#[derive(Debug, Clone)]
pub(super) struct Binary {
    pub(super) op: BinaryOp,
    pub(super) lhs: Expr,
    pub(super) rhs: Expr,
    pub(super) kind: Kind,
    pub(super) bool_result: bool,
    pub(super) cardinality: Cardinality,
    /// `on(labels)` rather than `ignoring(labels)`.
    pub(super) on: bool,
    pub(super) labels: Vec<String>,
    /// Labels that `group_x` copies from the one side.
    pub(super) include: Vec<String>,
}

/// A function with its arguments.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Time,
    Pi,
    Scalar(Expr),
    Vector(Expr),
    Timestamp(Expr),
    Absent(Expr),
    AbsentOverTime(Expr),
    OverTime {
        function: RangeFunction,
        range: Expr,
        parameter: Option<Expr>,
        /// Where the first argument stands in the query.
        at: usize,
    },
    Math(fn(f64) -> f64, Expr),
    Round(Expr, Option<Expr>),
    /// Limits: at least, at most.
    Clamp(Expr, Option<Expr>, Option<Expr>),
    Date(DatePart, Option<Expr>),
    Sort {
        descending: bool,
        expr: Expr,
        /// Where the call stands in the query.
        at: usize,
    },
    HistogramQuantile {
        q: Expr,
        expr: Expr,
        /// Where the arguments stand in the query.
        q_at: usize,
        at: usize,
    },
    HistogramFraction {
        lower: Expr,
        upper: Expr,
        expr: Expr,
        /// Where the vector stands in the query.
        at: usize,
    },
    /// Functions of native histograms; on floats they give nothing.
    NativeHistogram(Expr),
    LabelReplace {
        expr: Expr,
        to: String,
        replacement: Vec<Piece>,
        from: String,
        pattern: regex::Regex,
    },
    LabelJoin {
        expr: Expr,
        to: String,
        separator: String,
        from: Vec<String>,
    },
}

/// A part of a replacement text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// What a group of the pattern matched, by number or name.
    Number(usize),
    Name(String),
}
