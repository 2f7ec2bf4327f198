//! Durations as `kubectl` shows ages: two units at most, coarser as they grow.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long ago a date was; `<unknown>` if it is none.
pub fn age(date: &str, now: Timestamp) -> String {
    match date.parse::<Timestamp>() {
        Ok(then) => human(now.as_second() - then.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// Seconds as `42s`, `3m5s`, `5h12m`, `6d4h`, `312d`, `2y120d`.
pub fn human(seconds: i64) -> String {
    let two = |large: i64, of: &str, small: i64, unit: &str| {
        if small == 0 { format!("{large}{of}") } else { format!("{large}{of}{small}{unit}") }
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        it if it < 2 * MINUTE => format!("{it}s"),
        it if it < 10 * MINUTE => two(it / MINUTE, "m", it % MINUTE, "s"),
        it if it < 3 * HOUR => format!("{}m", it / MINUTE),
        it if it < 8 * HOUR => two(it / HOUR, "h", it % HOUR / MINUTE, "m"),
        it if it < 2 * DAY => format!("{}h", it / HOUR),
        it if it < 8 * DAY => two(it / DAY, "d", it % DAY / HOUR, "h"),
        it if it < 2 * YEAR => format!("{}d", it / DAY),
        it if it < 8 * YEAR => two(it / YEAR, "y", it % YEAR / DAY, "d"),
        it => format!("{}y", it / YEAR),
    }
}
