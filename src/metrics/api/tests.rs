use super::*;
use crate::metrics::scrape::HonorLabels;
use crate::metrics::{Labels, Target};
use axum::body::to_bytes;
use axum::http::Request;
use serde_json::{Value as Json, json};
use tower::ServiceExt;

const NOW_MS: i64 = 1_767_225_660_500;

fn database() -> Database {
    let database = Database::default();
    let labels = Labels::from_pairs([("instance", "10.0.0.1:9797"), ("job", "pods")]);
    let target = Target {
        labels: labels.clone(),
        discovered: Labels::from_pairs([("__address__", "10.0.0.1:9797")]),
        pool: "pods".to_owned(),
        url: "http://10.0.0.1:9797/metrics".to_owned(),
        interval_ms: 5_000,
        timeout_ms: 4_000,
        honor: HonorLabels::Yes,
        relabelling: Arc::default(),
    };
    assert!(database.add_target(target));
    let text = "# HELP load The \"load\".\n# TYPE load gauge\nload{path=\"/a\\\\b\"} 0.25\n";
    database.scraped(&labels, Ok(text), NOW_MS - 500).unwrap();
    let rules = json!({"groups": [{"name": "g", "interval": "5s", "rules": [
        {"alert": "Loaded", "expr": "load > 0.2", "annotations": {"text": "at {{ $value }}"}},
        {"record": "load:twice", "expr": "load * 2", "labels": {"a": "b"}},
        {"alert": "Waiting", "expr": "load > 0.1", "for": "1m"},
    ]}]});
    database.load_rules(serde_json::from_value(rules).unwrap()).unwrap();
    database.evaluate_rules(NOW_MS - 500);
    database
}

async fn ask(request: Request<String>) -> (u16, Json) {
    let answer = router(database(), || NOW_MS).oneshot(request.map(axum::body::Body::from)).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Json::String(text)))
}

async fn get_json(path: &str) -> (u16, Json) {
    ask(Request::get(path).body(String::new()).unwrap()).await
}

#[tokio::test]
async fn a_query_answers_by_get_and_by_post() {
    let metric = json!({"__name__": "load", "instance": "10.0.0.1:9797", "job": "pods", "path": "/a\\b"});
    let result = json!([{"metric": metric, "value": [1_767_225_660.5, "0.25"]}]);
    let expected = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
    assert_eq!(get_json("/api/v1/query?query=load").await, (200, expected.clone()));
    let form = Request::post("/api/v1/query").header("Content-Type", "application/x-www-form-urlencoded");
    let form = form.body("query=load&time=2026-01-01T00%3A01%3A00.500Z".to_owned()).unwrap();
    assert_eq!(ask(form).await, (200, expected));
    let (_, range) = get_json("/api/v1/query_range?query=sum(load)&start=1767225660&end=1767225670&step=5s").await;
    let values = json!([[1_767_225_660, "0.25"], [1_767_225_665, "0.25"], [1_767_225_670, "0.25"]]);
    assert_eq!(range["data"], json!({"resultType": "matrix", "result": [{"metric": {}, "values": values}]}));
    let (_, scalar) = get_json("/api/v1/query?query=1%2F0&time=7").await;
    assert_eq!(scalar["data"], json!({"resultType": "scalar", "result": [7, "+Inf"]}));
    let (_, text) = get_json("/api/v1/query?query=%22a%5C%22%22&time=7").await;
    assert_eq!(text["data"], json!({"resultType": "string", "result": [7, "a\""]}));
    let (_, nothing) = get_json("/api/v1/query?query=nothing").await;
    assert_eq!(nothing["data"], json!({"resultType": "vector", "result": []}));
}

#[tokio::test]
async fn errors_have_prometheus_codes_and_types() {
    for (path, status, kind, text) in [
        ("query?query=up{", 400, "bad_data", "invalid parameter \"query\": 1:4: parse error: "),
        ("query?query=up&time=noon", 400, "bad_data", "cannot parse \"noon\" to a valid timestamp"),
        ("query?query=topk(NaN,load)", 422, "execution", "Parameter value is NaN"),
        ("query_range?query=up&start=2&end=1&step=1", 400, "bad_data", "invalid parameter \"end\": "),
        ("query_range?query=up&start=1&end=2&step=0", 400, "bad_data", "invalid parameter \"step\": zero or negative"),
        ("query_range?query=up&start=1&end=2", 400, "bad_data", "cannot parse \"\" to a valid duration"),
        ("query_range?query=up&start=0&end=99999&step=1", 400, "bad_data", "exceeded maximum resolution"),
        ("query_range?query=up[1m]&start=0&end=9&step=1", 400, "bad_data", "invalid expression type \"range vector\""),
        ("series", 400, "bad_data", "no match[] parameter provided"),
        ("series?match[]=rate(up[1m])", 400, "bad_data", "invalid parameter \"match[]\""),
        ("rules?type=x", 400, "bad_data", "invalid parameter \"type\": not supported value \"x\""),
    ] {
        let (code, answer) = get_json(&format!("/api/v1/{}", path.replace('"', "%22"))).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert_eq!(
            (code, answer["errorType"].as_str(), answer["status"].as_str()),
            (status, Some(kind), Some("error"))
        );
        assert!(error.contains(text), "{path}: {error}");
    }
}

#[tokio::test]
async fn series_labels_and_their_values_are_listed() {
    let (_, series) = get_json("/api/v1/series?match[]=load&match[]=up").await;
    assert_eq!(series["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(series["data"][0]["__name__"], "load");
    let (_, labels) = get_json("/api/v1/labels?match[]=load").await;
    assert_eq!(labels["data"], json!(["__name__", "instance", "job", "path"]));
    let (_, names) = get_json("/api/v1/label/__name__/values").await;
    let expected = ["ALERTS", "ALERTS_FOR_STATE", "load", "load:twice", "scrape_samples_scraped", "up"];
    assert_eq!(names["data"], json!(expected));
    let (_, none) = get_json("/api/v1/label/job/values?start=1767225670").await;
    assert_eq!(none["data"], json!([]));
    let (_, metadata) = get_json("/api/v1/metadata?metric=load").await;
    assert_eq!(metadata["data"], json!({"load": [{"type": "gauge", "help": "The \"load\".", "unit": ""}]}));
}

#[tokio::test]
async fn rules_and_alerts_are_shown_with_their_state() {
    let (_, alerts) = get_json("/api/v1/alerts").await;
    let loaded = &alerts["data"]["alerts"][0];
    assert_eq!(loaded["annotations"], json!({"text": "at 0.25"}));
    assert_eq!((&loaded["state"], &loaded["value"]), (&json!("firing"), &json!("2.5e-01")));
    assert_eq!(loaded["activeAt"], "2026-01-01T00:01:00Z");
    let (_, rules) = get_json("/api/v1/rules").await;
    let group = &rules["data"]["groups"][0];
    assert_eq!((&group["name"], &group["interval"]), (&json!("g"), &json!(5)));
    let states: Vec<&Json> = group["rules"].as_array().unwrap().iter().map(|rule| &rule["state"]).collect();
    assert_eq!(states, [&json!("firing"), &Json::Null, &json!("pending")]);
    assert_eq!(group["rules"][1]["type"], "recording");
    assert_eq!(group["rules"][2]["duration"], 60);
    let (_, recording) = get_json("/api/v1/rules?type=record").await;
    assert_eq!(recording["data"]["groups"][0]["rules"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn targets_and_probes_answer() {
    let (_, targets) = get_json("/api/v1/targets?state=active").await;
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!((&target["health"], &target["scrapeInterval"]), (&json!("up"), &json!("5s")));
    assert_eq!(target["lastScrape"], "2026-01-01T00:01:00Z");
    assert_eq!(get_json("/-/ready").await, (200, json!("Prometheus Server is Ready.\n")));
    assert_eq!(get_json("/-/healthy").await, (200, json!("Prometheus Server is Healthy.\n")));
    let (_, info) = get_json("/api/v1/status/buildinfo").await;
    assert_eq!(info["data"]["version"], PROMETHEUS_VERSION);
}
