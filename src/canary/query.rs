//! The queries that are sent: Flagger's built-in ones word for word, and those of the policy.

use super::ask::{MetricServer, Settings};
use super::template::{self, Model, RenderError};
use crate::model::canary::{Canary, Metric};

pub(super) const SUCCESS_RATE: &str = "request-success-rate";
pub(super) const DURATION: &str = "request-duration";
/// The window of built-in and inline checks that name none.
const DEFAULT_WINDOW: &str = "1m";

/// Whether a metric's name asks for a built-in check.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    matches!(name, SUCCESS_RATE | DURATION)
}

/// The window of a built-in or inline check.
#[must_use]
pub fn window(metric: &Metric) -> &str {
    if metric.interval.is_empty() { DEFAULT_WINDOW } else { &metric.interval }
}

/// The Prometheus that built-in and inline checks ask.
#[must_use]
pub fn server(canary: &Canary, settings: &Settings) -> MetricServer {
    let own = &canary.spec.metrics_server;
    let address = if own.is_empty() { &settings.metrics_server } else { own };
    MetricServer { address: address.clone(), ..MetricServer::default() }
}

/// Who measures requests for a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// ingress-nginx's own metrics.
    Nginx,
    /// The application's own `http_request_duration_seconds`: providers `kubernetes` and `gatewayapi:…`.
    Http,
    /// Envoy's clusters.
    Contour,
}

impl Observer {
    /// The observer of a provider; none where coalmine does not know its queries.
    #[must_use]
    pub fn of(provider: &str) -> Option<Self> {
        match provider {
            "nginx" => Some(Self::Nginx),
            "kubernetes" => Some(Self::Http),
            "contour" => Some(Self::Contour),
            other if other.starts_with("gatewayapi") => Some(Self::Http),
            _ => None,
        }
    }

    /// What one unit of the duration query's answer is in milliseconds.
    #[must_use]
    pub fn duration_unit_ms(self) -> f64 {
        if self == Self::Http { 1000.0 } else { 1.0 }
    }

    /// Whether its errors are printed with `running query failed: ` before them.
    pub(super) fn prefixes_errors(self) -> bool {
        self != Self::Http
    }

    /// The built-in query of this name for a window; none for other names.
    #[must_use]
    pub fn query(self, name: &str, canary: &Canary, window: &str) -> Option<String> {
        let parts = Parts::of(canary, window);
        Some(match (self, name) {
            (Self::Nginx, SUCCESS_RATE) => parts.nginx_success(),
            (Self::Nginx, DURATION) => parts.nginx_duration(),
            (Self::Http, SUCCESS_RATE) => parts.http_success(),
            (Self::Http, DURATION) => parts.http_duration(),
            (Self::Contour, SUCCESS_RATE) => parts.contour_success(),
            (Self::Contour, DURATION) => parts.contour_duration(),
            _ => return None,
        })
    }
}

/// What the built-in queries are filled with.
struct Parts<'c> {
    namespace: &'c str,
    target: &'c str,
    service: &'c str,
    ingress: &'c str,
    window: &'c str,
}

impl<'c> Parts<'c> {
    fn of(canary: &'c Canary, window: &'c str) -> Self {
        let target = canary.spec.target_ref.name.as_str();
        let ingress = canary.spec.ingress_ref.as_ref().map_or(target, |it| it.name.as_str());
        Self { namespace: canary.namespace(), target, service: canary.service_name(), ingress, window }
    }

    /// A rate per second of all series of `metric` with `labels`.
    fn rate(&self, metric: &str, labels: &str) -> String {
        format!("sum( rate( {metric}{{ {labels} }}[{}] ) )", self.window)
    }

    fn nginx(&self, metric: &str, more: &str) -> String {
        let Self { namespace, ingress, .. } = self;
        self.rate(metric, &format!(r#"namespace="{namespace}", ingress="{ingress}", canary!=""{more}"#))
    }

    fn nginx_success(&self) -> String {
        let metric = "nginx_ingress_controller_requests";
        let (good, all) = (self.nginx(metric, r#", status!~"5.*""#), self.nginx(metric, ""));
        format!("{good} / {all} * 100")
    }

    fn nginx_duration(&self) -> String {
        let metric = "nginx_ingress_controller_response_duration_seconds";
        let (sum, count) = (self.nginx(&format!("{metric}_sum"), ""), self.nginx(&format!("{metric}_count"), ""));
        format!("{sum} / {count} * 1000")
    }

    fn http(&self, metric: &str, more: &str) -> String {
        let Self { namespace, target, .. } = self;
        let pods = format!("{target}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)");
        self.rate(metric, &format!(r#"kubernetes_namespace="{namespace}", kubernetes_pod_name=~"{pods}"{more}"#))
    }

    fn http_success(&self) -> String {
        let metric = "http_request_duration_seconds_count";
        let (good, all) = (self.http(metric, r#", status!~"5.*""#), self.http(metric, ""));
        format!("{good} / {all} * 100")
    }

    fn http_duration(&self) -> String {
        let buckets = self.http("http_request_duration_seconds_bucket", "");
        format!("histogram_quantile( 0.99, {buckets} by (le) )")
    }

    fn contour(&self, metric: &str, more: &str) -> String {
        let Self { namespace, service, .. } = self;
        self.rate(metric, &format!(r#"envoy_cluster_name=~"{namespace}_{service}-canary_[0-9a-zA-Z-]+",{more}"#))
    }

    fn contour_success(&self) -> String {
        let metric = "envoy_cluster_upstream_rq";
        let (good, all) = (self.contour(metric, r#" envoy_response_code!~"5.*""#), self.contour(metric, ""));
        format!("{good} / {all} * 100")
    }

    fn contour_duration(&self) -> String {
        let buckets = self.contour("envoy_cluster_upstream_rq_time_bucket", "");
        format!("histogram_quantile( 0.99, {buckets} by (le) )")
    }
}

/// A template metric's query, as it is sent.
pub fn of_template(canary: &Canary, metric: &Metric, template: &str) -> Result<String, RenderError> {
    template::render(template, Model::new(canary, metric, &metric.interval)).map(|it| collapse(&it))
}

/// Two or more spaces in a row become one, as Flagger sends queries.
#[must_use]
pub fn collapse(query: &str) -> String {
    let mut collapsed = String::with_capacity(query.len());
    let mut run = String::new();
    for character in query.chars() {
        if character.is_whitespace() {
            run.push(character);
            continue;
        }
        flush(&mut run, &mut collapsed);
        collapsed.push(character);
    }
    flush(&mut run, &mut collapsed);
    collapsed
}

fn flush(run: &mut String, into: &mut String) {
    into.push_str(if run.chars().nth(1).is_some() { " " } else { run });
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canary() -> Canary {
        serde_json::from_value(json!({
            "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {"targetRef": {"kind": "Deployment", "name": "podinfo"}, "service": {"name": "web"},
                "ingressRef": {"name": "front"}},
        }))
        .unwrap()
    }

    /// Section 4.2 to 4.4 of the reference.
    #[test]
    fn the_builtin_queries_are_flaggers_word_for_word() {
        for (provider, name, query) in [
            (
                "nginx",
                SUCCESS_RATE,
                r#"sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="front", canary!="", status!~"5.*" }[1m] ) ) / sum( rate( nginx_ingress_controller_requests{ namespace="test", ingress="front", canary!="" }[1m] ) ) * 100"#,
            ),
            (
                "nginx",
                DURATION,
                r#"sum( rate( nginx_ingress_controller_response_duration_seconds_sum{ namespace="test", ingress="front", canary!="" }[1m] ) ) / sum( rate( nginx_ingress_controller_response_duration_seconds_count{ namespace="test", ingress="front", canary!="" }[1m] ) ) * 1000"#,
            ),
            (
                "kubernetes",
                SUCCESS_RATE,
                r#"sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)", status!~"5.*" }[1m] ) ) / sum( rate( http_request_duration_seconds_count{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) * 100"#,
            ),
            (
                "gatewayapi:v1",
                DURATION,
                r#"histogram_quantile( 0.99, sum( rate( http_request_duration_seconds_bucket{ kubernetes_namespace="test", kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" }[1m] ) ) by (le) )"#,
            ),
            (
                "contour",
                SUCCESS_RATE,
                r#"sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test_web-canary_[0-9a-zA-Z-]+", envoy_response_code!~"5.*" }[1m] ) ) / sum( rate( envoy_cluster_upstream_rq{ envoy_cluster_name=~"test_web-canary_[0-9a-zA-Z-]+", }[1m] ) ) * 100"#,
            ),
            (
                "contour",
                DURATION,
                r#"histogram_quantile( 0.99, sum( rate( envoy_cluster_upstream_rq_time_bucket{ envoy_cluster_name=~"test_web-canary_[0-9a-zA-Z-]+", }[1m] ) ) by (le) )"#,
            ),
        ] {
            let sent = Observer::of(provider).unwrap().query(name, &canary(), "1m").unwrap();
            assert_eq!(sent, query, "{provider} {name}");
            assert_eq!(collapse(&sent), sent, "it is already as it is sent");
        }
        assert_eq!(Observer::of("istio"), None);
    }

    #[test]
    fn runs_of_white_space_become_one_space_and_single_ones_stay() {
        assert_eq!(collapse("a\n  b\tc  d\n"), "a b\tc d\n");
    }

    #[test]
    fn a_template_metric_without_an_interval_has_an_empty_window() {
        let metric = Metric::default();
        assert_eq!(of_template(&canary(), &metric, "rate(x[{{ interval }}])").unwrap(), "rate(x[])");
        assert_eq!(window(&metric), "1m", "the default is for built-in and inline checks alone");
    }
}
