use super::*;
use crate::sys::rng::Seed;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What an endpoint does with one request.
#[derive(Clone, Debug)]
enum Does {
    Answers(u16),
    After(u64, u16),
    Hangs,
    Resets,
    Refuses,
    Echoes,
}

/// Services with endpoints, each of which goes through a list of acts and stays with the last one.
#[derive(Default)]
struct Fake {
    services: BTreeMap<String, Vec<&'static str>>,
    acts: Mutex<BTreeMap<&'static str, VecDeque<Does>>>,
    asked: Mutex<Vec<(String, Request)>>,
}

impl Backends for Fake {
    fn endpoints(&self, _: &str, service: &str, _: &ServicePort) -> Arc<[Endpoint]> {
        let pods = self.services.get(service).cloned().unwrap_or_default();
        pods.into_iter().map(|pod| Endpoint { address: format!("{pod}:9898"), pod: pod.to_owned() }).collect()
    }

    fn send(&self, endpoint: &Endpoint, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.asked.lock().unwrap().push((endpoint.pod.clone(), request.clone()));
        let mut acts = self.acts.lock().unwrap();
        let queue = acts.get_mut(endpoint.pod.as_str()).unwrap();
        let act = if queue.len() > 1 { queue.pop_front().unwrap() } else { queue[0].clone() };
        let pod = endpoint.pod.clone();
        Box::pin(async move {
            let answer = |status: u16| {
                let version = if pod.contains("primary") { "6.9.1" } else { "6.9.2" };
                let response = http::Response::builder().status(status);
                let response = response.header("x-coalmine-version", version).header("x-coalmine-pod", &pod);
                Ok(response.header("connection", "keep-alive").body(Bytes::from("hello")).unwrap())
            };
            match act {
                Does::Answers(status) => answer(status),
                Does::After(millis, status) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    answer(status)
                }
                Does::Hangs => std::future::pending().await,
                Does::Resets => Err(HttpError::Closed),
                Does::Refuses => Err(HttpError::Refused { address: pod }),
                Does::Echoes => {
                    let headers: BTreeMap<_, _> = request
                        .headers()
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                        .collect();
                    let seen = json!({"uri": request.uri().to_string(), "headers": headers});
                    Ok(Response::new(Bytes::from(seen.to_string())))
                }
            }
        })
    }
}

const PRIMARY: &str = "podinfo-primary-1";
const CANARY: &str = "podinfo-1";

fn fake(acts: &[(&'static str, &[Does])]) -> Arc<Fake> {
    let mut fake = Fake::default();
    for (pod, list) in acts {
        let service = if pod.contains("primary") { "podinfo" } else { "podinfo-canary" };
        fake.services.entry(service.to_owned()).or_default().push(pod);
        fake.acts.get_mut().unwrap().insert(pod, list.iter().cloned().collect());
    }
    Arc::new(fake)
}

fn ingress(weight: Option<u32>, annotations: &[(&str, &str)]) -> Value {
    let prefix = "nginx.ingress.kubernetes.io/";
    let mut all: BTreeMap<String, String> =
        annotations.iter().map(|(name, value)| (format!("{prefix}{name}"), (*value).to_owned())).collect();
    let (name, service) = if weight.is_some() { ("podinfo-canary", "podinfo-canary") } else { ("podinfo", "podinfo") };
    if let Some(weight) = weight {
        all.insert(format!("{prefix}canary"), "true".to_owned());
        all.insert(format!("{prefix}canary-weight"), weight.to_string());
    }
    json!({"kind": "Ingress", "metadata": {"namespace": "test", "name": name, "annotations": all},
        "spec": {"rules": [{"host": "app.test", "http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"number": 80}}}}]}}]}})
}

fn router(backends: &Arc<Fake>, weight: u32, annotations: &[(&str, &str)]) -> Router {
    let identity = ControllerIdentity::default();
    let router = Router::new(&identity, "podinfo", backends.clone(), Clock::simulated(), Seed(1).stream("router"));
    set(&router, weight, annotations);
    router
}

fn set(router: &Router, weight: u32, annotations: &[(&str, &str)]) {
    let objects = [ingress(None, annotations), ingress(Some(weight), &[])];
    let (table, problems) = RouteTable::from_objects(&objects, []);
    assert_eq!(problems, []);
    router.set_table(table);
}

fn request(method: &str, url: &str) -> Request {
    http::Request::builder().method(method).uri(url).body(Bytes::new()).unwrap()
}

async fn status(router: &Router, method: &str) -> u16 {
    router.route(request(method, "http://app.test/")).await.unwrap().status().as_u16()
}

/// Lines of the exposition that count requests, without the constant labels.
fn counted(router: &Router) -> Vec<String> {
    let text = router.metrics_text();
    let lines = text.lines().filter(|line| line.starts_with("nginx_ingress_controller_requests{"));
    let brief = lines.map(|line| {
        let labels = line.split_once('{').unwrap().1;
        let kept = labels.split(',').filter(|label| !label.starts_with("controller_"));
        kept.collect::<Vec<_>>().join(",")
    });
    brief.collect()
}

#[tokio::test(start_paused = true)]
async fn failures_of_backends_become_nginx_statuses() {
    use Does::{After, Answers, Hangs, Refuses, Resets};
    let none: &[(&str, &str)] = &[];
    let once = [("proxy-next-upstream-tries", "1")];
    let quick = [("proxy-next-upstream-tries", "1"), ("proxy-read-timeout", "5")];
    let on_503 = [("proxy-next-upstream", "error http_503")];
    #[rustfmt::skip]
    let cases: [(&str, &[Does], &str, &[(&str, &str)], u16, u64, usize); 15] = [
        ("an answer is passed on, whatever its status", &[Answers(500)], "GET", none, 500, 0, 1),
        ("a slow answer too", &[After(30_000, 200)], "GET", none, 200, 30_000, 1),
        ("a reset is tried again", &[Resets, Answers(200)], "GET", none, 200, 0, 2),
        ("three times in all", &[Resets, Resets, Resets, Answers(200)], "GET", none, 502, 0, 3),
        ("a refusal too", &[Refuses, Refuses, Answers(200)], "GET", none, 200, 0, 3),
        ("a POST that was sent is not tried again", &[Resets, Answers(200)], "POST", none, 502, 0, 1),
        ("one that was not sent is", &[Refuses, Answers(200)], "POST", none, 200, 0, 2),
        ("unless an annotation allows it", &[Resets, Answers(200)], "POST", &[("proxy-next-upstream", "error non_idempotent")], 200, 0, 2),
        ("one attempt when an annotation says so", &[Resets, Answers(200)], "GET", &once, 502, 0, 1),
        ("a hang ends after the read timeout of each attempt", &[Hangs], "GET", none, 504, 180_000, 3),
        ("which an annotation sets", &[Hangs], "GET", &quick, 504, 5000, 1),
        ("a slow answer beyond it is lost", &[After(6000, 200)], "GET", &quick, 504, 5000, 1),
        ("listed statuses are tried again", &[Answers(503), Answers(200)], "GET", &on_503, 200, 0, 2),
        ("the last one is passed on", &[Answers(503)], "GET", &on_503, 503, 0, 3),
        ("off is off", &[Resets, Answers(200)], "GET", &[("proxy-next-upstream", "off")], 502, 0, 1),
    ];
    for (sentence, acts, method, annotations, expected, millis, attempts) in cases {
        let backends = fake(&[(PRIMARY, acts)]);
        let router = router(&backends, 0, annotations);
        let began = Instant::now();
        assert_eq!(status(&router, method).await, expected, "{sentence}");
        assert_eq!(began.elapsed().as_millis(), u128::from(millis), "{sentence}");
        assert_eq!(backends.asked.lock().unwrap().len(), attempts, "{sentence}");
        let path = "path=\"/\",service=\"podinfo\",status";
        let line = format!(
            "canary=\"\",host=\"app.test\",ingress=\"podinfo\",method=\"{method}\",namespace=\"test\",{path}=\"{expected}\"}} 1"
        );
        assert_eq!(counted(&router), [line], "{sentence}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_is_503_and_no_route_is_404() {
    let backends = fake(&[]);
    let router = router(&backends, 0, &[]);
    assert_eq!(status(&router, "GET").await, 503);
    assert_eq!(router.route(request("GET", "http://other.test/")).await.unwrap().status(), 404);
    assert_eq!(counted(&router).len(), 1, "hosts that nobody serves are not counted: {:?}", counted(&router));
    let slice = router.take_slice();
    assert_eq!(slice.versions[""].by_status, BTreeMap::from([(404, 1), (503, 1)]), "but the router knows");
}

#[tokio::test(start_paused = true)]
async fn retries_go_round_the_endpoints() {
    let backends = fake(&[("primary-a", &[Does::Resets]), ("primary-b", &[Does::Answers(200)])]);
    let router = router(&backends, 0, &[]);
    for _ in 0..4 {
        assert_eq!(status(&router, "GET").await, 200);
    }
    let asked: Vec<String> = backends.asked.lock().unwrap().iter().map(|(pod, _)| pod.clone()).collect();
    assert_eq!(asked[..6], ["primary-a", "primary-b", "primary-a", "primary-b", "primary-a", "primary-b"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_is_counted_as_499() {
    let backends = fake(&[(PRIMARY, &[Does::Hangs])]);
    let router = router(&backends, 0, &[]);
    let gave_up = tokio::time::timeout(Duration::from_secs(10), router.route(request("GET", "http://app.test/"))).await;
    assert!(gave_up.is_err());
    assert!(counted(&router)[0].ends_with("status=\"499\"} 1"), "{:?}", counted(&router));
    assert_eq!(router.take_slice().versions[""].by_status, BTreeMap::from([(499, 1)]));
}

#[tokio::test(start_paused = true)]
async fn requests_of_the_canary_carry_the_alternative_upstreams_name() {
    let backends = fake(&[(PRIMARY, &[Does::Answers(200)]), (CANARY, &[Does::Answers(500)])]);
    let router = router(&backends, 25, &[]);
    for _ in 0..400 {
        status(&router, "GET").await;
    }
    let lines = counted(&router);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let rest = "host=\"app.test\",ingress=\"podinfo\",method=\"GET\",namespace=\"test\",path=\"/\",service=\"podinfo\"";
    let number = |start: String| -> u64 {
        let line = lines.iter().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}: {lines:?}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let canary = number(format!("canary=\"test-podinfo-canary-80\",{rest},status=\"500\""));
    let primary = number(format!("canary=\"\",{rest},status=\"200\""));
    assert_eq!(canary + primary, 400, "every request is counted once");
    assert!((65..=135).contains(&canary), "{canary} of 400 at weight 25");
    let slice = router.take_slice();
    assert_eq!((slice.versions["6.9.2"].backend.as_str(), slice.versions["6.9.2"].harmed), ("canary", canary));
    assert_eq!((slice.versions["6.9.1"].backend.as_str(), slice.versions["6.9.1"].requests), ("primary", primary));
    assert_eq!(router.take_slice().versions, BTreeMap::new(), "a slice is taken once");
}

#[tokio::test(start_paused = true)]
async fn a_new_table_holds_for_the_next_request_and_leaves_those_under_way() {
    let backends = fake(&[(PRIMARY, &[Does::After(1000, 200)]), (CANARY, &[Does::Answers(201)])]);
    let router = router(&backends, 0, &[]);
    let under_way = tokio::spawn(router.route(request("GET", "http://app.test/")));
    tokio::time::sleep(Duration::from_millis(10)).await;
    set(&router, 100, &[]);
    assert_eq!(status(&router, "GET").await, 201);
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200);
    router.set_table(RouteTable::default());
    assert_eq!(status(&router, "GET").await, 404);
    assert!(counted(&router).is_empty(), "series of an Ingress that is gone go with it: {:?}", counted(&router));
}

#[tokio::test(start_paused = true)]
async fn headers_say_where_a_request_came_from_and_stay_on_their_hop() {
    let backends = fake(&[(PRIMARY, &[Does::Echoes])]);
    let router = router(&backends, 0, &[]);
    let mut request = request("GET", "/a?b=c");
    for (name, value) in [
        ("host", "app.test"),
        ("x-forwarded-for", "6.6.6.6"),
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("x-user", "test"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request.extensions_mut().insert(ClientAddress::from(std::net::IpAddr::from([10, 0, 0, 9])));
    let response = router.route(request).await.unwrap();
    let mut seen: Value = serde_json::from_slice(response.body()).unwrap();
    let id = seen["headers"].as_object_mut().unwrap().remove("x-request-id").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 32);
    assert_eq!(
        seen,
        json!({"uri": "/a?b=c", "headers": {
            "host": "app.test", "x-forwarded-for": "10.0.0.9", "x-forwarded-host": "app.test", "x-forwarded-port": "80",
            "x-forwarded-proto": "http", "x-forwarded-scheme": "http", "x-original-forwarded-for": "6.6.6.6",
            "x-real-ip": "10.0.0.9", "x-scheme": "http", "x-user": "test",
        }})
    );
    let backends = fake(&[(PRIMARY, &[Does::Answers(200)])]);
    let router = self::router(&backends, 0, &[]);
    let response = router.route(self::request("GET", "http://app.test/")).await.unwrap();
    assert!(!response.headers().contains_key("connection"));
}

#[tokio::test(start_paused = true)]
async fn metrics_have_ingress_nginx_names_labels_and_buckets() {
    let backends = fake(&[(PRIMARY, &[Does::After(12, 200)]), (CANARY, &[Does::After(300, 200)])]);
    let router = router(&backends, 0, &[]);
    status(&router, "GET").await;
    set(&router, 100, &[]);
    status(&router, "GET").await;
    let scraped = router.handle(METRICS_PORT, request("GET", "/metrics")).await.unwrap();
    insta::assert_snapshot!(String::from_utf8(scraped.body().to_vec()).unwrap());
    assert_eq!(router.handle(METRICS_PORT, request("GET", "/healthz")).await.unwrap().body().as_ref(), b"ok");
    assert!(router.handle(443, request("GET", "/")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn response_durations_are_left_out_where_nginx_writes_a_list() {
    let backends = fake(&[(PRIMARY, &[Does::Resets, Does::After(12, 200)])]);
    let router = router(&backends, 0, &[]);
    assert_eq!(status(&router, "GET").await, 200);
    let text = router.metrics_text();
    let has = |name: &str| text.lines().any(|line| line.starts_with(name) && line.ends_with(" 1"));
    assert!(has("nginx_ingress_controller_request_duration_seconds_count"), "{text}");
    assert!(!has("nginx_ingress_controller_response_duration_seconds_count"), "{text}");
}

fn httproute(rule: &Value) -> RouteTable {
    let route = json!({"kind": "HTTPRoute", "metadata": {"namespace": "test", "name": "podinfo"},
        "spec": {"hostnames": ["app.test"], "rules": [rule]}});
    let (table, problems) = RouteTable::from_objects([], [&route]);
    assert_eq!(problems, []);
    table
}

#[tokio::test(start_paused = true)]
async fn http_routes_filter_mirror_redirect_and_limit_time() {
    let backends = fake(&[(PRIMARY, &[Does::Echoes]), (CANARY, &[Does::Hangs])]);
    let router = router(&backends, 0, &[]);
    let primary = json!([{"name": "podinfo", "port": 80}]);
    router.set_table(httproute(&json!({"backendRefs": primary, "filters": [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "1"}]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-b", "value": "2"}]}},
        {"type": "URLRewrite", "urlRewrite": {"hostname": "inner.test",
            "path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}},
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "podinfo-canary", "port": 80}}},
    ]})));
    let response = router.route(request("GET", "http://app.test/old?q=1")).await.unwrap();
    let seen: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((seen["uri"].as_str(), seen["headers"]["host"].as_str()), (Some("/new?q=1"), Some("inner.test")));
    assert_eq!((seen["headers"]["x-a"].as_str(), response.headers()["x-b"].to_str().unwrap()), (Some("1"), "2"));
    let asked: Vec<String> = backends.asked.lock().unwrap().iter().map(|(pod, _)| pod.clone()).collect();
    assert_eq!(asked, [CANARY, PRIMARY], "the copy hangs and nobody waits for it");
    assert_eq!(counted(&router), Vec::<String>::new(), "a Gateway has no metrics per backend");
    assert_eq!(router.take_slice().versions[""].requests, 1, "and the copy is no request of a client");

    router.set_table(httproute(&json!({"filters": [
        {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]})));
    let response = router.route(request("GET", "http://app.test/x?y=z")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
        (301, "https://app.test/x?y=z")
    );

    let canary = json!([{"name": "podinfo-canary", "port": 80}]);
    for (timeouts, millis) in
        [(json!({"request": "2s"}), 2000), (json!({"request": "9s", "backendRequest": "1s"}), 1000)]
    {
        router.set_table(httproute(&json!({"backendRefs": canary, "timeouts": timeouts})));
        let began = Instant::now();
        assert_eq!(status(&router, "GET").await, 504, "{timeouts}");
        assert_eq!(began.elapsed(), Duration::from_millis(millis), "{timeouts}");
    }
    router.set_table(httproute(&json!({"backendRefs": [{"name": "podinfo", "port": 80, "weight": 0}]})));
    assert_eq!(status(&router, "GET").await, 500);
    router.set_table(httproute(&json!({"backendRefs": [{"name": "nobody", "port": 80}]})));
    assert_eq!(status(&router, "GET").await, 503);
}

#[tokio::test(start_paused = true)]
async fn copies_beyond_the_limit_are_left_out_and_end_with_the_router() {
    let backends = fake(&[(PRIMARY, &[Does::Answers(200)]), (CANARY, &[Does::Hangs])]);
    let router = router(&backends, 0, &[]);
    router.set_table(httproute(&json!({"backendRefs": [{"name": "podinfo", "port": 80}], "filters": [
        {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "podinfo-canary", "port": 80}}}]})));
    for _ in 0..300 {
        assert_eq!(status(&router, "GET").await, 200);
    }
    let copies = backends.asked.lock().unwrap().iter().filter(|(pod, _)| pod == CANARY).count();
    assert_eq!(copies, MAX_MIRRORS);
    let under_way = router.0.mirrors.clone();
    assert_eq!(under_way.load(Ordering::Acquire), MAX_MIRRORS);
    drop(router);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(under_way.load(Ordering::Acquire), 0);
}
