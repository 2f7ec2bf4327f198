//! What an address means, as the real server's `RequestInfo`.

/// `/api/v1/namespaces/{ns}/pods/{name}/{subresource}/{rest}` and its kin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct At {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
    /// What follows the subresource, for `proxy`.
    pub rest: String,
    /// The old form `/api/v1/watch/...`.
    pub watch: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Resource(At),
    /// Discovery, health, version, or nothing.
    Other(String),
}

fn decoded(part: &str) -> String {
    // A plus sign in a path is itself, unlike in a form.
    let pairs = part.replace('+', "%2B");
    form_urlencoded::parse(format!("p={}", pairs.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

pub fn read(path: &str) -> Address {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let other = || Address::Other(path.to_owned());
    let (group, version, mut rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return other(),
    };
    let watch = rest.first() == Some(&"watch");
    if watch {
        rest = &rest[1..];
    }
    let mut at = At { group: group.to_owned(), version: version.to_owned(), watch, ..At::default() };
    let tail = match rest {
        [] | [""] => return other(),
        // `namespaces/{name}/status` and `/finalize` are parts of the namespace itself.
        ["namespaces", name, "status" | "finalize"] => {
            "namespaces".clone_into(&mut at.plural);
            at.name = Some(decoded(name));
            &rest[2..]
        }
        ["namespaces", namespace, plural, tail @ ..] if !plural.is_empty() => {
            at.namespace = Some(decoded(namespace));
            at.plural = decoded(plural);
            tail
        }
        [plural, tail @ ..] => {
            at.plural = decoded(plural);
            tail
        }
    };
    let mut tail = tail.iter();
    if at.name.is_none() {
        at.name = tail.next().filter(|it| !it.is_empty()).map(|it| decoded(it));
    }
    at.subresource = tail.next().filter(|it| !it.is_empty()).map(|it| decoded(it));
    at.rest = tail.copied().collect::<Vec<_>>().join("/");
    Address::Resource(at)
}
