//! The installation's proof of itself: requests go in, and Prometheus knows their success rate. What is wrong with scraping,
//! labels or routing shows here, before a scenario runs.

use crate::install::{Act, ActError, Outcome};
use crate::lab::{Endpoint, Reach, Remote};
use crate::model::traffic::{Arrivals, Stream};
use crate::stack::Profile;
use crate::sys::clock::Clock;
use crate::sys::rng::Seed;
use crate::traffic::load::{LoadGenerator, LoadTarget};
use futures_util::FutureExt;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Several scrapes of 5 s, and what a busy machine needs.
pub(super) const LIMIT: Duration = Duration::from_mins(2);
pub(super) const CAUSES: &[&str] = &[
    "Prometheus does not scrape the router: its targets page says why",
    "no request reaches the app: its Ingress, its Service and its pods have to be there",
];
const ASK_EVERY: Duration = Duration::from_secs(1);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const REQUESTS_PER_SECOND: f64 = 20.0;
/// The demo app's host, as its Ingress has it.
const HOST: &str = "app.example.com";
/// Percent of requests without a 5xx, at the demo app's Ingress: as Flagger asks nginx, but of all requests.
const AT_INGRESS: &str = "sum(rate(nginx_ingress_controller_requests{namespace=\"test\",ingress=\"podinfo\",status!~\"5.*\"}[30s])) \
    / sum(rate(nginx_ingress_controller_requests{namespace=\"test\",ingress=\"podinfo\"}[30s])) * 100";

/// The same by the app's own count, for gateways that do not count by route.
const AT_APP: &str = "sum(rate(http_request_duration_seconds_count{kubernetes_namespace=\"test\",status!~\"5.*\",path=\"root\"}[30s])) \
    / sum(rate(http_request_duration_seconds_count{kubernetes_namespace=\"test\",path=\"root\"}[30s])) * 100";

/// Sends requests until the success rate is a number.
pub(super) fn success_rate(reach: Reach, profile: Profile, clock: Clock) -> Act {
    let query = match profile {
        Profile::NginxGateway => AT_APP,
        Profile::IngressNginx | Profile::Builtin => AT_INGRESS,
    };
    Box::new(move || async move { prove(&reach, query, clock).await.map_err(ActError) }.boxed())
}

async fn prove(reach: &Reach, query: &str, clock: Clock) -> Result<Outcome, String> {
    let remote = Remote::connect(reach, clock).await.map_err(|it| it.to_string())?;
    let lab = remote.lab();
    let target =
        LoadTarget { http: lab.entry.http, base: lab.entry.address, host: HOST.to_owned(), target: String::new() };
    let generator = LoadGenerator::start(target, clock, Seed(1));
    generator.put(&visitors()).map_err(|it| it.to_string())?;
    loop {
        clock.sleep_until(clock.elapsed() + ASK_EVERY).await;
        if let Some(rate) = ask(&lab.prometheus, query).await {
            return Ok(Outcome { detail: format!("{rate:.2} %"), unchanged: true });
        }
    }
}

fn visitors() -> Stream {
    Stream {
        name: "proof".to_owned(),
        arrivals: Arrivals::Constant { per_second: REQUESTS_PER_SECOND },
        method: "GET".to_owned(),
        host: String::new(),
        path: "/".to_owned(),
        headers: BTreeMap::new(),
        body: String::new(),
        timeout: ANSWERS_WITHIN,
    }
}

/// None while there is no answer, or no number in it.
async fn ask(prometheus: &Endpoint, query: &str) -> Option<f64> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
    let request =
        http::Request::get(format!("{}/api/v1/query?{query}", prometheus.address)).body(bytes::Bytes::new()).ok()?;
    let answer = prometheus.http.send(request, ANSWERS_WITHIN).await.ok()?;
    number(&serde_json::from_slice(answer.body()).ok()?)
}

fn number(answer: &Value) -> Option<f64> {
    let text = answer.pointer("/data/result/0/value/1")?.as_str()?;
    text.parse().ok().filter(|it: &f64| it.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_number_is_a_success_rate() {
        let answer = |value: &str| json!({"status": "success", "data": {"result": [{"value": [1.0, value]}]}});
        for (answer, expected) in [
            (answer("99.5"), Some(99.5)),
            (answer("NaN"), None),
            (json!({"status": "success", "data": {"result": []}}), None),
            (json!({"status": "error"}), None),
        ] {
            assert_eq!(number(&answer), expected);
        }
    }
}
