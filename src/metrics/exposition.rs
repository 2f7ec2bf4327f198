//! Reads what a target exposes: Prometheus' text format 0.0.4, and of OpenMetrics what a scrape needs.
//!
//! In: text. Out: samples in their order, types and help of metrics, or the first place that is wrong. Never panics.

use super::labels::{Label, Labels, METRIC_NAME};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// How many samples one exposition may have.
pub const MAX_EXPOSITION_SAMPLES: usize = 100_000;

/// One sample line. Its series is text, so that a reader who knows the text need not read the labels again.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'t> {
    /// `name{labels}` as it stands.
    pub series: &'t str,
    pub value: f64,
    /// Milliseconds since 1970, when the line says so.
    pub t_ms: Option<i64>,
    /// Where the line is, from 1.
    pub number: usize,
}

/// What a metric is, as its `# TYPE` line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricType {
    Counter,
    Gauge,
    Histogram,
    Summary,
    #[default]
    Unknown,
}

impl MetricType {
    /// Prometheus' word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
        }
    }
}

/// What is said about a metric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    pub kind: MetricType,
    pub help: String,
}

/// An exposition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exposition<'t> {
    pub lines: Vec<Line<'t>>,
    /// By metric name.
    pub metadata: BTreeMap<String, Metadata>,
}

/// Where a text is no exposition, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ExpositionError {
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    pub reason: &'static str,
}

/// Reads a whole exposition.
pub fn parse(text: &str) -> Result<Exposition<'_>, ExpositionError> {
    let mut exposition = Exposition::default();
    for (index, line) in text.split('\n').enumerate() {
        let number = index + 1;
        // Blanks around a line, and the carriage return of Windows, are no part of it.
        let body = line.trim_start_matches([' ', '\t']);
        let before = line.len() - body.len();
        let trimmed = body.trim_end();
        let located = |whole: &str, (rest, reason): Failure| ExpositionError {
            line: number,
            column: before + whole.len() - rest.len() + 1,
            reason,
        };
        if let Some(comment) = body.strip_prefix('#') {
            if comment.trim() == "EOF" {
                break;
            }
            read_comment(comment, &mut exposition.metadata).map_err(|failure| located(body, failure))?;
        } else if !trimmed.is_empty() {
            if exposition.lines.len() >= MAX_EXPOSITION_SAMPLES {
                return Err(located(trimmed, (trimmed, "there are more samples than one scrape may have")));
            }
            exposition.lines.push(read_line(trimmed, number).map_err(|failure| located(trimmed, failure))?);
        }
    }
    Ok(exposition)
}

/// What is left of the line where it went wrong, and why.
type Failure<'t> = (&'t str, &'static str);

fn read_comment<'t>(comment: &'t str, metadata: &mut BTreeMap<String, Metadata>) -> Result<(), Failure<'t>> {
    let mut words = comment.trim_start_matches([' ', '\t']).splitn(3, [' ', '\t']);
    let (Some(keyword), Some(name)) = (words.next(), words.next()) else { return Ok(()) };
    let rest = words.next().unwrap_or_default();
    match keyword {
        "HELP" => metadata.entry(name.to_owned()).or_default().help = unescape(rest),
        "TYPE" => {
            let kind = match rest.trim() {
                "counter" => MetricType::Counter,
                "gauge" => MetricType::Gauge,
                "histogram" => MetricType::Histogram,
                "summary" => MetricType::Summary,
                "untyped" | "unknown" | "info" | "stateset" | "gaugehistogram" => MetricType::Unknown,
                _ => return Err((rest, "the metric's type is not one of counter, gauge, histogram, summary, untyped")),
            };
            metadata.entry(name.to_owned()).or_default().kind = kind;
        }
        _ => {}
    }
    Ok(())
}

fn read_line(line: &str, number: usize) -> Result<Line<'_>, Failure<'_>> {
    let after_name = line.trim_start_matches(is_name_character);
    if after_name.len() == line.len() && !line.starts_with('{') {
        return Err((line, "a metric name is expected"));
    }
    if line.starts_with(|first: char| first.is_ascii_digit()) {
        return Err((line, "a metric name does not begin with a digit"));
    }
    // A space may stand between name and labels.
    let spaced = skip_blanks(after_name);
    let after_labels = if spaced.starts_with('{') { skip_labels(spaced)? } else { after_name };
    let series = line[..line.len() - after_labels.len()].trim_end();
    let rest = skip_blanks(after_labels);
    if rest.len() == after_labels.len() && !series.ends_with('}') {
        return Err((rest, "a space and a value are expected"));
    }
    let (value, rest) = word(rest);
    let value = read_value(value).ok_or((&line[line.len() - rest.len() - value.len()..], "the value is no number"))?;
    let rest = skip_blanks(rest);
    let (time, end) = word(rest);
    let t_ms = match time {
        "" | "#" => None,
        text => Some(read_time(text).ok_or((rest, "the timestamp is no number"))?),
    };
    let end = skip_blanks(end);
    // OpenMetrics may add an exemplar after `#`.
    if !end.is_empty() && time != "#" && !end.starts_with('#') {
        return Err((end, "nothing is expected after the timestamp"));
    }
    Ok(Line { series, value, t_ms, number })
}

/// The text after the labels that begin here.
fn skip_labels(text: &str) -> Result<&str, Failure<'_>> {
    let mut rest = text;
    each_label(&mut rest, |_, _| {})?;
    Ok(rest)
}

/// Visits the labels that begin at `rest` and moves `rest` behind them. A name without a value is the metric's, quoted.
fn each_label<'t>(rest: &mut &'t str, mut visit: impl FnMut(&'t str, &'t str)) -> Result<(), Failure<'t>> {
    let mut text = skip_blanks(&rest[1..]);
    loop {
        if let Some(after) = text.strip_prefix('}') {
            *rest = after;
            return Ok(());
        }
        let (name, after) = if text.starts_with('"') { quoted(text)? } else { label_name(text)? };
        let after = skip_blanks(after);
        if let Some(value) = after.strip_prefix('=') {
            let (value, after) = quoted(skip_blanks(value))?;
            visit(name, value);
            text = skip_blanks(after);
        } else if text.starts_with('"') {
            visit(METRIC_NAME, name);
            text = after;
        } else {
            return Err((after, "`=` is expected after a label's name"));
        }
        match text.strip_prefix(',') {
            Some(after) => text = skip_blanks(after),
            None if text.starts_with('}') => {}
            None => return Err((text, "`,` or `}` is expected after a label")),
        }
    }
}

fn label_name(text: &str) -> Result<(&str, &str), Failure<'_>> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if after.len() == text.len() || text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err((text, "a label name or `}` is expected"));
    }
    Ok((&text[..text.len() - after.len()], after))
}

/// The text in quotes that begins here, still escaped, and what follows.
fn quoted(text: &str) -> Result<(&str, &str), Failure<'_>> {
    let Some(inside) = text.strip_prefix('"') else { return Err((text, "`\"` is expected")) };
    let mut escaped = false;
    for (at, character) in inside.char_indices() {
        match character {
            '"' if !escaped => return Ok((&inside[..at], &inside[at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Err((text, "the quotes are not closed"))
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push('\n'),
            Some(other @ ('\\' | '"')) => out.push(other),
            // Anything else is no escape.
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | ':')
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// The text up to the next blank, and what follows.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find([' ', '\t']).unwrap_or(text.len()))
}

fn read_value(text: &str) -> Option<f64> {
    // NaN is one value here, whatever bits a library would choose.
    f64::from_str(text).ok().map(|value| if value.is_nan() { f64::NAN } else { value })
}

/// Milliseconds as a whole number, or seconds with a fraction as OpenMetrics has them.
fn read_time(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let seconds: f64 = text.parse().ok()?;
        let millis = (seconds * 1000.0).round();
        (millis.abs() < 9e15).then_some(millis as i64)
    })
}

/// The labels of a [`Line::series`], the metric's name among them.
pub fn labels_of(series: &str) -> Vec<Label> {
    let after_name = series.trim_start_matches(is_name_character);
    let name = &series[..series.len() - after_name.len()];
    let mut labels = Vec::new();
    if !name.is_empty() {
        labels.push(Label { name: METRIC_NAME.into(), value: name.into() });
    }
    let mut rest = skip_blanks(after_name);
    if rest.starts_with('{') {
        // A series that was read before cannot fail here; of any other text what was readable counts.
        let _ = each_label(&mut rest, |name, value| {
            let value: Arc<str> = if value.contains('\\') { unescape(value).into() } else { value.into() };
            labels.push(Label { name: unescape(name).into(), value });
        });
    }
    labels
}

/// The name, type and value of every sample, as one reads them in a test or a debugger.
impl Line<'_> {
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels::new(labels_of(self.series))
    }
}

#[cfg(test)]
mod tests;
