//! The real Prometheus on a loopback port, given its samples by remote write, so that it has them bit for bit.

use super::data::Series;
use serde_json::Value as Json;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How often a starting Prometheus is asked whether it is ready, and how long between two times.
const READY_TRIES: usize = 300;
const READY_PAUSE: Duration = Duration::from_millis(100);
/// Samples are sent in slices of time, because an empty database takes only what is near its newest sample.
const SLICE_MS: i64 = 10 * 60_000;

/// What its configuration is called.
pub const CONFIG: &str = "prometheus.yml";

/// A running Prometheus; ends with its data when dropped.
pub struct Prometheus {
    process: Child,
    address: String,
    client: reqwest::Client,
    directory: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    pub async fn start(program: PathBuf) -> io::Result<Self> {
        Self::with_files(program, &[(CONFIG, "global: {}\n")]).await
    }

    /// With these files in its folder, of which one is its configuration.
    pub async fn with_files(program: PathBuf, files: &[(&str, &str)]) -> io::Result<Self> {
        // The client wants a TLS provider even where it never speaks TLS; a second one is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let directory = TempDir::new()?;
        for (name, text) in files {
            fs::write(directory.path().join(name), text)?;
        }
        let config = directory.path().join(CONFIG);
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--web.enable-remote-write-receiver", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let prometheus = Self { process, address, client, directory };
        for _ in 0..READY_TRIES {
            let answer = prometheus.client.get(prometheus.url("/-/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(prometheus);
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        Err(io::Error::other(format!("prometheus was not ready after {READY_TRIES} tries")))
    }

    /// Where it is reached, with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where a file of its folder lies.
    pub fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Gives it the samples.
    pub async fn write(&self, series: &[Series]) {
        let times = || series.iter().flat_map(|series| series.samples.iter().map(|(t, _)| *t));
        let (first, last) = (times().min().expect("there are samples"), times().max().expect("there are samples"));
        let mut from = first;
        while from <= last {
            let body = snappy(&write_request(series, from, from + SLICE_MS));
            let request = self.client.post(self.url("/api/v1/write")).body(body);
            let request = request.header("Content-Encoding", "snappy").header("Content-Type", "application/x-protobuf");
            let answer = request.header("X-Prometheus-Remote-Write-Version", "0.1.0").send().await.expect("it answers");
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            assert!(status.is_success(), "remote write: {status} {text}");
            from += SLICE_MS;
        }
    }

    /// The status and body of any request.
    pub async fn send(&self, request: axum::http::Request<String>) -> (u16, Json) {
        let (parts, body) = request.into_parts();
        let url = self.url(&parts.uri.to_string());
        let sent = self.client.request(parts.method, url).headers(parts.headers).body(body).send().await;
        let answer = sent.expect("prometheus answers");
        let status = answer.status().as_u16();
        (status, read(&answer.text().await.expect("the body is whole")))
    }

    /// The answer to a GET.
    pub async fn ask_get(&self, path: &str) -> (u16, Json) {
        self.send(axum::http::Request::get(path).body(String::new()).expect("the request is good")).await
    }

    /// An answer of its HTTP API, errors included.
    pub async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Json {
        let answer = self.client.post(self.url(path)).form(parameters).send().await.expect("prometheus answers");
        answer.json().await.expect("the answer is JSON")
    }
}

/// JSON, or a text that is none.
pub fn read(body: &str) -> Json {
    serde_json::from_str(body).unwrap_or_else(|_| Json::String(body.to_owned()))
}

/// A protobuf `WriteRequest` of the samples from `from` up to, not including, `to`.
fn write_request(series: &[Series], from: i64, to: i64) -> Vec<u8> {
    let mut request = Vec::new();
    for series in series {
        let mut body = Vec::new();
        for label in &series.labels {
            let mut pair = Vec::new();
            field(&mut pair, 1, label.name.as_bytes());
            field(&mut pair, 2, label.value.as_bytes());
            field(&mut body, 1, &pair);
        }
        for (t, value) in series.samples.iter().filter(|(t, _)| (from..to).contains(t)) {
            let mut sample = vec![0x09];
            sample.extend(value.to_bits().to_le_bytes());
            sample.push(0x10);
            varint(&mut sample, *t as u64);
            field(&mut body, 2, &sample);
        }
        field(&mut request, 1, &body);
    }
    request
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Snappy's block form without any compression: the length, then literals.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, bytes.len() as u64);
    for chunk in bytes.chunks(1 << 16) {
        // A literal whose length less one follows in two bytes.
        out.push(61 << 2);
        out.extend(((chunk.len() - 1) as u16).to_le_bytes());
        out.extend(chunk);
    }
    out
}
