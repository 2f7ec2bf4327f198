//! The grammars of names, label keys and label values, with the explanations that the real server gives.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
    and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
    must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. \
    '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation \
    is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

/// Longest label, name part and label value.
pub const MAX_LABEL: usize = 63;
/// Longest subdomain name.
pub const MAX_SUBDOMAIN: usize = 253;

fn is_low(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn framed(text: &str, edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => edge(*first) && edge(*last) && bytes.iter().all(|it| edge(*it) || inner(*it)),
        _ => false,
    }
}

fn is_label(text: &str) -> bool {
    framed(text, is_low, |it| it == b'-')
}

fn is_name_part(text: &str) -> bool {
    framed(text, |it| it.is_ascii_alphanumeric(), |it| b"-_.".contains(&it))
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

/// A DNS-1123 label: names of namespaces, containers, ports.
pub fn label_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > MAX_LABEL {
        faults.push(too_long(MAX_LABEL));
    }
    if !is_label(text) {
        let is_subdomain = text.split('.').all(is_label);
        faults.push(if is_subdomain { "must not contain dots".to_owned() } else { LABEL.to_owned() });
    }
    faults
}

/// A DNS-1035 label: names of services.
pub fn label_1035_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > MAX_LABEL {
        faults.push(too_long(MAX_LABEL));
    }
    if !is_label(text) || !text.starts_with(|it: char| it.is_ascii_lowercase()) {
        faults.push(LABEL_1035.to_owned());
    }
    faults
}

/// A DNS-1123 subdomain: names of most objects.
pub fn subdomain_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > MAX_SUBDOMAIN {
        faults.push(too_long(MAX_SUBDOMAIN));
    }
    if !text.split('.').all(is_label) {
        faults.push(SUBDOMAIN.to_owned());
    }
    faults
}

/// A host with a wildcard for its first part.
pub fn wildcard_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > MAX_SUBDOMAIN {
        faults.push(too_long(MAX_SUBDOMAIN));
    }
    if !text.strip_prefix("*.").is_some_and(|it| it.split('.').all(is_label)) {
        faults.push(WILDCARD.to_owned());
    }
    faults
}

/// A path segment: names of RBAC objects.
pub fn path_segment_faults(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ["/", "%"].iter().filter(|it| text.contains(**it)).map(|it| format!("may not contain '{it}'")).collect(),
    }
}

/// A label value.
pub fn label_value_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > MAX_LABEL {
        faults.push(too_long(MAX_LABEL));
    }
    if !text.is_empty() && !is_name_part(text) {
        faults.push(VALUE.to_owned());
    }
    faults
}

/// A label or annotation key, `prefix/name` or `name`. In selectors the text calls it a label key.
pub fn qualified_name_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let (prefix, part) = match text.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return vec![QUALIFIED.replace("a valid label key", "a qualified name")];
        }
        Some((prefix, part)) => (Some(prefix), part),
        None => (None, text),
    };
    match prefix {
        Some("") => faults.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => faults.extend(subdomain_faults(prefix).into_iter().map(|it| format!("prefix part {it}"))),
        None => {}
    }
    if part.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if part.len() > MAX_LABEL {
        faults.push(format!("name part {}", too_long(MAX_LABEL)));
    }
    if !is_name_part(part) {
        faults.push(NAME_PART.to_owned());
    }
    faults
}

/// The name of a port (IANA service name).
pub fn port_name_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 15 {
        faults.push("must be no more than 15 characters".to_owned());
    }
    if !text.bytes().all(|it| is_low(it) || it == b'-') {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|it| it.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        faults.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        faults.push("must not begin or end with a hyphen".to_owned());
    }
    faults
}
