//! Options in the query of a request.

use super::Call;
use crate::apiserver::options::{
    DeleteOptions, FieldValidation, ListOptions, Preconditions, Propagation, WatchOptions, WriteOptions,
};
use crate::apiserver::selector::{field::FieldSelector, label::LabelSelector};
use crate::apiserver::status::{FieldError, Reason, Status};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a watch lasts that does not say so; the real server takes 30 to 60 minutes.
const WATCH_LASTS: Duration = Duration::from_secs(1800);

pub fn is_true(text: &str) -> bool {
    matches!(text, "1" | "true" | "True" | "TRUE" | "t" | "T")
}

/// A number; one below zero counts as none.
fn number(call: &Call, name: &str) -> Result<Option<u64>, Status> {
    let text = call.asks(name);
    if text.is_empty() {
        return Ok(None);
    }
    text.parse::<i64>()
        .map(|it| u64::try_from(it).ok())
        .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))
}

/// `resourceVersion`, which is a number although clients must not know; or what is wrong with it.
pub fn revision(call: &Call) -> Result<Option<u64>, String> {
    let text = call.asks("resourceVersion");
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let found = json!(text);
        format!("resourceVersion: Invalid value: {found}: strconv.ParseUint: parsing {found}: invalid syntax")
    })
}

fn no_revision(why: &str) -> Status {
    Status::bad_request(format!("invalid resource version: {why}"))
}

fn label_selector(call: &Call) -> Result<Option<LabelSelector>, Status> {
    let text = call.asks("labelSelector");
    if text.is_empty() {
        return Ok(None);
    }
    LabelSelector::parse(text).map(Some).map_err(|it| Status::bad_request(it.to_string()))
}

fn field_selector(call: &Call) -> Result<Option<FieldSelector>, Status> {
    let text = call.asks("fieldSelector");
    if text.is_empty() {
        return Ok(None);
    }
    FieldSelector::parse(text).map(Some).map_err(|it| Status::bad_request(it.to_string()))
}

pub fn list(call: &Call) -> Result<ListOptions, Status> {
    let token = call.asks("continue");
    let asked = revision(call).map_err(|it| no_revision(&it))?;
    let options = "ListOptions.meta.k8s.io";
    let exact = match call.asks("resourceVersionMatch") {
        "" => false,
        _ if !token.is_empty() => {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            return Err(invalid_options(options, FieldError::forbidden("resourceVersionMatch", why)));
        }
        _ if asked.is_none() => {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(invalid_options(options, FieldError::forbidden("resourceVersionMatch", why)));
        }
        "Exact" if asked == Some(0) => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return Err(invalid_options(options, FieldError::forbidden("resourceVersionMatch", why)));
        }
        "Exact" => true,
        "NotOlderThan" => false,
        other => {
            let error = FieldError::unsupported_as_listed(
                "resourceVersionMatch",
                &json!(other),
                &["Exact", "NotOlderThan", ""],
            );
            return Err(invalid_options(options, error));
        }
    };
    if !token.is_empty() && asked.is_some_and(|it| it > 0) {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    Ok(ListOptions {
        label_selector: label_selector(call)?,
        field_selector: field_selector(call)?,
        limit: number(call, "limit")?,
        continue_: (!token.is_empty()).then(|| token.to_owned()),
        resource_version: asked,
        exact,
    })
}

fn invalid_options(kind: &str, error: FieldError) -> Status {
    Status::invalid(kind.split('.').next().unwrap_or(kind), "meta.k8s.io", "", vec![error])
}

pub fn watch(call: &Call) -> Result<WatchOptions, Status> {
    let initial = call.asks("sendInitialEvents");
    if !initial.is_empty() && call.asks("resourceVersionMatch") != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        let mut errors = vec![FieldError::forbidden("resourceVersionMatch", why)];
        let found = call.asks("resourceVersionMatch");
        if !found.is_empty() {
            errors.push(FieldError::unsupported("resourceVersionMatch", &json!(found), &["NotOlderThan"]));
        }
        return Err(Status::invalid("ListOptions", "meta.k8s.io", "", errors));
    }
    if initial.is_empty() && !call.asks("resourceVersionMatch").is_empty() {
        let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
        return Err(invalid_options("ListOptions", FieldError::forbidden("resourceVersionMatch", why)));
    }
    let timeout = number(call, "timeoutSeconds")?.filter(|it| *it > 0).map_or(WATCH_LASTS, Duration::from_secs);
    Ok(WatchOptions {
        label_selector: label_selector(call)?,
        field_selector: field_selector(call)?,
        resource_version: revision(call).map_err(|it| Status::new(500, Reason::Unknown, it))?,
        allow_bookmarks: is_true(call.asks("allowWatchBookmarks")),
        send_initial_events: (!initial.is_empty()).then(|| is_true(initial)),
        timeout: Some(timeout),
    })
}

/// Longest `fieldManager`, in bytes.
const MAX_MANAGER: usize = 128;

/// Options of a write, which the real server calls `CreateOptions`, `UpdateOptions` or `PatchOptions`. Without `fieldManager`
/// the name is that of the client's program, as the real server takes it.
pub fn write(call: &Call, kind: &str) -> Result<WriteOptions, Status> {
    let dry_run = match call.asks("dryRun") {
        "" => false,
        "All" => true,
        other => return Err(invalid_dry_run(kind, other)),
    };
    let field_validation = match call.asks("fieldValidation") {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            let error = FieldError::unsupported("fieldValidation", &json!(other), &["", "Ignore", "Strict", "Warn"]);
            return Err(invalid_options(kind, error));
        }
    };
    let named = call.asks("fieldManager");
    if named.len() > MAX_MANAGER {
        return Err(invalid_options(kind, FieldError::too_long("fieldManager", MAX_MANAGER)));
    }
    if named.chars().any(char::is_control) {
        let detail = "should only contain printable characters";
        return Err(invalid_options(kind, FieldError::invalid("fieldManager", &json!(named), detail)));
    }
    let agent = call.header(&http::header::USER_AGENT);
    let field_manager = if named.is_empty() { agent_name(agent) } else { named }.to_owned();
    Ok(WriteOptions { dry_run, field_manager, field_validation, ..WriteOptions::default() })
}

/// `force` says something to applies only.
pub fn check_force(call: &Call) -> Result<(), Status> {
    if call.asks("force").is_empty() {
        return Ok(());
    }
    let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
    Err(invalid_options("PatchOptions", error))
}

fn invalid_dry_run(kind: &str, found: &str) -> Status {
    let error = FieldError::unsupported("dryRun", &json!([found]), &["All"]);
    invalid_options(kind, error)
}

/// `kubectl/v1.34.3 (linux/amd64)` is `kubectl`.
fn agent_name(text: &str) -> &str {
    let name = text.split('/').next().unwrap_or_default();
    if name.is_empty() { "unknown" } else { name }
}

/// Options of a delete: in the query, or in a body of kind `DeleteOptions`, which counts more.
pub fn delete(call: &Call, body: &Value) -> Result<DeleteOptions, Status> {
    let told = |key: &str| body.get(key).filter(|it| !it.is_null());
    let text = |key: &str| told(key).and_then(Value::as_str).map_or_else(|| call.asks(key).to_owned(), str::to_owned);
    let mut propagation = match text("propagationPolicy").as_str() {
        "" => None,
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        "Orphan" => Some(Propagation::Orphan),
        other => {
            let names = ["Foreground", "Background", "Orphan", "nil"];
            let error = FieldError::unsupported_as_listed("propagationPolicy", &json!(other), &names);
            return Err(invalid_options("DeleteOptions", error));
        }
    };
    if propagation.is_none() && told("orphanDependents").and_then(Value::as_bool) == Some(true) {
        propagation = Some(Propagation::Orphan);
    }
    let in_query = call.asks("gracePeriodSeconds").parse().ok();
    let in_body = |key: &str| body.pointer(&format!("/preconditions/{key}")).and_then(Value::as_str).map(str::to_owned);
    let dry_run = match (body.get("dryRun").and_then(Value::as_array), call.asks("dryRun")) {
        (Some(list), _) if !list.is_empty() => true,
        (_, "") => false,
        (_, "All") => true,
        (_, other) => return Err(invalid_dry_run("DeleteOptions", other)),
    };
    Ok(DeleteOptions {
        propagation,
        preconditions: Preconditions { uid: in_body("uid"), resource_version: in_body("resourceVersion") },
        grace_period_seconds: told("gracePeriodSeconds").and_then(Value::as_i64).or(in_query),
        dry_run,
    })
}
