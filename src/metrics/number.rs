//! Floats as Go's `strconv` writes them, because exposition text and the HTTP API carry that form exactly.

use std::fmt::Write;

/// Go's `'f', -1`: the shortest decimal that reads back the same, never an exponent; `NaN`, `+Inf`, `-Inf`.
#[must_use]
pub fn fixed(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), str::to_owned)
}

/// Go's `'g', -1`, which is also `%v` in templates: as [`fixed`], with an exponent below 1e-4 and from 1e6 on:
/// `123456` stays, `1234567` is `1.234567e+06`.
#[must_use]
pub fn general(value: f64) -> String {
    let mut out = String::new();
    write_general(&mut out, value);
    out
}

/// Appends a sample value or bucket limit as Prometheus' text format has it: as [`general`], but zero has no sign.
pub fn write_exposition(out: &mut String, value: f64) {
    if value == 0.0 {
        out.push('0');
    } else {
        write_general(out, value);
    }
}

fn write_general(out: &mut String, value: f64) {
    if let Some(text) = special(value) {
        out.push_str(text);
        return;
    }
    // From 1e-4 up to below 1e6 the plain form is what Go writes. Cheap tests first: most samples are small counts.
    let size = value.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        let _ = write!(out, "{value}");
        return;
    }
    write_scientific(out, value);
}

/// Appends Go's `'e', -1`: the shortest digits with an exponent of at least two digits, `1.5e-07`.
pub(crate) fn write_scientific(out: &mut String, value: f64) {
    if let Some(text) = special(value) {
        out.push_str(text);
        return;
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
    let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go_does() {
        let exposition = |value| {
            let mut out = String::new();
            write_exposition(&mut out, value);
            out
        };
        for (value, in_text, in_api) in [
            (0.0, "0", "0"),
            (-0.0, "0", "-0"),
            (1.0, "1", "1"),
            (0.005, "0.005", "0.005"),
            (0.0001, "0.0001", "0.0001"),
            (0.000_01, "1e-05", "0.00001"),
            (123_456.0, "123456", "123456"),
            (123_456.789, "123456.789", "123456.789"),
            (1_234_567.0, "1.234567e+06", "1234567"),
            (1e21, "1e+21", "1000000000000000000000"),
            (-2.5, "-2.5", "-2.5"),
            (1_767_225_600.123, "1.767225600123e+09", "1767225600.123"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(exposition(value), in_text);
            assert_eq!(fixed(value), in_api);
        }
        assert_eq!(general(-0.0), "-0");
    }
}
