//! Whom alerts reach, from AlertProviders, Secrets and flags; and what the log says where they do not.

use super::*;
use crate::canary::Severity;
use crate::cluster::testing::{Answer, server, status};
use crate::controller::testing::{Fake, Reaction, context};
use crate::model::canary::{Alert as Listed, TemplateRef};
use serde_json::json;

fn found(object: Value) -> Answer {
    Answer::Json(200, object)
}

fn provider(spec: &Value) -> Answer {
    found(json!({"kind": "AlertProvider", "spec": spec}))
}

fn canary(alerts: usize) -> Canary {
    let reference = TemplateRef { name: "chat".to_owned(), namespace: String::new() };
    let listed = Listed { name: "all".to_owned(), severity: "info".to_owned(), provider_ref: reference };
    let mut canary = Canary { metadata: json!({"name": "podinfo", "namespace": "test"}), ..Canary::default() };
    canary.spec.analysis.alerts = vec![listed; alerts];
    canary
}

fn bad_news() -> Alert {
    Alert { severity: Severity::Error, message: "Failed checks threshold reached 5".to_owned(), fields: Vec::new() }
}

/// Sends one alert; gives the addresses that were posted to and the lines of the log.
async fn send(answers: Vec<Answer>, reaction: Reaction, canary: &Canary) -> (Vec<String>, Vec<String>) {
    let fake = Fake::new([reaction]);
    let context = context(server(answers).0, fake.shared());
    alert(&context, canary, "podinfo.test", &bad_news()).await;
    let posted = fake.seen().iter().map(|(_, it)| it.uri().to_string()).collect();
    (posted, context.log.since(0).into_iter().map(|it| it.message).collect())
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_be_used_is_said_in_the_log() {
    let secret = || provider(&json!({"type": "slack", "secretRef": {"name": "key"}}));
    for (answers, expected) in [
        (vec![status(404, "NotFound", "gone")], "error: alertprovider.flagger.app \"chat\" not found"),
        (vec![status(403, "Forbidden", "no access")], "error: no access"),
        (vec![provider(&json!({"type": "pager"}))], "error: provider pager not supported"),
        (vec![secret(), status(404, "NotFound", "gone")], "secretRef error: secrets \"key\" not found"),
        (vec![secret(), found(json!({"data": {"token": "eA=="}}))], "secret does not contain an address"),
        (vec![secret(), found(json!({"data": {"address": "not base64!"}}))], "secret does not contain an address"),
        (
            vec![provider(&json!({"type": "slack", "address": "http://hooks.test", "proxy": "http://proxy"}))],
            "error: coalmine posts without a proxy, so http://proxy cannot be used; remove spec.proxy",
        ),
    ] {
        let (posted, log) = send(answers, Reaction::Answer(200, &[], ""), &canary(1)).await;
        assert_eq!((posted, log), (vec![], vec![format!("alert provider chat.test {expected}")]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_goes_before_the_address_and_a_refusal_is_logged() {
    let slack = provider(&json!({"type": "slack", "address": "http://old.test", "secretRef": {"name": "key"}}));
    // http://hooks.test
    let secret = found(json!({"data": {"address": "aHR0cDovL2hvb2tzLnRlc3Q="}}));
    let (posted, log) = send(vec![slack, secret], Reaction::Answer(404, &[], "no_team"), &canary(1)).await;
    assert_eq!(posted, ["http://hooks.test/"]);
    assert_eq!(
        log,
        ["alert provider chat.test send error: postMessage failed: sending notification bad response 404: no_team"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_canary_without_alerts_uses_the_controllers_own_notifier() {
    for (slack, teams, expected) in [
        ("", "", vec![]),
        ("http://slack.test/", "", vec!["http://slack.test/"]),
        ("http://slack.test/", "http://teams.test/", vec!["http://teams.test/"]),
    ] {
        let fake = Fake::new([Reaction::Answer(500, &[], "oops")]);
        let mut context = context(server(vec![]).0, fake.shared());
        slack.clone_into(&mut context.settings.slack_url);
        teams.clone_into(&mut context.settings.msteams_url);
        alert(&context, &canary(0), "podinfo.test", &bad_news()).await;
        let posted: Vec<_> = fake.seen().iter().map(|(_, it)| it.uri().to_string()).collect();
        assert_eq!(posted, expected);
        let log: Vec<_> = context.log.since(0).into_iter().map(|it| it.message).collect();
        let said = vec![
            "alert can't be sent: postMessage failed: sending notification bad response 500: oops"
                .to_owned();
            expected.len()
        ];
        assert_eq!(log, said);
    }
}
