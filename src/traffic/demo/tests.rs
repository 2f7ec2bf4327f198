use super::*;
use crate::sys::http::Request;
use crate::sys::rng::Seed;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

fn spec(args: &[&str]) -> DemoSpec {
    DemoSpec {
        version: "6.9.2".to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        pod: "podinfo-5d8c-x7k2p".to_owned(),
        namespace: "test".to_owned(),
        ..DemoSpec::default()
    }
}

fn start(args: &[&str]) -> DemoApp {
    DemoApp::start(spec(args), Clock::simulated(), Seed(1).stream("demo")).unwrap()
}

fn call(method: &str, path: &str, body: &str) -> Request {
    http::Request::builder().method(method).uri(path).body(Bytes::from(body.to_owned())).unwrap()
}

async fn get(app: &DemoApp, path: &str) -> Result<Response, HttpError> {
    app.handle(9898, call("GET", path, "")).await
}

async fn post(app: &DemoApp, path: &str, body: &str) -> Response {
    app.handle(9898, call("POST", path, body)).await.unwrap()
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

async fn status(app: &DemoApp, path: &str) -> u16 {
    get(app, path).await.map_or(0, |response| response.status().as_u16())
}

#[test]
fn what_podinfo_refuses_is_refused_with_its_words_and_exit_code() {
    for (args, code, message) in [
        (&["--nope"][..], 2, "Error: unknown flag: --nope"),
        (&["-x"], 2, "Error: unknown shorthand flag: 'x' in -x"),
        (&["--=1"], 2, "Error: bad flag syntax: --=1"),
        (&["--port"], 2, "Error: flag needs an argument: --port"),
        (
            &["--port", "x"],
            2,
            "Error: invalid argument \"x\" for \"--port\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            &["--random-error=maybe"],
            2,
            "Error: invalid argument \"maybe\" for \"--random-error\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            &["--http-server-timeout", "5"],
            2,
            "Error: invalid argument \"5\" for \"--http-server-timeout\" flag: time: missing unit in duration \"5\"",
        ),
        (&["--random-delay-unit", "h"], 2, "panic: `random-delay-unit` accepted values are: s|ms"),
        (&["--random-delay-min", "9"], 2, "panic: `--random-delay-max` should be greater than `--random-delay-min`"),
        (&["--port", "99999"], 1, "HTTP server crashed: listen tcp: address 99999: invalid port"),
        (&["--version"], 0, "6.9.2"),
        (&["-v"], 0, "6.9.2"),
    ] {
        let refused = Config::read(&spec(args)).unwrap_err();
        assert_eq!((refused.exit_code, refused.message.as_str()), (code, message), "{args:?}");
    }
    let mut bad_variable = spec(&[]);
    bad_variable.env.insert("PODINFO_RANDOM_ERROR".to_owned(), "maybe".to_owned());
    let refused = Config::read(&bad_variable).unwrap_err();
    assert_eq!(refused.exit_code, 2);
    assert!(refused.message.starts_with("panic: config unmarshal failed"), "{}", refused.message);
}

#[test]
fn settings_come_from_flag_then_environment_then_file_then_default() {
    let read = |args: &[&str], env: &[(&str, &str)], file: &str| {
        let mut spec = spec(args);
        spec.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !file.is_empty() {
            let files = BTreeMap::from([("config.yaml".to_owned(), file.to_owned())]);
            spec.files.insert("/etc/podinfo".to_owned(), files);
        }
        Config::read(&spec).unwrap().ui_message
    };
    let path = "--config-path=/etc/podinfo";
    let variable = ("PODINFO_UI_MESSAGE", "from the environment");
    assert_eq!(read(&[], &[], ""), "greetings from podinfo v6.9.2");
    assert_eq!(read(&[path], &[], "ui-message: from the file"), "from the file");
    assert_eq!(read(&[path], &[variable], "ui-message: from the file"), "from the environment");
    assert_eq!(
        read(&[path, "--ui-message", "from the flag"], &[variable], "ui-message: from the file"),
        "from the flag"
    );
    assert_eq!(read(&[], &[("PODINFO_UI_MESSAGE", "")], ""), "greetings from podinfo v6.9.2", "empty is not set");
    assert_eq!(read(&[path], &[], "ui-message: ["), "greetings from podinfo v6.9.2", "a broken file is passed over");
    let words = ["positional", "--random-error", "--port=80", "--", "--nope"];
    let config = Config::read(&spec(&words)).unwrap();
    assert!(config.random_error && config.port == 80, "words that are no flags, and what follows --, are passed over");
}

#[tokio::test(start_paused = true)]
async fn each_path_answers_as_podinfo_does() {
    let app = start(&["--port-metrics=9797"]);
    #[rustfmt::skip]
    let cases = [
        ("GET", "/version", "", 200, json!({"commit": "unknown", "version": "6.9.2"})),
        ("GET", "/healthz", "", 200, json!({"status": "OK"})),
        ("GET", "/readyz", "", 200, json!({"status": "OK"})),
        ("GET", "/status/503", "", 503, json!({"status": 503})),
        ("POST", "/status/201", "", 201, json!({"status": 201})),
        ("GET", "/delay/2", "", 200, json!({"delay": 2})),
        ("GET", "/configs", "", 200, json!({})),
        ("GET", "/cache/x", "", 200, json!({"code": 400, "message": "cache server is offline"})),
        ("POST", "/cache/x", "v", 200, json!({"code": 400, "message": "cache server is offline"})),
        ("DELETE", "/cache/x", "", 200, json!({"code": 400, "message": "cache server is offline"})),
        ("GET", "/store/none", "", 200, json!({"code": 500, "message": "reading file failed"})),
        ("POST", "/store", "hello", 202, json!({"hash": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"})),
        ("GET", "/token/validate", "", 200, json!({"code": 401, "message": "authorization bearer header required"})),
        ("GET", "/fault_injection/status", "", 200, json!({"fault_injection": "disabled"})),
        ("GET", "/env", "", 200, json!(["HOSTNAME=podinfo-5d8c-x7k2p"])),
        ("GET", "/headers", "", 200, json!({"X-Api-Revision": ["unknown"], "X-Api-Version": ["6.9.2"]})),
    ];
    for (method, path, content, code, expected) in cases {
        let response = app.handle(9898, call(method, path, content)).await.unwrap();
        assert_eq!(response.status().as_u16(), code, "{method} {path}");
        assert_eq!(body(&response), expected, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8", "{method} {path}");
        assert_eq!(response.headers()[VERSION_HEADER], "6.9.2");
        assert_eq!(response.headers()[POD_HEADER], "podinfo-5d8c-x7k2p");
    }
    for (method, path, code, text) in [
        ("GET", "/nope", 404, "404 page not found\n"),
        ("GET", "/delay/x", 404, "404 page not found\n"),
        ("HEAD", "/", 405, ""),
        ("GET", "/token", 405, ""),
        ("POST", "/version", 405, ""),
        ("GET", "/ws/echo", 400, "Bad Request\n"),
        ("GET", "/status/204", 204, ""),
        ("GET", "/chunked/1", 200, "{\n  \"delay\": 1\n}"),
    ] {
        let response = app.handle(9898, call(method, path, "")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (code, text.as_bytes()), "{method} {path}");
    }
    for path in ["/echo", "/echo/deep/er", "/api/echo"] {
        let response = post(&app, path, "ping").await;
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (202, &b"ping"[..]), "{path}");
        assert_eq!(response.headers()["x-color"], "#34577c");
    }
    let stored = get(&app, "/store/aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d").await.unwrap();
    assert_eq!((stored.status().as_u16(), stored.body().as_ref()), (202, &b"hello"[..]));
    for path in ["/status/0", "/status/1000", "/chunked"] {
        assert_eq!(get(&app, path).await.map(drop), Err(HttpError::Closed), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_root_is_json_for_programs_and_a_page_for_browsers() {
    let app = start(&["--ui-message", "<hello> & \"bye\""]);
    let response = get(&app, "/").await.unwrap();
    let text = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(text.contains(r#""message": "\u003chello\u003e \u0026 \"bye\"""#), "escaped as Go escapes: {text}");
    assert_eq!(body(&response)["hostname"], "podinfo-5d8c-x7k2p");
    assert_eq!(body(&response)["version"], "6.9.2");
    let mut browser = call("GET", "/", "");
    browser.headers_mut().insert("user-agent", "Mozilla/5.0".parse().unwrap());
    let page = app.handle(9898, browser).await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(String::from_utf8_lossy(page.body()).contains("&lt;hello&gt;"));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_valid_for_a_minute_and_only_here() {
    let app = start(&[]);
    let token = body(&post(&app, "/token", "tester").await)["token"].as_str().unwrap().to_owned();
    let validate = async |token: &str| {
        let mut request = call("GET", "/token/validate", "");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        body(&app.handle(9898, request).await.unwrap())
    };
    assert_eq!(validate(&token).await["token_name"], "tester");
    assert_eq!(validate(&format!("{token}x")).await["message"], "signature is invalid");
    assert_eq!(validate("a.b").await["message"], "token contains an invalid number of segments");
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert!(validate(&token).await["message"].as_str().unwrap().starts_with("token is expired by"));
}

#[tokio::test(start_paused = true)]
async fn podinfos_own_switch_fails_everything_but_probes() {
    let app = start(&[]);
    assert_eq!(post(&app, "/fault_injection/enable", "").await.status(), 202);
    let response = get(&app, "/").await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.body().as_ref(), b"{\"status\":\"fault injection enabled\"}\n");
    for path in ["/healthz", "/readyz", "/metrics", "/fault_injection/status"] {
        assert_eq!(status(&app, path).await, 200, "{path}");
    }
    assert_eq!(post(&app, "/fault_injection/disable", "").await.status(), 202);
    assert_eq!(status(&app, "/").await, 200);
}

#[tokio::test(start_paused = true)]
async fn faults_hit_their_share_and_go_off_by_kind() {
    let app = start(&[]);
    for fault in [
        json!({"fault": "http-500", "rate": 0.3}),
        json!({"fault": "connection-reset", "rate": 0.1}),
        json!({"fault": "delay", "rate": 1, "delay": {"fixed": {"millis": 200}}}),
    ] {
        assert_eq!(post(&app, "/fault_injection/enable", &fault.to_string()).await.status(), 202, "{fault}");
    }
    let on = body(&get(&app, "/fault_injection/status").await.unwrap());
    assert_eq!(on["faults"].as_array().unwrap().len(), 3, "{on}");
    let mut counts = BTreeMap::<u16, u64>::new();
    let began = Instant::now();
    for _ in 0..4000 {
        *counts.entry(status(&app, "/").await).or_default() += 1;
    }
    let each = began.elapsed() / 4000;
    assert!(each >= Duration::from_millis(201) && each < Duration::from_millis(206), "{each:?} with the base latency");
    // A reset is tried before a 500: 10 % and 27 %, each within four standard deviations.
    let expect = |status: u16, share: f64| {
        let (seen, deviation) = (counts[&status] as f64, (4000.0 * share * (1.0 - share)).sqrt());
        assert!((seen - 4000.0 * share).abs() < 4.0 * deviation, "{status}: {counts:?}");
    };
    expect(0, 0.1);
    expect(500, 0.27);
    assert_eq!(counts.values().sum::<u64>(), 4000);
    post(&app, "/fault_injection/disable", r#"{"fault": "delay"}"#).await;
    let began = Instant::now();
    let _ = get(&app, "/").await;
    assert!(began.elapsed() < Duration::from_millis(100), "the delay is off");
    assert_eq!(body(&get(&app, "/fault_injection/status").await.unwrap())["faults"].as_array().unwrap().len(), 2);
}

#[test]
fn a_fault_has_one_name_in_scenarios_and_in_bodies() {
    for kind in crate::model::fault::FaultKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_makes_no_sense_is_refused_with_the_reason() {
    let app = start(&[]);
    for (fault, expected) in [
        ("{", "is not a fault"),
        (r#"{"fault": "http-500"}"#, "missing field `rate`"),
        (r#"{"fault": "http-500", "rate": 1.5}"#, "rate is 1.5"),
        (r#"{"fault": "delay", "rate": 1}"#, "needs its delay"),
        (
            r#"{"fault": "delay", "rate": 1, "delay": {"uniform": {"min_millis": 9, "max_millis": 1}}}"#,
            "the lower bound",
        ),
        (r#"{"fault": "delay", "rate": 1, "delay": {"exponential": {"mean_millis": -1}}}"#, "0 or more"),
        (r#"{"fault": "slow-start", "rate": 1}"#, "is part of a release"),
    ] {
        let response = post(&app, "/fault_injection/enable", fault).await;
        assert_eq!(response.status(), 400, "{fault}");
        let message = body(&response)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(expected), "{fault}: {message}");
    }
    assert_eq!(status(&app, "/").await, 200);
}

#[tokio::test(start_paused = true)]
async fn delays_follow_their_distribution_and_stay_within_bounds() {
    let mean = |samples: &[f64]| samples.iter().sum::<f64>() / samples.len() as f64;
    for (delay, expected, most) in [
        (json!({"fixed": {"millis": 50}}), 50.0, 50.0),
        (json!({"uniform": {"min_millis": 10, "max_millis": 30}}), 20.0, 30.0),
        (json!({"normal": {"mean_millis": 100.0, "std_dev_millis": 10.0}}), 100.0, 150.0),
        (json!({"exponential": {"mean_millis": 40.0}}), 40.0, 600.0),
        (json!({"exponential": {"mean_millis": 0.0}}), 0.0, 0.0),
        (json!({"fixed": {"millis": u64::MAX}}), 3_600_000.0, 3_600_000.0),
    ] {
        let mut faults = faults::Faults::default();
        let spec = json!({"fault": "delay", "rate": 1, "delay": delay}).to_string();
        faults.enable(spec.as_bytes()).unwrap();
        let mut rng = Seed(5).stream("delays");
        let samples: Vec<f64> = (0..5000).map(|_| faults.draw(&mut rng).delay.as_secs_f64() * 1000.0).collect();
        assert!((mean(&samples) - expected).abs() <= expected * 0.05, "{delay}: {}", mean(&samples));
        assert!(samples.iter().all(|millis| *millis <= most), "{delay}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_only_with_its_client_or_the_process() {
    let app = start(&[]);
    post(&app, "/fault_injection/enable", r#"{"fault": "hang", "rate": 1}"#).await;
    assert!(tokio::time::timeout(Duration::from_secs(86_400), get(&app, "/")).await.is_err());
    let hanging = tokio::spawn({
        let app = app.clone();
        async move { get(&app, "/").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.kill();
    assert_eq!(hanging.await.unwrap().map(drop), Err(HttpError::Closed));
    assert_eq!(app.exited().await, 137);
    let refused = HttpError::Refused { address: "podinfo-5d8c-x7k2p:9898".to_owned() };
    assert!(matches!(get(&app, "/").await, Err(error) if error == refused || error == HttpError::Closed));
}

#[tokio::test(start_paused = true)]
async fn sigterm_fails_probes_then_closes_then_drains_then_exits() {
    let app = start(&["--port-metrics=9797"]);
    let slow = tokio::spawn({
        let app = app.clone();
        async move { get(&app, "/delay/4").await }
    });
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(1)).await;
    app.terminate();
    assert_eq!(status(&app, "/readyz").await, 503);
    assert_eq!(status(&app, "/healthz").await, 503);
    assert_eq!(status(&app, "/").await, 200, "it goes on answering for 3 s");
    tokio::time::sleep(Duration::from_millis(3100)).await;
    assert!(matches!(get(&app, "/").await, Err(HttpError::Refused { .. })), "then it does not listen any more");
    assert_eq!(slow.await.unwrap().unwrap().status(), 200, "what was under way is answered");
    assert_eq!(app.exited().await, 0);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_millis(4100), "{took:?}");

    for (args, path, least) in [(&[][..], "/delay/60", 5), (&["--level=debug"], "/", 0), (&[], "/", 3)] {
        let app = start(args);
        let began = Instant::now();
        let call = tokio::spawn({
            let app = app.clone();
            async move { get(&app, path).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        app.terminate();
        assert_eq!(app.exited().await, 0);
        assert_eq!(began.elapsed().as_secs(), least, "{args:?} {path}");
        let _ = call.await;
    }

    let app = start(&[]);
    app.terminate();
    app.terminate();
    assert_eq!(app.exited().await, 1, "a second signal ends it at once");
}

#[tokio::test(start_paused = true)]
async fn panic_ends_the_process_with_255() {
    let app = start(&[]);
    assert_eq!(get(&app, "/panic").await.map(drop), Err(HttpError::Closed));
    assert_eq!(app.exited().await, 255);
}

#[tokio::test(start_paused = true)]
async fn readiness_and_health_are_switched_by_flags_and_requests() {
    let app = start(&["--unready"]);
    assert_eq!((status(&app, "/readyz").await, status(&app, "/healthz").await), (503, 200));
    post(&app, "/readyz/enable", "").await;
    assert_eq!(status(&app, "/readyz").await, 200);
    post(&app, "/readyz/disable", "").await;
    assert_eq!(status(&app, "/readyz").await, 503);
    let app = start(&["--unhealthy", "--port-metrics", "9797"]);
    assert_eq!((status(&app, "/readyz").await, status(&app, "/healthz").await), (200, 503));
    let green = app.handle(9797, call("GET", "/healthz", "")).await.unwrap();
    assert_eq!(green.body().as_ref(), b"OK", "the metrics port does not know");
}

#[tokio::test(start_paused = true)]
async fn random_error_fails_a_third_evenly_and_exempts_nothing() {
    let app = start(&["--random-error"]);
    let mut counts = BTreeMap::<u16, u64>::new();
    for _ in 0..3000 {
        *counts.entry(status(&app, "/healthz").await).or_default() += 1;
    }
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [200, 400, 409, 500]);
    for code in [400, 409, 500] {
        assert!((270..400).contains(&counts[&code]), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn random_delay_waits_whole_units_below_the_maximum() {
    let app = start(&["--random-delay"]);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let began = Instant::now();
        assert_eq!(status(&app, "/healthz").await, 200);
        seen.insert(began.elapsed().as_secs());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let app = start(&["--random-delay", "--random-delay-min=5"]);
    assert_eq!(get(&app, "/").await.map(drop), Err(HttpError::Closed), "equal bounds make podinfo's handler panic");
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_write_timeout_is_lost_but_counted() {
    let app = start(&["--http-server-timeout=1s"]);
    assert_eq!(get(&app, "/delay/2").await.map(drop), Err(HttpError::Closed));
    let metrics = get(&app, "/metrics").await.unwrap();
    let text = String::from_utf8(metrics.body().to_vec()).unwrap();
    assert!(
        text.contains(r#"http_request_duration_seconds_count{method="GET",path="delay",status="200"} 1"#),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn base_latency_is_log_normal_and_probes_have_none() {
    let app = start(&[]);
    let mut millis = Vec::new();
    for _ in 0..4000 {
        let began = Instant::now();
        get(&app, "/").await.unwrap();
        millis.push(began.elapsed().as_millis());
    }
    millis.sort_unstable();
    // Rounded up to the clock's milliseconds.
    assert_eq!(millis[2000], 3);
    assert!((7..=10).contains(&millis[3960]), "p99 {}", millis[3960]);
    let began = Instant::now();
    assert_eq!(status(&app, "/healthz").await, 200);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn metrics_have_podinfos_names_labels_and_buckets() {
    let app = start(&["--port-metrics=9797"]);
    for path in ["/healthz", "/status/500", "/nope"] {
        let _ = get(&app, path).await;
    }
    post(&app, "/token", "").await;
    let metrics = app.handle(9797, call("GET", "/metrics", "")).await.unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    insta::assert_snapshot!(String::from_utf8(metrics.body().to_vec()).unwrap());
    assert!(matches!(app.handle(9999, call("GET", "/", "")).await, Err(HttpError::Refused { .. })), "no gRPC");
}

#[tokio::test(start_paused = true)]
async fn one_seed_gives_one_series_of_answers() {
    let series = async |seed: u64| {
        let app = DemoApp::start(spec(&["--random-error"]), Clock::simulated(), Seed(seed).stream("demo")).unwrap();
        let mut seen = Vec::new();
        for _ in 0..100 {
            let began = Instant::now();
            seen.push((status(&app, "/").await, began.elapsed()));
        }
        seen
    };
    assert_eq!(series(1).await, series(1).await);
    assert_ne!(series(1).await, series(2).await);
}
