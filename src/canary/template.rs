//! The part of Go's `text/template` that metric queries use: `{{ function }}` and `{{ variables.key }}`.
//!
//! Trim markers (`{{-`, `-}}`), comments and quoted strings are understood; pipelines, conditions and loops are refused
//! with an error, as a query that needs them cannot be rendered here.

use crate::model::canary::{Canary, Metric};

/// Why a template cannot be rendered; in the form of Go's own messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("template parsing failed: template: tmpl:{line}: {why}")]
    Parse { line: usize, why: String },
    /// `column` counts bytes of the line from 0. The spelling is Flagger's.
    #[error(
        "template excution failed: template: tmpl:{line}:{column}: executing \"tmpl\" at <variables>: map has no entry \
        for key {key:?}"
    )]
    MissingKey { line: usize, column: usize, key: String },
}

/// What the functions of a query template return.
#[derive(Debug, Clone, Copy)]
pub struct Model<'c> {
    canary: &'c Canary,
    metric: &'c Metric,
    interval: &'c str,
}

impl<'c> Model<'c> {
    /// `interval` is the PromQL window; for a template metric without one it is empty.
    #[must_use]
    pub fn new(canary: &'c Canary, metric: &'c Metric, interval: &'c str) -> Self {
        Self { canary, metric, interval }
    }

    fn call(&self, function: &str) -> Option<&'c str> {
        let spec = &self.canary.spec;
        let reference = |it: &'c Option<crate::model::canary::Reference>| {
            it.as_ref().map_or(spec.target_ref.name.as_str(), |it| it.name.as_str())
        };
        Some(match function {
            "name" => self.canary.name(),
            "namespace" => self.canary.namespace(),
            "target" => &spec.target_ref.name,
            "service" => self.canary.service_name(),
            "ingress" => reference(&spec.ingress_ref),
            "route" => reference(&spec.route_ref),
            "interval" => self.interval,
            _ => return None,
        })
    }
}

/// Renders a query template.
pub fn render(template: &str, model: Model<'_>) -> Result<String, RenderError> {
    let mut rendered = String::with_capacity(template.len());
    let mut rest = template;
    let mut trim_next = false;
    while let Some(open) = rest.find("{{") {
        let (line, column) = place_of(template, template.len() - rest.len() + open);
        let (before, after) = (&rest[..open], &rest[open + 2..]);
        let close = after.find("}}").ok_or_else(|| parse(line, "unclosed action"))?;
        let (mut action, tail) = (&after[..close], &after[close + 2..]);
        let operand = action.trim_start_matches(|it: char| it == '-' || it.is_whitespace());
        let place = (line, column + 2 + action.len() - operand.len());
        let before = if trim_next { before.trim_start() } else { before };
        let trims_before = action.strip_prefix('-').is_some_and(|it| it.starts_with(char::is_whitespace));
        if trims_before {
            action = &action[1..];
        }
        rendered.push_str(if trims_before { before.trim_end() } else { before });
        trim_next = action.strip_suffix('-').is_some_and(|it| it.ends_with(char::is_whitespace));
        if trim_next {
            action = &action[..action.len() - 1];
        }
        evaluate(action.trim(), model, place, &mut rendered)?;
        rest = tail;
    }
    rendered.push_str(if trim_next { rest.trim_start() } else { rest });
    Ok(rendered)
}

/// `place`: the line, from 1, and the column of the action's first word, from 0.
fn evaluate(action: &str, model: Model<'_>, place: (usize, usize), out: &mut String) -> Result<(), RenderError> {
    let (line, column) = place;
    if action.is_empty() {
        return Err(parse(line, "missing value for command"));
    }
    if action.starts_with("/*") && action.ends_with("*/") {
        return Ok(());
    }
    if let Some(key) = action.strip_prefix("variables.") {
        let value = model.metric.template_variables.get(key);
        out.push_str(value.ok_or_else(|| RenderError::MissingKey { line, column, key: key.to_owned() })?);
        return Ok(());
    }
    if action.len() >= 2 && ((action.starts_with('"') && action.ends_with('"')) || is_raw(action)) {
        out.push_str(&action[1..action.len() - 1]);
        return Ok(());
    }
    let function = action.split_whitespace().next().unwrap_or_default();
    if function != action {
        return Err(parse(line, &format!("`{action}` is more than coalmine renders: one function or variable")));
    }
    out.push_str(model.call(function).ok_or_else(|| parse(line, &format!("function \"{function}\" not defined")))?);
    Ok(())
}

fn is_raw(action: &str) -> bool {
    action.starts_with('`') && action.ends_with('`')
}

fn parse(line: usize, why: &str) -> RenderError {
    RenderError::Parse { line, why: why.to_owned() }
}

/// The line of a byte, from 1, and its place in that line, from 0.
fn place_of(template: &str, at: usize) -> (usize, usize) {
    let before = &template[..at];
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    (1 + before.matches('\n').count(), at - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str) -> Result<String, String> {
        let canary: Canary = serde_json::from_value(json!({
            "metadata": {"name": "release", "namespace": "test"},
            "spec": {"targetRef": {"kind": "Deployment", "name": "podinfo"}, "service": {"name": "web"},
                "ingressRef": {"name": "front"}},
        }))
        .unwrap();
        let metric = Metric { template_variables: [("code".to_owned(), "5.*".to_owned())].into(), ..Metric::default() };
        render(template, Model::new(&canary, &metric, "30s")).map_err(|it| it.to_string())
    }

    #[test]
    fn each_function_returns_its_part_of_the_canary() {
        let all = "{{ name }} {{namespace}} {{ target }} {{ service }} {{ ingress }} {{ route }} {{ interval }}";
        assert_eq!(rendered(all).unwrap(), "release test podinfo web front podinfo 30s");
        assert_eq!(
            rendered(r#"x{status=~"{{ variables.code }}"}[{{ interval }}]"#).unwrap(),
            r#"x{status=~"5.*"}[30s]"#
        );
        assert_eq!(rendered("a  {{- /* not sent */ -}}  b {{ \"{{\" }}").unwrap(), "ab {{");
    }

    #[test]
    fn what_cannot_be_rendered_says_why_and_where() {
        for (template, words) in [
            ("x\n{{ targt }}", "template parsing failed: template: tmpl:2: function \"targt\" not defined"),
            ("{{ name", "template parsing failed: template: tmpl:1: unclosed action"),
            ("{{ }}", "template parsing failed: template: tmpl:1: missing value for command"),
            (
                "{{ if name }}",
                "template parsing failed: template: tmpl:1: `if name` is more than coalmine renders: one function or variable",
            ),
            (
                "rate(\n  x{{- variables.nothing }}",
                "template excution failed: template: tmpl:2:7: executing \"tmpl\" at <variables>: map has no entry for key \
                 \"nothing\"",
            ),
        ] {
            assert_eq!(rendered(template).unwrap_err(), words, "{template}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_template_panics(template in "\\PC*|([{}]{2}|-| |name|variables\\.|\"|`|/\\*)*") {
            let _either = rendered(&template);
        }
    }
}
