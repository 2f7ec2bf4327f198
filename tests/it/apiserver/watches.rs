//! Watches: list and watch together show every change once, in order; and the contract that client libraries keep.

use super::support::{paused, server};
use coalmine::apiserver::{
    Api, DeleteOptions, LabelSelector, ListOptions, WatchEventKind, WatchOptions, WatchStream, resource,
};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to one of a few objects.
#[derive(Debug, Clone)]
enum Act {
    Create(u8, bool),
    Label(u8, bool),
    Delete(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0_u8..4, any::<bool>()).prop_map(|(at, on)| Act::Create(at, on)),
        (0_u8..4, any::<bool>()).prop_map(|(at, on)| Act::Label(at, on)),
        (0_u8..4).prop_map(Act::Delete),
    ]
}

fn object(at: u8, on: bool) -> Value {
    json!({ "metadata": { "name": format!("m{at}"), "namespace": "default", "labels": { "on": on.to_string() } } })
}

fn perform(api: &Api, act: &Act) {
    let _ = match act {
        Act::Create(at, on) => api.create(resource::CONFIGMAPS, "default", object(*at, *on)),
        Act::Label(at, on) => api.update(resource::CONFIGMAPS, object(*at, *on)),
        Act::Delete(at) => api.delete(resource::CONFIGMAPS, "default", &format!("m{at}"), &DeleteOptions::default()),
    };
}

fn options(selector: Option<&LabelSelector>) -> ListOptions {
    ListOptions { label_selector: selector.cloned(), ..ListOptions::default() }
}

/// The objects a list shows, by name.
fn listed(api: &Api, selector: Option<&LabelSelector>) -> (BTreeMap<String, String>, u64) {
    let list = api.list(resource::CONFIGMAPS, None, &options(selector)).unwrap();
    let pairs = list.items.iter().map(|it| {
        let text = |key: &str| it["metadata"][key].as_str().unwrap().to_owned();
        (text("name"), text("resourceVersion"))
    });
    (pairs.collect(), list.resource_version)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A client that lists and then folds the watch knows, at any moment, what a fresh list would show; revisions only
    /// grow, an object appears once before it disappears.
    #[test]
    fn list_and_watch_lose_and_repeat_nothing(
        before in prop::collection::vec(act(), 0..12),
        after in prop::collection::vec(act(), 0..24),
        selective in any::<bool>(),
    ) {
        paused(async {
            let api = server().api();
            before.iter().for_each(|it| perform(&api, it));
            let selector = selective.then(|| LabelSelector::parse("on=true").unwrap());
            let (mut known, revision) = listed(&api, selector.as_ref());
            let watching = WatchOptions {
                label_selector: selector.clone(), resource_version: Some(revision), ..WatchOptions::default()
            };
            let mut watch = api.watch(resource::CONFIGMAPS, None, watching).unwrap();
            let mut last = revision;
            for act in &after {
                perform(&api, act);
                while let Some(Some(event)) = watch.next().now_or_never() {
                    let text = |key: &str| event.object["metadata"][key].as_str().unwrap().to_owned();
                    let at: u64 = text("resourceVersion").parse().unwrap();
                    prop_assert!(at > last, "revision {at} after {last}");
                    last = at;
                    let had = known.contains_key(&text("name"));
                    prop_assert_eq!(had, event.kind != WatchEventKind::Added, "{:?} {}", event.kind, text("name"));
                    match event.kind {
                        WatchEventKind::Deleted => known.remove(&text("name")),
                        _ => known.insert(text("name"), text("resourceVersion")),
                    };
                }
                prop_assert_eq!(&known, &listed(&api, selector.as_ref()).0);
            }
            Ok(())
        })?;
    }
}

async fn kinds_until_end(mut watch: WatchStream) -> Vec<(WatchEventKind, Value)> {
    let mut seen = Vec::new();
    while let Some(event) = watch.next().await {
        seen.push((event.kind, (*event.object).clone()));
    }
    seen
}

#[test]
fn a_watch_from_a_forgotten_revision_says_gone() {
    paused(async {
        let server = server();
        let api = server.api();
        let (_, old) = listed(&api, None);
        perform(&api, &Act::Create(1, true));
        perform(&api, &Act::Delete(1));
        server.compact();
        let watching = WatchOptions { resource_version: Some(old), ..WatchOptions::default() };
        let seen = kinds_until_end(api.watch(resource::CONFIGMAPS, None, watching).unwrap()).await;
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, WatchEventKind::Error);
        assert_eq!((&seen[0].1["code"], &seen[0].1["reason"]), (&json!(410), &json!("Expired")));
    });
}

#[test]
fn a_watch_without_a_revision_begins_with_what_is_there() {
    paused(async {
        let api = server().api();
        perform(&api, &Act::Create(1, true));
        let mut watch = api.watch(resource::CONFIGMAPS, None, WatchOptions::default()).unwrap();
        assert_eq!(watch.next().await.unwrap().kind, WatchEventKind::Added);
        perform(&api, &Act::Delete(1));
        assert_eq!(watch.next().await.unwrap().kind, WatchEventKind::Deleted);
    });
}

#[test]
fn a_streaming_list_ends_with_its_bookmark() {
    paused(async {
        let api = server().api();
        perform(&api, &Act::Create(1, true));
        let watching =
            WatchOptions { allow_bookmarks: true, send_initial_events: Some(true), ..WatchOptions::default() };
        let mut watch = api.watch(resource::CONFIGMAPS, None, watching).unwrap();
        assert_eq!(watch.next().await.unwrap().kind, WatchEventKind::Added);
        let end = watch.next().await.unwrap();
        assert_eq!(end.kind, WatchEventKind::Bookmark);
        assert_eq!(end.object["metadata"]["annotations"], json!({ "k8s.io/initial-events-end": "true" }));
    });
}

#[test]
fn a_watch_ends_when_its_time_is_over_and_tells_how_far_it_came() {
    paused(async {
        let api = server().api();
        let watching = WatchOptions {
            resource_version: Some(listed(&api, None).1),
            allow_bookmarks: true,
            timeout: Some(Duration::from_secs(150)),
            ..WatchOptions::default()
        };
        let begin = tokio::time::Instant::now();
        let watch = api.watch(resource::CONFIGMAPS, None, watching).unwrap();
        let seen = kinds_until_end(watch).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(150));
        assert_eq!(seen.len(), 3, "a bookmark a minute, and one at the end");
        assert!(seen.iter().all(|(kind, _)| *kind == WatchEventKind::Bookmark));
    });
}

#[test]
fn a_server_that_shuts_down_ends_its_watches() {
    paused(async {
        let server = server();
        let watch = server.api().watch(resource::PODS, None, WatchOptions::default()).unwrap();
        let ending = async { server.shut_down() };
        let (seen, ()) = tokio::join!(kinds_until_end(watch), ending);
        assert_eq!(seen, []);
    });
}
