//! Ports forwarded to the pods of a Service, against a scripted Kubernetes API whose pods say their name.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use coalmine::cluster::{Client, Forward, ForwardError};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

const PORT: u16 = 9898;
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster with one Service `web` in `test`, and pods that can come and go.
#[derive(Clone, Default)]
struct Cluster {
    pods: Arc<Mutex<BTreeMap<String, watch::Sender<bool>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    async fn serve(&self, tasks: &mut JoinSet<()>) -> Client {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cluster = self.clone();
        let router = Router::new().fallback(move |request: Request| {
            let answer = cluster.answer(request);
            async move { answer }
        });
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Client::connect_url(&url).unwrap()
    }

    fn start(&self, pod: &str) {
        self.pods.lock().unwrap().insert(pod.to_owned(), watch::channel(true).0);
    }

    /// Its connections end too.
    fn kill(&self, pod: &str) {
        self.pods.lock().unwrap().remove(pod);
    }

    fn answer(&self, mut request: Request) -> Response {
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push(request.uri().to_string());
        match path.as_str() {
            "/api/v1/namespaces/test/services/web" => {
                json_answer(200, &json!({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "app"}]}}))
            }
            "/apis/discovery.k8s.io/v1/namespaces/test/endpointslices" => json_answer(200, &self.slices()),
            _ => {
                match path.strip_prefix("/api/v1/namespaces/test/pods/").and_then(|it| it.strip_suffix("/portforward"))
                {
                    Some(pod) => self.forward(pod, &mut request),
                    None => not_found(),
                }
            }
        }
    }

    fn slices(&self) -> Value {
        let ready: Vec<Value> = self
            .pods
            .lock()
            .unwrap()
            .keys()
            .map(|pod| json!({"targetRef": {"kind": "Pod", "name": pod}, "conditions": {"ready": true}}))
            .collect();
        json!({"metadata": {"resourceVersion": "1"}, "items": [
            {"metadata": {"name": "web-1"}, "ports": [{"name": "http", "port": PORT}], "endpoints": ready}]})
    }

    /// `v4.channel.k8s.io`: each message begins with its channel; the first of each says the port.
    fn forward(&self, pod: &str, request: &mut Request) -> Response {
        let Some(mut alive) = self.pods.lock().unwrap().get(pod).map(watch::Sender::subscribe) else {
            return not_found();
        };
        assert!(request.uri().query().is_some_and(|it| it.trim_start_matches('&') == "ports=9898"));
        let key = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
        let (upgrade, pod) = (hyper::upgrade::on(request), pod.to_owned());
        tokio::spawn(async move {
            let stream = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            for channel in [0, 1] {
                let port = PORT.to_le_bytes();
                socket.send(Message::binary(vec![channel, port[0], port[1]])).await.unwrap();
            }
            loop {
                tokio::select! {
                    biased;
                    // The sender is dropped when the pod is killed.
                    _ = alive.changed() => return,
                    message = socket.next() => match message {
                        Some(Ok(Message::Binary(bytes))) => {
                            let mut answer = vec![0];
                            answer.extend_from_slice(pod.as_bytes());
                            answer.extend_from_slice(b" heard ");
                            answer.extend_from_slice(&bytes[1..]);
                            socket.send(Message::binary(answer)).await.unwrap();
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(_)) => {}
                    },
                }
            }
        });
        Response::builder()
            .status(101)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", key)
            .header("sec-websocket-protocol", "v4.channel.k8s.io")
            .body(Body::empty())
            .unwrap()
    }
}

fn json_answer(status: u16, body: &Value) -> Response {
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
}

fn not_found() -> Response {
    json_answer(
        404,
        &json!({"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound", "message": "not found"}),
    )
}

/// A connection through a forward.
struct Line(TcpStream);

impl Line {
    async fn to(forward: &Forward) -> Self {
        Self(TcpStream::connect(forward.address()).await.unwrap())
    }

    /// What comes back; empty where the connection has ended.
    async fn say(&mut self, text: &str) -> String {
        let _ = self.0.write_all(text.as_bytes()).await;
        let mut answer = vec![0; 1024];
        let read = tokio::time::timeout(PATIENCE, self.0.read(&mut answer)).await.expect("an answer, or an end");
        String::from_utf8(answer[..read.unwrap_or(0)].to_vec()).unwrap()
    }
}

#[tokio::test]
async fn connections_go_to_ready_pods_in_turn_and_outlive_them() {
    let (cluster, mut tasks) = (Cluster::default(), JoinSet::new());
    let client = cluster.serve(&mut tasks).await;
    cluster.start("a");
    cluster.start("b");
    let forward = client.forward("test", "web", 80).await.unwrap();
    let (mut one, mut two) = (Line::to(&forward).await, Line::to(&forward).await);
    let mut heard = [one.say("hello").await, two.say("hello").await];
    heard.sort();
    assert_eq!(heard, ["a heard hello", "b heard hello"]);
    cluster.kill("a");
    let mut after = [one.say("still there?").await, two.say("still there?").await];
    after.sort();
    assert_eq!(after, ["", "b heard still there?"], "a connection lives as long as its pod");
    for _ in 0..4 {
        assert_eq!(Line::to(&forward).await.say("hello").await, "b heard hello", "new ones go to the pod that is left");
    }
    cluster.kill("b");
    cluster.start("c");
    assert_eq!(Line::to(&forward).await.say("hello").await, "c heard hello", "a pod that came later");
}

#[tokio::test]
async fn a_forward_waits_for_pods_and_says_what_is_not_there() {
    let (cluster, mut tasks) = (Cluster::default(), JoinSet::new());
    let client = cluster.serve(&mut tasks).await;
    let forward = client.forward("test", "web", 80).await.unwrap();
    let mut early = Line::to(&forward).await;
    let late = async {
        // Once it was looked for pods, there is one.
        while !cluster.asked.lock().unwrap().iter().any(|it| it.contains("endpointslices")) {
            tokio::task::yield_now().await;
        }
        cluster.start("a");
    };
    let (heard, ()) = tokio::join!(early.say("hello"), late);
    assert_eq!(heard, "a heard hello");
    let Err(ForwardError::NoPort { port: 81, .. }) = client.forward("test", "web", 81).await else { panic!("no port") };
    let Err(ForwardError::NoService { .. }) = client.forward("test", "shop", 80).await else { panic!("no Service") };
}

#[tokio::test]
async fn a_dropped_forward_closes_its_port_and_its_connections() {
    let (cluster, mut tasks) = (Cluster::default(), JoinSet::new());
    let client = cluster.serve(&mut tasks).await;
    cluster.start("a");
    let forward = client.forward("test", "web", 80).await.unwrap();
    let address = forward.address();
    let mut line = Line::to(&forward).await;
    assert_eq!(line.say("hello").await, "a heard hello");
    drop(forward);
    assert_eq!(line.say("hello").await, "");
    assert!(TcpStream::connect(address).await.is_err());
}
