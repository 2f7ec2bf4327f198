//! Whether the parts of a tree fit together: types, arguments, matching. In the order in which Prometheus looks, because
//! only the first error is told.

use super::{Binary, Function, Node, ParseError, Quoted, What};
use crate::metrics::labels::METRIC_NAME;
use crate::metrics::promql::expr::{AggregateOp, Cardinality, Kind};

type Checked<T> = Result<T, ParseError>;

/// Checks a tree; gives what it evaluates to.
pub(super) fn check(node: &Node, text: &str) -> Checked<Kind> {
    let kind = node.kind();
    match &node.what {
        What::Number { .. } | What::Text(_) => {}
        What::Selector(selector) | What::Range { selector, .. } => check_selector(node, selector)?,
        What::Paren(inner) => {
            check(inner, text)?;
        }
        What::Unary { inner, .. } => {
            let got = check(inner, text)?;
            if !matches!(got, Kind::Scalar | Kind::Vector) {
                let got = Quoted(got.documented());
                let text =
                    format!("unary expression only allowed on expressions of type scalar or instant vector, got {got}");
                return ParseError::new(node.start, text);
            }
        }
        What::Subquery { inner, .. } => {
            let got = check(inner, text)?;
            if got != Kind::Vector {
                let text = format!("subquery is only allowed on instant vector, got {} instead", got.name());
                return ParseError::new(node.start, text);
            }
        }
        What::Aggregate(aggregate) => {
            expect(&aggregate.inner, Kind::Vector, "aggregation expression", text)?;
            if let Some(param) = &aggregate.param {
                let wanted = if aggregate.op == AggregateOp::CountValues { Kind::Text } else { Kind::Scalar };
                expect(param, wanted, "aggregation parameter", text)?;
            }
        }
        What::Binary(binary) => check_binary(node, binary, text)?,
        What::Call { function, args } => check_call(node, function, args, text)?,
    }
    Ok(kind)
}

fn expect(node: &Node, wanted: Kind, context: &str, text: &str) -> Checked<()> {
    let got = check(node, text)?;
    if got == wanted {
        return Ok(());
    }
    let (wanted, got) = (wanted.documented(), got.documented());
    ParseError::new(node.start, format!("expected type {wanted} in {context}, got {got}"))
}

fn check_selector(node: &Node, selector: &super::Selector) -> Checked<()> {
    let name = selector.name.as_str();
    if name.is_empty() {
        let sure = selector.matchers.iter().any(|matcher| !matcher.accepts(""));
        let text = "vector selector must contain at least one non-empty matcher";
        return if sure { Ok(()) } else { ParseError::new(node.start, text) };
    }
    // The last matcher is the name in front of the braces.
    let inner = &selector.matchers[..selector.matchers.len().saturating_sub(1)];
    match inner.iter().find(|matcher| matcher.name() == METRIC_NAME) {
        None => Ok(()),
        Some(other) => {
            let (name, other) = (Quoted(name), Quoted(other.value()));
            ParseError::new(node.start, format!("metric name must not be set twice: {name} or {other}"))
        }
    }
}

fn check_binary(node: &Node, binary: &Binary, text: &str) -> Checked<()> {
    let (lhs, rhs) = (check(&binary.lhs, text)?, check(&binary.rhs, text)?);
    let (op, matching) = (binary.op, &binary.matching);
    // Where the operator stands: behind the left side and what space follows it.
    let behind = &text[binary.lhs.end.min(text.len())..];
    let op_start = text.len() - behind.trim_start_matches([' ', '\t', '\n', '\r']).len();
    if binary.bool_result && !op.is_comparison() {
        return ParseError::new(op_start, "bool modifier can only be used on comparison operators");
    }
    if op.is_comparison() && !binary.bool_result && (lhs, rhs) == (Kind::Scalar, Kind::Scalar) {
        return ParseError::new(op_start, "comparisons between scalars must use BOOL modifier");
    }
    if let Some(label) = matching.labels.iter().find(|label| matching.on && matching.include.contains(label)) {
        let text = format!("label {} must not occur in ON and GROUP clause at once", Quoted(label));
        return ParseError::new(op_start, text);
    }
    for (side, kind) in [(&binary.lhs, lhs), (&binary.rhs, rhs)] {
        if !matches!(kind, Kind::Scalar | Kind::Vector) {
            let text = "binary expression must contain only scalar and instant vector types";
            return ParseError::new(side.start, text);
        }
    }
    let vectors = (lhs, rhs) == (Kind::Vector, Kind::Vector);
    if !vectors && !matching.labels.is_empty() {
        return ParseError::new(node.start, "vector matching only allowed between instant vectors");
    }
    let name = Quoted(op.name());
    if vectors && op.is_set() && matching.cardinality != Cardinality::OneToOne {
        return ParseError::new(node.start, format!("no grouping allowed for {name} operation"));
    }
    if !vectors && op.is_set() {
        return ParseError::new(node.start, format!("set operator {name} not allowed in binary scalar expression"));
    }
    Ok(())
}

fn check_call(node: &Node, function: &Function, args: &[Node], text: &str) -> Checked<()> {
    let (name, takes, got) = (Quoted(function.name), function.takes.len(), args.len());
    let complaint = match usize::try_from(function.variadic) {
        Ok(0) if got != takes => format!("expected {takes} argument(s) in call to {name}, got {got}"),
        Ok(0) => String::new(),
        _ if got + 1 < takes => format!("expected at least {} argument(s) in call to {name}, got {got}", takes - 1),
        Ok(more) if got + 1 > takes + more => {
            format!("expected at most {} argument(s) in call to {name}, got {got}", takes + more - 1)
        }
        _ => String::new(),
    };
    if !complaint.is_empty() {
        return ParseError::new(node.start, complaint);
    }
    for (index, arg) in args.iter().enumerate() {
        let Some(wanted) = function.takes.get(index).or(function.takes.last()) else { break };
        let got = check(arg, text)?;
        if got != *wanted {
            let (wanted, got) = (wanted.documented(), got.documented());
            let text = format!("expected type {wanted} in call to function {name}, got {got}");
            return ParseError::new(arg.start, text);
        }
    }
    Ok(())
}
