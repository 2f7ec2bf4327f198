//! Many objects, many watchers, writers that do not wait: no event is lost, repeated or out of order, and what the server
//! keeps stays within its limits.
//!
//! Once with 10,000 objects and 50 watchers in process, once smaller over sockets; and any revision as a watch's beginning, as a
//! property.
//!
//! The writers note what the server answered to each write. That ledger, in the order of revisions, is what each watcher
//! must have seen of its selection.

use super::support::{paused, server};
use crate::connection::{Connection, JSON, Place};
use coalmine::apiserver::{
    Api, DeleteOptions, Footprint, LabelSelector, ListOptions, Server, WatchEventKind, WatchOptions, resource,
};
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use proptest::prelude::*;
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
        let ledger = std::mem::take(&mut *ledger.lock().unwrap());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever it is opened and from whatever revision, a watch sees exactly the history of its selection after that.
    #[test]
    fn a_watch_from_any_revision_sees_the_history_of_its_selection(
        acts in prop::collection::vec((0_usize..4, 0_usize..4), 1..60),
        opened in 0_usize..60,
        skipped in 0_u64..60,
        watched in 0_usize..4,
    ) {
        paused(async {
            let server = server();
            let api = server.api();
            let (first, mut known, mut ledger) = (api.revision(), BTreeMap::new(), BTreeMap::new());
            let colour = COLOURS.get(watched).copied();
            let from = first + skipped % (acts.len() as u64 + 1);
            let mut watching_task = None;
            for (turn, (at, next)) in acts.iter().enumerate() {
                if turn >= opened && watching_task.is_none() && api.revision() >= from {
                    watching_task = Some(tokio::spawn(watch(server.api(), watching(colour, from))));
                    tokio::task::yield_now().await;
                }
                let name = format!("o{at}");
                let (before, after) = (known.get(&name).copied(), COLOURS.get(*next).copied());
                let written = match (before, after) {
                    (None, None) => continue,
                    (None, Some(after)) => api.create(resource::CONFIGMAPS, "default", object(&name, after, turn + 1)),
                    (Some(_), Some(after)) => api.update(resource::CONFIGMAPS, object(&name, after, turn + 1)),
                    (Some(_), None) => api.delete(resource::CONFIGMAPS, "default", &name, &DeleteOptions::default()),
                };
                match after {
                    Some(after) => drop(known.insert(name.clone(), after)),
                    None => drop(known.remove(&name)),
                }
                ledger.insert(revision(&written.unwrap()), Entry { name, before, after });
            }
            let task = watching_task.unwrap_or_else(|| {
                tokio::spawn(watch(server.api(), watching(colour, from.min(api.revision()))))
            });
            let from = from.min(api.revision());
            tokio::task::yield_now().await;
            server.shut_down();
            let after: BTreeMap<_, _> = ledger.into_iter().filter(|(revision, _)| *revision > from).collect();
            prop_assert_eq!(task.await.unwrap(), expected(&after, colour));
            Ok(())
        })?;
    }
}

/// Serves on a free port.
async fn on_a_socket(server: &Server) -> Place {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = server.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Place { port, tls: false, token: String::new() }
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The events of a watch over HTTP, one by one.
struct Lines {
    answer: http::Response<hyper::body::Incoming>,
    rest: Vec<u8>,
    /// A connection ends with its client.
    _connection: Connection,
}

impl Lines {
    async fn open(place: &Place, query: &str) -> Self {
        let mut connection = place.connect().await.unwrap();
        let path = format!("{MAPS}?watch=true&{query}");
        let answer = connection.open("GET", &path, (JSON, JSON), "").await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { answer, rest: Vec::new(), _connection: connection }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.rest.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = self.answer.body_mut().frame().await.expect("it goes on").unwrap();
            self.rest.extend_from_slice(frame.data_ref().unwrap());
        }
    }
}

async fn post(connection: &mut Connection, body: &Value) -> u64 {
    let (code, answer) = connection.send("POST", MAPS, JSON, body.to_string()).await;
    assert_eq!(code, 201);
    revision(&serde_json::from_slice(&answer).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_over_sockets_see_each_write_once_and_in_order() {
    const WRITES: usize = 200;
    let server = Server::new(coalmine::sys::clock::Clock::wall(), coalmine::sys::rng::Seed(1));
    let place = on_a_socket(&server).await;
    let from = server.api().revision();
    let mut watchers = Vec::new();
    for _ in 0..10 {
        let mut lines = Lines::open(&place, &format!("resourceVersion={from}")).await;
        watchers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < 4 * WRITES {
                let event = lines.next().await;
                assert_eq!(event["type"], "ADDED");
                seen.push((revision(&event["object"]), name(&event["object"])));
            }
            seen
        }));
    }
    let writers = (0..4).map(|writer| {
        let place = place.clone();
        tokio::spawn(async move {
            let (mut connection, mut written) = (place.connect().await.unwrap(), Vec::new());
            for turn in 0..WRITES {
                let name = format!("w{writer}-{turn}");
                written.push((post(&mut connection, &object(&name, "red", turn)).await, name));
            }
            written
        })
    });
    let mut ledger = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        ledger.extend(writer.await.unwrap());
    }
    ledger.sort();
    for watcher in watchers {
        assert_eq!(watcher.await.unwrap(), ledger);
    }
}

/// The kernel takes a few MiB for a client that reads nothing; beyond that the server keeps no more for it than for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_told_that_it_is_too_late_and_nothing_is_kept_for_it() {
    const HISTORY: usize = 16;
    let server = Server::new(coalmine::sys::clock::Clock::wall(), coalmine::sys::rng::Seed(1));
    server.set_history_limit(HISTORY);
    let place = on_a_socket(&server).await;
    let from = server.api().revision();
    let mut stopped = Lines::open(&place, &format!("resourceVersion={from}")).await;
    let mut connection = place.connect().await.unwrap();
    let mut big = object("big", "red", 0);
    big["data"]["text"] = json!("x".repeat(200_000));
    post(&mut connection, &big).await;
    for turn in 1..200 {
        big["data"]["turn"] = json!(turn.to_string());
        let (code, _) = connection.send("PUT", &format!("{MAPS}/big"), JSON, big.to_string()).await;
        assert_eq!(code, 200);
        assert!(server.footprint().buffered <= HISTORY, "{:?}", server.footprint());
    }
    let mut last = from;
    let gone = loop {
        let event = stopped.next().await;
        if event["type"] == "ERROR" {
            break event;
        }
        assert!(revision(&event["object"]) > last);
        last = revision(&event["object"]);
    };
    assert_eq!((&gone["object"]["code"], &gone["object"]["reason"]), (&json!(410), &json!("Expired")));
    let (code, list) = connection.send("GET", MAPS, JSON, "").await;
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!((code, &list["items"][0]["data"]["turn"]), (200, &json!("199")));
}
