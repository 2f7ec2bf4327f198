//! The parameters of a request.

use super::ApiError;
use crate::metrics::duration;
use crate::metrics::promql::parse_selector;
use crate::metrics::store::Matcher;
use std::borrow::Cow;

/// From the form and the query; where both have a name, the form wins.
pub(super) struct Params {
    form: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

/// How Prometheus writes the beginning and the end of time.
const BEGINNING: &str = "-292273086-05-16T16:47:06Z";
const END: &str = "292277025-08-18T07:12:54.999999999Z";

impl Params {
    pub(super) fn read(query: Option<&str>, form: &[u8]) -> Self {
        let owned = |(name, value): (Cow<str>, Cow<str>)| (name.into_owned(), value.into_owned());
        let pairs = |text: &[u8]| form_urlencoded::parse(text).map(owned).collect();
        Self { form: pairs(form), query: pairs(query.unwrap_or_default().as_bytes()) }
    }

    fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.form.iter().chain(&self.query)
    }

    /// The first value of `name`; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.pairs().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// As [`Params::get`], of the query alone.
    pub(super) fn in_query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.pairs().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A time, in milliseconds; `default` when it is not given.
    pub(super) fn time(&self, name: &str, default: Option<i64>) -> Result<i64, ApiError> {
        let text = self.get(name);
        if let ("", Some(default)) = (text, default) {
            return Ok(default);
        }
        // A time that may be left out has a longer complaint.
        let prefix = default.map_or_else(String::new, |_| format!("invalid time value for '{name}': "));
        read_time(text).ok_or_else(|| {
            ApiError::parameter(name, format_args!("{prefix}cannot parse {text:?} to a valid timestamp"))
        })
    }

    /// A duration, in milliseconds.
    pub(super) fn duration(&self, name: &str) -> Result<i64, ApiError> {
        read_duration(self.get(name)).map_err(|reason| ApiError::parameter(name, reason))
    }

    /// A duration that may be left out, in milliseconds.
    pub(super) fn optional_duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        if self.get(name).is_empty() { Ok(None) } else { self.duration(name).map(Some) }
    }

    /// `lookback_delta`, in milliseconds; none when it is not given or 0.
    pub(super) fn lookback(&self) -> Result<Option<i64>, ApiError> {
        match self.get("lookback_delta") {
            "" => Ok(None),
            text => match read_duration(text) {
                Ok(millis) => Ok(Some(millis).filter(|millis| *millis != 0)),
                Err(reason) => Err(ApiError::bad(format!("error parsing lookback delta duration: {reason}"))),
            },
        }
    }

    /// `limit`; none when it is not given or 0.
    pub(super) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        match whole_number(text) {
            Ok(limit) => match usize::try_from(limit) {
                Ok(limit) => Ok(Some(limit).filter(|limit| *limit > 0)),
                Err(_) => Err(ApiError::parameter("limit", "limit must be non-negative")),
            },
            Err(reason) => Err(ApiError::parameter("limit", format_args!("strconv.Atoi: parsing {text:?}: {reason}"))),
        }
    }

    /// A count of entries that has its own complaint; none when it is not given.
    pub(super) fn count(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.get(name) {
            "" => Ok(None),
            text => match whole_number(text) {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(ApiError::bad(format!("{name} must be a number"))),
            },
        }
    }

    /// The selectors of `match[]`, of which each must say something; `complain` makes an error of a reason.
    pub(super) fn selectors(&self, complain: impl Fn(String) -> ApiError) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let read = |text| parse_selector(text).map_err(|error| complain(error.to_string()));
        let all: Vec<Vec<Matcher>> = self.all("match[]").map(read).collect::<Result<_, _>>()?;
        if all.iter().all(|matchers| matchers.iter().any(|matcher| !matcher.accepts(""))) {
            Ok(all)
        } else {
            Err(complain("match[] must contain at least one non-empty matcher".to_owned()))
        }
    }

    /// `start` and `end`, all of time when they are not given.
    pub(super) fn span(&self) -> Result<(i64, i64), ApiError> {
        Ok((self.time("start", Some(i64::MIN))?, self.time("end", Some(i64::MAX))?))
    }
}

/// Go's `strconv.Atoi`, with its reasons.
pub(super) fn whole_number(text: &str) -> Result<i64, &'static str> {
    text.parse::<i64>().map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
        _ => "invalid syntax",
    })
}

/// Go's `strconv.ParseBool` of a text in lower case.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// Seconds since 1970, or RFC 3339.
fn read_time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = (seconds * 1000.0).round();
        return (millis.abs() < 9.2e18).then_some(millis as i64);
    }
    match text {
        BEGINNING => Some(i64::MIN),
        END => Some(i64::MAX),
        _ => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

/// Seconds, or a duration with units; milliseconds.
fn read_duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = seconds * 1000.0;
        if millis.abs() > duration::LONGEST_MS as f64 {
            return Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"));
        }
        return Ok(millis as i64);
    }
    duration::parse(text).map_err(|_| format!("cannot parse {text:?} to a valid duration"))
}
