//! The two servers that are asked, and the comparison of what they say.

use super::rows::{JSON, Row};
use crate::real::KubeApi;
use axum::body::{Body, to_bytes};
use coalmine::apiserver::Server;
use regex::Regex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;
use tower::ServiceExt;

/// How often a request is made again that needs patience.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often at most.
pub const PATIENCE: usize = 100;

/// What a client sees of an answer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    code: u16,
    media: String,
    body: Value,
}

enum To<'a> {
    Ours(Server),
    Theirs { url: &'a str, client: reqwest::Client },
}

/// A server, and what its answers said.
pub struct Arm<'a> {
    to: To<'a>,
    namespace: &'static str,
    kept: BTreeMap<String, String>,
}

impl<'a> Arm<'a> {
    fn new(to: To<'a>) -> Self {
        Self { to, namespace: "", kept: BTreeMap::new() }
    }

    pub fn ours(server: Server) -> Self {
        Self::new(To::Ours(server))
    }

    pub fn theirs(real: &'a KubeApi, client: reqwest::Client) -> Self {
        Self::new(To::Theirs { url: &real.url, client })
    }

    /// Makes the namespace of a theme.
    pub async fn begin(&mut self, theme: &'static str) {
        self.namespace = theme;
        let body = json!({ "metadata": { "name": theme } }).to_string();
        let (code, _, text) = self.send("POST", "/api/v1/namespaces", (JSON, JSON), &body).await;
        assert_eq!(code, 201, "{text}");
    }

    pub async fn ask(&mut self, row: &Row) -> Answer {
        let (path, body) = (self.filled(&row.path), self.filled(&row.body));
        let (mut code, mut media, mut text) = self.send(row.method, &path, (row.media, row.accept), &body).await;
        // A kind that has just been defined is served a moment later, and 429 is what the real server says while it still
        // fills a cache; no row asks for one.
        for tried in 0..PATIENCE {
            if code != 429 && (code != 404 || tried >= row.patience) {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
            (code, media, text) = self.send(row.method, &path, (row.media, row.accept), &body).await;
        }
        let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let is_watch = path.contains("watch=true") && code == 200;
        let mut body = if is_watch { text.lines().map(read).collect() } else { read(&text) };
        if let Some(name) = row.keep {
            for (key, place) in [("rv", "resourceVersion"), ("uid", "uid"), ("name", "name"), ("continue", "continue")]
            {
                let text = body["metadata"][place].as_str().unwrap_or_default();
                self.kept.insert(format!("{{{name}.{key}}}"), text.to_owned());
            }
        }
        if body["metadata"]["generateName"].is_string() {
            body["metadata"]["name"] = json!("<generated>");
        }
        normal(&mut body);
        Answer { code, media, body: if row.code_only { Value::Null } else { body } }
    }

    fn filled(&self, text: &str) -> String {
        let text = text.replace("{ns}", self.namespace);
        self.kept.iter().fold(text, |text, (name, value)| text.replace(name, value))
    }

    /// Code, media type and text of the answer.
    async fn send(&self, method: &str, path: &str, (media, accept): (&str, &str), body: &str) -> (u16, String, String) {
        match &self.to {
            To::Ours(server) => {
                let request = http::Request::builder().method(method).uri(path).header("user-agent", "arm/1");
                let request = request.header("content-type", media).header("accept", accept);
                let request = request.body(Body::from(body.to_owned())).unwrap();
                let answer = server.router().oneshot(request).await.unwrap();
                let (code, media) = (answer.status().as_u16(), media_of(answer.headers()));
                let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
                (code, media, String::from_utf8(bytes.to_vec()).unwrap())
            }
            To::Theirs { url, client } => {
                let request = client.request(method.parse().unwrap(), format!("{url}{path}"));
                let request = request.bearer_auth(KubeApi::TOKEN).header("user-agent", "arm/1");
                let request = request.header("content-type", media).header("accept", accept);
                let answer = request.body(body.to_owned()).send().await.unwrap();
                let (code, media) = (answer.status().as_u16(), media_of(answer.headers()));
                (code, media, answer.text().await.unwrap())
            }
        }
    }
}

fn media_of(headers: &http::HeaderMap) -> String {
    headers.get("content-type").map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// Texts that must differ, and what stands for them.
static REDACTED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"(ResourceVersion in (?:precondition|object meta): )\d+", "$1<rv>"),
        (r"(ResourceVersion in (?:the precondition|record) \()\d+", "$1<rv>"),
        (r#"(resourceVersion\\?"?:\\?"?)\d+"#, "$1<rv>"),
        (r"((?:[Rr]esource version|list is too old): )\d+(, current: \d+| \(\d+\))?", "$1<rv>"),
        (r"^\d+s$", "<age>"),
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    ];
    patterns.into_iter().map(|(pattern, by)| (Regex::new(pattern).unwrap(), by)).collect()
});

fn redacted(text: &str) -> String {
    REDACTED.iter().fold(text.to_owned(), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}

/// Without what must differ: uids, times, revisions, addresses; an empty object and a missing one are the same.
fn normal(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["uid", "resourceVersion", "creationTimestamp", "time", "clusterIP", "clusterIPs", "continue"] {
                map.remove(key);
            }
            // The real server of this rig runs without the admission plugin that names the service account.
            for key in ["serviceAccount", "serviceAccountName"] {
                map.remove(key);
            }
            // It checks metadata twice for some kinds and then says so twice.
            if let Some(causes) = map.get_mut("causes").and_then(Value::as_array_mut) {
                causes.dedup();
            }
            // Ours has no descriptions of columns, which only tools for reading the API show.
            for column in map.get_mut("columnDefinitions").and_then(Value::as_array_mut).into_iter().flatten() {
                column["description"] = Value::Null;
            }
            // Their order is that of their times, which differ by when a second ended.
            let identity =
                |it: &Value| ["manager", "operation", "apiVersion", "subresource"].map(|key| it[key].to_string());
            let entries = map.get_mut("managedFields").and_then(Value::as_array_mut);
            entries.into_iter().for_each(|it| it.sort_by_key(identity));
            for (key, it) in map.iter_mut() {
                if key == "fieldsV1" {
                    *it = serde_json::from_str(&redacted(&it.to_string())).unwrap();
                } else {
                    normal(it);
                }
            }
            map.retain(|_, it| !it.is_null() && *it != json!({}) && *it != json!(""));
        }
        Value::Array(items) => items.iter_mut().for_each(normal),
        Value::String(text) => *text = redacted(text),
        _ => {}
    }
}

/// What to tell about a row whose answers are not as it says.
pub fn differing(theme: &str, row: &Row, wanted: &Answer, found: &Answer) -> Option<String> {
    match (wanted == found, row.differs) {
        (true, None) | (false, Some(_)) => None,
        (true, Some(why)) => Some(format!("{theme}: {}: no longer differs ({why})", row.title)),
        (false, None) => {
            let Row { title, method, path, body, .. } = row;
            let body: String = body.chars().take(300).collect();
            let mut lines = vec![format!("{theme}: {title}: {method} {path} {body}")];
            let head = |it: &Answer| json!({ "code": it.code, "media": it.media });
            parts("", &head(wanted), &head(found), &mut lines);
            parts("", &wanted.body, &found.body, &mut lines);
            Some(lines.join("\n"))
        }
    }
}

/// The parts in which two values differ, one line each.
fn parts(path: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                parts(&format!("{path}/{key}"), &at(a), &at(b), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                parts(&format!("{path}/{at}"), a, b, lines);
            }
        }
        _ if wanted == found => {}
        _ => lines.push(format!("  {path}\n    real {wanted}\n    ours {found}")),
    }
}
