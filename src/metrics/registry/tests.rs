#![expect(clippy::float_cmp, reason = "counts and sums of exact values")]

use super::*;

#[test]
fn families_series_and_labels_are_written_in_the_go_clients_order() {
    let registry = Registry::new();
    let requests = registry.counter_vec("requests_total", "Requests.", &["status", "method"]);
    let weight = registry.gauge_vec("canary_weight", "Weight.", &[]);
    registry.counter_vec("never_used", "No series, so it is left out.", &["a"]);
    requests.with(&["500", "GET"]).inc();
    requests.with(&["200", "POST"]).inc_by(1_234_567.0);
    requests.with(&["200", "GET"]).inc_by(2.5);
    weight.with(&[]).set(10.0);
    let expected = "\
# HELP canary_weight Weight.
# TYPE canary_weight gauge
canary_weight 10
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{method=\"GET\",status=\"200\"} 2.5
requests_total{method=\"GET\",status=\"500\"} 1
requests_total{method=\"POST\",status=\"200\"} 1.234567e+06
";
    assert_eq!(registry.encode(), expected);
}

#[test]
fn a_histogram_counts_up_to_and_including_each_limit() {
    let registry = Registry::new();
    let buckets = [0.005, 0.1, 1.0, 2.5];
    let seconds = registry.histogram_vec("request_seconds", "Seconds.", &["path"], &buckets).with(&["root"]);
    for value in [0.005, 0.006, 1.0, 99.0, f64::NEG_INFINITY.max(0.0)] {
        seconds.observe(value);
    }
    let expected = "\
# HELP request_seconds Seconds.
# TYPE request_seconds histogram
request_seconds_bucket{path=\"root\",le=\"0.005\"} 2
request_seconds_bucket{path=\"root\",le=\"0.1\"} 3
request_seconds_bucket{path=\"root\",le=\"1\"} 4
request_seconds_bucket{path=\"root\",le=\"2.5\"} 4
request_seconds_bucket{path=\"root\",le=\"+Inf\"} 5
request_seconds_sum{path=\"root\"} 100.011
request_seconds_count{path=\"root\"} 5
";
    assert_eq!(registry.encode(), expected);
    assert_eq!((seconds.count(), seconds.sum()), (5, 100.011));
}

#[test]
fn backslashes_quotes_and_line_feeds_are_escaped() {
    let registry = Registry::new();
    registry.gauge_vec("g", "a \"b\" \\ c\nd", &["l"]).with(&["a \"b\" \\ c\nd"]).set(-0.0);
    let expected = "# HELP g a \"b\" \\\\ c\\nd\n# TYPE g gauge\ng{l=\"a \\\"b\\\" \\\\ c\\nd\"} 0\n";
    assert_eq!(registry.encode(), expected);
}

#[test]
fn removed_series_are_no_longer_exposed() {
    let registry = Registry::new();
    let gauge = registry.gauge_vec("g", "", &["b", "a"]);
    for (b, a) in [("1", "x"), ("1", "y"), ("2", "x")] {
        gauge.with(&[b, a]).inc();
    }
    assert!(gauge.remove(&["1", "y"]));
    assert!(!gauge.remove(&["1", "y"]));
    assert_eq!(gauge.remove_matching("b", "2"), 1);
    assert_eq!(gauge.remove_matching("nothing", "2"), 0);
    assert_eq!(registry.encode(), "# TYPE g gauge\ng{a=\"x\",b=\"1\"} 1\n");
    gauge.clear();
    assert_eq!(registry.encode(), "");
}

#[test]
fn registering_twice_gives_the_same_series() {
    let registry = Registry::new();
    registry.counter_vec("c", "C.", &["l"]).with(&["v"]).inc();
    let again = registry.counter_vec("c", "C.", &["l"]).with(&["v"]);
    assert_eq!(again.get(), 1.0);
    again.inc_by(-5.0);
    again.inc_by(f64::NAN);
    assert_eq!(again.get(), 1.0, "a counter never falls");
}
