//! client-go's event correlator with its default options: which Kubernetes Event a new occurrence becomes, if any.
//!
//! Three steps, in this order: *aggregate* (from the tenth distinct message of one object and type on, with no pause of more
//! than ten minutes, further new messages share one Event), *count* (the same Event again raises its count), *filter* (a
//! token bucket for each object and type). Pure: times are given, nothing is sent.
//!
//! Where client-go takes an arbitrary message out of a full set, this takes the one it just put in, so that messages which
//! have an Event of their own keep it; the choice is free and this one is the same in every run.

use std::collections::BTreeMap;
use std::time::Duration;

/// Distinct messages from which on they are combined.
const MAX_DISTINCT: usize = 10;
/// A longer pause between two events begins a new set of messages.
const MAX_PAUSE: Duration = Duration::from_secs(600);
/// Events that one object may have at once, for each type.
const BURST: f64 = 25.0;
/// After that, one in this time.
const REFILL: Duration = Duration::from_secs(300);
/// How many records each step remembers; client-go's LRU caches have this size.
const MAX_RECORDS: usize = 4_096;
/// What combined messages begin with.
const COMBINED: &str = "(combined from similar events): ";

/// What events are aggregated and filtered by: one object (identity in one string) and one type.
pub(super) type Source = (String, bool);
/// What events are counted by: their source and message; no message is the combined Event.
type Key = (Source, Option<String>);

/// Something that happened, with the Event name that it would get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) source: Source,
    pub(super) message: String,
    /// Name of the Event object if this becomes a new one.
    pub(super) name: String,
    /// Since the clock's start.
    pub(super) at: Duration,
}

/// What to do about an occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Create an Event. `count` is above 1 when the earlier ones were filtered.
    Create(Record),
    /// Raise the count of an Event that was made before.
    Patch(Record),
    /// Over budget: tell nobody.
    Filtered,
}

/// The Event as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) message: String,
    /// It stands for several messages.
    pub(super) combined: bool,
    pub(super) count: u64,
    pub(super) first: Duration,
    pub(super) last: Duration,
}

/// The state of all three steps.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    sets: Recent<Source, MessageSet>,
    counts: Recent<Key, Observed>,
    buckets: Recent<Source, Bucket>,
}

#[derive(Debug, Clone)]
struct MessageSet {
    messages: Vec<String>,
    last: Duration,
}

#[derive(Debug, Clone)]
struct Observed {
    count: u64,
    first: Duration,
    name: String,
}

#[derive(Debug, Clone)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Correlator {
    /// Takes an occurrence in, and says what it becomes.
    pub(super) fn correlate(&mut self, occurrence: Occurrence) -> Delivery {
        let combined = self.aggregate(&occurrence);
        let message = if combined { format!("{COMBINED}{}", occurrence.message) } else { occurrence.message.clone() };
        let key = (occurrence.source.clone(), (!combined).then_some(occurrence.message));
        let before = self.counts.get(&key).cloned();
        let known = before.is_some();
        let seen = Observed {
            count: before.as_ref().map_or(1, |it| it.count + 1),
            first: before.as_ref().map_or(occurrence.at, |it| it.first),
            name: before.map_or(occurrence.name, |it| it.name),
        };
        self.counts.put(key, seen.clone());
        if !self.spend(&occurrence.source, occurrence.at) {
            return Delivery::Filtered;
        }
        let record =
            Record { name: seen.name, message, combined, count: seen.count, first: seen.first, last: occurrence.at };
        if known { Delivery::Patch(record) } else { Delivery::Create(record) }
    }

    /// Whether this occurrence goes into the combined Event.
    fn aggregate(&mut self, occurrence: &Occurrence) -> bool {
        let old = self.sets.get(&occurrence.source).cloned();
        let fresh = old.filter(|it| occurrence.at.saturating_sub(it.last) <= MAX_PAUSE);
        let mut set = fresh.unwrap_or(MessageSet { messages: Vec::new(), last: occurrence.at });
        set.last = occurrence.at;
        let is_new = !set.messages.contains(&occurrence.message);
        let combined = is_new && set.messages.len() + 1 >= MAX_DISTINCT;
        if is_new && !combined {
            set.messages.push(occurrence.message.clone());
        }
        self.sets.put(occurrence.source.clone(), set);
        combined
    }

    /// Takes a token; false when there is none.
    fn spend(&mut self, source: &Source, now: Duration) -> bool {
        let old = self.buckets.get(source).cloned().unwrap_or(Bucket { tokens: BURST, at: now });
        let earned = now.saturating_sub(old.at).as_secs_f64() / REFILL.as_secs_f64();
        let tokens = (old.tokens + earned).min(BURST);
        let granted = tokens >= 1.0;
        let tokens = if granted { tokens - 1.0 } else { tokens };
        self.buckets.put(source.clone(), Bucket { tokens, at: now });
        granted
    }
}

/// A map that forgets the record that was written longest ago when it holds [`MAX_RECORDS`].
#[derive(Debug)]
struct Recent<K, V> {
    records: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    writes: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), order: BTreeMap::new(), writes: 0 }
    }
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.records.get(key).map(|(_, value)| value)
    }

    fn put(&mut self, key: K, value: V) {
        self.writes += 1;
        self.order.insert(self.writes, key.clone());
        if let Some((written, _)) = self.records.insert(key, (self.writes, value)) {
            self.order.remove(&written);
        }
        if self.records.len() > MAX_RECORDS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
