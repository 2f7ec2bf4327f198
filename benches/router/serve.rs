//! Our router behind a socket, before one backend, on one thread: as a lab on the wall clock has it, without the lab.

use crate::nginx::WEIGHT;
use coalmine::sys::clock::Clock;
use coalmine::sys::http::{Http, HttpError, Request, Response};
use coalmine::sys::outside::Outside;
use coalmine::sys::rng::Seed;
use coalmine::traffic::route::RouteTable;
use coalmine::traffic::router::{Backends, ControllerIdentity, Endpoint, HTTP_PORT, Router, ServicePort};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The router has its own, shorter limits.
const NO_LIMIT: Duration = Duration::from_secs(600);

struct OverTcp {
    endpoints: Arc<[Endpoint]>,
    http: Outside,
}

impl Backends for OverTcp {
    fn endpoints(&self, _: &str, _: &str, _: &ServicePort) -> Arc<[Endpoint]> {
        self.endpoints.clone()
    }

    fn send(&self, endpoint: &Endpoint, mut request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
        match format!("http://{}{path}", endpoint.address).parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => {
                let error = HttpError::Other(error.to_string());
                return Box::pin(std::future::ready(Err(error)));
            }
        }
        self.http.send(request, NO_LIMIT)
    }
}

fn ingress(name: &str, service: &str, annotations: Value) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    json!({"metadata": {"name": name, "namespace": "test", "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "app.example.com", "http": {"paths": paths}}]}})
}

/// Serves until it is killed.
pub fn run(port: &str, backend: &str, http: Outside) {
    let endpoint = Endpoint { address: backend.to_owned(), pod: "podinfo-1".to_owned() };
    let backends = OverTcp { endpoints: Arc::from([endpoint]), http };
    let clock = Clock::wall();
    let rng = Seed(1).stream("router");
    let weight = WEIGHT.to_string();
    let canary = json!({"nginx.ingress.kubernetes.io/canary": "true",
        "nginx.ingress.kubernetes.io/canary-weight": weight});
    let objects = [ingress("app", "primary", json!({})), ingress("app-canary", "canary", canary)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let router = Router::new(&ControllerIdentity::default(), "podinfo", Arc::new(backends), clock, rng);
        let (table, problems) = RouteTable::from_objects(&objects, []);
        assert!(problems.is_empty(), "{problems:?}");
        router.set_table(table);
        let port: u16 = port.parse().expect("a port");
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            let router = router.clone();
            let service = service_fn(move |request: http::Request<Incoming>| answer(router.clone(), request));
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(socket), service).await });
        }
    });
}

async fn answer(
    router: Router,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<bytes::Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answer = router.handle(HTTP_PORT, http::Request::from_parts(parts, body)).await;
    Ok(answer.unwrap_or_default().map(Full::new))
}
