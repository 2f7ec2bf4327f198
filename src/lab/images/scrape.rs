//! Finds and scrapes pods as `manifests/prometheus/prometheus.yaml` tells a real Prometheus to.

use super::Parts;
use crate::cluster::Watched;
use crate::metrics::database::Target;
use crate::metrics::scrape::{HonorLabels, offset};
use crate::metrics::{Database, Labels};
use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use crate::sys::http::SharedHttp;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// `scrape_interval` and `evaluation_interval` of the manifest.
const INTERVAL: Duration = Duration::from_secs(5);
/// `scrape_timeout` may not be longer than the interval.
const TIMEOUT: Duration = INTERVAL;
const JOB: &str = "kubernetes-pods";

/// Scrapes until it is dropped; pods that go end their series.
pub(crate) async fn pods(parts: Parts, namespace: String) {
    let http = parts.network.seen_from(&namespace);
    let mut changes = parts.kubernetes.watch("v1", "Pod", None, None);
    let mut scraping =
        Scraping { database: parts.database, clock: parts.clock, http, jobs: BTreeMap::new(), tasks: JoinSet::new() };
    while let Some(change) = changes.next().await {
        match change {
            Watched::Applied(pod) => scraping.see(&pod),
            Watched::Deleted(pod) => scraping.forget(&key_of(&pod)),
            Watched::Restarted(pods) => scraping.replace(&pods),
        }
    }
}

type Key = (String, String);

fn key_of(pod: &Value) -> Key {
    let it = ObjectRef::of(pod);
    (it.namespace, it.name)
}

struct Scraping {
    database: Database,
    clock: Clock,
    http: SharedHttp,
    jobs: BTreeMap<Key, (Target, AbortHandle)>,
    tasks: JoinSet<()>,
}

impl Scraping {
    fn replace(&mut self, pods: &[Value]) {
        let there: Vec<Key> = pods.iter().map(key_of).collect();
        let gone: Vec<Key> = self.jobs.keys().filter(|it| !there.contains(it)).cloned().collect();
        gone.iter().for_each(|it| self.forget(it));
        pods.iter().for_each(|it| self.see(it));
    }

    fn see(&mut self, pod: &Value) {
        let key = key_of(pod);
        let target = target_of(pod);
        let known = self.jobs.get(&key).map(|(target, _)| target);
        if known == target.as_ref() {
            return;
        }
        self.forget(&key);
        let Some(target) = target else { return };
        if !self.database.add_target(target.clone()) {
            return;
        }
        let task = scrape(self.database.clone(), self.clock, self.http.clone(), target.clone());
        let handle = self.tasks.spawn(task);
        self.jobs.insert(key, (target, handle));
    }

    fn forget(&mut self, key: &Key) {
        if let Some((target, task)) = self.jobs.remove(key) {
            task.abort();
            self.database.remove_target(&target.labels, self.clock.now().as_millisecond());
        }
    }
}

/// What the relabelling of the manifest makes of a pod; none for pods that are not annotated or have no address.
fn target_of(pod: &Value) -> Option<Target> {
    let annotation = |name: &str| pod["metadata"]["annotations"][name].as_str();
    if annotation("prometheus.io/scrape") != Some("true") || pod["status"]["phase"] != "Running" {
        return None;
    }
    let ip = pod["status"]["podIP"].as_str().filter(|it| !it.is_empty())?;
    let declared = || pod["spec"]["containers"][0]["ports"][0]["containerPort"].as_u64().map(|it| it.to_string());
    let port = annotation("prometheus.io/port").map(str::to_owned).or_else(declared)?;
    let path = annotation("prometheus.io/path").unwrap_or("/metrics");
    let (namespace, name) = key_of(pod);
    let app = pod["metadata"]["labels"]["app"].as_str().unwrap_or_default();
    let instance = format!("{ip}:{port}");
    let labels = [
        ("app", app),
        ("instance", &instance),
        ("job", JOB),
        ("kubernetes_namespace", &namespace),
        ("kubernetes_pod_name", &name),
        ("namespace", &namespace),
        ("pod", &name),
    ];
    Some(Target {
        labels: Labels::from_pairs(labels.into_iter().filter(|(_, value)| !value.is_empty())),
        pool: JOB.to_owned(),
        url: format!("http://{instance}{path}"),
        honor: HonorLabels::Yes,
        interval_ms: i64::try_from(INTERVAL.as_millis()).unwrap_or(i64::MAX),
    })
}

/// Scrapes one target on its own place in the interval, so that targets are spread.
async fn scrape(database: Database, clock: Clock, http: SharedHttp, target: Target) {
    let place = offset(&target.labels, INTERVAL);
    let mut next = next_after(clock.elapsed(), place);
    loop {
        clock.sleep_until(next).await;
        let began = clock.now().as_millisecond();
        let answer = fetch(&http, &target.url).await;
        let answer = answer.as_deref().map_err(String::as_str);
        // An answer that cannot be read makes the target's `up` 0; `targets` says why.
        let _ = database.scraped(&target.labels, answer, began);
        next = next_after(clock.elapsed(), place);
    }
}

/// The next moment that lies `place` into an interval, counted from the lab's start.
fn next_after(now: Duration, place: Duration) -> Duration {
    let mut next = INTERVAL * u32::try_from(now.as_nanos() / INTERVAL.as_nanos()).unwrap_or(u32::MAX) + place;
    if next <= now {
        next += INTERVAL;
    }
    next
}

async fn fetch(http: &SharedHttp, url: &str) -> Result<String, String> {
    let request = http::Request::get(url).body(Bytes::new()).map_err(|it| it.to_string())?;
    let answer = http.send(request, TIMEOUT).await.map_err(|it| format!("Get \"{url}\": {it}"))?;
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
        let at = |now, place| next_after(Duration::from_millis(now), Duration::from_millis(place)).as_millis();
        assert_eq!(at(0, 1200), 1200);
        assert_eq!(at(1200, 1200), 6200);
        assert_eq!(at(6300, 1200), 11_200);
        assert_eq!(at(4999, 0), 5000);
    }
}
