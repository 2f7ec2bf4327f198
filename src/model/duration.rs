//! Durations as Go writes and reads them, because Flagger's fields and events carry that form exactly.

use std::time::Duration;

/// Writes a duration as Go's `time.Duration.String` does: `0s`, `500ms`, `1.515s`, `1m0s`, `1h0m0s`.
#[must_use]
pub fn go(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000 {
        return format!("{nanos}ns");
    }
    if nanos < 1_000_000 {
        return format!("{}µs", decimal(nanos, 3));
    }
    if nanos < 1_000_000_000 {
        return format!("{}ms", decimal(nanos, 6));
    }
    let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
    let seconds = decimal(rest, 9);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// `value / 10^digits`, without trailing zeros.
fn decimal(value: u128, digits: u32) -> String {
    let unit = 10u128.pow(digits);
    let fraction = format!("{:0width$}", value % unit, width = digits as usize);
    match fraction.trim_end_matches('0') {
        "" => (value / unit).to_string(),
        fraction => format!("{}.{fraction}", value / unit),
    }
}

/// Reads Go's `time.ParseDuration` form: one or more of a decimal number with a unit
/// (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`), or plain `0`. Negative durations are refused: nothing here may go back in time.
pub fn parse_go(text: &str) -> Result<Duration, DurationError> {
    let bad = |why| DurationError { text: text.to_owned(), why };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    let (mut rest, mut total) = (text, 0f64);
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..number_end].parse().map_err(|_| bad("a number is missing"))?;
        rest = &rest[number_end..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total +=
            number * seconds_in(&rest[..unit_end]).ok_or_else(|| bad("the unit is not one of ns, us, ms, s, m, h"))?;
        rest = &rest[unit_end..];
    }
    // The float goes through whole nanoseconds so that `0.1s` is 100 ms and not 99.999999 ms.
    let nanos = (total * 1e9).round();
    if nanos > i64::MAX as f64 {
        return Err(bad("it is longer than 292 years"));
    }
    Ok(Duration::from_nanos(nanos as u64))
}

fn seconds_in(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// A text that is not a Go duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration such as 30s or 1m30s: {why}")]
pub struct DurationError {
    text: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_as_go_does() {
        for (text, millis) in
            [("0s", 0), ("500ms", 500), ("1.515s", 1515), ("1m0s", 60_000), ("1m30s", 90_000), ("1h0m0s", 3_600_000)]
        {
            assert_eq!(go(Duration::from_millis(millis)), text);
            assert_eq!(parse_go(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_go("0.1s"), Ok(Duration::from_millis(100)));
        for bad in ["", "5", "s", "5x", "-5s", "1.2.3s", "1e99999h"] {
            assert!(parse_go(bad).is_err(), "{bad}");
        }
    }
}
