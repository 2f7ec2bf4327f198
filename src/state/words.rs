//! Numbers and times in words, the same in every view.

use crate::event::Check;

/// A time span from milliseconds: `0s`, `45s`, `1m45s`, `1h02m05s`; parts of a second are dropped.
#[must_use]
pub fn span(millis: u64) -> String {
    let seconds = millis / 1000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, s) => format!("{h}h{m:02}m{s:02}s"),
    }
}

/// A signed time span: `-12s` is before the scenario began.
#[must_use]
pub fn signed_span(millis: i64) -> String {
    // Rounded towards the past, so that -0.5 s does not read as the start itself.
    if millis < 0 { format!("-{}", span((millis.unsigned_abs()).div_ceil(1000) * 1000)) } else { span(millis as u64) }
}

/// At most `digits` decimals, no trailing zeros: `99`, `99.5`, `0.25`.
#[must_use]
pub fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A measured value without its unit: percentages with two decimals as Flagger prints them, milliseconds whole from 10 up.
#[must_use]
pub fn measured(value: f64, unit: &str) -> String {
    match unit {
        "%" if (value - 100.0).abs() < f64::EPSILON => "100".to_owned(),
        "%" => format!("{value:.2}"),
        "ms" if value.abs() >= 10.0 => format!("{value:.0}"),
        "ms" => number(value, 1),
        _ => number(value, 2),
    }
}

/// `value unit`, or the value alone.
#[must_use]
pub fn with_unit(text: &str, unit: &str) -> String {
    if unit.is_empty() { text.to_owned() } else { format!("{text} {unit}") }
}

/// What people call a check: Flagger's built-in ones by what they measure, others by their names.
#[must_use]
pub fn check_label(name: &str) -> &str {
    match name {
        "request-success-rate" => "success rate",
        "request-duration" => "latency",
        other => other,
    }
}

/// A check's limits: `>= 99 %`, `<= 500 ms`, `1 to 5`, `no limit`.
#[must_use]
pub fn limits(check: &Check) -> String {
    let text = |limit: f64| with_unit(&number(limit, 6), &check.unit);
    match (check.min, check.max) {
        (Some(min), Some(max)) => format!("{} to {}", number(min, 6), text(max)),
        (Some(min), None) => format!("≥ {}", text(min)),
        (None, Some(max)) => format!("≤ {}", text(max)),
        (None, None) => "no limit".to_owned(),
    }
}

/// A value held against its limits: `71.43 < 99`, `100 ≥ 99`, `20 ≤ 500`, `no value`. Without units, for columns.
#[must_use]
pub fn against(check: &Check, value: Option<f64>) -> String {
    let Some(value) = value else { return "no value".to_owned() };
    let mut shown = measured(value, &check.unit);
    let (min, max) = (check.min, check.max);
    let (sign, limit) = match (min, max) {
        (Some(min), _) if value < min => ("<", min),
        (_, Some(max)) if value > max => (">", max),
        (Some(min), _) => ("≥", min),
        (None, Some(max)) => ("≤", max),
        (None, None) => return shown,
    };
    // 98.999 is below 99 and must not be shown as 99.00.
    if (value - limit).abs() > f64::EPSILON && shown.parse() == Ok(limit) {
        shown = number(value, 6);
    }
    format!("{shown} {sign} {}", number(limit, 6))
}

/// `1 strike`, `2 strikes`.
#[must_use]
pub fn count(many: u64, noun: &str) -> String {
    if many == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(many)) }
}

/// `12,345`: groups of three.
#[must_use]
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_read_well() {
        for (millis, text) in [(0, "0s"), (45_900, "45s"), (105_000, "1m45s"), (3_725_000, "1h02m05s")] {
            assert_eq!(span(millis), text);
        }
        assert_eq!(signed_span(-500), "-1s");
        assert_eq!(signed_span(61_000), "1m01s");
        for (value, text) in [(99.0, "99"), (99.5, "99.5"), (0.1 + 0.2, "0.3"), (-0.001, "0"), (1200.0, "1200")] {
            assert_eq!(number(value, 2), text);
        }
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(count(1, "strike"), "1 strike");
    }

    #[test]
    fn a_value_stands_beside_the_limit_it_was_held_against() {
        let rate = Check { name: "r".into(), unit: "%".into(), min: Some(99.0), max: None, window_ms: 60_000 };
        let duration = Check { name: "d".into(), unit: "ms".into(), min: None, max: Some(500.0), window_ms: 60_000 };
        let free = Check { name: "f".into(), unit: String::new(), min: None, max: None, window_ms: 60_000 };
        let both = Check { min: Some(1.0), max: Some(5.0), ..free.clone() };
        for (check, value, text) in [
            (&rate, Some(71.428_571), "71.43 < 99"),
            (&rate, Some(99.0), "99.00 ≥ 99"),
            (&rate, Some(98.999), "98.999 < 99"),
            (&rate, Some(100.0), "100 ≥ 99"),
            (&rate, None, "no value"),
            (&duration, Some(20.4), "20 ≤ 500"),
            (&duration, Some(1515.2), "1515 > 500"),
            (&both, Some(6.0), "6 > 5"),
            (&both, Some(0.5), "0.5 < 1"),
            (&free, Some(0.126), "0.13"),
        ] {
            assert_eq!(against(check, value), text);
        }
        assert_eq!(limits(&rate), "≥ 99 %");
        assert_eq!(limits(&both), "1 to 5");
    }
}
