//! The payloads that chat services get, and what becomes of failed posts.

use super::*;
use crate::controller::testing::{Fake, Reaction};
use crate::sys::http::HttpError;

fn alert(severity: Severity) -> Alert {
    let fields = vec![
        ("Target".to_owned(), "Deployment/podinfo.test".to_owned()),
        ("Traffic routing".to_owned(), "Weight step: 10 max: 50".to_owned()),
    ];
    let message = "New revision detected, progressing canary analysis.".to_owned();
    Alert { severity, message, fields }
}

fn receiver(service: &str, address: &str) -> Receiver {
    Receiver::new(Service::parse(service).unwrap(), address, "", "", "")
}

#[test]
fn slack_discord_and_rocket_share_a_form() {
    let payload = receiver("slack", "https://hooks.slack.com/x").payload("podinfo.test", &alert(Severity::Info));
    insta::assert_snapshot!(payload, @r##"{"channel":"general","username":"flagger","icon_url":"","icon_emoji":":rocket:","attachments":[{"color":"good","author_name":"podinfo.test","text":"New revision detected, progressing canary analysis.","mrkdwn_in":["text"],"fields":[{"title":"Target","value":"Deployment/podinfo.test","short":false},{"title":"Traffic routing","value":"Weight step: 10 max: 50","short":false}]}]}"##);
    for (service, severity, color) in [
        ("slack", Severity::Warn, "good"),
        ("slack", Severity::Error, "danger"),
        ("discord", Severity::Error, "danger"),
        ("rocket", Severity::Error, "#FF0000"),
        ("rocket", Severity::Warn, "#0076D7"),
    ] {
        let payload = receiver(service, "https://hooks").payload("podinfo.test", &alert(severity));
        assert_eq!(payload["attachments"][0]["color"], color, "{service}");
    }
}

#[test]
fn teams_gets_a_message_card() {
    let payload = receiver("msteams", "https://hooks").payload("podinfo.test", &alert(Severity::Error));
    insta::assert_snapshot!(payload, @r##"{"@type":"MessageCard","@context":"http://schema.org/extensions","themeColor":"FF0000","summary":"podinfo.test","sections":[{"activityTitle":"New revision detected, progressing canary analysis.","activitySubtitle":"podinfo.test","facts":[{"name":"Target","value":"Deployment/podinfo.test"},{"name":"Traffic routing","value":"Weight step: 10 max: 50"}]}]}"##);
}

#[test]
fn google_chat_gets_a_card() {
    let payload = receiver("gchat", "https://hooks").payload("podinfo.test", &alert(Severity::Info));
    insta::assert_snapshot!(payload, @r##"{"cards":[{"header":{"title":"Flagger","subtitle":"podinfo.test","imageUrl":"https://flagger.app/favicon.png"},"sections":[{"widgets":[{"textParagraph":{"text":"<font color=#848484><strong>New revision detected, progressing canary analysis.</strong></font>"}}]},{"widgets":[{"textParagraph":{"text":"Target<br><font color=#848484><strong>Deployment/podinfo.test</strong></font>"}}]},{"widgets":[{"textParagraph":{"text":"Traffic routing<br><font color=#848484><strong>Weight step: 10 max: 50</strong></font>"}}]}]}]}"##);
}

#[test]
fn discord_is_spoken_to_at_its_slack_address() {
    for (address, url) in [
        ("https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com/api/webhooks/1/x/", "https://discord.com/api/webhooks/1/x/slack"),
        ("https://discord.com/api/webhooks/1/x/slack", "https://discord.com/api/webhooks/1/x/slack"),
    ] {
        assert_eq!(receiver("discord", address).url(), url);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_2xx_is_an_error_with_the_answer_in_it() {
    let bad = |why: &str| Err(format!("postMessage failed: sending notification {why}"));
    for (reaction, expected) in [
        (Reaction::Answer(200, &[], "ok"), Ok(())),
        (Reaction::Answer(204, &[], ""), Ok(())),
        (Reaction::Answer(404, &[], "no_team"), bad("bad response 404: no_team")),
        (Reaction::Fail(HttpError::Closed), bad("failed to send: Post \"https://hooks\": EOF")),
        (Reaction::Hang, bad("failed to send: Post \"https://hooks\": context deadline exceeded")),
    ] {
        let fake = Fake::new([reaction]);
        let (http, slack) = (fake.shared(), receiver("slack", "https://hooks"));
        assert_eq!(post(&http, &slack, "podinfo.test", &alert(Severity::Info)).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn slacks_token_is_sent_as_bearer() {
    let fake = Fake::new([Reaction::Answer(200, &[], "")]);
    let receiver = Receiver::new(Service::Slack, "https://hooks", "xoxb", "releases", "canaries");
    post(&fake.shared(), &receiver, "podinfo.test", &alert(Severity::Info)).await.unwrap();
    let (_, request) = &fake.seen()[0];
    assert_eq!(request.headers()[AUTHORIZATION], "Bearer xoxb");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!((&body["channel"], &body["username"]), (&json!("releases"), &json!("canaries")));
    let fake = Fake::new([Reaction::Answer(200, &[], "")]);
    let receiver = Receiver::new(Service::Rocket, "https://hooks", "xoxb", "", "");
    post(&fake.shared(), &receiver, "podinfo.test", &alert(Severity::Info)).await.unwrap();
    assert!(!fake.seen()[0].1.headers().contains_key(AUTHORIZATION), "Flagger gives its token to Slack alone");
}
