//! Values as Prometheus writes them.

use crate::metrics::labels::Labels;
use crate::metrics::number;
use crate::metrics::promql::Value;
use serde_json::Value as Json;
use std::fmt::Write;

/// `{"resultType":…,"result":…,"stats":…}`.
pub(super) fn value(value: &Value, stats: Option<&Json>) -> String {
    let mut out = String::new();
    let _ = write!(out, "{{\"resultType\":\"{}\",\"result\":", value.kind());
    match value {
        Value::Scalar { t_ms, value } => {
            // Scalars, unlike the values of series, never have an exponent.
            out.push('[');
            time(&mut out, *t_ms);
            let _ = write!(out, ",\"{}\"]", number::fixed(*value));
        }
        Value::Text { t_ms, text } => {
            out.push('[');
            time(&mut out, *t_ms);
            out.push(',');
            string(&mut out, text);
            out.push(']');
        }
        Value::Vector(samples) => list(&mut out, samples.iter(), |out, sample| {
            out.push_str("{\"metric\":");
            metric(out, &sample.labels);
            out.push_str(",\"value\":");
            point(out, sample.t_ms, sample.value);
            out.push('}');
        }),
        Value::Matrix(series) => list(&mut out, series.iter(), |out, series| {
            out.push_str("{\"metric\":");
            metric(out, &series.labels);
            out.push_str(",\"values\":");
            list(out, series.points.iter(), |out, (t_ms, value)| point(out, *t_ms, *value));
            out.push('}');
        }),
    }
    if let Some(stats) = stats {
        let _ = write!(out, ",\"stats\":{stats}");
    }
    out.push('}');
    out
}

/// Items between brackets.
pub(super) fn list<T>(out: &mut String, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// Labels as an object.
pub(super) fn metric(out: &mut String, labels: &Labels) {
    out.push('{');
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, &label.name);
        out.push(':');
        string(out, &label.value);
    }
    out.push('}');
}

/// A text in quotes.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if (control as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn point(out: &mut String, t_ms: i64, value: f64) {
    out.push('[');
    time(out, t_ms);
    out.push_str(",\"");
    write_number(out, value);
    out.push_str("\"]");
}

/// Seconds, with three decimals where they are not whole.
fn time(out: &mut String, t_ms: i64) {
    let sign = if t_ms < 0 { "-" } else { "" };
    let (seconds, millis) = (t_ms.unsigned_abs() / 1000, t_ms.unsigned_abs() % 1000);
    let _ = if millis == 0 { write!(out, "{sign}{seconds}") } else { write!(out, "{sign}{seconds}.{millis:03}") };
}

/// Go's `'f', -1`, and `'e', -1` below 1e-6 and from 1e21 on, as in JSON.
pub(super) fn write_number(out: &mut String, value: f64) {
    let size = value.abs();
    if size == 0.0 || !value.is_finite() || (1e-6..1e21).contains(&size) {
        out.push_str(&number::fixed(value));
    } else {
        number::write_scientific(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_prometheus_writes_them() {
        for (value, expected) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (1_234_567.0, "1234567"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-07"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (-2e-300, "-2e-300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ] {
            let mut out = String::new();
            write_number(&mut out, value);
            assert_eq!(out, expected);
        }
        for (t_ms, expected) in [(0, "0"), (1_500, "1.500"), (1_767_225_600_007, "1767225600.007"), (-1_250, "-1.250")]
        {
            let mut out = String::new();
            time(&mut out, t_ms);
            assert_eq!(out, expected);
        }
    }
}
