//! The driver: conflicts, scripts, identifiers.

use super::*;
use crate::cluster::testing::{Answer as Reply, server, status};
use crate::controller::testing::{Fake, Reaction, context};
use crate::model::canary::Phase;
use serde_json::json;
use tokio::time::Instant;

fn canary(version: u32) -> Reply {
    Reply::Json(
        200,
        json!({
            "apiVersion": FLAGGER,
            "kind": "Canary",
            "metadata": {"name": "podinfo", "namespace": "test", "resourceVersion": version.to_string()},
            "spec": {"targetRef": {"kind": "Deployment", "name": "podinfo"}, "unheardOf": true},
            "status": {"phase": "Progressing", "failedChecks": version},
        }),
    )
}

fn conflict() -> Reply {
    status(409, "Conflict", "the object has been modified")
}

async fn set_weight(answers: Vec<Reply>) -> (Result<(), ApiError>, Vec<String>, Duration) {
    let (client, asked) = server(answers);
    let context = context(client, Fake::new([Reaction::Hang]).shared());
    let start = Instant::now();
    let written = write_status(&context, &canary_ref("test", "podinfo"), &StatusWrite::SetWeight(20)).await;
    let asked = asked.lock().unwrap().clone();
    (written, asked, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_status_write_begins_anew_on_a_conflict() {
    let answers = vec![canary(1), conflict(), canary(2), conflict(), canary(3), conflict(), canary(4), canary(5)];
    let (written, asked, took) = set_weight(answers).await;
    assert_eq!((written, took), (Ok(()), Duration::from_millis(10 + 50 + 250)));
    let path = "/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo";
    assert_eq!(asked.iter().filter(|it| **it == format!("GET {path}")).count(), 4);
    let last = asked.last().unwrap();
    assert!(last.starts_with(&format!("PUT {path}/status ")), "{last}");
    let body: Value = serde_json::from_str(last.split_once("application/json ").unwrap().1).unwrap();
    assert_eq!((&body["status"]["canaryWeight"], &body["status"]["failedChecks"]), (&json!(20), &json!(4)));
    assert_eq!(body["metadata"]["resourceVersion"], "4", "on the object as freshly read");
    assert_eq!(body["spec"]["unheardOf"], true, "what coalmine does not know stays");
}

#[tokio::test(start_paused = true)]
async fn the_fourth_conflict_is_the_answer() {
    let answers = (1..=4).flat_map(|version| [canary(version), conflict()]).collect();
    let (written, _, took) = set_weight(answers).await;
    let refused = written.unwrap_err();
    assert_eq!((refused.reason, refused.to_string().as_str()), (ApiReason::Conflict, "the object has been modified"));
    assert_eq!(took, Duration::from_millis(310));
}

#[tokio::test(start_paused = true)]
async fn a_vanished_canary_is_not_found() {
    let (written, _, _) = set_weight(vec![status(404, "NotFound", "gone")]).await;
    let refused = written.unwrap_err();
    assert_eq!(refused.reason, ApiReason::NotFound);
    assert_eq!(refused.message, "canaries.flagger.app \"podinfo\" not found");
}

#[tokio::test(start_paused = true)]
async fn a_script_is_driven_with_its_answers_in_order() {
    fn script(_: &Input<'_>, answers: &[Answer]) -> Turn {
        let told = |message: &str| Tell::Log { level: LogLevel::Info, message: message.to_owned(), named: true };
        let (tell, next) = match answers {
            [] => (told("asks for the Canary"), Next::Ask(Ask::Canary)),
            [Answer::Canary(Ok(Some(canary)))] if canary.status.phase == Phase::Progressing => {
                (told("waits"), Next::Ask(Ask::Wait(Duration::from_secs(7))))
            }
            [_, Answer::Carried(Ok(()))] => (told("ends"), Next::Done(Outcome::Failed("on purpose".to_owned()))),
            other => (told(&format!("{other:?}")), Next::Done(Outcome::Failed("astray".to_owned()))),
        };
        Turn { tell: vec![tell], next }
    }
    let (client, _) = server(vec![canary(1)]);
    let context = context(client, Fake::new([Reaction::Hang]).shared());
    let outcome = run(&context, &canary_ref("test", "podinfo"), script).await;
    assert_eq!(outcome, Outcome::Failed("on purpose".to_owned()));
    let log: Vec<_> = context.log.since(0).into_iter().map(|it| (it.canary, it.message)).collect();
    let line = |message: &str| ("podinfo.test".to_owned(), message.to_owned());
    assert_eq!(log, [line("asks for the Canary"), line("waits"), line("ends")]);
    assert_eq!(context.clock.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn identifiers_come_from_the_seed() {
    let make = || context(server(vec![]).0, Fake::new([Reaction::Hang]).shared());
    let (one, two) = (make(), make());
    let id = one.uuid();
    assert_eq!(id, two.uuid());
    assert_ne!(id, one.uuid());
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    assert!(id.as_bytes()[14] == b'4' && b"89ab".contains(&id.as_bytes()[19]), "version 4, variant 1: {id}");
    let cookie = one.cookie();
    assert!(cookie.len() == 10 && cookie.chars().all(|it| it.is_ascii_alphanumeric()), "{cookie}");
}
