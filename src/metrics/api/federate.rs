//! The newest samples of some series, for another Prometheus to scrape.

use super::Api;
use super::params::Params;
use crate::metrics::labels::{Labels, METRIC_NAME};
use crate::metrics::number;
use crate::metrics::promql::{QueryError, parse_selector};
use crate::metrics::registry::escape;
use crate::metrics::store::{Matcher, is_stale};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Text with the newest sample of each series that one `match[]` accepts and that has one within the lookback.
pub(super) fn exposition(api: &Api, params: &Params) -> Result<String, QueryError> {
    let selectors: Vec<Vec<Matcher>> = params.all("match[]").map(parse_selector).collect::<Result<_, _>>()?;
    let mut external = api.host.external_labels();
    external.entry("instance".to_owned()).or_default();
    let newest_ms = api.host.now_ms();
    let oldest_ms = newest_ms.saturating_sub(api.settings.lookback_ms);
    let mut out = String::new();
    api.database.with_store(|store| {
        let mut shown: BTreeSet<(&str, &Labels)> = BTreeSet::new();
        let mut samples = Vec::new();
        for series in selectors.iter().flat_map(|matchers| store.select(matchers)) {
            let (times, values) = (series.samples.times(), series.samples.values());
            let latest = times.partition_point(|t| *t <= newest_ms).checked_sub(1);
            let latest = latest.map(|place| (times[place], values[place]));
            let named = series.labels.metric_name();
            if let Some((t_ms, value)) = latest.filter(|(t, value)| *t >= oldest_ms && !is_stale(*value))
                && !named.is_empty()
                && shown.insert((named, &series.labels))
            {
                samples.push((named, &series.labels, t_ms, value));
            }
        }
        samples.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        let mut last = "";
        for (name, labels, t_ms, value) in samples {
            if name != last {
                let _ = writeln!(out, "# TYPE {name} untyped");
                last = name;
            }
            out.push_str(name);
            out.push('{');
            let own = labels.iter().filter(|label| &*label.name != METRIC_NAME);
            let own = own.map(|label| (&*label.name, &*label.value));
            let added = external.iter().filter(|(name, _)| labels.get(name).is_empty());
            let added = added.map(|(name, value)| (name.as_str(), value.as_str()));
            for (index, (name, value)) in own.chain(added).enumerate() {
                let _ = write!(out, "{}{name}=\"", if index > 0 { "," } else { "" });
                escape(&mut out, value, true);
                out.push('"');
            }
            out.push_str("} ");
            number::write_exposition(&mut out, value);
            let _ = writeln!(out, " {t_ms}");
        }
    });
    Ok(out)
}
