//! Parts of a date, in UTC.

use crate::metrics::promql::eval::frame::Frame;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metrics::promql) enum DatePart {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

pub(super) fn over(part: DatePart, mut frame: Frame) -> Frame {
    frame.map(|seconds| of(part, seconds));
    frame
}

/// A part of the time `seconds` after 1970, whole seconds; what no calendar has reached counts as 1970, as NaN does.
pub(super) fn of(part: DatePart, seconds: f64) -> f64 {
    let stamp = jiff::Timestamp::from_second(seconds as i64).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = stamp.to_zoned(jiff::tz::TimeZone::UTC);
    match part {
        DatePart::Minute => f64::from(date.minute()),
        DatePart::Hour => f64::from(date.hour()),
        DatePart::DayOfWeek => f64::from(date.weekday().to_sunday_zero_offset()),
        DatePart::DayOfMonth => f64::from(date.day()),
        DatePart::DayOfYear => f64::from(date.day_of_year()),
        DatePart::DaysInMonth => f64::from(date.days_in_month()),
        DatePart::Month => f64::from(date.month()),
        DatePart::Year => f64::from(date.year()),
    }
}
