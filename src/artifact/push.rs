//! To a registry and from one tag to another.

use super::pack::{Artifact, Blob};
use crate::sys::http::{HttpError, Response, SharedHttp};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use std::time::Duration;

/// A registry beside the lab answers at once; this is for one that hangs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Every path of a registry's API begins with this.
const API: &str = "/v2/";
/// The kinds of manifest that a tag may stand for.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";
/// How much of a registry's error an error of ours repeats, in characters.
const MAX_DETAIL: usize = 300;

/// One repository of a registry.
#[derive(Clone)]
pub struct Repository {
    http: SharedHttp,
    /// `http://127.0.0.1:5000`, without a slash at its end.
    address: String,
    /// `lab/podinfo`
    name: String,
}

/// Why the registry does not have it.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("the registry at {address} cannot be reached: {source}. Is its pod ready, and its port forwarded?")]
    Unreachable { address: String, source: HttpError },
    #[error("the registry at {address} answers {method} {path} with {status}: {detail}")]
    Refused { address: String, method: Method, path: String, status: StatusCode, detail: String },
    #[error("the registry at {address} opened an upload and did not say where")]
    NoLocation { address: String },
    #[error("`{0}` is not the address of a registry")]
    Address(String),
}

impl Repository {
    /// The repository `name` of the registry at `address`, reached through `http`.
    #[must_use]
    pub fn new(http: SharedHttp, address: &str, name: &str) -> Self {
        Self { http, address: address.trim_end_matches('/').to_owned(), name: name.to_owned() }
    }

    /// Uploads what the registry does not have yet and puts `tag` on it; the manifest's digest.
    pub async fn push(&self, artifact: &Artifact, tag: &str) -> Result<String, PushError> {
        for blob in [&artifact.config, &artifact.layer] {
            self.upload(blob).await?;
        }
        self.put_manifest(artifact.manifest.media_type, artifact.manifest.bytes.clone(), tag).await?;
        Ok(artifact.manifest.digest.clone())
    }

    /// Promotes what `from` (a tag or digest) stands for: puts `tag` on it as well. Nothing is copied.
    pub async fn retag(&self, from: &str, tag: &str) -> Result<(), PushError> {
        let path = self.path(&format!("manifests/{from}"));
        let found = self.send(Method::GET, &path, Some((ACCEPT, MANIFESTS)), Bytes::new()).await?;
        let found = self.expect(Method::GET, &path, found)?;
        let media_type = found.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let media_type = media_type.unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned();
        self.put_manifest(&media_type, found.into_body(), tag).await
    }

    async fn upload(&self, blob: &Blob) -> Result<(), PushError> {
        let path = self.path(&format!("blobs/{}", blob.digest));
        if self.send(Method::HEAD, &path, None, Bytes::new()).await?.status().is_success() {
            return Ok(());
        }
        let path = self.path("blobs/uploads/");
        let opened = self.send(Method::POST, &path, None, Bytes::new()).await?;
        let opened = self.expect(Method::POST, &path, opened)?;
        let told = opened.headers().get(LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        // Absolute or relative, and with a proxy's own path in front of it behind the Kubernetes API's proxy.
        let at = told.find(API).ok_or_else(|| PushError::NoLocation { address: self.address.clone() })?;
        let separator = if told.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}digest={}", &told[at..], blob.digest);
        let octets = Some((CONTENT_TYPE, "application/octet-stream"));
        let stored = self.send(Method::PUT, &path, octets, blob.bytes.clone()).await?;
        self.expect(Method::PUT, &path, stored).map(drop)
    }

    async fn put_manifest(&self, media_type: &str, bytes: Bytes, tag: &str) -> Result<(), PushError> {
        let path = self.path(&format!("manifests/{tag}"));
        let stored = self.send(Method::PUT, &path, Some((CONTENT_TYPE, media_type)), bytes).await?;
        self.expect(Method::PUT, &path, stored).map(drop)
    }

    fn path(&self, rest: &str) -> String {
        format!("{API}{}/{rest}", self.name)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        header: Option<(http::HeaderName, &str)>,
        body: Bytes,
    ) -> Result<Response, PushError> {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|_| PushError::Address(self.address.clone()))?;
        let answer = self.http.send(request, TIMEOUT).await;
        answer.map_err(|source| PushError::Unreachable { address: self.address.clone(), source })
    }

    fn expect(&self, method: Method, path: &str, answer: Response) -> Result<Response, PushError> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let detail = String::from_utf8_lossy(answer.body()).trim().chars().take(MAX_DETAIL).collect();
        let (address, path) = (self.address.clone(), path.to_owned());
        Err(PushError::Refused { address, method, path, status: answer.status(), detail })
    }
}
