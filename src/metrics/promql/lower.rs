//! From the parser's tree to ours: resolves names, compiles patterns, checks what the parser leaves unchecked.

use super::DEFAULT_SUBQUERY_STEP_MS;
use super::expr::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Cardinality, Expr, Kind, Selector, Subquery, When,
};
use super::functions;
use super::value::QueryError;
use crate::metrics::labels::METRIC_NAME;
use crate::metrics::store::{MatchKind, Matcher};
use promql_parser::label::{MatchOp, Matchers};
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AggregateExpr, AtModifier, BinaryExpr, Expr as Parsed, LabelModifier, Offset, SubqueryExpr, VectorMatchCardinality,
    VectorSelector,
};
use std::time::{Duration, SystemTime};

pub(super) fn lower(parsed: &Parsed) -> Result<Expr, QueryError> {
    Ok(match parsed {
        Parsed::NumberLiteral(number) => Expr::Number(number.val),
        Parsed::StringLiteral(text) => Expr::Text(text.val.clone()),
        Parsed::Paren(inner) => lower(&inner.expr)?,
        Parsed::Unary(inner) => negate(lower(&inner.expr)?)?,
        Parsed::VectorSelector(selector) => Expr::Selector(lower_selector(selector)?),
        Parsed::MatrixSelector(range) => Expr::Range(lower_selector(&range.vs)?, millis(range.range)?),
        Parsed::Subquery(subquery) => lower_subquery(subquery)?,
        Parsed::Aggregate(aggregate) => lower_aggregate(aggregate)?,
        Parsed::Binary(binary) => lower_binary(binary)?,
        Parsed::Call(call) => {
            if call.func.experimental {
                return error(format!("function {:?} is not enabled", call.func.name));
            }
            let args = call.args.args.iter().map(|arg| lower(arg)).collect::<Result<Vec<_>, _>>()?;
            functions::lower_call(call.func.name, args)?
        }
        Parsed::Extension(_) => return error("extensions are not PromQL"),
    })
}

pub(super) fn error<T>(text: impl Into<String>) -> Result<T, QueryError> {
    Err(QueryError::Parse(text.into()))
}

fn negate(inner: Expr) -> Result<Expr, QueryError> {
    match inner {
        Expr::Number(value) => Ok(Expr::Number(-value)),
        inner if matches!(inner.kind(), Kind::Scalar | Kind::Vector) => Ok(Expr::Negate(Box::new(inner))),
        inner => error(format!(
            "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
            kind_name(inner.kind())
        )),
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "scalar",
        Kind::Vector => "instant vector",
        Kind::Matrix => "range vector",
        Kind::Text => "string",
    }
}

fn lower_selector(selector: &VectorSelector) -> Result<Selector, QueryError> {
    let Matchers { matchers, or_matchers } = &selector.matchers;
    if !or_matchers.is_empty() {
        return error("unexpected \"or\" in label matching, expected \",\" or \"}\"");
    }
    let mut lowered = Vec::new();
    if let Some(name) = &selector.name {
        lowered.push(Matcher::equal(METRIC_NAME, name));
    }
    for matcher in matchers {
        let kind = match matcher.op {
            MatchOp::Equal => MatchKind::Equal,
            MatchOp::NotEqual => MatchKind::NotEqual,
            MatchOp::Re(_) => MatchKind::Regex,
            MatchOp::NotRe(_) => MatchKind::NotRegex,
        };
        let made = Matcher::new(kind, &matcher.name, &matcher.value);
        lowered.push(made.map_err(|error| QueryError::Parse(error.to_string()))?);
    }
    if lowered.iter().all(|matcher| matcher.accepts("")) {
        return error("vector selector must contain at least one non-empty matcher");
    }
    let exact = |matcher: &Matcher| matcher.kind() == MatchKind::Equal && matcher.name() == METRIC_NAME;
    let named = lowered.iter().any(exact);
    Ok(Selector { matchers: lowered, named, when: when(selector.offset.as_ref(), selector.at.as_ref())? })
}

fn when(offset: Option<&Offset>, at: Option<&AtModifier>) -> Result<When, QueryError> {
    let offset_ms = match offset {
        None => 0,
        Some(Offset::Pos(offset)) => millis(*offset)?,
        Some(Offset::Neg(offset)) => -millis(*offset)?,
    };
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(At::Start),
        Some(AtModifier::End) => Some(At::End),
        Some(AtModifier::At(time)) => Some(At::Time(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => millis(after)?,
            Err(before) => -millis(before.duration())?,
        })),
    };
    Ok(When { offset_ms, at })
}

impl When {
    pub(super) fn is_now(self) -> bool {
        self.offset_ms == 0 && self.at.is_none()
    }
}

/// Go's longest duration, in milliseconds; longer ones are refused, which also keeps sums of times within 64 bits.
const MAX_DURATION_MS: u128 = 9_223_372_036_854;

fn millis(duration: Duration) -> Result<i64, QueryError> {
    match duration.as_millis() {
        millis if millis <= MAX_DURATION_MS => Ok(millis as i64),
        _ => error("duration out of range"),
    }
}

fn lower_subquery(subquery: &SubqueryExpr) -> Result<Expr, QueryError> {
    let expr = lower(&subquery.expr)?;
    if expr.kind() != Kind::Vector {
        let kind = kind_name(expr.kind());
        return error(format!("subquery is only allowed on instant vector, got {kind} instead"));
    }
    let range_ms = millis(subquery.range)?;
    let step_ms = subquery.step.map_or(Ok(DEFAULT_SUBQUERY_STEP_MS), millis)?;
    if step_ms == 0 || range_ms == 0 {
        return error("duration must be greater than 0");
    }
    let when = when(subquery.offset.as_ref(), subquery.at.as_ref())?;
    Ok(Expr::Subquery(Box::new(Subquery { expr, range_ms, step_ms, when })))
}

fn lower_aggregate(aggregate: &AggregateExpr) -> Result<Expr, QueryError> {
    use AggregateOp as Op;
    let op = match aggregate.op.id() {
        token::T_SUM => Op::Sum,
        token::T_AVG => Op::Avg,
        token::T_MIN => Op::Min,
        token::T_MAX => Op::Max,
        token::T_COUNT => Op::Count,
        token::T_GROUP => Op::Group,
        token::T_STDDEV => Op::Stddev,
        token::T_STDVAR => Op::Stdvar,
        token::T_QUANTILE => Op::Quantile,
        token::T_TOPK => Op::Topk,
        token::T_BOTTOMK => Op::Bottomk,
        token::T_COUNT_VALUES => Op::CountValues,
        _ => {
            let flag = "--enable-feature=promql-experimental-functions";
            return error(format!("{}() is experimental and must be enabled with {flag}", aggregate.op));
        }
    };
    let expr = expect(lower(&aggregate.expr)?, Kind::Vector, "aggregation expression")?;
    let param = aggregate.param.as_ref().map(|param| lower(param)).transpose()?;
    let wanted = match op {
        Op::Quantile | Op::Topk | Op::Bottomk => Some(Kind::Scalar),
        Op::CountValues => Some(Kind::Text),
        _ => None,
    };
    let param = match (param, wanted) {
        (Some(param), Some(kind)) => Some(expect(param, kind, "aggregation parameter")?),
        (None, None) => None,
        (given, _) => {
            let (expected, got) = if given.is_some() { (1, 2) } else { (2, 1) };
            let text =
                format!("wrong number of arguments for aggregate expression provided, expected {expected}, got {got}");
            return error(text);
        }
    };
    let (without, labels) = match &aggregate.modifier {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (false, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (true, labels.labels.clone()),
    };
    Ok(Expr::Aggregate(Box::new(Aggregate { op, expr, param, without, labels })))
}

/// The expression, if it is of that kind.
pub(super) fn expect(expr: Expr, kind: Kind, place: &str) -> Result<Expr, QueryError> {
    if expr.kind() == kind {
        return Ok(expr);
    }
    error(format!("expected type {} in {place}, got {}", kind_name(kind), kind_name(expr.kind())))
}

fn lower_operator(op: TokenType) -> Option<BinaryOp> {
    use BinaryOp as Op;
    Some(match op.id() {
        token::T_ADD => Op::Add,
        token::T_SUB => Op::Sub,
        token::T_MUL => Op::Mul,
        token::T_DIV => Op::Div,
        token::T_MOD => Op::Mod,
        token::T_POW => Op::Pow,
        token::T_ATAN2 => Op::Atan2,
        token::T_EQLC => Op::Equal,
        token::T_NEQ => Op::NotEqual,
        token::T_GTR => Op::Greater,
        token::T_LSS => Op::Less,
        token::T_GTE => Op::GreaterEqual,
        token::T_LTE => Op::LessEqual,
        token::T_LAND => Op::And,
        token::T_LOR => Op::Or,
        token::T_LUNLESS => Op::Unless,
        _ => return None,
    })
}

fn lower_binary(binary: &BinaryExpr) -> Result<Expr, QueryError> {
    let Some(op) = lower_operator(binary.op) else {
        return error(format!("binary expression does not support operator {:?}", binary.op.to_string()));
    };
    let (lhs, rhs) = (lower(&binary.lhs)?, lower(&binary.rhs)?);
    let kind = match (lhs.kind(), rhs.kind()) {
        (Kind::Scalar, Kind::Scalar) => Kind::Scalar,
        (Kind::Scalar | Kind::Vector, Kind::Scalar | Kind::Vector) => Kind::Vector,
        _ => return error("binary expression must contain only scalar and instant vector types"),
    };
    let bool_result = binary.return_bool();
    if bool_result && !op.is_comparison() {
        return error("bool modifier can only be used on comparison operators");
    }
    if op.is_comparison() && kind == Kind::Scalar && !bool_result {
        return error("comparisons between scalars must use BOOL modifier");
    }
    if op.is_set() && (lhs.kind() == Kind::Scalar || rhs.kind() == Kind::Scalar) {
        return error(format!("set operator {:?} not allowed in binary scalar expression", binary.op.to_string()));
    }
    let mut lowered = Binary {
        op,
        lhs,
        rhs,
        kind,
        bool_result,
        cardinality: Cardinality::OneToOne,
        on: false,
        labels: Vec::new(),
        include: Vec::new(),
    };
    if let Some(modifier) = &binary.modifier {
        if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
            return error("fill modifiers are experimental and not enabled");
        }
        match &modifier.matching {
            None => {}
            Some(LabelModifier::Include(labels)) => (lowered.on, lowered.labels) = (true, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => lowered.labels.clone_from(&labels.labels),
        }
        let (cardinality, include) = match &modifier.card {
            VectorMatchCardinality::OneToOne | VectorMatchCardinality::ManyToMany => (Cardinality::OneToOne, None),
            VectorMatchCardinality::ManyToOne(labels) => (Cardinality::ManyToOne, Some(labels)),
            VectorMatchCardinality::OneToMany(labels) => (Cardinality::OneToMany, Some(labels)),
        };
        lowered.cardinality = cardinality;
        lowered.include = include.map(|labels| labels.labels.clone()).unwrap_or_default();
    }
    check_matching(&lowered)?;
    Ok(Expr::Binary(Box::new(lowered)))
}

fn check_matching(binary: &Binary) -> Result<(), QueryError> {
    let grouped = binary.cardinality != Cardinality::OneToOne;
    if grouped && binary.op.is_set() {
        return error("no grouping allowed for set operations");
    }
    let vectors = binary.lhs.kind() == Kind::Vector && binary.rhs.kind() == Kind::Vector;
    if !vectors && (grouped || !binary.labels.is_empty()) {
        return error("vector matching only allowed between instant vectors");
    }
    if let Some(label) = binary.include.iter().find(|label| binary.on && binary.labels.contains(label)) {
        return error(format!("label {label:?} must not occur in ON and GROUP clause at once"));
    }
    Ok(())
}

/// A call as an expression.
pub(super) fn call(call: Call) -> Expr {
    Expr::Call(Box::new(call))
}
