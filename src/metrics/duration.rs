//! Durations as Prometheus reads and writes them: `1m30s`, `2d`, `500ms`.

use std::fmt;

/// Units in the order in which they may come, with their milliseconds. Years and weeks are written only where nothing
/// is left over, because `90d` reads more easily than `12w6d`.
const UNITS: [(&str, i64, bool); 7] = [
    ("y", 365 * 86_400_000, true),
    ("w", 7 * 86_400_000, true),
    ("d", 86_400_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1_000, false),
    ("ms", 1, false),
];

/// Go holds no more than 292 years; so many milliseconds.
pub(crate) const LONGEST_MS: i64 = 9_223_372_036_854;

/// Milliseconds of a duration: whole numbers with units from years to milliseconds, each at most once; or a bare `0`.
/// The errors are Prometheus'.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {text:?}");
    let (mut rest, mut total, mut next) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0).ok_or_else(invalid)?;
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        let place = UNITS.iter().position(|(other, ..)| *other == unit);
        let place = place.ok_or_else(|| format!("unknown unit {unit:?} in duration {text:?}"))?;
        if place < next {
            return Err(invalid());
        }
        next = place + 1;
        let millis = i64::try_from(number).ok().and_then(|number| number.checked_mul(UNITS[place].1));
        let sum = millis.and_then(|millis| total.checked_add(millis)).filter(|sum| *sum <= LONGEST_MS);
        total = sum.ok_or("duration out of range")?;
        rest = &rest[letters..];
    }
    Ok(total)
}

/// Milliseconds, as Prometheus writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written(pub(crate) i64);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let mut rest = self.0.saturating_abs();
        for (unit, millis, exact) in UNITS {
            let count = rest / millis;
            if count > 0 && !(exact && rest % millis != 0) {
                write!(f, "{count}{unit}")?;
                rest -= count * millis;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, expected) in [
            ("0", "0"),
            ("0s", "0"),
            ("30s", "30000"),
            ("1m30s", "90000"),
            ("1h5ms", "3600005"),
            ("1d", "86400000"),
            ("", "empty duration string"),
            ("5", "not a valid duration string: \"5\""),
            ("s", "not a valid duration string: \"s\""),
            ("1s1m", "not a valid duration string: \"1s1m\""),
            ("1m1m", "not a valid duration string: \"1m1m\""),
            ("1.5m", "unknown unit \".\" in duration \"1.5m\""),
            ("-1m", "not a valid duration string: \"-1m\""),
            ("300y", "duration out of range"),
            ("99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""),
            ("1µs", "unknown unit \"µs\" in duration \"1µs\""),
        ] {
            assert_eq!(parse(text).map_or_else(|error| error, |millis| millis.to_string()), expected);
        }
    }

    #[test]
    fn durations_are_written_as_prometheus_writes_them() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (90_000, "1m30s"),
            (3_600_005, "1h5ms"),
            (90 * 86_400_000, "90d"),
            (14 * 86_400_000, "2w"),
            (365 * 86_400_000, "1y"),
            (-300_000, "-5m"),
        ] {
            assert_eq!(Written(millis).to_string(), text);
        }
    }
}
