//! Takes one scrape into the store, as Prometheus does: target labels, `up`, staleness.
//!
//! Pure: who scrapes gives the text and the time. A [`Scraper`] remembers per target which series its last scrape had,
//! so that series that vanish end at once and known series need no second reading of their labels.

use super::config::{self, Relabelling};
use super::exposition::{self, ExpositionError, Line, Metadata};
use super::labels::{Label, Labels, METRIC_NAME};
use super::store::{AppendError, STALE, SeriesId, Store};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How a target's labels and its own meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HonorLabels {
    /// Prometheus' default: the target's labels win, and what the exposition said becomes `exported_<label>`.
    #[default]
    No,
    /// `honor_labels: true`: what the exposition says wins.
    Yes,
}

/// Why a scrape gave nothing. The target is then down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeError {
    #[error("the answer is no exposition: {0}")]
    Exposition(#[from] ExpositionError),
    #[error(transparent)]
    Store(#[from] AppendError),
}

/// One target between scrapes.
#[derive(Debug, Clone)]
pub struct Scraper {
    labels: Labels,
    honor: HonorLabels,
    relabelling: Arc<[Relabelling]>,
    /// By series text.
    known: BTreeMap<String, Known>,
    scrapes: u64,
    /// From the last good scrape, by metric name.
    metadata: BTreeMap<String, Metadata>,
}

#[derive(Debug, Clone)]
struct Known {
    labels: Labels,
    /// None where relabelling drops the series.
    id: Option<SeriesId>,
    /// The scrape that had it last.
    seen: u64,
}

impl Scraper {
    /// A target with these labels (`job`, `instance`, …), which all its series get.
    #[must_use]
    pub fn new(labels: Labels, honor: HonorLabels) -> Self {
        let relabelling = Arc::default();
        Self { labels, honor, relabelling, known: BTreeMap::new(), scrapes: 0, metadata: BTreeMap::new() }
    }

    /// Changes the labels of every sample so, or drops it (`metric_relabel_configs`).
    #[must_use]
    pub fn relabelling(self, relabelling: Arc<[Relabelling]>) -> Self {
        Self { relabelling, ..self }
    }

    /// The target's labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What the target last said about its metrics, by name.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Metadata> {
        &self.metadata
    }

    /// Takes the answer of a scrape that began at `t_ms` (milliseconds since 1970); gives the number of its samples.
    /// An answer that cannot be read or stored counts as a failed scrape, as [`Scraper::fail`].
    pub fn ingest(&mut self, store: &mut Store, text: &str, t_ms: i64) -> Result<usize, ScrapeError> {
        let taken = self.take(store, text, t_ms);
        match &taken {
            Ok(samples) => self.report(store, t_ms, 1.0, *samples)?,
            Err(_) => self.fail(store, t_ms)?,
        }
        taken
    }

    /// The target did not answer: it is down, and its series have ended.
    pub fn fail(&mut self, store: &mut Store, t_ms: i64) -> Result<(), AppendError> {
        self.scrapes += 1;
        self.end_unseen(store, t_ms);
        self.report(store, t_ms, 0.0, 0)
    }

    /// The target is gone: its series have ended, `up` too.
    pub fn vanish(mut self, store: &mut Store, t_ms: i64) {
        self.scrapes += 1;
        self.end_unseen(store, t_ms);
        for name in ["up", "scrape_samples_scraped"] {
            // A target that was never scraped has no such series, and none is made for it.
            let labels = self.labels.with(METRIC_NAME, name);
            if store.contains(&labels) {
                let _ = store.append(&labels, t_ms, STALE);
            }
        }
    }

    fn take(&mut self, store: &mut Store, text: &str, t_ms: i64) -> Result<usize, ScrapeError> {
        let exposition = exposition::parse(text)?;
        self.scrapes += 1;
        let mut failure = None;
        for line in &exposition.lines {
            match self.append(store, line, t_ms) {
                // As in Prometheus, a sample that is out of order is dropped, and the scrape goes on.
                Ok(()) | Err(AppendError::OutOfOrder | AppendError::Duplicate) => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        self.end_unseen(store, t_ms);
        let samples = exposition.lines.len();
        self.metadata = exposition.metadata;
        Ok(samples)
    }

    fn append(&mut self, store: &mut Store, line: &Line, t_ms: i64) -> Result<(), AppendError> {
        let t_ms = line.t_ms.unwrap_or(t_ms);
        if let Some(known) = self.known.get_mut(line.series) {
            // Samples with a time of their own do not go stale.
            known.seen = if line.t_ms.is_some() { u64::MAX } else { self.scrapes };
            let Some(id) = known.id else { return Ok(()) };
            match store.append_to(id, t_ms, line.value) {
                Err(AppendError::Gone) => known.id = Some(store.append(&known.labels, t_ms, line.value)?),
                other => other?,
            }
            return Ok(());
        }
        let labels = self.merged(exposition::labels_of(line.series));
        let (labels, id) = match config::relabelled(&labels, &self.relabelling) {
            Some(labels) => {
                let id = store.append(&labels, t_ms, line.value)?;
                (labels, Some(id))
            }
            None => (labels, None),
        };
        let seen = if line.t_ms.is_some() { u64::MAX } else { self.scrapes };
        self.known.insert(line.series.to_owned(), Known { labels, id, seen });
        Ok(())
    }

    /// The exposition's labels with those of the target.
    fn merged(&self, exposed: Vec<Label>) -> Labels {
        let mut exposed = exposed;
        exposed.retain(|label| !label.value.is_empty());
        for target in &self.labels {
            let same = exposed.iter_mut().find(|label| label.name == target.name);
            match (same, self.honor) {
                (None, _) => exposed.push(target.clone()),
                (Some(_), HonorLabels::Yes) => {}
                (Some(same), HonorLabels::No) => {
                    let theirs = std::mem::replace(&mut same.value, target.value.clone());
                    let mut name = format!("exported_{}", target.name);
                    while exposed.iter().any(|label| *label.name == *name) {
                        name.insert_str(0, "exported_");
                    }
                    exposed.push(Label { name: name.into(), value: theirs });
                }
            }
        }
        Labels::new(exposed)
    }

    /// Marks the series that the current scrape did not have, and forgets them.
    fn end_unseen(&mut self, store: &mut Store, t_ms: i64) {
        let current = self.scrapes;
        self.known.retain(|_, known| {
            if known.seen >= current {
                return true;
            }
            // A series that has a newer sample, or is gone, needs no end.
            if let Some(id) = known.id {
                let _ = store.append_to(id, t_ms, STALE);
            }
            false
        });
    }

    fn report(&self, store: &mut Store, t_ms: i64, up: f64, samples: usize) -> Result<(), AppendError> {
        store.append(&self.labels.with(METRIC_NAME, "up"), t_ms, up)?;
        store.append(&self.labels.with(METRIC_NAME, "scrape_samples_scraped"), t_ms, samples as f64)?;
        Ok(())
    }
}

/// When, within every interval, a target is scraped: fixed by its labels, so that targets are spread and a run repeats.
#[must_use]
pub fn offset(labels: &Labels, interval: Duration) -> Duration {
    let mut hash = Sha256::new();
    for Label { name, value } in labels {
        for part in [name, value] {
            let part: &Arc<str> = part;
            hash.update(part.as_bytes());
            hash.update([0xff]);
        }
    }
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // Whole milliseconds, because samples have no finer time.
    let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(number % millis)
}

#[cfg(test)]
mod tests;
