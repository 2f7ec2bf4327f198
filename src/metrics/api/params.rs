//! The parameters of a request.

use super::ApiError;
use crate::metrics::promql::parse_selector;
use crate::metrics::rules::parse_duration;
use crate::metrics::store::Matcher;
use std::borrow::Cow;

/// From the query and the form, in this order.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn read(query: Option<&str>, form: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let owned = |(name, value): (Cow<str>, Cow<str>)| (name.into_owned(), value.into_owned());
        Self(query.chain(form_urlencoded::parse(form)).map(owned).collect())
    }

    /// The first value of `name`; empty when there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
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
        let text = self.get(name);
        let seconds = text.parse::<f64>().ok().map(|seconds| seconds * 1000.0);
        // Go's durations end at 292 years.
        let millis = match seconds {
            Some(millis) => (millis.abs() < 9.2e12).then_some(millis as i64),
            None => parse_duration(text),
        };
        millis.ok_or_else(|| ApiError::parameter(name, format_args!("cannot parse {text:?} to a valid duration")))
    }

    /// `limit`; none when it is not given or 0.
    pub(super) fn limit(&self) -> Result<Option<usize>, ApiError> {
        match self.get("limit") {
            "" => Ok(None),
            text => match text.parse() {
                Ok(limit) => Ok(Some(limit).filter(|limit| *limit > 0)),
                Err(_) => Err(ApiError::parameter("limit", format_args!("cannot parse {text:?} to a valid limit"))),
            },
        }
    }

    /// The selectors of `match[]`.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, ApiError> {
        let read = |text| parse_selector(text).map_err(|error| ApiError::parameter("match[]", error));
        self.all("match[]").map(read).collect()
    }

    /// `start` and `end`, all of time when they are not given.
    pub(super) fn span(&self) -> Result<(i64, i64), ApiError> {
        Ok((self.time("start", Some(i64::MIN))?, self.time("end", Some(i64::MAX))?))
    }
}

/// Seconds since 1970, or RFC 3339.
fn read_time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = (seconds * 1000.0).round();
        return (millis.abs() < 9.2e18).then_some(millis as i64);
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
