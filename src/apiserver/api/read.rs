//! Lists: selectors, pages, consistent snapshots.

use crate::apiserver::http::go_json;
use crate::apiserver::kinds::Kind;
use crate::apiserver::object::Object;
use crate::apiserver::options::ListOptions;
use crate::apiserver::server::State;
use crate::apiserver::status::{Cause, Reason, Status};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

/// A list, or a page of one.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// In the order of namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The revision that the items show; a watch goes on from here.
    pub resource_version: u64,
    /// The token of the next page.
    pub continue_: Option<String>,
    /// How many objects follow on later pages; not told when there is a selector.
    pub remaining: Option<u64>,
}

/// What a continue token says: the revision of the first page, and the last key given out.
struct Token {
    revision: u64,
    after: (String, String),
}

impl Token {
    fn encode(&self) -> String {
        let (namespace, name) = &self.after;
        let value = json!({ "v": "meta.k8s.io/v1", "rv": self.revision, "ns": namespace, "name": name });
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn decode(text: &str) -> Result<Self, Status> {
        let refused =
            |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let invalid = || refused("encoded value is not a token of this server");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused("illegal base64 data"))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|it| refused(&go_json::fault(&bytes).unwrap_or_else(|| it.to_string())))?;
        let part = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let revision = value.get("rv").and_then(Value::as_u64).ok_or_else(invalid)?;
        let after = (part("ns").ok_or_else(invalid)?, part("name").ok_or_else(invalid)?);
        Ok(Self { revision, after })
    }
}

/// A page as it is kept, not decoded yet.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub objects: Vec<Arc<Object>>,
    pub resource_version: u64,
    pub continue_: Option<String>,
    pub remaining: Option<u64>,
}

impl Page {
    pub fn decoded(self) -> List {
        let Self { objects, resource_version, continue_, remaining } = self;
        List { items: objects.iter().map(|it| it.glance()).collect(), resource_version, continue_, remaining }
    }
}

pub(super) fn list(state: &State, kind: &Kind, namespace: Option<&str>, options: &ListOptions) -> Result<Page, Status> {
    if let Some(selector) = &options.field_selector {
        selector.check(&kind.key, kind.custom)?;
    }
    let now = state.store.revision();
    let token = options.continue_.as_deref().filter(|it| !it.is_empty()).map(Token::decode).transpose()?;
    let asked = options.resource_version.filter(|it| *it > 0);
    if let Some(asked) = asked.filter(|it| *it > now) {
        return Err(too_large(asked, now));
    }
    let revision = match &token {
        Some(token) => token.revision,
        None if options.exact => asked.unwrap_or(now),
        None => now,
    };
    let namespace = namespace.filter(|_| kind.namespaced);
    let Some(collection) = state.store.collection(&kind.key) else {
        return Ok(Page { resource_version: revision, ..Page::default() });
    };
    if revision == now {
        let objects = collection.iter(namespace).cloned();
        return Ok(page(objects, revision, token.as_ref(), options));
    }
    let objects = collection.at(revision, namespace).ok_or_else(|| no_longer_known(token.is_some(), revision, now))?;
    Ok(page(objects.into_iter(), revision, token.as_ref(), options))
}

pub(super) fn too_large(asked: u64, now: u64) -> Status {
    let message = format!("Timeout: Too large resource version: {asked}, current: {now}");
    let cause = Cause {
        reason: "ResourceVersionTooLarge".to_owned(),
        message: "Too large resource version".to_owned(),
        field: String::new(),
    };
    Status::new(504, Reason::Timeout, message).with_causes(vec![cause]).retry_after(1)
}

fn no_longer_known(continued: bool, revision: u64, now: u64) -> Status {
    if !continued {
        return Status::expired(format!("The resourceVersion for the provided list is too old: {revision} ({now})."));
    }
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You must start a new list \
         without the continue parameter.",
    )
}

fn page(
    objects: impl Iterator<Item = Arc<Object>>,
    revision: u64,
    token: Option<&Token>,
    options: &ListOptions,
) -> Page {
    let after = token.map(|it| (it.after.0.as_str(), it.after.1.as_str()));
    let mut rest = objects.filter(|it| after.is_none_or(|after| it.key() > after)).filter(|it| selected(it, options));
    let limit = options.limit.filter(|it| *it > 0).map_or(usize::MAX, |it| it as usize);
    let objects: Vec<_> = rest.by_ref().take(limit).collect();
    let mut page = Page { resource_version: revision, ..Page::default() };
    let plain = options.label_selector.is_none() && options.field_selector.is_none();
    let following = match objects.len() < limit {
        true => 0,
        // How many more a selector would find is not told, so nobody counts them.
        false if plain => rest.count() as u64,
        false => u64::from(rest.next().is_some()),
    };
    if let (Some(last), true) = (objects.last(), following > 0) {
        let (namespace, name) = last.key();
        page.continue_ = Some(Token { revision, after: (namespace.to_owned(), name.to_owned()) }.encode());
        page.remaining = plain.then_some(following);
    }
    page.objects = objects;
    page
}

fn selected(object: &Object, options: &ListOptions) -> bool {
    if options.label_selector.is_none() && options.field_selector.is_none() {
        return true;
    }
    let object = object.glance();
    options.label_selector.as_ref().is_none_or(|it| it.matches_object(&object))
        && options.field_selector.as_ref().is_none_or(|it| it.matches(&object))
}
