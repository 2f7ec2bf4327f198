//! Telling people and systems: event webhooks and alerts. What fails is logged and changes nothing.

use crate::canary::alerts::{Receivers, receivers};
use crate::canary::hooks::event_calls;
use crate::canary::{Alert, Event};
use crate::controller::alerts::{Receiver, Service, post};
use crate::controller::drive::FLAGGER;
use crate::controller::log::Level;
use crate::controller::{Context, hooks};
use crate::model::canary::{AlertProviderSpec, Canary};
use crate::model::object::ObjectRef;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// Calls the Canary's event hooks, or the controller's own where it has none.
pub(super) async fn event_webhooks(context: &Context, canary: &Canary, key: &str, event: &Event) {
    let own = Some(context.settings.event_webhook.as_str());
    for call in event_calls(canary, event, context.clock.now().as_millisecond(), own) {
        if let Err(why) = hooks::call(&context.http, &context.clock, &call).await {
            context.log.write(Level::Error, key, &format!("error sending event to webhook: {why}"));
        }
    }
}

/// Posts an alert to everyone who wants it.
pub(super) async fn alert(context: &Context, canary: &Canary, key: &str, alert: &Alert) {
    match receivers(canary, alert) {
        Receivers::Global => {
            if let Some(receiver) = global(context)
                && let Err(why) = post(&context.http, &receiver, key, alert).await
            {
                context.log.write(Level::Error, key, &format!("alert can't be sent: {why}"));
            }
        }
        Receivers::Providers(providers) => {
            for (namespace, name) in providers {
                let sent = match receiver(context, namespace, name).await {
                    Ok(receiver) => {
                        post(&context.http, &receiver, key, alert).await.map_err(|it| format!("send error: {it}"))
                    }
                    Err(why) => Err(why),
                };
                if let Err(why) = sent {
                    context.log.write(Level::Error, key, &format!("alert provider {name}.{namespace} {why}"));
                }
            }
        }
    }
}

/// The controller's own notifier; none where no flag names one.
fn global(context: &Context) -> Option<Receiver> {
    let settings = &context.settings;
    let (service, url) = if settings.msteams_url.is_empty() {
        (Service::Slack, &settings.slack_url)
    } else {
        (Service::MsTeams, &settings.msteams_url)
    };
    (!url.is_empty()).then(|| Receiver::new(service, url, "", &settings.slack_channel, &settings.slack_user))
}

/// What an AlertProvider object describes; the error says what it lacks.
async fn receiver(context: &Context, namespace: &str, name: &str) -> Result<Receiver, String> {
    let reference = ObjectRef::new(FLAGGER, "AlertProvider", namespace, name);
    let found = context.client.get(&reference).await.map_err(|why| format!("error: {why}"))?;
    let found = found.ok_or_else(|| format!("error: alertprovider.flagger.app {name:?} not found"))?;
    let spec = AlertProviderSpec::deserialize(&found["spec"]).map_err(|why| format!("error: {why}"))?;
    let service = Service::parse(&spec.kind).map_err(|why| format!("error: {why}"))?;
    if !spec.proxy.is_empty() {
        return Err(format!(
            "error: coalmine posts without a proxy, so {} cannot be used; remove spec.proxy",
            spec.proxy
        ));
    }
    let (mut address, mut token) = (spec.address, String::new());
    if let Some(secret) = &spec.secret_ref {
        let reference = ObjectRef::new("v1", "Secret", namespace, &secret.name);
        let found = context.client.get(&reference).await.map_err(|why| format!("secretRef error: {why}"))?;
        let found = found.ok_or_else(|| format!("secretRef error: secrets {:?} not found", secret.name))?;
        address = decoded(&found, "address").ok_or("secret does not contain an address")?;
        token = decoded(&found, "token").unwrap_or_default();
    }
    Ok(Receiver::new(service, &address, &token, &spec.channel, &spec.username))
}

/// A key of a Secret, as text.
fn decoded(secret: &Value, key: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(secret["data"][key].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
