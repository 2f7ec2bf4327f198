//! What the process says about itself.

use super::answer::Handled;
use super::params::Params;
use super::targets::date;
use super::{Api, ApiError, PROMETHEUS_VERSION};
use crate::metrics::duration::Written;
use crate::metrics::labels::Labels;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many entries each list of `/status/tsdb` has when nothing else is said, and at most.
const TSDB_ENTRIES: i64 = 10;
const MAX_TSDB_ENTRIES: i64 = 10_000;
/// How many samples Prometheus keeps in one chunk.
const CHUNK_SAMPLES: usize = 120;

pub(super) fn version() -> Json {
    json!({
        "version": PROMETHEUS_VERSION,
        "revision": "coalmine",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    })
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn build_info(_: &Api, _: &Params) -> Handled {
    Ok(version().into())
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn runtime_info(api: &Api, _: &Params) -> Handled {
    let (loaded_ms, well) = api.host.loaded();
    Ok(json!({
        "startTime": date(Some(api.host.started_ms())),
        "CWD": "/prometheus",
        "hostname": api.host.hostname(),
        "serverTime": date(Some(api.host.now_ms())),
        "reloadConfigSuccess": well,
        "lastConfigTime": date(Some(loaded_ms)),
        "corruptionCount": 0,
        "goroutineCount": 0,
        "GOMAXPROCS": 1,
        "GOMEMLIMIT": i64::MAX,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": Written(api.database.with_store(|store| store.limits().retention_ms)).to_string(),
    })
    .into())
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn config(api: &Api, _: &Params) -> Handled {
    Ok(json!({"yaml": api.host.config()}).into())
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn flags(api: &Api, _: &Params) -> Handled {
    Ok(json!(api.settings.flags).into())
}

/// There is no log to be replayed.
#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn wal_replay(_: &Api, _: &Params) -> Handled {
    Ok(json!({"min": 0, "max": 0, "current": 0}).into())
}

/// Samples are in memory alone.
#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn blocks(_: &Api, _: &Params) -> Handled {
    Ok(json!({"blocks": []}).into())
}

#[expect(clippy::unnecessary_wraps, reason = "handlers are alike")]
pub(super) fn notifications(_: &Api, _: &Params) -> Handled {
    Ok(json!([]).into())
}

/// Counts by name; the greatest first, of equals the first by name.
#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, name: impl Into<String>, count: usize) {
        *self.0.entry(name.into()).or_default() += count;
    }

    fn greatest(self, limit: usize) -> Json {
        let mut all: Vec<(String, usize)> = self.0.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.into_iter().take(limit).map(|(name, value)| json!({"name": name, "value": value})).collect()
    }
}

pub(super) fn tsdb(api: &Api, params: &Params) -> Handled {
    let limit = params.count("limit").map_err(|_| ApiError::bad("limit must be a positive number"))?;
    let limit = match limit.unwrap_or(TSDB_ENTRIES) {
        ..=0 => return Err(ApiError::bad("limit must be a positive number")),
        limit if limit > MAX_TSDB_ENTRIES => {
            return Err(ApiError::bad(format!("limit must not exceed {MAX_TSDB_ENTRIES}")));
        }
        limit => limit as usize,
    };
    Ok(api.database.with_store(|store| {
        let (mut chunks, mut first, mut last) = (0, i64::MAX, i64::MIN);
        let (mut metrics, mut pairs) = (Counts::default(), Counts::default());
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for series in store.all() {
            chunks += series.samples.len().div_ceil(CHUNK_SAMPLES);
            first = first.min(series.samples.times().first().copied().unwrap_or(i64::MAX));
            last = last.max(series.samples.last().map_or(i64::MIN, |(t_ms, _)| t_ms));
            metrics.add(series.labels.metric_name(), 1);
            count_pairs(&series.labels, &mut pairs, &mut values);
        }
        let (mut distinct, mut bytes) = (Counts::default(), Counts::default());
        let mut label_pairs = 0;
        for (name, values) in values {
            label_pairs += values.len();
            bytes.add(name.clone(), values.iter().map(String::len).sum());
            distinct.add(name, values.len());
        }
        json!({
            "headStats": {
                "numSeries": store.series_count(),
                "numLabelPairs": label_pairs,
                "chunkCount": chunks,
                "minTime": first,
                "maxTime": last,
            },
            "seriesCountByMetricName": metrics.greatest(limit),
            "labelValueCountByLabelName": distinct.greatest(limit),
            "memoryInBytesByLabelName": bytes.greatest(limit),
            "seriesCountByLabelValuePair": pairs.greatest(limit),
        })
        .into()
    }))
}

fn count_pairs(labels: &Labels, pairs: &mut Counts, values: &mut BTreeMap<String, BTreeSet<String>>) {
    for label in labels {
        pairs.add(format!("{}={}", label.name, label.value), 1);
        values.entry(label.name.to_string()).or_default().insert(label.value.to_string());
    }
}
