//! Markdown and HTML from one summary, by templates. Every value is escaped for its format.

use super::summary::Summary;
use crate::event::Envelope;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, escape_formatter};
use std::fmt::Write;

const MARKDOWN: &str = include_str!("report.md.j2");
const MARKDOWN_ESCAPING: &str = "markdown";
const HTML: &str = include_str!("report.html.j2");

/// The deployment report as Markdown (GitHub's kind, with tables).
#[must_use]
pub fn markdown(events: &[Envelope]) -> String {
    render("report.md", MARKDOWN, events)
}

/// The deployment report as one HTML file: inline SVG, no scripts, no network.
#[must_use]
pub fn html(events: &[Envelope]) -> String {
    render("report.html", HTML, events)
}

fn render(name: &'static str, template: &'static str, events: &[Envelope]) -> String {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("these are the usual delimiters"));
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("md") => AutoEscape::Custom(MARKDOWN_ESCAPING.into()),
        _ => AutoEscape::Html,
    });
    environment.set_formatter(escape);
    let rendered = environment.render_named_str(name, template, Serde(Summary::of(events)));
    rendered.expect("the templates are part of the program and tests render all their branches")
}

fn escape(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::Custom(name) if name == MARKDOWN_ESCAPING) {
        return escape_formatter(out, state, value);
    }
    match value.as_str() {
        Some(text) if !value.is_safe() => text.chars().try_for_each(|it| markdown_char(out, it)).map_err(Error::from),
        _ => write!(out, "{value}").map_err(Error::from),
    }
}

/// Characters that Markdown would take as markup get a backslash; HTML's become entities; line breaks would end a table row.
fn markdown_char(out: &mut Output, letter: char) -> std::fmt::Result {
    match letter {
        '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => write!(out, "\\{letter}"),
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '&' => out.write_str("&amp;"),
        it if it.is_control() => out.write_char(' '),
        it => out.write_char(it),
    }
}
