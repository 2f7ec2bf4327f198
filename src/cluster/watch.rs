//! A watch that does not end: it lists, watches, resumes, and lists again when the server has forgotten its place.

use crate::cluster::client::{typed, with_query};
use crate::cluster::{Client, ClusterError};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::Request;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// First wait after a failure; each further failure doubles it. client-go's reflector has the same bounds.
const BACKOFF_START: Duration = Duration::from_millis(800);
/// The longest wait between attempts.
const BACKOFF_LIMIT: Duration = Duration::from_secs(30);
/// How long the server is asked to keep one watch open, in seconds.
const WATCH_SECONDS: &str = "290";
/// A watch that ends sooner than this without an event counts as a failure, so that no server can make it spin.
const SHORT_WATCH: Duration = Duration::from_secs(1);
/// The longest line of a watch, in bytes.
const MAX_LINE: usize = 16 << 20;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    /// The object was created or changed, and is now this.
    Applied(Value),
    /// The object is gone; this was its last state.
    Deleted(Value),
    /// All objects there are, at the start and whenever the watch had to begin anew: whatever is not listed is gone.
    Restarted(Vec<Value>),
}

impl Client {
    /// Watches a kind. The stream never ends and never fails: it waits and tries again until it is dropped.
    ///
    /// `namespace` none means all namespaces; `fields` is a field selector such as `metadata.name=podinfo`.
    pub fn watch(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        fields: Option<&str>,
    ) -> BoxStream<'static, Watched> {
        let source = Source {
            client: self.clone(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            fields: fields.map(str::to_owned),
        };
        let watcher = Watcher { source, place: Place::Unknown, backoff: BACKOFF_START };
        stream::unfold(watcher, |mut watcher| async move {
            let told = watcher.next().await;
            Some((told, watcher))
        })
        .boxed()
    }
}

/// How far a watch has come.
enum Place {
    /// Nothing is known, or the server has forgotten where this watch was: list.
    Unknown,
    /// All is known up to this resource version: watch from there.
    Known(String),
    /// Watching.
    Open(Open),
}

/// An open watch.
struct Open {
    version: String,
    lines: Lines,
    since: Instant,
    any: bool,
}

/// What is watched.
struct Source {
    client: Client,
    api_version: String,
    kind: String,
    namespace: Option<String>,
    fields: Option<String>,
}

struct Watcher {
    source: Source,
    place: Place,
    backoff: Duration,
}

impl Source {
    async fn list(&self) -> Result<(Vec<Value>, String), ClusterError> {
        let resource = self.client.resource(&self.api_version, &self.kind).await?;
        let selectors: Vec<_> = self.fields.as_deref().map(|it| ("fieldSelector", it)).into_iter().collect();
        let (items, version) =
            self.client.list_all(&resource.collection(self.namespace.as_deref()), &selectors).await?;
        Ok((items.into_iter().map(|it| typed(it, &self.api_version, &self.kind)).collect(), version))
    }

    async fn open(&self, version: &str) -> Result<Lines, ClusterError> {
        let resource = self.client.resource(&self.api_version, &self.kind).await?;
        let mut query = vec![
            ("watch", "true"),
            ("timeoutSeconds", WATCH_SECONDS),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
        ];
        query.extend(self.fields.as_deref().map(|it| ("fieldSelector", it)));
        let path = with_query(&resource.collection(self.namespace.as_deref()), &query);
        let request = Request::get(&path).header(ACCEPT, "application/json").body(Bytes::new());
        let request = request.map_err(|why| ClusterError::BadRequest(format!("{path}: {why}")))?;
        let answer = self.client.open(request).await?;
        let (status, body) = (answer.status(), answer.into_body());
        if status.is_success() {
            return Ok(Lines { body, ready: BytesMut::new(), searched: 0 });
        }
        let why = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(ClusterError::from_answer(status, &why))
    }
}

impl Watcher {
    /// Goes on until there is something to tell.
    async fn next(&mut self) -> Watched {
        loop {
            match std::mem::replace(&mut self.place, Place::Unknown) {
                Place::Unknown => match self.source.list().await {
                    Ok((items, version)) => {
                        self.place = Place::Known(version);
                        return Watched::Restarted(items);
                    }
                    Err(error) => self.wait(&error).await,
                },
                Place::Known(version) => match self.source.open(&version).await {
                    Ok(lines) => {
                        self.place = Place::Open(Open { version, lines, since: Instant::now(), any: false });
                    }
                    Err(ClusterError::Gone(_)) => {}
                    Err(error) => {
                        self.place = Place::Known(version);
                        self.wait(&error).await;
                    }
                },
                Place::Open(open) => {
                    if let Some(told) = self.read(open).await {
                        return told;
                    }
                }
            }
        }
    }

    /// Reads one event of an open watch and leaves `place` where to go on; none where it is nothing to tell.
    async fn read(&mut self, mut open: Open) -> Option<Watched> {
        let Some(line) = open.lines.next().await else {
            self.place = Place::Known(open.version);
            if !open.any && open.since.elapsed() < SHORT_WATCH {
                self.wait(&"the watch was closed at once").await;
            } else {
                self.backoff = BACKOFF_START;
            }
            return None;
        };
        let Ok(mut event) = serde_json::from_slice::<Value>(&line) else {
            self.place = Place::Known(open.version);
            self.wait(&"a line of the watch is not JSON").await;
            return None;
        };
        let object = event["object"].take();
        if event["type"] == "ERROR" {
            let error = ClusterError::from_status(&object, 500);
            if !matches!(error, ClusterError::Gone(_)) {
                self.place = Place::Known(open.version);
                self.wait(&error).await;
            }
            return None;
        }
        if let Some(version) = object["metadata"]["resourceVersion"].as_str() {
            version.clone_into(&mut open.version);
        }
        open.any = true;
        self.backoff = BACKOFF_START;
        self.place = Place::Open(open);
        let object = typed(object, &self.source.api_version, &self.source.kind);
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => Some(Watched::Applied(object)),
            Some("DELETED") => Some(Watched::Deleted(object)),
            _ => None,
        }
    }

    async fn wait(&mut self, why: &impl std::fmt::Display) {
        tracing::debug!(kind = self.source.kind, wait = ?self.backoff, "watch interrupted: {why}");
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_LIMIT);
    }
}

/// The lines of a body as they come in.
struct Lines {
    body: Body,
    ready: BytesMut,
    /// How much of `ready` is known to hold no line end.
    searched: usize,
}

impl Lines {
    /// The next line without its end; none when the body has ended, broke, or a line is over [`MAX_LINE`].
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.ready[self.searched..].iter().position(|&it| it == b'\n') {
                let mut line = self.ready.split_to(self.searched + end + 1);
                self.searched = 0;
                line.truncate(line.len() - 1);
                if !line.is_empty() {
                    return Some(line.freeze());
                }
                continue;
            }
            self.searched = self.ready.len();
            if self.ready.len() > MAX_LINE {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.ready.extend_from_slice(&data);
            }
        }
    }
}
