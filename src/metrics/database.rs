//! One Prometheus: store, targets, rules and queries behind one handle.

use super::config::Relabelling;
use super::exposition::Metadata;
use super::labels::Labels;
use super::promql::{Answered, Query, QueryError, Terms, Value};
use super::rules::{Alert, RuleFile, RuleGroup, RuleProblem, Rules};
use super::scrape::{HonorLabels, ScrapeError, Scraper};
use super::store::{AppendError, Limits, Matcher, Store};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many read queries are remembered, so that a query asked every tick is read once.
const MAX_REMEMBERED_QUERIES: usize = 256;
/// How often ended series are looked for, in milliseconds.
const TRUNCATE_EVERY_MS: i64 = 60_000;
/// How many targets there may be.
pub const MAX_TARGETS: usize = 10_000;

/// What is scraped, and how. Its labels name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `job`, `instance` and whatever else all its series get.
    pub labels: Labels,
    /// What was known of it before relabelling, for the API.
    pub discovered: Labels,
    /// The scrape job's name, for the API.
    pub pool: String,
    /// Where it is scraped, for the API and for who scrapes.
    pub url: String,
    /// How often it is scraped, in milliseconds.
    pub interval_ms: i64,
    /// How long a scrape may take, in milliseconds.
    pub timeout_ms: i64,
    pub honor: HonorLabels,
    /// What happens to the labels of each of its samples.
    pub relabelling: Arc<[Relabelling]>,
}

impl Target {
    /// Whether both are scraped alike, whatever else is known of them.
    #[must_use]
    pub fn is_scraped_as(&self, other: &Self) -> bool {
        let how = |it: &Self| (it.interval_ms, it.timeout_ms, it.honor);
        self.labels == other.labels
            && self.pool == other.pool
            && self.url == other.url
            && how(self) == how(other)
            && self.relabelling == other.relabelling
    }
}

/// A target with what its last scrape gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    pub target: Target,
    /// None before the first scrape.
    pub last_scrape_ms: Option<i64>,
    /// Why the last scrape failed.
    pub last_error: Option<String>,
}

#[derive(Debug)]
struct TargetState {
    target: Target,
    scraper: Scraper,
    last_scrape_ms: Option<i64>,
    last_error: Option<String>,
}

/// A handle; clones share the data. Its methods lock only for their own duration.
#[derive(Debug, Clone, Default)]
pub struct Database(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    store: Store,
    targets: BTreeMap<Labels, TargetState>,
    /// By scrape job, what was found and is not scraped.
    dropped: BTreeMap<String, Vec<Labels>>,
    rules: Rules,
    queries: IndexMap<String, Arc<Query>>,
    truncated_ms: Option<i64>,
}

impl Inner {
    /// The query, read now or before.
    fn query(&mut self, text: &str) -> Result<Arc<Query>, QueryError> {
        if let Some(query) = self.queries.get(text) {
            return Ok(query.clone());
        }
        let query = Arc::new(Query::parse(text)?);
        if self.queries.len() >= MAX_REMEMBERED_QUERIES {
            self.queries.shift_remove_index(0);
        }
        self.queries.insert(text.to_owned(), query.clone());
        Ok(query)
    }

    fn truncate_now_and_then(&mut self) {
        let newest = self.store.newest_ms();
        let due = match (self.truncated_ms, newest) {
            (Some(last), Some(newest)) => newest - last >= TRUNCATE_EVERY_MS,
            _ => newest.is_some(),
        };
        if due {
            self.truncated_ms = newest;
            self.store.truncate();
        }
    }
}

impl Database {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Inner { store: Store::new(limits), ..Inner::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer at `t_ms` (milliseconds since 1970).
    pub fn instant(&self, query: &str, t_ms: i64) -> Result<Value, QueryError> {
        let mut inner = self.lock();
        let query = inner.query(query)?;
        query.instant(&inner.store, t_ms)
    }

    /// The answers from `start_ms` to `end_ms` every `step_ms`.
    pub fn range(&self, query: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Value, QueryError> {
        let mut inner = self.lock();
        let query = inner.query(query)?;
        query.range(&inner.store, start_ms, end_ms, step_ms)
    }

    /// As [`Database::instant`], on these terms, with what there is to say about the answer.
    pub fn answer(&self, query: &str, t_ms: i64, terms: Terms) -> Result<Answered, QueryError> {
        let mut inner = self.lock();
        let query = inner.query(query)?;
        query.answer(&inner.store, t_ms, terms)
    }

    /// As [`Database::range`] (start, end, step), on these terms, with what there is to say about the answers.
    pub fn answers(&self, query: &str, span: (i64, i64, i64), terms: Terms) -> Result<Answered, QueryError> {
        let mut inner = self.lock();
        let query = inner.query(query)?;
        query.answers(&inner.store, span, terms)
    }

    /// Appends one sample.
    pub fn append(&self, labels: &Labels, t_ms: i64, value: f64) -> Result<(), AppendError> {
        let mut inner = self.lock();
        inner.store.append(labels, t_ms, value)?;
        inner.truncate_now_and_then();
        Ok(())
    }

    /// Adds a target; one with the same labels stays as it is. Says whether there was room.
    pub fn add_target(&self, target: Target) -> bool {
        let mut inner = self.lock();
        if inner.targets.contains_key(&target.labels) {
            return true;
        }
        if inner.targets.len() >= MAX_TARGETS {
            return false;
        }
        let scraper = Scraper::new(target.labels.clone(), target.honor).relabelling(target.relabelling.clone());
        let state = TargetState { scraper, last_scrape_ms: None, last_error: None, target };
        inner.targets.insert(state.target.labels.clone(), state);
        true
    }

    /// Says what else is known now of a target that is there.
    pub fn rediscover(&self, labels: &Labels, discovered: Labels) {
        if let Some(state) = self.lock().targets.get_mut(labels) {
            state.target.discovered = discovered;
        }
    }

    /// Keeps samples so long, in milliseconds.
    pub fn set_retention(&self, retention_ms: i64) {
        self.lock().store.set_retention(retention_ms);
    }

    /// Removes a target; its series end at `t_ms`.
    pub fn remove_target(&self, labels: &Labels, t_ms: i64) {
        let mut inner = self.lock();
        if let Some(state) = inner.targets.remove(labels) {
            state.scraper.vanish(&mut inner.store, t_ms);
        }
    }

    /// Takes the answer to a scrape of a target that began at `t_ms`: its text, or why there is none. Gives the number
    /// of samples taken; of a target that is not there, none.
    pub fn scraped(&self, labels: &Labels, answer: Result<&str, &str>, t_ms: i64) -> Result<usize, ScrapeError> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(state) = inner.targets.get_mut(labels) else { return Ok(0) };
        state.last_scrape_ms = Some(t_ms);
        let taken = match answer {
            Ok(text) => state.scraper.ingest(&mut inner.store, text, t_ms),
            Err(_) => state.scraper.fail(&mut inner.store, t_ms).map(|()| 0).map_err(ScrapeError::from),
        };
        state.last_error = match (&taken, answer) {
            (Err(error), _) => Some(error.to_string()),
            (_, Err(reason)) => Some(reason.to_owned()),
            (Ok(_), Ok(_)) => None,
        };
        inner.truncate_now_and_then();
        taken
    }

    /// All targets, ordered by labels.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetHealth> {
        let health = |state: &TargetState| TargetHealth {
            target: state.target.clone(),
            last_scrape_ms: state.last_scrape_ms,
            last_error: state.last_error.clone(),
        };
        self.lock().targets.values().map(health).collect()
    }

    /// Says which scrape jobs there are and, of each, what was found and is not scraped.
    pub fn set_dropped(&self, dropped: BTreeMap<String, Vec<Labels>>) {
        self.lock().dropped = dropped;
    }

    /// By scrape job, what was found and is not scraped.
    #[must_use]
    pub fn dropped_targets(&self) -> BTreeMap<String, Vec<Labels>> {
        self.lock().dropped.clone()
    }

    /// The names of the scrape jobs, ordered.
    #[must_use]
    pub fn scrape_pools(&self) -> Vec<String> {
        let inner = self.lock();
        let of_targets = inner.targets.values().map(|state| &state.target.pool);
        inner.dropped.keys().chain(of_targets).cloned().collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// Replaces the rules. Groups that did not change go on with what they remember; those that are gone end without a
    /// trace in the store.
    pub fn load_rules(&self, file: RuleFile) -> Result<(), Vec<RuleProblem>> {
        let mut inner = self.lock();
        let rules = Rules::load(file)?;
        let before = std::mem::take(&mut inner.rules);
        inner.rules = rules.going_on_from(before);
        Ok(())
    }

    /// Evaluates the rule groups that are due at `t_ms`; says how many there were.
    pub fn evaluate_rules(&self, t_ms: i64) -> usize {
        let mut guard = self.lock();
        let inner = &mut *guard;
        inner.rules.evaluate(&mut inner.store, t_ms)
    }

    /// All alerts, pending and firing.
    #[must_use]
    pub fn alerts(&self) -> Vec<Alert> {
        self.lock().rules.alerts()
    }

    /// Looks at the rule groups.
    pub fn with_rules<T>(&self, look: impl FnOnce(&[RuleGroup]) -> T) -> T {
        look(self.lock().rules.groups())
    }

    /// Labels of the series that one of the selectors accepts and that have a sample in the time given (milliseconds,
    /// both ends included), ordered. No selector accepts all.
    #[must_use]
    pub fn series(&self, selectors: &[Vec<Matcher>], start_ms: i64, end_ms: i64) -> BTreeSet<Labels> {
        let inner = self.lock();
        let all = [Vec::new()];
        let selectors = if selectors.is_empty() { &all[..] } else { selectors };
        let series = selectors.iter().flat_map(|matchers| inner.store.select(matchers));
        let within = series.filter(|series| {
            let times = series.samples.times();
            times.get(times.partition_point(|t| *t < start_ms)).is_some_and(|t| *t <= end_ms)
        });
        within.map(|series| series.labels.clone()).collect()
    }

    /// What each target said about its metrics, by target labels and name.
    #[must_use]
    pub fn described(&self) -> Vec<(Labels, BTreeMap<String, Metadata>)> {
        let inner = self.lock();
        inner.targets.iter().map(|(labels, state)| (labels.clone(), state.scraper.metadata().clone())).collect()
    }

    /// Looks at the store itself.
    pub fn with_store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&self.lock().store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::labels::METRIC_NAME;

    fn target(pod: &str) -> Target {
        Target {
            labels: Labels::from_pairs([("pod", pod)]),
            discovered: Labels::empty(),
            pool: "pods".to_owned(),
            url: format!("http://{pod}:9797/metrics"),
            interval_ms: 5_000,
            timeout_ms: 5_000,
            honor: HonorLabels::No,
            relabelling: Arc::default(),
        }
    }

    fn count(database: &Database, query: &str, t_ms: i64) -> usize {
        match database.instant(query, t_ms).unwrap() {
            Value::Vector(samples) => samples.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn targets_come_answer_fail_and_go() {
        let database = Database::default();
        let (a, b) = (target("a"), target("b"));
        assert!(database.add_target(a.clone()) && database.add_target(b.clone()) && database.add_target(a.clone()));
        assert_eq!(database.scraped(&a.labels, Ok("load 1\n"), 1_000), Ok(1));
        assert_eq!(database.scraped(&b.labels, Ok("load 2\n"), 1_100), Ok(1));
        assert_eq!(count(&database, "load", 1_100), 2);
        assert_eq!(database.scraped(&b.labels, Err("connection refused"), 6_100), Ok(0));
        assert_eq!((count(&database, "load", 6_100), count(&database, "up == 0", 6_100)), (1, 1));
        let errors: Vec<Option<String>> = database.targets().into_iter().map(|health| health.last_error).collect();
        assert_eq!(errors, [None, Some("connection refused".to_owned())]);
        database.remove_target(&a.labels, 7_000);
        assert_eq!((count(&database, "load", 7_000), count(&database, "up", 7_000)), (0, 1));
        assert_eq!(database.scraped(&a.labels, Ok("load 3\n"), 8_000), Ok(0), "it is gone");
    }

    #[test]
    fn only_so_many_queries_are_remembered() {
        let database = Database::default();
        for number in 0..2 * MAX_REMEMBERED_QUERIES {
            assert!(database.instant(&number.to_string(), 0).is_ok());
            assert!(database.instant("vector(1)", 0).is_ok());
        }
        assert_eq!(database.lock().queries.len(), MAX_REMEMBERED_QUERIES);
    }

    #[test]
    fn what_ended_long_ago_goes_away_as_samples_come() {
        let database = Database::new(Limits { retention_ms: 100_000, ..Limits::default() });
        let labels = |name: &str| Labels::from_pairs([(METRIC_NAME, name)]);
        database.append(&labels("ended"), 0, 1.0).unwrap();
        for second in 0..300 {
            database.append(&labels("live"), second * 1_000, 1.0).unwrap();
        }
        assert_eq!(database.with_store(|store| (store.series_count(), store.sample_count())), (1, 100));
    }
}
