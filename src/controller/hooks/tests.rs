//! Statuses, time limits and retries of webhooks, with Flagger's texts.

use super::*;
use crate::controller::testing::{Fake, Reaction};
use crate::model::canary::Webhook;
use Reaction::{Answer, Fail, Hang};
use serde_json::json;

const URL: &str = "http://loadtester.test/gate/check";

fn hook(retries: i64, timeout: &str) -> HookCall {
    let hook = Webhook { url: URL.to_owned(), retries, timeout: timeout.to_owned(), ..Webhook::default() };
    HookCall { hook, payload: json!({"name": "podinfo", "namespace": "test"}) }
}

fn refused() -> Reaction {
    Fail(HttpError::Refused { address: "10.0.0.7:80".to_owned() })
}

/// Runs one call; gives its result and the seconds at which attempts were made.
async fn run(script: Vec<Reaction>, call: &HookCall) -> (Result<(), String>, Vec<u64>) {
    let fake = Fake::new(script);
    let result = super::call(&fake.shared(), &Clock::simulated(), call).await;
    (result, fake.times())
}

#[tokio::test(start_paused = true)]
async fn a_status_decides_as_in_flagger() {
    let gave_up = || Err(format!("POST {URL} giving up after 1 attempt(s)"));
    let body = |text: &str| Err(text.to_owned());
    for (status, sent, expected) in [
        (200, "OK", Ok(())),
        (202, "", Ok(())),
        (203, "almost", body("almost")),
        (204, "", body("")),
        (301, "moved", body("moved")),
        (400, "Bad Request", body("Bad Request")),
        (403, "Forbidden", body("Forbidden")),
        (429, "slow down", gave_up()),
        (500, "command failed", gave_up()),
        (501, "not here", body("not here")),
        (503, "", gave_up()),
    ] {
        let (result, _) = run(vec![Answer(status, &[], sent)], &hook(0, "")).await;
        assert_eq!(result, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn connection_errors_and_timeouts_say_their_cause() {
    let attempt =
        |times: u32, cause: &str| format!("POST {URL} giving up after {times} attempt(s): Post \"{URL}\": {cause}");
    let timed_out = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let (result, _) = run(vec![refused()], &hook(0, "")).await;
    assert_eq!(result, Err(attempt(1, "dial tcp 10.0.0.7:80: connect: connection refused")));
    let (result, times) = run(vec![Hang], &hook(1, "")).await;
    assert_eq!((result, times), (Err(attempt(2, timed_out)), vec![0, 11]), "10 s for each attempt, 1 s between them");
    let (result, times) = run(vec![Hang], &hook(1, "2s")).await;
    assert_eq!((result, times), (Err(attempt(2, timed_out)), vec![0, 3]));
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_thirty_seconds() {
    let (result, times) = run(vec![refused()], &hook(7, "")).await;
    assert!(result.unwrap_err().contains("giving up after 8 attempt(s)"));
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 61, 91]);
}

#[tokio::test(start_paused = true)]
async fn a_later_attempt_may_pass_and_a_refusal_is_not_tried_again() {
    let (result, times) = run(vec![Answer(500, &[], ""), refused(), Answer(200, &[], "OK")], &hook(5, "")).await;
    assert_eq!((result, times), (Ok(()), vec![0, 1, 3]));
    let (result, times) = run(vec![Answer(500, &[], ""), Answer(403, &[], "Forbidden")], &hook(5, "")).await;
    assert_eq!((result, times), (Err("Forbidden".to_owned()), vec![0, 1]));
}

#[tokio::test(start_paused = true)]
async fn retry_after_goes_before_the_back_off() {
    for (status, value, second) in [
        (429, "7", 7),
        (503, "45", 45),
        (503, "Thu, 01 Jan 2026 00:00:20 GMT", 20),
        (503, "Wed, 31 Dec 2025 00:00:00 GMT", 0),
        (503, "soon", 1),
        (500, "7", 1),
    ] {
        let headers: &'static [(&str, &str)] = Box::leak(Box::new([("retry-after", value)]));
        let (result, times) = run(vec![Answer(status, headers, ""), Answer(200, &[], "")], &hook(1, "")).await;
        assert_eq!((result, times), (Ok(()), vec![0, second]), "{status} {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn posts_the_payload_as_json() {
    let fake = Fake::new([Answer(200, &[], "")]);
    super::call(&fake.shared(), &Clock::simulated(), &hook(0, "")).await.unwrap();
    let (_, request) = &fake.seen()[0];
    assert_eq!(request.method(), http::Method::POST);
    assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(request.body(), r#"{"name":"podinfo","namespace":"test"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_address_fails_without_a_call() {
    let mut call = hook(3, "");
    call.hook.url = "loadtester/gate".to_owned();
    let fake = Fake::new([Answer(200, &[], "")]);
    let why = super::call(&fake.shared(), &Clock::simulated(), &call).await.unwrap_err();
    assert_eq!(
        why,
        r#"POST loadtester/gate giving up after 1 attempt(s): Post "loadtester/gate": unsupported protocol scheme """#
    );
    assert!(fake.seen().is_empty());
}

#[test]
fn passwords_stay_out_of_events() {
    for (url, shown) in [
        ("http://me:secret@hooks.test/x?y=@", "http://me:xxxxx@hooks.test/x?y=@"),
        ("http://me@hooks.test/", "http://me@hooks.test/"),
        ("http://hooks.test/a@b:c", "http://hooks.test/a@b:c"),
    ] {
        assert_eq!(redacted(url), shown);
    }
}
