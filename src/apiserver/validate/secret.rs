//! Config maps and secrets.

use super::{Faults, name, text};
use crate::apiserver::kinds::resource as r;
use crate::apiserver::status::FieldError;
use serde_json::{Value, json};

/// All data of one config map or secret together.
const MAX_DATA_BYTES: usize = 1024 * 1024;

/// Which keys a secret of a type must have.
const KEYS: [(&str, &[&str]); 4] = [
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

pub fn check_type(secret: &Value, faults: &mut Faults) {
    let has = |key: &str| secret.get("data").is_some_and(|it| it.get(key).is_some());
    let of = text(secret, "type");
    for key in KEYS.iter().filter(|(name, _)| *name == of).flat_map(|(_, keys)| *keys) {
        if !has(key) {
            faults.required(&format!("data[{key}]"), "");
        }
    }
    if of == "kubernetes.io/basic-auth" && !has("username") && !has("password") {
        faults.required("data[username]", "");
        faults.required("data[password]", "");
    }
}

/// Keys, size, and whether it may change at all.
pub fn check_data(resource: &str, object: &Value, old: Option<&Value>, faults: &mut Faults) {
    let mut size = 0;
    for part in ["data", "binaryData"] {
        for (key, value) in object.get(part).and_then(Value::as_object).into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            let valid = !key.is_empty()
                && key.len() <= name::MAX_SUBDOMAIN
                && key.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
            if !valid {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
                     or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                faults.invalid(&format!("{part}[{key}]"), &json!(key), detail);
            }
        }
    }
    if size > MAX_DATA_BYTES {
        let field = if resource == r::SECRETS { "data" } else { "[]" };
        faults.add(FieldError::too_long(field, MAX_DATA_BYTES));
    }
    for key in object.get("data").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::keys) {
        if object.pointer("/binaryData").is_some_and(|it| it.get(key).is_some()) {
            faults.invalid(&format!("data[{key}]"), &json!(key), "duplicate of key present in binaryData");
        }
    }
    let Some(old) = old else { return };
    if resource == r::SECRETS {
        faults.immutable("type", object, old, "/type");
    }
    if old["immutable"] == json!(true) {
        if object["immutable"] != json!(true) {
            faults.add(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
        }
        for part in ["data", "binaryData"] {
            if object.get(part) != old.get(part) {
                faults.add(FieldError::forbidden(part, "field is immutable when `immutable` is set"));
            }
        }
    }
}
