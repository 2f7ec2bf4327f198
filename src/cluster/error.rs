//! What a Kubernetes API answers when it does not do what it was asked.

use http::StatusCode;
use serde_json::Value;

/// Why a request failed. Answers of the server print as client-go prints them: the `message` of its `Status`, nothing else,
/// because Flagger's events carry that text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// 404: no such object, or no such resource.
    #[error("{0}")]
    NotFound(String),
    /// 409 with reason `AlreadyExists`: the object to create is there.
    #[error("{0}")]
    AlreadyExists(String),
    /// 409: the object has changed since it was read, or another field manager owns a field. Read it again.
    #[error("{0}")]
    Conflict(String),
    /// 422: the object breaks a rule of its kind.
    #[error("{0}")]
    Invalid(String),
    /// 410: the resource version or continue token is too old. List again.
    #[error("{0}")]
    Gone(String),
    /// Any other refusal.
    #[error("{message}")]
    Refused { code: u16, message: String },
    /// No answer at all.
    #[error("{verb} \"{path}\": {why}")]
    Unreachable { verb: String, path: String, why: String },
    /// An answer that is not what the API promises.
    #[error("the Kubernetes API's answer to {verb} {path} cannot be read: {why}")]
    Unreadable { verb: String, path: String, why: String },
    /// Neither the built-in table nor the server's discovery knows the kind.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\": is its CustomResourceDefinition applied?")]
    UnknownKind { api_version: String, kind: String },
    /// The request itself is not one (an object without a name, say).
    #[error("cannot ask the Kubernetes API: {0}")]
    BadRequest(String),
}

impl ClusterError {
    /// The error of an answer with a status of 400 and above; `body` is normally a `metav1.Status`.
    pub(super) fn from_answer(code: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(status) if status["kind"] == "Status" => Self::from_status(&status, code.as_u16()),
            _ => {
                let text = String::from_utf8_lossy(body);
                let message =
                    format!("an error on the server ({:?}) has prevented the request from succeeding", text.trim());
                Self::of(code.as_u16(), "", message)
            }
        }
    }

    /// The error that a `metav1.Status` describes; `code` is used where the status has none.
    pub(super) fn from_status(status: &Value, code: u16) -> Self {
        let code = status["code"].as_u64().and_then(|it| u16::try_from(it).ok()).unwrap_or(code);
        let message = status["message"].as_str().unwrap_or("the server gave no reason").to_owned();
        Self::of(code, status["reason"].as_str().unwrap_or_default(), message)
    }

    fn of(code: u16, reason: &str, message: String) -> Self {
        match (code, reason) {
            (404, _) => Self::NotFound(message),
            (409, "AlreadyExists") => Self::AlreadyExists(message),
            (409, _) => Self::Conflict(message),
            (410, _) => Self::Gone(message),
            (422, _) => Self::Invalid(message),
            _ => Self::Refused { code, message },
        }
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether the same request may well succeed in a moment: no answer, too many requests, or the server's own trouble.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, .. } => matches!(code, 429 | 500 | 502..=504),
            _ => false,
        }
    }
}
