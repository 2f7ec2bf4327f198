//! What a handler gives, and how it is written.

use crate::metrics::promql::{QueryError, Remarks};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt;

/// The `data` of an answer, as JSON, with remarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// None: there is nothing to say, with 204.
    data: Option<String>,
    remarks: Remarks,
}

/// What a handler gives.
pub(super) type Handled = Result<Answer, ApiError>;

impl Answer {
    pub(super) fn nothing() -> Self {
        Self { data: None, remarks: Remarks::default() }
    }

    pub(super) fn with(self, remarks: Remarks) -> Self {
        Self { remarks, ..self }
    }

    /// Says that there was more than was asked for.
    pub(super) fn truncated(mut self, truncated: bool) -> Self {
        if truncated {
            self.remarks.warnings.push("results truncated due to limit".to_owned());
        }
        self
    }
}

impl From<String> for Answer {
    fn from(json: String) -> Self {
        Self { data: Some(json), remarks: Remarks::default() }
    }
}

impl From<serde_json::Value> for Answer {
    fn from(json: serde_json::Value) -> Self {
        json.to_string().into()
    }
}

/// Why a request has no answer: Prometheus' `errorType` with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: ErrorKind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorKind {
    BadData,
    Execution,
    Timeout,
    Unavailable,
}

impl ErrorKind {
    fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            // Prometheus has no status for it.
            Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl ApiError {
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self { kind: ErrorKind::BadData, text: text.into() }
    }

    pub(super) fn parameter(name: &str, reason: impl fmt::Display) -> Self {
        Self::bad(format!("invalid parameter {name:?}: {reason}"))
    }

    pub(super) fn unavailable(text: &str) -> Self {
        Self { kind: ErrorKind::Unavailable, text: text.to_owned() }
    }

    /// Why the query of a parameter of that name has no answer.
    pub(super) fn query(name: &str, error: QueryError) -> Self {
        match error {
            QueryError::Parse(text) => Self::parameter(name, text),
            // What a range query cannot be is the query's fault; the resolution is nobody's.
            QueryError::BadData(text) if text.starts_with("invalid expression type") => Self::parameter(name, text),
            QueryError::BadData(text) => Self::bad(text),
            QueryError::Execution(text) => Self { kind: ErrorKind::Execution, text },
            QueryError::Timeout => Self { kind: ErrorKind::Timeout, text: error.to_string() },
        }
    }
}

/// The response to a request that was handled so.
pub(super) fn respond(handled: Handled) -> Response {
    let (status, body) = match handled {
        Ok(Answer { data: None, .. }) => return StatusCode::NO_CONTENT.into_response(),
        Ok(Answer { data: Some(data), remarks }) => {
            let mut body = format!("{{\"status\":\"success\",\"data\":{data}");
            for (name, texts) in [("warnings", remarks.warnings), ("infos", remarks.infos)] {
                if !texts.is_empty() {
                    body.push_str(&format!(",\"{name}\":{}", serde_json::Value::from(texts)));
                }
            }
            body.push('}');
            (StatusCode::OK, body)
        }
        Err(ApiError { kind, text }) => {
            let body = serde_json::json!({"status": "error", "errorType": kind.name(), "error": text});
            (kind.status(), body.to_string())
        }
    };
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
