//! Finds what the scrape jobs ask for, and scrapes it.

use super::Parts;
use super::discover::discovered;
use crate::cluster::{Client, Watched};
use crate::metrics::config::{Discovery, Found, Role, ScrapeConfig, find};
use crate::metrics::database::Target;
use crate::metrics::scrape::offset;
use crate::metrics::{Database, Labels};
use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use crate::sys::http::SharedHttp;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::select_all;
use futures_util::stream::BoxStream;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Scrapes what the jobs say until it is dropped; what goes ends its series.
pub(super) async fn all(parts: Parts, namespace: String, mut jobs: watch::Receiver<Vec<ScrapeConfig>>) {
    let http = parts.network.seen_from(&namespace);
    let mut watches = Watches { cluster: parts.kubernetes, streams: BTreeMap::new() };
    let mut discovery = Search::default();
    let mut scraping = Scraping::new(parts.database, parts.clock, http);
    let now = jobs.borrow_and_update().clone();
    watches.open(&now);
    discovery.set_jobs(now);
    scraping.follow(&discovery);
    loop {
        let changed = tokio::select! {
            biased;
            changed = jobs.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = jobs.borrow_and_update().clone();
                watches.open(&now);
                discovery.set_jobs(now);
                true
            }
            (role, change) = watches.next() => discovery.take(role, change),
        };
        if changed {
            scraping.follow(&discovery);
        }
    }
}

/// Watches of the kinds that are asked for.
struct Watches {
    cluster: Client,
    streams: BTreeMap<Role, BoxStream<'static, Watched>>,
}

impl Watches {
    fn open(&mut self, jobs: &[ScrapeConfig]) {
        let wanted = |role: Role| {
            let asks = |it: &Discovery| matches!(it, Discovery::Kubernetes { role: other, .. } if *other == role);
            jobs.iter().any(|job| job.discovery.iter().any(asks))
        };
        for (role, kind) in [(Role::Pod, "Pod"), (Role::Service, "Service"), (Role::Node, "Node")] {
            if wanted(role) && !self.streams.contains_key(&role) {
                self.streams.insert(role, self.cluster.watch("v1", kind, None, None));
            }
        }
    }

    async fn next(&mut self) -> (Role, Watched) {
        if self.streams.is_empty() {
            return std::future::pending().await;
        }
        let each = self.streams.iter_mut().map(|(role, stream)| {
            Box::pin(async move {
                match stream.next().await {
                    Some(change) => (*role, change),
                    // Watches never end.
                    None => std::future::pending().await,
                }
            })
        });
        select_all(each).await.0
    }
}

type Key = (String, String);

fn key_of(object: &Value) -> Key {
    let it = ObjectRef::of(object);
    (it.namespace, it.name)
}

/// What there is, and what the jobs make of it.
#[derive(Default)]
struct Search {
    jobs: Vec<ScrapeConfig>,
    /// Labels of objects that are there.
    objects: BTreeMap<(Role, Key), Vec<Labels>>,
    /// What the jobs make of them, job by job; the static targets of a job stand under no object.
    found: BTreeMap<Option<(Role, Key)>, Vec<(String, Found)>>,
}

impl Search {
    fn set_jobs(&mut self, jobs: Vec<ScrapeConfig>) {
        self.jobs = jobs;
        self.found.clear();
        let mut fixed = Vec::new();
        for job in &self.jobs {
            for source in &job.discovery {
                let Discovery::Static(source) = source else { continue };
                for address in &source.targets {
                    let labels = source.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                    let labels = Labels::from_pairs(labels.chain([("__address__", address.as_str())]));
                    fixed.push((job.name.clone(), find(job, &labels)));
                }
            }
        }
        self.found.insert(None, fixed);
        for (place, labels) in &self.objects {
            self.found.insert(Some(place.clone()), found_in(&self.jobs, place, labels));
        }
    }

    /// Takes a change; says whether anything is found otherwise than before.
    fn take(&mut self, role: Role, change: Watched) -> bool {
        match change {
            Watched::Applied(object) => self.see(role, &object),
            Watched::Deleted(object) => self.forget(&(role, key_of(&object))),
            Watched::Restarted(objects) => {
                let there: Vec<Key> = objects.iter().map(key_of).collect();
                let gone = self.objects.keys().filter(|(other, key)| *other == role && !there.contains(key));
                let gone: Vec<(Role, Key)> = gone.cloned().collect();
                let fewer = gone.iter().filter(|place| self.forget(place)).count() > 0;
                objects.iter().filter(|object| self.see(role, object)).count() > 0 || fewer
            }
        }
    }

    fn see(&mut self, role: Role, object: &Value) -> bool {
        let place = (role, key_of(object));
        let labels = discovered(role, object);
        if self.objects.get(&place) == Some(&labels) {
            return false;
        }
        let found = found_in(&self.jobs, &place, &labels);
        self.objects.insert(place.clone(), labels);
        self.found.insert(Some(place), found);
        true
    }

    fn forget(&mut self, place: &(Role, Key)) -> bool {
        self.objects.remove(place);
        self.found.remove(&Some(place.clone())).is_some_and(|found| !found.is_empty())
    }
}

/// What the jobs make of one object.
fn found_in(jobs: &[ScrapeConfig], (role, key): &(Role, Key), labels: &[Labels]) -> Vec<(String, Found)> {
    let asks = |source: &Discovery| match source {
        Discovery::Static(_) => false,
        Discovery::Kubernetes { role: wanted, namespaces } => {
            wanted == role && (namespaces.is_empty() || namespaces.contains(&key.0))
        }
    };
    let jobs = jobs.iter().filter(|job| job.discovery.iter().any(asks));
    jobs.flat_map(|job| labels.iter().map(|labels| (job.name.clone(), find(job, labels)))).collect()
}

/// What is being scraped.
struct Scraping {
    database: Database,
    clock: Clock,
    http: SharedHttp,
    running: BTreeMap<Labels, (Target, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Scraping {
    fn new(database: Database, clock: Clock, http: SharedHttp) -> Self {
        Self { database, clock, http, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Begins and ends scrapes, so that they are what was found. Of targets with the same labels there is one.
    fn follow(&mut self, search: &Search) {
        // Scrapes that were ended are done with.
        while self.tasks.try_join_next().is_some() {}
        let mut wanted: BTreeMap<&Labels, &Target> = BTreeMap::new();
        let mut dropped: BTreeMap<String, Vec<Labels>> =
            search.jobs.iter().map(|job| (job.name.clone(), Vec::new())).collect();
        for (job, found) in search.found.values().flatten() {
            match found {
                Found::Target(target) => {
                    wanted.entry(&target.labels).or_insert(target);
                }
                Found::Dropped(labels) => dropped.entry(job.clone()).or_default().push(labels.clone()),
                Found::Nowhere => {}
            }
        }
        self.database.set_dropped(dropped);
        let same = |labels: &Labels, running: &Target| wanted.get(labels).is_some_and(|it| it.is_scraped_as(running));
        let over = self.running.iter().filter(|(labels, (target, _))| !same(labels, target));
        let over: Vec<Labels> = over.map(|(labels, _)| labels.clone()).collect();
        over.iter().for_each(|labels| self.end(labels));
        for (labels, target) in wanted {
            match self.running.get_mut(labels) {
                None => self.begin(target),
                Some((running, _)) if running.discovered != target.discovered => {
                    running.discovered = target.discovered.clone();
                    self.database.rediscover(labels, target.discovered.clone());
                }
                Some(_) => {}
            }
        }
    }

    fn begin(&mut self, target: &Target) {
        if !self.database.add_target(target.clone()) {
            return;
        }
        let task = scrape(self.database.clone(), self.clock, self.http.clone(), target.clone());
        let handle = self.tasks.spawn(task);
        self.running.insert(target.labels.clone(), (target.clone(), handle));
    }

    fn end(&mut self, labels: &Labels) {
        if let Some((_, task)) = self.running.remove(labels) {
            task.abort();
            self.database.remove_target(labels, self.clock.now().as_millisecond());
        }
    }
}

/// Scrapes one target on its own place in the interval, so that targets are spread.
async fn scrape(database: Database, clock: Clock, http: SharedHttp, target: Target) {
    let millis = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(1).max(1));
    let (interval, timeout) = (millis(target.interval_ms), millis(target.timeout_ms));
    let place = offset(&target.labels, interval);
    let mut next = next_after(clock.elapsed(), place, interval);
    loop {
        clock.sleep_until(next).await;
        let began = clock.now().as_millisecond();
        let answer = fetch(&http, &target.url, timeout).await;
        let answer = answer.as_deref().map_err(String::as_str);
        // An answer that cannot be read makes the target's `up` 0; `targets` says why.
        let _ = database.scraped(&target.labels, answer, began);
        next = next_after(clock.elapsed(), place, interval);
    }
}

/// The next moment that lies `place` into an interval, counted from the lab's start.
fn next_after(now: Duration, place: Duration, interval: Duration) -> Duration {
    let mut next = interval * u32::try_from(now.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX) + place;
    if next <= now {
        next += interval;
    }
    next
}

async fn fetch(http: &SharedHttp, url: &str, timeout: Duration) -> Result<String, String> {
    let request = http::Request::get(url).body(Bytes::new()).map_err(|it| it.to_string())?;
    let answer = http.send(request, timeout).await.map_err(|it| format!("Get \"{url}\": {it}"))?;
    if !answer.status().is_success() {
        return Err(format!("server returned HTTP status {}", answer.status()));
    }
    String::from_utf8(answer.into_body().into()).map_err(|it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scrape_is_at_its_place_in_the_interval() {
        let millis = Duration::from_millis;
        let at = |now, place| next_after(millis(now), millis(place), millis(5_000)).as_millis();
        assert_eq!(at(0, 1200), 1200);
        assert_eq!(at(1200, 1200), 6200);
        assert_eq!(at(6300, 1200), 11_200);
        assert_eq!(at(4999, 0), 5000);
    }
}
