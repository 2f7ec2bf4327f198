//! Many objects, many watchers, writers that do not wait: no event is lost, repeated or out of order, and what the server
//! keeps stays within its limits.
//!
//! The writers note what the server answered to each write. That ledger, in the order of revisions, is what each watcher
//! must have seen of its selection.

use super::support::{paused, server};
use coalmine::apiserver::{
    Api, DeleteOptions, Footprint, LabelSelector, ListOptions, Server, WatchEventKind, WatchOptions, resource,
};
use futures_util::{FutureExt, StreamExt};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const OBJECTS: usize = 10_000;
const WRITERS: usize = 8;
const WRITES_OF_EACH: usize = 1_500;
const WATCHERS: usize = 50;
const SLOW_WATCHERS: usize = 3;
/// The label that comes and goes; a watcher has one of its values as its selector, or none.
const COLOURS: [&str; 3] = ["red", "green", "blue"];
/// Writes of one writer before the others have their turn.
const IN_ONE_GO: usize = 16;

/// What happened, as the ledger and the watchers note it: revision, name, colour before, colour after.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    name: String,
    before: Option<&'static str>,
    after: Option<&'static str>,
}

type Ledger = Arc<Mutex<BTreeMap<u64, Entry>>>;

fn colour(object: &Value) -> Option<&'static str> {
    let found = object["metadata"]["labels"]["colour"].as_str();
    COLOURS.into_iter().find(|it| Some(*it) == found)
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

fn object(name: &str, colour: &str, turn: usize) -> Value {
    json!({ "metadata": { "name": name, "namespace": "default", "labels": { "colour": colour } }, "data": { "turn": turn.to_string() } })
}

/// Each writer has objects of its own, so that it knows what was there before its write.
async fn write(api: Api, number: usize, ledger: Ledger) {
    let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
    let mut known: BTreeMap<String, Option<&'static str>> =
        (number..OBJECTS).step_by(WRITERS).map(|it| (format!("o{it:05}"), Some(COLOURS[it % COLOURS.len()]))).collect();
    let names: Vec<String> = known.keys().cloned().collect();
    for turn in 0..WRITES_OF_EACH {
        let at = names[rng.random_range(0..names.len())].as_str();
        let before = known[at];
        let after = (rng.random_range(0..4) > 0).then(|| COLOURS[rng.random_range(0..COLOURS.len())]);
        let written = match (before, after) {
            (None, None) => continue,
            (None, Some(after)) => api.create(resource::CONFIGMAPS, "default", object(at, after, turn + 1)),
            (Some(_), Some(after)) => api.update(resource::CONFIGMAPS, object(at, after, turn + 1)),
            (Some(_), None) => api.delete(resource::CONFIGMAPS, "default", at, &DeleteOptions::default()),
        };
        known.insert(at.to_owned(), after);
        let entry = Entry { name: at.to_owned(), before, after };
        assert_eq!(ledger.lock().unwrap().insert(revision(&written.unwrap()), entry), None);
        if turn % IN_ONE_GO == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// What a watcher of this colour must see of the ledger.
fn expected(ledger: &BTreeMap<u64, Entry>, colour: Option<&str>) -> Vec<(u64, String, WatchEventKind)> {
    let selected = |it: Option<&str>| it.is_some() && (colour.is_none() || it == colour);
    let events = ledger.iter().filter_map(|(revision, entry)| {
        let kind = match (selected(entry.before), selected(entry.after)) {
            (false, true) => WatchEventKind::Added,
            (true, true) => WatchEventKind::Modified,
            (true, false) => WatchEventKind::Deleted,
            (false, false) => return None,
        };
        Some((*revision, entry.name.clone(), kind))
    });
    events.collect()
}

fn watching(colour: Option<&str>, from: u64) -> WatchOptions {
    let label_selector = colour.map(|it| LabelSelector::parse(&format!("colour={it}")).unwrap());
    WatchOptions { label_selector, resource_version: Some(from), ..WatchOptions::default() }
}

/// Everything until the server ends the watch; `Err` with what was seen when it was too slow.
async fn watch(api: Api, options: WatchOptions) -> Vec<(u64, String, WatchEventKind)> {
    let mut stream = api.watch(resource::CONFIGMAPS, None, options).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        assert_ne!(event.kind, WatchEventKind::Error, "{}", event.object);
        seen.push((revision(&event.object), name(&event.object), event.kind));
    }
    seen
}

/// Tells the first difference only: the lists are long.
fn same(seen: &[(u64, String, WatchEventKind)], wanted: &[(u64, String, WatchEventKind)], colour: Option<&str>) {
    for (at, (seen, wanted)) in seen.iter().zip(wanted).enumerate() {
        assert_eq!(seen, wanted, "event {at} of a watcher of {colour:?}");
    }
    assert_eq!(seen.len(), wanted.len(), "events of a watcher of {colour:?}");
}

fn listed(api: &Api) -> (BTreeMap<String, u64>, u64) {
    let list = api.list(resource::CONFIGMAPS, None, &ListOptions::default()).unwrap();
    (list.items.iter().map(|it| (name(it), revision(it))).collect(), list.resource_version)
}

/// Takes one event while others write hundreds; when it is told that it is too late, it lists and begins again. In the
/// end it knows what there is. The answer: how often it was too late.
async fn lag(api: Api, done: Arc<Mutex<bool>>) -> usize {
    let (mut known, mut from) = listed(&api);
    let mut gone = 0;
    loop {
        let mut stream = api.watch(resource::CONFIGMAPS, None, watching(None, from)).unwrap();
        loop {
            let last = *done.lock().unwrap();
            for _ in 0..if last { 0 } else { 40 } {
                tokio::task::yield_now().await;
            }
            let event = match stream.next().now_or_never() {
                Some(event) => event.unwrap(),
                None if last => {
                    assert_eq!(known, listed(&api).0);
                    return gone;
                }
                None => continue,
            };
            match event.kind {
                WatchEventKind::Error => {
                    assert_eq!((&event.object["code"], &event.object["reason"]), (&json!(410), &json!("Expired")));
                    gone += 1;
                    (known, from) = listed(&api);
                    break;
                }
                WatchEventKind::Deleted => drop(known.remove(&name(&event.object))),
                _ => drop(known.insert(name(&event.object), revision(&event.object))),
            }
        }
    }
}

/// The greatest that was ever kept of each.
fn greatest(a: Footprint, b: Footprint) -> Footprint {
    Footprint {
        objects: a.objects.max(b.objects),
        changes: a.changes.max(b.changes),
        decoded: a.decoded.max(b.decoded),
        buffered: a.buffered.max(b.buffered),
    }
}

fn filled(server: &Server) -> u64 {
    let api = server.api();
    for at in 0..OBJECTS {
        let first = object(&format!("o{at:05}"), COLOURS[at % COLOURS.len()], 0);
        api.create(resource::CONFIGMAPS, "default", first).unwrap();
    }
    api.revision()
}

#[test]
fn ten_thousand_objects_and_fifty_watchers_lose_repeat_and_reorder_nothing() {
    const HISTORY: usize = 2_048;
    /// What the server's own pages name as limits: `WATCH_BUFFER`, `ALWAYS_DECODED` and `REST_EVERY`.
    const BUFFER: usize = 256;
    paused(async {
        let server = server();
        server.set_history_limit(HISTORY);
        let from = filled(&server);
        let ledger = Ledger::default();
        let mut watchers = Vec::new();
        for number in 0..WATCHERS {
            let colour = [None, Some("red"), Some("green"), Some("blue")][number % 4];
            watchers.push((colour, tokio::spawn(watch(server.api(), watching(colour, from)))));
        }
        let done = Arc::new(Mutex::new(false));
        let slow: Vec<_> = (0..SLOW_WATCHERS).map(|_| tokio::spawn(lag(server.api(), Arc::clone(&done)))).collect();
        let writers: Vec<_> =
            (0..WRITERS).map(|it| tokio::spawn(write(server.api(), it, Arc::clone(&ledger)))).collect();
        let mut most = Footprint::default();
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            most = greatest(most, server.footprint());
        }
        for writer in writers {
            writer.await.unwrap();
        }
        *done.lock().unwrap() = true;
        for watcher in slow {
            assert!(watcher.await.unwrap() > 0, "nobody was too slow");
        }
        server.shut_down();
        let ledger = ledger.lock().unwrap();
        assert!(ledger.len() > WRITERS * WRITES_OF_EACH / 2);
        for (colour, watcher) in watchers {
            same(&watcher.await.unwrap(), &expected(&ledger, colour), colour);
        }
        assert!(most.changes <= HISTORY + 16, "{most:?}");
        assert!(most.buffered <= (WATCHERS + SLOW_WATCHERS) * BUFFER, "{most:?}");
        assert!(most.decoded <= HISTORY + 1_024 + 256, "{most:?}");
        assert_eq!(server.footprint().buffered, 0, "the watches are over");
    });
}
