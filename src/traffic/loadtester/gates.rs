//! Gates and rollback switches: in memory, closed until opened.

use super::{empty, text};
use crate::sys::http::Response;
use http::StatusCode;
use std::collections::BTreeMap;

/// Keys kept; when there are more, closed ones are forgotten, which answers the same.
const MAX_KEYS: usize = 1024;

/// `podinfo.test` and `rollback.podinfo.test` to whether it is open.
#[derive(Debug, Default)]
pub(super) struct Gates(BTreeMap<String, bool>);

impl Gates {
    /// `check`, `open` or `close`.
    pub(super) fn answer(&mut self, key: String, action: &str) -> Response {
        match action {
            "check" if self.0.get(&key).copied().unwrap_or(false) => text(StatusCode::OK, "Approved"),
            "check" => text(StatusCode::FORBIDDEN, "Forbidden"),
            _ => {
                if self.0.len() >= MAX_KEYS {
                    self.0.retain(|_, open| *open);
                }
                self.0.insert(key, action == "open");
                empty(StatusCode::ACCEPTED)
            }
        }
    }
}
