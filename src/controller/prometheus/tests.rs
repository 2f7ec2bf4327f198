//! Answers of Prometheus and what they come to, with Flagger's texts.

use super::*;
use crate::controller::testing::{Fake, Reaction};
use crate::sys::http::HttpError;
use Reaction::{Answer, Fail, Hang};
use std::collections::BTreeMap;

fn server() -> MetricServer {
    MetricServer { address: "http://prometheus:9090/".to_owned(), ..MetricServer::default() }
}

async fn ask(reaction: Reaction) -> Result<f64, String> {
    let fake = Fake::new([reaction]);
    query(&fake.shared(), &server(), "up").await.map_err(|why| why.to_string())
}

#[tokio::test(start_paused = true)]
async fn reads_the_last_value_or_says_why_not() {
    let no_values = Err("no values found".to_owned());
    for (sent, expected) in [
        (r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[1545905245.458,"99.5"]}]}}"#, Ok(99.5)),
        (r#"{"data":{"result":[{"value":[1,"1"]},{"value":[1,"2"]}]}}"#, Ok(2.0)),
        (r#"{"data":{"result":[{"value":[1,"+Inf"]}]}}"#, Ok(f64::INFINITY)),
        (r#"{"data":{"result":[{"value":[1,"NaN"]}]}}"#, no_values.clone()),
        (r#"{"data":{"result":[]}}"#, no_values.clone()),
        (r#"{"status":"success"}"#, no_values.clone()),
        (r#"{"data":{"result":[{"values":[[1,"1"],[2,"2"]]}]}}"#, Err("query returned multiple values".to_owned())),
        (
            r#"{"data":{"result":[{"value":[1,"x"]}]}}"#,
            Err(r#"strconv.ParseFloat: parsing "x": invalid syntax"#.to_owned()),
        ),
    ] {
        assert_eq!(ask(Answer(200, &[], sent)).await, expected, "{sent}");
    }
    let why = ask(Answer(200, &[], "<html>")).await.unwrap_err();
    assert!(why.starts_with("error unmarshaling result: ") && why.ends_with(", '<html>'"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn failures_have_flaggers_texts() {
    let refused = HttpError::NoSuchHost { host: "prometheus".to_owned() };
    let address = "http://prometheus:9090/api/v1/query?query=up";
    for (reaction, expected) in [
        (Answer(503, &[], "starting"), "error response: Status 503 Service Unavailable: starting".to_owned()),
        (Answer(422, &[], "bad"), "error response: Status 422 Unprocessable Entity: bad".to_owned()),
        (Fail(refused), format!("request failed: Get \"{address}\": dial tcp: lookup prometheus: no such host")),
        (Hang, format!("request failed: Get \"{address}\": context deadline exceeded")),
    ] {
        assert_eq!(ask(reaction).await, Err(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_five_seconds() {
    let start = tokio::time::Instant::now();
    ask(Hang).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn ping_wants_a_one() {
    for (sent, expected) in [
        (r#"{"data":{"result":[{"value":[1,"1"]}]}}"#, Ok(())),
        (r#"{"data":{"result":[{"value":[1,"2"]}]}}"#, Err("value is not 1 for query: vector(1)".to_owned())),
        (r#"{"data":{"result":[]}}"#, Err("running query failed: no values found".to_owned())),
    ] {
        let fake = Fake::new([Answer(200, &[], sent)]);
        assert_eq!(ping(&fake.shared(), &server()).await, expected);
        assert_eq!(fake.seen()[0].1.uri().query(), Some("query=vector%281%29"));
    }
}

#[test]
fn queries_are_collapsed_and_escaped_as_go_does() {
    let sent = address("http://p:1/base/", "\n  sum(\n\trate(a{b!~\"5.*\"}[1m])~x )");
    assert_eq!(sent, "http://p:1/base/api/v1/query?query=+sum%28+rate%28a%7Bb%21~%225.%2A%22%7D%5B1m%5D%29~x+%29");
}

#[test]
fn credentials_and_headers_are_sent() {
    let headers = BTreeMap::from([("X-Scope-OrgID".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    let with_token = MetricServer { token: "t".to_owned(), headers, ..server() };
    let sent = request(&with_token, "http://p/").unwrap();
    assert_eq!(sent.headers()[AUTHORIZATION], "Bearer t");
    assert_eq!(sent.headers().get_all("x-scope-orgid").iter().count(), 2);
    let basic = MetricServer { username: "me".to_owned(), password: "pw".to_owned(), ..server() };
    assert_eq!(request(&basic, "http://p/").unwrap().headers()[AUTHORIZATION], "Basic bWU6cHc=");
    assert!(request(&server(), "not an address").unwrap_err().starts_with("http.NewRequest failed: "));
}
