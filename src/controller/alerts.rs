//! Alerts to chat services, in the payloads that Flagger posts.

use crate::canary::{Alert, Severity};
use crate::sys::http::SharedHttp;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use std::time::Duration;

/// Time limit of one post.
const TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_CHANNEL: &str = "general";
const DEFAULT_USERNAME: &str = "flagger";

/// Chat services that Flagger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Slack,
    Discord,
    Rocket,
    MsTeams,
    GChat,
}

impl Service {
    /// From `spec.type` of an AlertProvider.
    pub(super) fn parse(kind: &str) -> Result<Self, String> {
        Ok(match kind {
            "slack" => Self::Slack,
            "discord" => Self::Discord,
            "rocket" => Self::Rocket,
            "msteams" => Self::MsTeams,
            "gchat" => Self::GChat,
            other => return Err(format!("provider {other} not supported")),
        })
    }
}

/// Where an alert goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) service: Service,
    pub(super) address: String,
    /// `Authorization: Bearer`, where it is not empty; only Slack gets it.
    pub(super) token: String,
    pub(super) channel: String,
    pub(super) username: String,
}

impl Receiver {
    /// A receiver with Flagger's defaults for what is empty.
    pub(super) fn new(service: Service, address: &str, token: &str, channel: &str, username: &str) -> Self {
        let or = |given: &str, default: &str| if given.is_empty() { default } else { given }.to_owned();
        Self {
            service,
            address: address.to_owned(),
            token: token.to_owned(),
            channel: or(channel, DEFAULT_CHANNEL),
            username: or(username, DEFAULT_USERNAME),
        }
    }

    /// The address that is posted to.
    fn url(&self) -> String {
        if self.service == Service::Discord && !self.address.ends_with("/slack") {
            return format!("{}/slack", self.address.trim_end_matches('/'));
        }
        self.address.clone()
    }

    /// The body of the post about the Canary `{name}.{namespace}`.
    pub(super) fn payload(&self, canary: &str, alert: &Alert) -> Value {
        let bad = alert.severity == Severity::Error;
        match self.service {
            Service::Slack | Service::Discord => self.slack(canary, alert, if bad { "danger" } else { "good" }),
            Service::Rocket => self.slack(canary, alert, if bad { "#FF0000" } else { "#0076D7" }),
            Service::MsTeams => teams(canary, alert, if bad { "FF0000" } else { "0076D7" }),
            Service::GChat => gchat(canary, alert),
        }
    }

    fn slack(&self, canary: &str, alert: &Alert, color: &str) -> Value {
        let fields: Vec<_> =
            alert.fields.iter().map(|(title, value)| json!({"title": title, "value": value, "short": false})).collect();
        json!({
            "channel": self.channel,
            "username": self.username,
            "icon_url": "",
            "icon_emoji": ":rocket:",
            "attachments": [{
                "color": color,
                "author_name": canary,
                "text": alert.message,
                "mrkdwn_in": ["text"],
                "fields": fields,
            }],
        })
    }
}

fn teams(canary: &str, alert: &Alert, color: &str) -> Value {
    let facts: Vec<_> = alert.fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": color,
        "summary": canary,
        "sections": [{"activityTitle": alert.message, "activitySubtitle": canary, "facts": facts}],
    })
}

fn gchat(canary: &str, alert: &Alert) -> Value {
    let paragraph = |text: String| json!({"widgets": [{"textParagraph": {"text": text}}]});
    let grey = |text: &str| format!("<font color=#848484><strong>{text}</strong></font>");
    let mut sections = vec![paragraph(grey(&alert.message))];
    sections.extend(alert.fields.iter().map(|(name, value)| paragraph(format!("{name}<br>{}", grey(value)))));
    json!({
        "cards": [{
            "header": {
                "title": "Flagger",
                "subtitle": canary,
                "imageUrl": "https://flagger.app/favicon.png",
            },
            "sections": sections,
        }],
    })
}

/// Posts an alert; the error is Flagger's text for its log.
pub(super) async fn post(http: &SharedHttp, receiver: &Receiver, canary: &str, alert: &Alert) -> Result<(), String> {
    let url = receiver.url();
    let mut request = Request::post(&url).header(CONTENT_TYPE, "application/json");
    if receiver.service == Service::Slack && !receiver.token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {}", receiver.token));
    }
    let body = Bytes::from(receiver.payload(canary, alert).to_string());
    let request = request.body(body).map_err(|why| format!("http.NewRequest failed: {why}"))?;
    match http.send(request, TIMEOUT).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let (status, body) = (answer.status().as_u16(), String::from_utf8_lossy(answer.body()));
            Err(format!("postMessage failed: sending notification bad response {status}: {body}"))
        }
        Err(why) => Err(format!("postMessage failed: sending notification failed to send: Post \"{url}\": {why}")),
    }
}

#[cfg(test)]
mod tests;
