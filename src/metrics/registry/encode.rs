//! The text form of families.

use super::family::{AnyFamily, Family};
use super::{Counter, Gauge, Histogram};
use crate::metrics::number::write_exposition;
use std::fmt::Write;

impl AnyFamily {
    pub(super) fn encode(&self, out: &mut String) {
        match self {
            Self::Counter(family) => simple(out, family, "counter", Counter::get),
            Self::Gauge(family) => simple(out, family, "gauge", Gauge::get),
            Self::Histogram(family) => histograms(out, family),
        }
    }
}

fn simple<T: Clone>(out: &mut String, family: &Family<T>, kind: &str, get: impl Fn(&T) -> f64) {
    let mut header = Some(kind);
    family.each(|values, series| {
        write_header(out, family, header.take());
        out.push_str(family.name());
        write_labels(out, family.ordered_labels(), values, None);
        out.push(' ');
        write_exposition(out, get(series));
        out.push('\n');
    });
}

fn histograms(out: &mut String, family: &Family<Histogram>) {
    let mut header = Some("histogram");
    family.each(|values, series| {
        write_header(out, family, header.take());
        let counts = series.read();
        let mut cumulative = 0;
        let limits = series.limits().iter().copied().chain([f64::INFINITY]);
        for (limit, count) in limits.zip(&counts.buckets) {
            cumulative += count;
            out.push_str(family.name());
            out.push_str("_bucket");
            write_labels(out, family.ordered_labels(), values, Some(limit));
            let _ = writeln!(out, " {cumulative}");
        }
        let mut total = |suffix, value: &dyn Fn(&mut String)| {
            out.push_str(family.name());
            out.push_str(suffix);
            write_labels(out, family.ordered_labels(), values, None);
            out.push(' ');
            value(out);
            out.push('\n');
        };
        total("_sum", &|out| write_exposition(out, counts.sum));
        total("_count", &|out| {
            let _ = write!(out, "{cumulative}");
        });
    });
}

/// Writes the two lines before a family's first series; nothing when they were taken already.
fn write_header<T: Clone>(out: &mut String, family: &Family<T>, kind: Option<&str>) {
    let Some(kind) = kind else { return };
    let name = family.name();
    if !family.help().is_empty() {
        let _ = write!(out, "# HELP {name} ");
        escape(out, family.help(), false);
        out.push('\n');
    }
    let _ = writeln!(out, "# TYPE {name} {kind}");
}

fn write_labels<'a>(out: &mut String, names: impl Iterator<Item = &'a str>, values: &[String], limit: Option<f64>) {
    let mut opened = false;
    for (name, value) in names.zip(values) {
        out.push(if opened { ',' } else { '{' });
        opened = true;
        out.push_str(name);
        out.push_str("=\"");
        escape(out, value, true);
        out.push('"');
    }
    if let Some(limit) = limit {
        out.push_str(if opened { ",le=\"" } else { "{le=\"" });
        write_exposition(out, limit);
        out.push('"');
        opened = true;
    }
    if opened {
        out.push('}');
    }
}

/// Backslash and line feed are escaped everywhere, quotes in label values.
pub(crate) fn escape(out: &mut String, text: &str, quotes: bool) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}
