//! What stands on the lab's ports, byte by byte: clients that err, clients that watch, clients that stay.

use coalmine::home::{Endpoints, Home};
use coalmine::lab::{Up, UpOptions};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(30);

struct Lab {
    up: Up,
    endpoints: Endpoints,
    client: reqwest::Client,
    token: String,
    _folder: TempDir,
}

impl Lab {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let (home, name) = (Home::at(folder.path()), "wire".parse().unwrap());
        let up = Up::start(&home, &name, UpOptions::default(), Arc::new(|_| ())).await.unwrap();
        let endpoints = up.record().endpoints.clone().unwrap();
        let file = |name: &str| std::fs::read_to_string(folder.path().join("labs/wire").join(name)).unwrap();
        let ca = reqwest::Certificate::from_pem(file("ca.crt").as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { up, endpoints, client, token: file("token"), _folder: folder }
    }

    fn api(&self, path: &str) -> String {
        format!("{}{path}", self.endpoints.kubernetes.server)
    }

    async fn watch(&self, path: &str) -> reqwest::Response {
        self.client.get(self.api(path)).bearer_auth(&self.token).send().await.unwrap()
    }

    async fn make_config_map(&self, name: &str) {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
        self.up.lab().kubernetes.create(&object).await.unwrap();
    }
}

fn authority(url: &str) -> &str {
    url.split_once("://").unwrap().1
}

/// Sends bytes and gives all that comes back until the other side closes.
async fn exchange(url: &str, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(authority(url)).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    // A reset is a way of closing, too.
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn next_event(watch: &mut reqwest::Response) -> Option<Value> {
    let chunk = tokio::time::timeout(PATIENCE, watch.chunk()).await.expect("an event comes");
    chunk.unwrap().map(|it| serde_json::from_slice(&it).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_err_disturb_nobody_and_watches_stream_until_the_end() {
    let lab = Lab::new().await;
    let path = "/api/v1/namespaces/default/configmaps?watch=true";
    let mut watch = lab.watch(path).await;
    assert_eq!(watch.status(), 200);
    lab.make_config_map("before").await;
    assert_eq!(next_event(&mut watch).await.unwrap()["object"]["metadata"]["name"], "before");

    let server = &lab.endpoints.kubernetes.server;
    let plain = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    for request in ["GET / HTTP/1.1\r\n\r\n", "POST /api/v1/pods HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"] {
        // The client may close first; the server's word comes before that.
        let mut socket = TcpStream::connect(authority(server)).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer)).await.expect("an answer").unwrap();
        assert_eq!(answer, plain);
    }
    // Bytes that are no handshake, a record of a wrong version, a handshake that is too long.
    for garbage in [&b"\x00\x01\x02\x03\x04\x05"[..], b"\x16\x09\x09\x00\x01\x00", &[0x16, 3, 1, 0xff, 0xff, 1]] {
        let answer = exchange(server, garbage).await;
        assert!(!answer.contains("HTTP"), "{answer}");
    }
    // A handshake that stops in the middle stays alone with itself.
    let mut half = TcpStream::connect(authority(server)).await.unwrap();
    half.write_all(&[0x16, 3, 1, 0, 200, 1]).await.unwrap();
    let stranger = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    assert!(stranger.get(lab.api("/version")).send().await.is_err(), "a client that does not trust the CA stays out");

    for url in [&lab.endpoints.prometheus, &lab.endpoints.entry] {
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70 << 10));
        let answer = exchange(url, long.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 414 "), "{url}: {answer}");
        let answer = exchange(url, b"\x16\x03\x01 no HTTP\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{url}: {answer}");
    }
    let large = vec![b'a'; 9 << 20];
    let answer = lab.client.post(format!("{}/api/v1/query", lab.endpoints.prometheus)).body(large.clone()).send().await;
    assert!(answer.is_ok_and(|it| it.status() == 413), "Prometheus refuses a body of 9 MiB");
    let answer = lab.client.post(lab.api("/api/v1/namespaces")).bearer_auth(&lab.token).body(large).send().await;
    // The server answers before it has read all; a client that is still sending may see the connection close instead.
    assert!(answer.is_err() || answer.is_ok_and(|it| it.status() == 413), "and so does the Kubernetes API");

    lab.make_config_map("after").await;
    assert_eq!(next_event(&mut watch).await.unwrap()["object"]["metadata"]["name"], "after");
    // The end of the lab is the end of the watch: in order, not by a cut.
    let down = tokio::spawn(lab.up.down());
    assert_eq!(next_event(&mut watch).await, None);
    down.await.unwrap().unwrap();
}
