//! What the informer refuses before a Canary is ever scheduled.

use super::ask::Settings;
use crate::model::canary::{Canary, TemplateRef};

/// Why a Canary is not scheduled; Flagger's words where they are known.
pub fn admit(canary: &Canary, settings: &Settings) -> Result<(), String> {
    let analysis = &canary.spec.analysis;
    let cookie = |field: &str| analysis.session_affinity[field].as_str().unwrap_or_default();
    if !cookie("cookieName").is_empty() && cookie("cookieName") == cookie("primaryCookieName") {
        let words =
            "can't use the same cookie name for both primary and cookie name; please update them to be different";
        return Err(words.to_owned());
    }
    if settings.no_cross_namespace_refs {
        let templates = analysis.metrics.iter().filter_map(|it| it.template_ref.as_ref());
        let providers = analysis.alerts.iter().map(|it| &it.provider_ref);
        let foreign = |it: &&TemplateRef| !it.namespace.is_empty() && it.namespace != canary.namespace();
        if let Some(reference) = templates.chain(providers).find(foreign) {
            let (name, namespace) = (&reference.name, &reference.namespace);
            return Err(format!("can't access {name}.{namespace}, cross-namespace references are blocked"));
        }
    }
    Ok(())
}
