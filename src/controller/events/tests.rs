//! Delivery of Kubernetes Events against a scripted API.

use super::*;
use crate::cluster::testing::{Answer, Asked, server, status, unreachable};
use std::time::Duration;

fn involved() -> Involved {
    let canary = ObjectRef::new("flagger.app/v1beta1", "Canary", "test", "podinfo");
    Involved::of(canary, &json!({"uid": "u-1", "resourceVersion": "42"}))
}

struct Setup {
    recorder: Recorder,
    meters: Arc<Meters>,
    log: Log,
}

fn recorder(client: Client) -> (Setup, impl Future<Output = ()> + Send + 'static) {
    let clock = Clock::simulated();
    let (meters, log) = (Arc::new(Meters::new("test", "nginx")), Log::new(clock));
    let (recorder, delivery) = Recorder::new(client, clock, meters.clone(), log.clone());
    (Setup { recorder, meters, log }, delivery)
}

/// Records messages and waits until all are delivered.
async fn deliver(answers: Vec<Answer>, messages: &[&str]) -> (Setup, Asked) {
    let (client, asked) = server(answers);
    let (setup, delivery) = recorder(client);
    for message in messages {
        setup.recorder.record(involved(), false, message);
    }
    // It ends with the recorder only; an hour is enough for all of it.
    let _ = tokio::time::timeout(Duration::from_secs(3_600), delivery).await;
    (setup, asked)
}

fn ok() -> Answer {
    Answer::Json(200, json!({"kind": "Event"}))
}

#[tokio::test(start_paused = true)]
async fn a_first_event_is_created_and_a_second_patched() {
    let (_, asked) = deliver(vec![ok(), ok(), ok()], &["a", "b", "a"]).await;
    let asked = asked.lock().unwrap();
    let base = "/api/v1/namespaces/test/events";
    let body = |line: &str| serde_json::from_str::<Value>(line.split_once("json ").unwrap().1).unwrap();
    assert!(asked[0].starts_with(&format!("POST {base} ")));
    let event = body(&asked[0]);
    let object = json!({
        "kind": "Canary", "namespace": "test", "name": "podinfo", "uid": "u-1",
        "apiVersion": "flagger.app/v1beta1", "resourceVersion": "42",
    });
    assert_eq!(event["involvedObject"], object);
    assert_eq!((&event["type"], &event["count"]), (&json!("Normal"), &json!(1)));
    assert_eq!(event["firstTimestamp"], "2026-01-01T00:00:00Z");
    // 2026-01-01T00:00:00Z in nanoseconds; the second event of the same instant gets the next.
    assert_eq!(event["metadata"]["name"], "podinfo.18867251edfa0000");
    assert_eq!(body(&asked[1])["metadata"]["name"], "podinfo.18867251edfa0001");
    assert_eq!(
        asked[2],
        format!(
            "PATCH {base}/podinfo.18867251edfa0000 application/merge-patch+json \
             {{\"count\":2,\"message\":\"a\",\"lastTimestamp\":\"2026-01-01T00:00:00Z\"}}"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_has_expired_is_created_again() {
    let (setup, asked) = deliver(vec![ok(), status(404, "NotFound", "gone"), ok()], &["a", "a"]).await;
    let asked = asked.lock().unwrap();
    assert!(asked[1].starts_with("PATCH ") && asked[2].starts_with("POST "));
    assert!(asked[2].contains("\"count\":2"), "{}", asked[2]);
    assert!(!setup.meters.encode().contains("coalmine_controller_events_lost_total"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_counted_and_logged() {
    let (setup, _) = deliver(vec![status(403, "Forbidden", "events are forbidden"), ok()], &["a", "b"]).await;
    let lost = "coalmine_controller_events_lost_total{cause=\"refused\",namespace=\"test\"} 1\n";
    assert!(setup.meters.encode().contains(lost));
    let log = setup.log.since(0);
    assert_eq!(log[0].message, "Server rejected event 'a' (will not retry!): events are forbidden");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_api_is_asked_twelve_times() {
    let (setup, delivery) = recorder(unreachable());
    setup.recorder.record(involved(), true, "a");
    let count = |setup: &Setup| setup.meters.encode().contains("cause=\"refused\"");
    let delivery = tokio::spawn(delivery);
    tokio::time::sleep(Duration::from_secs(109)).await;
    assert!(!count(&setup), "still trying");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(count(&setup));
    delivery.abort();
}

#[tokio::test(start_paused = true)]
async fn events_beyond_the_budget_or_the_queue_are_counted() {
    let messages = vec!["m"; 27];
    let (setup, asked) = deliver((0..25).map(|_| ok()).collect(), &messages).await;
    assert_eq!(asked.lock().unwrap().len(), 25);
    assert!(setup.meters.encode().contains("{cause=\"spam filter\",namespace=\"test\"} 2\n"));
    let (setup, _delivery) = recorder(unreachable());
    for _ in 0..MAX_QUEUED + 3 {
        setup.recorder.record(involved(), false, "m");
    }
    assert!(setup.meters.encode().contains("{cause=\"queue full\",namespace=\"test\"} 3\n"));
}
