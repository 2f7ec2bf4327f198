//! ingress-nginx' canary decision.

use super::{Backend, World};
use crate::model::object::Labels;
use crate::sys::http::Request;
use http::header::COOKIE;
use regex::Regex;
use std::sync::Arc;

/// Prefix of ingress-nginx' annotations.
pub(super) const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// The canary annotations of one Ingress.
#[derive(Debug, Clone, Default)]
pub struct CanaryRule {
    pub header: Option<String>,
    pub header_value: Option<String>,
    pub header_pattern: Option<Regex>,
    pub cookie: Option<String>,
    /// Out of `weight_total`; 0 never matches.
    pub weight: u32,
    /// At least 100.
    pub weight_total: u32,
}

/// A canary Ingress's backend with its rule.
#[derive(Debug, Clone)]
pub(super) struct Alternative {
    pub(super) backend: Arc<Backend>,
    pub(super) rule: Arc<CanaryRule>,
}

impl CanaryRule {
    /// Reads the annotations. What cannot be read counts as not there, as with ingress-nginx, and is told.
    pub(super) fn read(annotations: &Labels, tell: &mut dyn FnMut(String)) -> Self {
        let text = |name: &str| annotations.get(&format!("{PREFIX}{name}")).filter(|value| !value.is_empty()).cloned();
        let mut number = |name: &str| {
            let value = text(name)?;
            let parsed = value.trim().parse::<u32>();
            if parsed.is_err() {
                tell(format!("{PREFIX}{name} is `{value}`; it must be a whole number from 0"));
            }
            parsed.ok()
        };
        let (weight, total) = (number("canary-weight"), number("canary-weight-total"));
        let header_pattern = text("canary-by-header-pattern").and_then(|pattern| {
            let regex = Regex::new(&pattern);
            if let Err(error) = &regex {
                tell(format!("{PREFIX}canary-by-header-pattern cannot be used: {error}"));
            }
            regex.ok()
        });
        Self {
            header: text("canary-by-header"),
            header_value: text("canary-by-header-value"),
            header_pattern,
            cookie: text("canary-by-cookie"),
            weight: weight.unwrap_or(0),
            // Totals below 100 are not used.
            weight_total: total.unwrap_or(100).max(100),
        }
    }

    /// Whether a request goes to the canary. `draw(total)` is even from 1 to `total`.
    pub fn matches(&self, request: &Request, draw: impl FnOnce(u32) -> u32) -> bool {
        self.by_header(request)
            .or_else(|| self.by_cookie(request))
            .unwrap_or_else(|| draw(self.weight_total) <= self.weight)
    }

    /// None when the header does not decide.
    fn by_header(&self, request: &Request) -> Option<bool> {
        let value = request.headers().get(self.header.as_deref()?)?.to_str().ok()?;
        if let Some(wanted) = &self.header_value {
            return (wanted == value).then_some(true);
        }
        if let Some(pattern) = &self.header_pattern {
            return pattern.is_match(value).then_some(true);
        }
        always_or_never(value)
    }

    fn by_cookie(&self, request: &Request) -> Option<bool> {
        let wanted = self.cookie.as_deref()?;
        let headers = request.headers().get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).and_then(|(_, value)| always_or_never(value))
    }
}

fn always_or_never(value: &str) -> Option<bool> {
    match value {
        "always" => Some(true),
        "never" => Some(false),
        _ => None,
    }
}

impl Alternative {
    /// Whether this alternative takes the request. Without endpoints it takes none, whatever its rule says.
    pub(super) fn takes(&self, request: &Request, world: &mut dyn World) -> bool {
        world.has_endpoints(&self.backend) && self.rule.matches(request, |total| world.draw(total))
    }
}
