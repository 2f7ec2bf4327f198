//! Series, label names and label values.

use super::answer::{Answer, Handled};
use super::params::Params;
use super::{Api, ApiError, json};
use crate::metrics::labels::Labels;
use std::collections::BTreeSet;

pub(super) fn series(api: &Api, params: &Params) -> Handled {
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let limit = params.limit()?.unwrap_or(usize::MAX);
    let (start, end) = params.span()?;
    let selectors = params.selectors(|reason| ApiError::parameter("match[]", reason))?;
    let found = api.database.series(&selectors, start, end);
    let mut out = String::new();
    json::list(&mut out, found.iter().take(limit), json::metric);
    Ok(Answer::from(out).truncated(found.len() > limit))
}

pub(super) fn labels(api: &Api, params: &Params) -> Handled {
    strings(api, params, |series, names| names.extend(series.iter().map(|label| label.name.to_string())))
}

pub(super) fn label_values(api: &Api, name: &str, params: &Params) -> Handled {
    let name = unescaped(name);
    if name.is_empty() {
        return Err(ApiError::bad(format!("invalid label name: {name:?}")));
    }
    strings(api, params, |series, values| {
        let value = series.get(&name);
        if !value.is_empty() {
            values.insert(value.to_owned());
        }
    })
}

/// Texts that `collect` takes from the series asked for, ordered.
fn strings(api: &Api, params: &Params, collect: impl Fn(&Labels, &mut BTreeSet<String>)) -> Handled {
    let limit = params.limit()?.unwrap_or(usize::MAX);
    let (start, end) = params.span()?;
    let mut texts = BTreeSet::new();
    for series in api.database.series(&params.selectors(ApiError::bad)?, start, end) {
        collect(&series, &mut texts);
    }
    let mut out = String::new();
    json::list(&mut out, texts.iter().take(limit), |out, text| json::string(out, text));
    Ok(Answer::from(out).truncated(texts.len() > limit))
}

/// A label's name as a path has it: `U__` in front says that `_2e_` stands for a dot, and `__` for an underscore. What
/// is not well escaped stays as it is.
fn unescaped(name: &str) -> String {
    let Some(rest) = name.strip_prefix("U__") else { return name.to_owned() };
    let (mut out, mut rest) = (String::new(), rest);
    while let Some(place) = rest.find('_') {
        out.push_str(&rest[..place]);
        rest = &rest[place + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let code = rest.split_once('_').and_then(|(code, after)| {
            let character = u32::from_str_radix(code, 16).ok().and_then(char::from_u32)?;
            Some((character, after))
        });
        let Some((character, after)) = code else { return name.to_owned() };
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        for (escaped, name) in [
            ("job", "job"),
            ("U__http_2e_status", "http.status"),
            ("U__a__b", "a_b"),
            ("U___1F600_", "😀"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_", "U__a_"),
        ] {
            assert_eq!(unescaped(escaped), name);
        }
    }
}
