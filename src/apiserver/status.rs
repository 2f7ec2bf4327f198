//! `metav1.Status`: every refusal, in the words of the real server.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// `metav1.StatusReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
    Timeout,
    Unauthorized,
    TooManyRequests,
    /// A code without a reason of its own (502 of the proxy).
    Unknown,
    UnsupportedMediaType,
}

impl Reason {
    /// As written in `status.reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "AlreadyExists",
            Self::BadRequest => "BadRequest",
            Self::Conflict => "Conflict",
            Self::Expired => "Expired",
            Self::Forbidden => "Forbidden",
            Self::InternalError => "InternalError",
            Self::Invalid => "Invalid",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::NotFound => "NotFound",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
            Self::Unauthorized => "Unauthorized",
            Self::TooManyRequests => "TooManyRequests",
            Self::Unknown => "",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
        }
    }
}

/// One field's fault, `metav1.StatusCause`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

/// What the refusal is about, `metav1.StatusDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    pub name: String,
    pub group: String,
    /// The plural of the resource, or the kind for `Invalid`; so does the real server.
    pub kind: String,
    pub causes: Vec<Cause>,
    /// How long the client should wait before it tries again.
    pub retry_after_seconds: Option<u64>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    pub reason: Reason,
    pub message: String,
    pub details: Option<Box<Details>>,
}

/// A fault at a field, as `k8s.io/apimachinery/pkg/util/validation/field` words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub field: String,
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: &'static str,
    /// Everything after the field's name.
    pub message: String,
}

/// A value as Go's `%#v`-like formatting of field errors shows it: strings quoted, numbers bare, objects as JSON.
fn shown(value: &Value) -> String {
    value.to_string()
}

impl FieldError {
    fn of(field: impl Into<String>, reason: &'static str, message: String) -> Self {
        Self { field: field.into(), reason, message }
    }

    /// `Required value: detail`.
    pub fn required(field: impl Into<String>, detail: &str) -> Self {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self::of(field, "FieldValueRequired", message)
    }

    /// `Invalid value: value: detail`.
    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::of(field, "FieldValueInvalid", format!("Invalid value: {}: {detail}", shown(value)))
    }

    /// `Invalid value: "string": detail`, where a type and not the value is named.
    pub fn wrong_type(field: impl Into<String>, found: &str, detail: &str) -> Self {
        Self::of(field, "FieldValueTypeInvalid", format!("Invalid value: \"{found}\": {detail}"))
    }

    /// `Unsupported value: value: supported values: "a", "b"`, in the given order.
    pub fn unsupported<T: AsRef<str>>(field: impl Into<String>, value: &Value, supported: &[T]) -> Self {
        let names: Vec<_> = supported.iter().map(|it| format!("\"{}\"", it.as_ref())).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), names.join(", "));
        Self::of(field, "FieldValueNotSupported", message)
    }

    /// The same where the real server does not sort what is supported.
    pub fn unsupported_as_listed(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let names: Vec<_> = supported.iter().map(|it| format!("\"{it}\"")).collect();
        let message = format!("Unsupported value: {}: supported values: {}", shown(value), names.join(", "));
        Self::of(field, "FieldValueNotSupported", message)
    }

    /// `Forbidden: detail`.
    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::of(field, "FieldValueForbidden", format!("Forbidden: {detail}"))
    }

    /// `Duplicate value: value`.
    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::of(field, "FieldValueDuplicate", format!("Duplicate value: {}", shown(value)))
    }

    /// `Not found: value`.
    pub fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self::of(field, "FieldValueNotFound", format!("Not found: {}", shown(value)))
    }

    /// `Too long: may not be more than limit bytes`.
    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self::of(field, "FieldValueTooLong", format!("Too long: may not be more than {limit} bytes"))
    }

    /// `Too many: found: must have at most limit items`.
    pub fn too_many(field: impl Into<String>, found: usize, limit: u64) -> Self {
        let items = if limit == 1 { "item" } else { "items" };
        Self::of(field, "FieldValueTooMany", format!("Too many: {found}: must have at most {limit} {items}"))
    }
}

/// `deployments.apps`, or `pods` for the core group.
pub fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

impl Status {
    /// A refusal without details.
    pub fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(mut self, name: &str, group: &str, kind: &str) -> Self {
        let details =
            Details { name: name.to_owned(), group: group.to_owned(), kind: kind.to_owned(), ..Details::default() };
        self.details = Some(Box::new(details));
        self
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    pub fn internal(message: &str) -> Self {
        Self::new(500, Reason::InternalError, format!("Internal error occurred: {message}"))
    }

    pub fn not_found(plural: &str, group: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", qualified(plural, group));
        Self::new(404, Reason::NotFound, message).about(name, group, plural)
    }

    /// No such path or kind.
    pub fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::new(404, Reason::NotFound, message).about("", "", "")
    }

    pub fn already_exists(plural: &str, group: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", qualified(plural, group));
        Self::new(409, Reason::AlreadyExists, message).about(name, group, plural)
    }

    pub fn conflict(plural: &str, group: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(plural, group));
        Self::new(409, Reason::Conflict, message).about(name, group, plural)
    }

    /// The optimistic lock did not hold.
    pub fn modified(plural: &str, group: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(plural, group, name, why)
    }

    pub fn forbidden(plural: &str, group: &str, name: &str, why: &str) -> Self {
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let message = format!("{}{named} is forbidden: {why}", qualified(plural, group));
        Self::new(403, Reason::Forbidden, message).about(name, group, plural)
    }

    /// The watch or the list asks for a revision that is no longer kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, Reason::Expired, message)
    }

    /// Fields are wrong. `errors` must not be empty.
    pub fn invalid(kind: &str, group: &str, name: &str, errors: Vec<FieldError>) -> Self {
        let mut lines: Vec<String> = Vec::with_capacity(errors.len());
        let mut causes = Vec::with_capacity(errors.len());
        for error in errors {
            let line = format!("{}: {}", error.field, error.message);
            if lines.contains(&line) {
                continue;
            }
            lines.push(line);
            causes.push(Cause { reason: error.reason.to_owned(), message: error.message, field: error.field });
        }
        let mut message = format!("{} \"{name}\" is invalid: ", qualified(kind, group));
        let _ = match lines.as_slice() {
            [one] => write!(message, "{one}"),
            many => write!(message, "[{}]", many.join(", ")),
        };
        let mut status = Self::new(422, Reason::Invalid, message).about(name, group, kind);
        if let Some(details) = status.details.as_mut() {
            details.causes = causes;
        }
        status
    }

    /// The same refusal with these causes.
    #[must_use]
    pub fn with_causes(mut self, causes: Vec<Cause>) -> Self {
        self.details.get_or_insert_default().causes = causes;
        self
    }

    /// Not now: the client may try again.
    pub fn too_many_requests(message: &str, retry_after_seconds: u64) -> Self {
        let mut status = Self::new(429, Reason::TooManyRequests, message);
        status.details.get_or_insert_default().retry_after_seconds = Some(retry_after_seconds);
        status
    }

    /// The same refusal, and when to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = Some(seconds);
        self
    }

    /// The address is there, the method is not.
    pub fn method_forbidden() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, Reason::MethodNotAllowed, message).about("", "", "")
    }

    /// The object as the real server writes it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure" });
        value["message"] = json!(self.message);
        if self.reason != Reason::Unknown {
            value["reason"] = json!(self.reason.as_str());
        }
        if let Some(details) = &self.details {
            value["details"] = details.to_value();
        }
        value["code"] = json!(self.code);
        value
    }
}

impl Details {
    fn to_value(&self) -> Value {
        let mut value = json!({});
        for (key, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind)] {
            if !text.is_empty() {
                value[key] = json!(text);
            }
        }
        if !self.causes.is_empty() {
            let cause = |it: &Cause| json!({ "reason": it.reason, "message": it.message, "field": it.field });
            value["causes"] = self.causes.iter().map(cause).collect();
        }
        if let Some(seconds) = self.retry_after_seconds {
            value["retryAfterSeconds"] = json!(seconds);
        }
        value
    }
}
