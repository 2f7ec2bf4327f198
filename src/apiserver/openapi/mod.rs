//! OpenAPI documents: what `kubectl explain`, `kubectl diff` and the check before `kubectl apply` read.
//!
//! Built-in kinds: names and descriptions come from the bindings' JSON schemas ([`types`]), how lists merge from the tables
//! that this server merges by ([`marks`]). Custom kinds: the schema of their definition as it was written.
//!
//! Nothing is made until someone asks. The documents of built-in groups are made once per process, those of custom ones
//! again when a definition has changed. An address in the index carries the digest of its document, so clients keep it.

mod custom;
mod gnostic;
mod hash;
mod marks;
mod paths;
mod types;
mod v2;

use super::http::{Asked, Reply};
use super::kinds::{Kind, resource};
use super::schema::Schema;
use super::server::Server;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

const JSON: &str = "application/json";
const REF: &str = "#/components/schemas/";

/// A document and its digest.
#[derive(Debug)]
struct Printed {
    text: Bytes,
    digest: String,
    /// The same as protobuf, once somebody has asked for that.
    protobuf: OnceLock<Bytes>,
}

impl Printed {
    fn new(value: &Value) -> Arc<Self> {
        let text = Bytes::from(value.to_string());
        let digest = hash::digest(&text);
        Arc::new(Self { text, digest, protobuf: OnceLock::new() })
    }

    /// Of the older document only.
    fn protobuf(&self) -> Bytes {
        let made = || gnostic::document(&serde_json::from_slice(&self.text).unwrap_or_default()).into();
        self.protobuf.get_or_init(made).clone()
    }
}

/// `apis/apps/v1`, `api/v1`.
type Address = String;

/// Documents of groups without custom kinds, by address and the kinds they show.
static BUILT_IN: LazyLock<Mutex<BTreeMap<Address, Arc<Printed>>>> = LazyLock::new(Mutex::default);

/// What one server keeps: documents of groups with custom kinds, and what they were made of.
#[derive(Debug, Default)]
pub struct Cache {
    groups: Mutex<BTreeMap<Address, (Vec<Arc<Kind>>, Arc<Printed>)>>,
    whole: Mutex<Option<(Vec<Arc<Kind>>, Arc<Printed>)>>,
}

fn same(left: &[Arc<Kind>], right: &[Arc<Kind>]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| Arc::ptr_eq(left, right))
}

/// The reply at a path below `/openapi`; None if there is none. `hash` is the digest that the client expects.
pub fn answer(server: &Server, parts: &[&str], asked: &Asked<'_>) -> Option<Reply> {
    let groups = groups(server.kinds());
    let (address, printed) = match parts {
        ["v2"] => ("v2".to_owned(), whole(server, &groups)),
        ["v3"] => return Some(Reply::ok("text/plain; charset=utf-8", index(server, &groups).into())),
        ["v3", rest @ ..] => {
            let address = rest.join("/");
            let Some(kinds) = groups.get(&address) else { return Some(Reply::empty(StatusCode::NOT_FOUND)) };
            let printed = of_group(server, &address, kinds);
            (address, printed)
        }
        _ => return None,
    };
    let [asked_as, meant] = gnostic::MEDIA_TYPES;
    // The newer documents come as JSON only.
    let forms = if address == "v2" { &[JSON, asked_as, meant][..] } else { &[JSON] };
    let Some(form) = asked.choice(forms) else { return Some(Reply::empty(StatusCode::NOT_ACCEPTABLE)) };
    let wrong_digest = !asked.query("hash").is_empty() && asked.query("hash") != printed.digest;
    if wrong_digest && address != "v2" {
        return Some(Reply::moved(format!("/openapi/v3/{address}?hash={}", printed.digest)));
    }
    let etag = format!("\"{}\"", printed.digest);
    if asked.header("if-none-match") == etag {
        return Some(Reply::empty(StatusCode::NOT_MODIFIED).with("etag", etag));
    }
    let (media, body) = if form == JSON { (JSON, printed.text.clone()) } else { (meant, printed.protobuf()) };
    let mut reply = Reply::ok(media, body).with("etag", etag).with("vary", "Accept".to_owned());
    if !asked.query("hash").is_empty() {
        // The address names the content, so it can be kept.
        reply = reply.with("cache-control", "public, immutable".to_owned());
    }
    Some(reply)
}

/// The kinds of each group version, by its address.
fn groups(kinds: Vec<Arc<Kind>>) -> BTreeMap<Address, Vec<Arc<Kind>>> {
    let mut groups: BTreeMap<Address, Vec<Arc<Kind>>> = BTreeMap::new();
    for kind in kinds {
        let root = if kind.group.is_empty() { "api" } else { "apis" };
        for version in kind.versions.iter().filter(|it| it.served) {
            let address = format!("{root}/{}", kind.api_version_of(&version.name));
            groups.entry(address).or_default().push(Arc::clone(&kind));
        }
    }
    groups
}

fn index(server: &Server, groups: &BTreeMap<Address, Vec<Arc<Kind>>>) -> String {
    let entry = |(address, kinds): (&Address, &Vec<Arc<Kind>>)| {
        let digest = &of_group(server, address, kinds).digest;
        (address.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{address}?hash={digest}") }))
    };
    json!({ "paths": groups.iter().map(entry).collect::<Map<_, _>>() }).to_string()
}

fn of_group(server: &Server, address: &str, kinds: &[Arc<Kind>]) -> Arc<Printed> {
    if kinds.iter().all(|it| !it.custom) {
        let mut made = BUILT_IN.lock().unwrap_or_else(PoisonError::into_inner);
        return made
            .entry(address.to_owned())
            .or_insert_with(|| Printed::new(&document(server, address, kinds)))
            .clone();
    }
    let mut made = server.openapi().groups.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, printed)) = made.get(address)
        && same(of, kinds)
    {
        return Arc::clone(printed);
    }
    let printed = Printed::new(&document(server, address, kinds));
    made.insert(address.to_owned(), (kinds.to_vec(), Arc::clone(&printed)));
    printed
}

fn whole(server: &Server, groups: &BTreeMap<Address, Vec<Arc<Kind>>>) -> Arc<Printed> {
    let kinds = server.kinds();
    let mut made = server.openapi().whole.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, printed)) = &*made
        && same(of, &kinds)
    {
        return Arc::clone(printed);
    }
    let documents = groups.iter().map(|(address, kinds)| document(server, address, kinds));
    let printed = Printed::new(&v2::document(documents));
    *made = Some((kinds, Arc::clone(&printed)));
    printed
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": super::discovery::EFFECTIVE_VERSION })
}

/// The document of one group version.
fn document(server: &Server, address: &str, kinds: &[Arc<Kind>]) -> Value {
    let version = address.rsplit('/').next().unwrap_or_default();
    let built_in: Vec<_> =
        kinds.iter().filter(|it| !it.custom).map(|it| (it.api_version_of(version), &*it.kind)).collect();
    let mut schemas = types::schemas(&built_in);
    marks::mark(&mut schemas, types::OBJECT_META, &Schema::object_meta());
    let mut paths = Map::new();
    for kind in kinds {
        let Some(served) = kind.version(version) else { continue };
        let name = if kind.custom {
            let definition = server.api().get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", &kind.key);
            custom::add(kind, version, definition.as_deref().ok(), &mut schemas)
        } else {
            let name = types::name(&kind.api_version_of(version), &kind.kind);
            marks::mark(&mut schemas, &name, &served.schema);
            name
        };
        schemas.insert(format!("{name}List"), custom::list(kind, &name));
        for (name, kind_name) in [(name.clone(), &kind.kind), (format!("{name}List"), &kind.list_kind)] {
            if let Some(schema) = schemas.get_mut(&name) {
                schema["x-kubernetes-group-version-kind"] = json!([identity(kind, version, kind_name)]);
            }
        }
        paths::add(kind, served, &name, &mut paths);
    }
    json!({ "openapi": "3.0.0", "info": info(), "paths": paths, "components": { "schemas": schemas } })
}

fn identity(kind: &Kind, version: &str, name: &str) -> Value {
    json!({ "group": kind.group, "kind": name, "version": version })
}
