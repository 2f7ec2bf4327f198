//! Patch: what the four kinds of patch have in common.

use super::{Write, prepare, scale, update};
use crate::apiserver::options::{PatchKind, Subresource};
use crate::apiserver::patch::{json, merge};
use crate::apiserver::server::State;
use crate::apiserver::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// Patches; the flag tells whether the object was created.
pub(super) fn patch(
    state: &mut State,
    write: &Write<'_>,
    patch: &PatchKind,
    body: Value,
) -> Result<(Arc<Value>, bool), Status> {
    let (kind, target) = (write.kind, write.target);
    prepare::check_subresource(kind, target.subresource)?;
    let current = state.store.get(&kind.key, target.namespace, target.name).cloned();
    let current = current.ok_or_else(|| kind.not_found(target.name))?;
    let shown = scale::view(kind, target.subresource, &current);
    let patched = match patch {
        PatchKind::Json => json::apply(&shown, body)?,
        PatchKind::Merge => merge::apply((*shown).clone(), body),
        PatchKind::Strategic | PatchKind::Apply { .. } => return Err(Status::no_such_resource()),
    };
    let object = match target.subresource {
        Subresource::Scale => scale::update(state, write, &patched)?,
        _ => update::replace(state, write, &current, prepare::decode(write, patched)?)?,
    };
    Ok((object, false))
}
