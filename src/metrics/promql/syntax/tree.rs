//! A tree as `/api/v1/parse_query` shows it.

use super::{Node, Selector, Span, What, When};
use crate::metrics::number;
use crate::metrics::promql::expr::{At, Cardinality, Kind};
use crate::metrics::store::MatchKind;
use serde_json::{Value as Json, json};

/// The tree, as Prometheus' web page reads it.
pub(in crate::metrics::promql) fn json(node: &Node) -> Json {
    match &node.what {
        What::Number { value, .. } => json!({"type": "numberLiteral", "val": number::fixed(*value)}),
        What::Text(text) => json!({"type": "stringLiteral", "val": text}),
        What::Selector(selector) => with_time(
            json!({
                "type": "vectorSelector",
                "name": selector.name,
                "matchers": matchers(selector),
                "anchored": false,
                "smoothed": false,
            }),
            &selector.when,
        ),
        What::Range { selector, range } => with_time(
            json!({
                "type": "matrixSelector",
                "name": selector.name,
                "matchers": matchers(selector),
                "range": range.fixed_ms(),
                "rangeExpr": range.json(),
                "anchored": false,
                "smoothed": false,
            }),
            &selector.when,
        ),
        What::Subquery { inner, range, step, when } => with_time(
            json!({
                "type": "subquery",
                "expr": json(inner),
                "range": range.fixed_ms(),
                "rangeExpr": range.json(),
                "step": step.as_ref().map_or(0, Span::fixed_ms),
                "stepExpr": step.as_ref().map_or(Json::Null, Span::json),
            }),
            when,
        ),
        What::Aggregate(aggregate) => json!({
            "type": "aggregation",
            "op": aggregate.op.name(),
            "expr": json(&aggregate.inner),
            "param": aggregate.param.as_ref().map(json),
            "grouping": aggregate.labels,
            "without": aggregate.without,
        }),
        What::Binary(binary) => json!({
            "type": "binaryExpr",
            "op": binary.op.name(),
            "lhs": json(&binary.lhs),
            "rhs": json(&binary.rhs),
            "matching": matching(binary),
            "bool": binary.bool_result,
        }),
        What::Call { function, args } => json!({
            "type": "call",
            "func": {
                "name": function.name,
                "argTypes": function.takes.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
                "variadic": function.variadic,
                "returnType": function.gives.name(),
            },
            "args": args.iter().map(json).collect::<Vec<_>>(),
        }),
        What::Paren(inner) => json!({"type": "parenExpr", "expr": json(inner)}),
        What::Unary { negative, inner } => {
            json!({"type": "unaryExpr", "op": if *negative { "-" } else { "+" }, "expr": json(inner)})
        }
    }
}

fn with_time(mut node: Json, when: &When) -> Json {
    node["offset"] = when.offset.as_ref().map_or(0, Span::fixed_ms).into();
    node["offsetExpr"] = when.offset.as_ref().map_or(Json::Null, Span::json);
    (node["timestamp"], node["startOrEnd"]) = match when.at {
        None => (Json::Null, Json::Null),
        Some(At::Time(millis)) => (millis.into(), Json::Null),
        Some(At::Start) => (Json::Null, "start".into()),
        Some(At::End) => (Json::Null, "end".into()),
    };
    node
}

fn matchers(selector: &Selector) -> Vec<Json> {
    let shown = selector.matchers.iter().map(|matcher| {
        let kind = match matcher.kind() {
            MatchKind::Equal => "=",
            MatchKind::NotEqual => "!=",
            MatchKind::Regex => "=~",
            MatchKind::NotRegex => "!~",
        };
        json!({"name": matcher.name(), "value": matcher.value(), "type": kind})
    });
    shown.collect()
}

/// How the sides match; nothing unless both are vectors.
fn matching(binary: &super::Binary) -> Json {
    if binary.lhs.kind() != Kind::Vector || binary.rhs.kind() != Kind::Vector {
        return Json::Null;
    }
    let matching = &binary.matching;
    let card = match matching.cardinality {
        Cardinality::OneToOne if binary.op.is_set() => "many-to-many",
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
    };
    json!({
        "card": card,
        "labels": matching.labels,
        "on": matching.on,
        "include": matching.include,
        "fillValues": {"lhs": null, "rhs": null},
    })
}
