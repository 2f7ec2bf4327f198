mod gateway;

use super::*;
use crate::sys::rng::Seed;
use bytes::Bytes;
use proptest::prelude::*;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde_json::json;

/// A world whose next draw is known.
struct Fixed {
    draw: u32,
    without_endpoints: &'static str,
}

impl World for Fixed {
    fn draw(&mut self, total: u32) -> u32 {
        self.draw.min(total)
    }

    fn has_endpoints(&mut self, backend: &Backend) -> bool {
        backend.service != self.without_endpoints
    }
}

/// Seeded dice.
struct Dice(ChaCha8Rng);

impl World for Dice {
    fn draw(&mut self, total: u32) -> u32 {
        self.0.random_range(1..=total)
    }

    fn has_endpoints(&mut self, _: &Backend) -> bool {
        true
    }
}

/// The draw that a weight below 100 % never matches.
const UNLUCKY: Fixed = Fixed { draw: 100, without_endpoints: "" };

fn ingress(name: &str, annotations: Value, rules: &[(&str, &str, &str, &str)]) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(host, path_type, path, service)| {
            json!({"host": host, "http": {"paths": [{"path": path, "pathType": path_type,
                "backend": {"service": {"name": service, "port": {"number": 80}}}}]}})
        })
        .collect();
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "test", "name": name, "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": rules}})
}

fn canary(annotations: &[(&str, &str)]) -> Value {
    let mut all = serde_json::Map::from_iter([("nginx.ingress.kubernetes.io/canary".to_owned(), json!("true"))]);
    for (name, value) in annotations {
        all.insert(format!("nginx.ingress.kubernetes.io/{name}"), json!(value));
    }
    ingress("podinfo-canary", Value::Object(all), &[("app.test", "Prefix", "/", "podinfo-canary")])
}

fn main_ingress() -> Value {
    ingress("podinfo", json!({}), &[("app.test", "Prefix", "/", "podinfo")])
}

fn request(url: &str, headers: &[(&str, &str)]) -> Request {
    let builder = headers.iter().fold(http::Request::get(url), |builder, (name, value)| builder.header(*name, *value));
    builder.body(Bytes::new()).unwrap()
}

fn service(decision: &Decision) -> String {
    match decision {
        Decision::Ingress(choice) => choice.backend.service.clone(),
        Decision::Gateway(choice) => {
            choice.backend.map_or("none".to_owned(), |index| choice.rule.backends[index].backend.service.clone())
        }
        Decision::NotFound { .. } => "404".to_owned(),
    }
}

fn ingress_table(objects: &[Value]) -> RouteTable {
    let (table, problems) = RouteTable::from_objects(objects, []);
    assert_eq!(problems, []);
    table
}

#[test]
fn the_header_decides_before_the_cookie_and_the_cookie_before_the_weight() {
    let header = [("canary-by-header", "x-canary")];
    let value = [("canary-by-header", "x-canary"), ("canary-by-header-value", "beta")];
    let pattern = [("canary-by-header", "x-user"), ("canary-by-header-pattern", "^(alice|bob)$")];
    let cookie = [("canary-by-cookie", "canary")];
    let all = [("canary-by-header", "x-canary"), ("canary-by-cookie", "canary"), ("canary-weight", "100")];
    let both =
        [("canary-by-header", "x-canary"), ("canary-by-header-value", "beta"), ("canary-by-header-pattern", "gamma")];
    #[rustfmt::skip]
    let cases: [(&str, &[(&str, &str)], &[(&str, &str)], u32, bool); 24] = [
        ("a header with always goes to the canary", &header, &[("x-canary", "always")], 100, true),
        ("a header with never does not", &all, &[("x-canary", "never")], 1, false),
        ("never in the header beats always in the cookie", &all, &[("x-canary", "never"), ("cookie", "canary=always")], 1, false),
        ("always in the header beats never in the cookie", &all, &[("x-canary", "always"), ("cookie", "canary=never")], 1, true),
        ("another value of the header leaves it to the cookie", &all, &[("x-canary", "yes"), ("cookie", "canary=never")], 1, false),
        ("another value of both leaves it to the weight", &all, &[("x-canary", "yes"), ("cookie", "canary=yes")], 100, true),
        ("a header is compared with its case", &header, &[("x-canary", "Always")], 100, false),
        ("the wanted value goes to the canary", &value, &[("x-canary", "beta")], 100, true),
        ("with a wanted value, always means nothing", &value, &[("x-canary", "always")], 100, false),
        ("another value does not", &value, &[("x-canary", "alpha")], 100, false),
        ("the value beats the pattern", &both, &[("x-canary", "gamma")], 100, false),
        ("a value that fits the pattern goes to the canary", &pattern, &[("x-user", "bob")], 100, true),
        ("one that does not fit, does not", &pattern, &[("x-user", "bobby")], 100, false),
        ("without the header nothing fits", &pattern, &[], 1, false),
        ("a cookie with always goes to the canary", &cookie, &[("cookie", "a=b; canary=always")], 100, true),
        ("a cookie with never does not", &cookie, &[("cookie", "canary=never")], 1, false),
        ("a cookie of another name means nothing", &cookie, &[("cookie", "canary2=always")], 1, false),
        ("the luckiest draw stays at weight 0", &[("canary-weight", "0")], &[], 1, false),
        ("no weight is weight 0", &[], &[], 1, false),
        ("draw 30 of 100 is within weight 30", &[("canary-weight", "30")], &[], 30, true),
        ("draw 31 is not", &[("canary-weight", "30")], &[], 31, false),
        ("the unluckiest draw goes to the canary at weight 100", &[("canary-weight", "100")], &[], 100, true),
        ("a larger total is drawn from", &[("canary-weight", "100"), ("canary-weight-total", "1000")], &[], 101, false),
        ("a total below 100 is not used", &[("canary-weight", "10"), ("canary-weight-total", "10")], &[], 11, false),
    ];
    for (sentence, annotations, headers, draw, expected) in cases {
        let table = ingress_table(&[main_ingress(), canary(annotations)]);
        let decision = table.decide(&request("http://app.test/", headers), &mut Fixed { draw, ..UNLUCKY });
        let Decision::Ingress(choice) = decision else { panic!("{sentence}: no route") };
        assert_eq!(choice.alternative, expected, "{sentence}");
        assert_eq!(choice.backend.service, if expected { "podinfo-canary" } else { "podinfo" }, "{sentence}");
        assert_eq!(
            (choice.labels.ingress.as_str(), choice.labels.service.as_str()),
            ("podinfo", "podinfo"),
            "{sentence}"
        );
    }
}

#[test]
fn a_canary_without_endpoints_is_never_chosen() {
    let table = ingress_table(&[main_ingress(), canary(&[("canary-weight", "100")])]);
    let mut world = Fixed { draw: 1, without_endpoints: "podinfo-canary" };
    assert_eq!(service(&table.decide(&request("http://app.test/", &[]), &mut world)), "podinfo");
}

#[test]
fn the_canary_belongs_to_its_backend_on_every_path_of_it() {
    let main = ingress(
        "podinfo",
        json!({}),
        &[
            ("app.test", "Prefix", "/", "podinfo"),
            ("app.test", "Prefix", "/other", "podinfo"),
            ("app.test", "Prefix", "/api", "api"),
        ],
    );
    let table = ingress_table(&[main, canary(&[("canary-weight", "100")])]);
    for (path, expected) in [("/", "podinfo-canary"), ("/other/x", "podinfo-canary"), ("/api", "api")] {
        let decision =
            table.decide(&request(&format!("http://app.test{path}"), &[]), &mut Fixed { draw: 1, ..UNLUCKY });
        assert_eq!(service(&decision), expected, "{path}");
    }
}

#[test]
fn weights_converge() {
    for (weight, total) in [(0, 100), (1, 100), (10, 100), (50, 100), (99, 100), (100, 100), (25, 1000)] {
        let (weight_text, total_text) = (weight.to_string(), total.to_string());
        let table = ingress_table(&[
            main_ingress(),
            canary(&[("canary-weight", &weight_text), ("canary-weight-total", &total_text)]),
        ]);
        let mut dice = Dice(Seed(7).stream("weights"));
        let asked = 20_000;
        let request = request("http://app.test/", &[]);
        let hits = (0..asked).filter(|_| service(&table.decide(&request, &mut dice)) == "podinfo-canary").count();
        assert_close(hits, asked, f64::from(weight) / f64::from(total));
    }
}

/// Within four standard deviations of a binomial distribution; exactly for shares of 0 and 1.
fn assert_close(hits: usize, asked: usize, share: f64) {
    let expected = asked as f64 * share;
    let deviation = (asked as f64 * share * (1.0 - share)).sqrt();
    assert!((hits as f64 - expected).abs() <= 4.0 * deviation, "{hits} of {asked}, expected about {expected}");
}

#[test]
fn hosts_and_paths_are_tried_as_nginx_tries_them() {
    let objects = [
        ingress(
            "one",
            json!({}),
            &[
                ("app.test", "Prefix", "/", "root"),
                ("app.test", "Prefix", "/foo", "foo"),
                ("app.test", "Prefix", "/foo/bar", "foo-bar"),
                ("app.test", "Exact", "/foo/exact", "exact"),
                ("app.test", "ImplementationSpecific", "/impl", "impl"),
                ("*.wild.test", "Prefix", "/", "wild"),
                ("only.test", "Prefix", "/here", "here"),
                ("", "Prefix", "/any", "any"),
            ],
        ),
        ingress(
            "regex",
            json!({"nginx.ingress.kubernetes.io/use-regex": "true"}),
            &[
                ("re.test", "ImplementationSpecific", "/item/[0-9]+", "item"),
                ("re.test", "ImplementationSpecific", "/", "re"),
            ],
        ),
    ];
    let table = ingress_table(&objects);
    for (sentence, url, expected) in [
        ("the root", "http://app.test/", "root"),
        ("a prefix", "http://app.test/foo", "foo"),
        ("a prefix with a slash", "http://app.test/foo/", "foo"),
        ("a segment below a prefix", "http://app.test/foo/x", "foo"),
        ("not half a segment", "http://app.test/foobar", "root"),
        ("the longest prefix", "http://app.test/foo/bar/x", "foo-bar"),
        ("exact before prefix", "http://app.test/foo/exact", "exact"),
        ("exact is exact", "http://app.test/foo/exact/", "foo"),
        ("half a segment, where the implementation may", "http://app.test/implement", "impl"),
        ("the query is no part of the path", "http://app.test/foo?x=/bar", "foo"),
        ("hosts without their case and port", "http://APP.test:8080/foo", "foo"),
        ("a wildcard", "http://a.wild.test/", "wild"),
        ("one label of it", "http://a.b.wild.test/", "404"),
        ("not none", "http://wild.test/", "404"),
        ("a known host, an unknown path", "http://only.test/", "404"),
        ("its path", "http://only.test/here", "here"),
        ("known hosts do not fall through", "http://only.test/any", "404"),
        ("any host", "http://other.test/any/x", "any"),
        ("no host, no path", "http://other.test/", "404"),
        ("a regular expression", "http://re.test/item/42", "item"),
        ("without case", "http://re.test/ITEM/42", "item"),
        ("the shorter one", "http://re.test/item/x", "re"),
    ] {
        assert_eq!(service(&table.decide(&request(url, &[]), &mut { UNLUCKY })), expected, "{sentence}");
    }
}

#[test]
fn a_rewrite_fills_in_its_groups() {
    let annotations = json!({"nginx.ingress.kubernetes.io/rewrite-target": "/v1/$2"});
    let table = ingress_table(&[ingress(
        "podinfo",
        annotations,
        &[("app.test", "ImplementationSpecific", "/api(/|$)(.*)", "podinfo")],
    )]);
    for (url, expected) in [("http://app.test/api/users/7", "/v1/users/7"), ("http://app.test/api", "/v1/")] {
        let Decision::Ingress(choice) = table.decide(&request(url, &[]), &mut { UNLUCKY }) else { panic!("{url}") };
        assert_eq!(choice.path.as_deref(), Some(expected), "{url}");
    }
}

#[test]
fn the_older_ingress_keeps_a_path_that_two_want() {
    let mut young = ingress("a", json!({}), &[("app.test", "Prefix", "/", "young")]);
    young["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
    let mut old = ingress("b", json!({}), &[("app.test", "Prefix", "/", "old")]);
    old["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let (table, problems) = RouteTable::from_objects(&[young, old], []);
    assert_eq!(service(&table.decide(&request("http://app.test/", &[]), &mut { UNLUCKY })), "old");
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Ingress a in test: path / of host `app.test` belongs to an older Ingress"]
    );
}

#[test]
fn annotations_set_time_limits_and_retries() {
    let annotations = json!({
        "nginx.ingress.kubernetes.io/proxy-read-timeout": "5",
        "nginx.ingress.kubernetes.io/proxy-next-upstream": "error timeout http_503 non_idempotent",
        "nginx.ingress.kubernetes.io/proxy-next-upstream-tries": "2",
        "nginx.ingress.kubernetes.io/proxy-next-upstream-timeout": "7",
        "nginx.ingress.kubernetes.io/upstream-vhost": "inner.test",
    });
    let table = ingress_table(&[ingress("podinfo", annotations, &[("app.test", "Prefix", "/", "podinfo")])]);
    let Decision::Ingress(choice) = table.decide(&request("http://app.test/", &[]), &mut { UNLUCKY }) else { panic!() };
    let next_upstream = NextUpstream { error: true, timeout: true, non_idempotent: true, statuses: vec![503] };
    assert_eq!(
        *choice.policy,
        ProxyPolicy {
            read_timeout: std::time::Duration::from_secs(5),
            next_upstream,
            tries: 2,
            next_upstream_timeout: Some(std::time::Duration::from_secs(7)),
            upstream_vhost: Some("inner.test".to_owned()),
            total_timeout: None,
        }
    );
}

#[test]
fn what_cannot_be_used_is_told_and_the_rest_works() {
    let other_class = json!({"metadata": {"name": "traefik", "namespace": "test"},
        "spec": {"ingressClassName": "traefik", "rules": [{"host": "app.test"}]}});
    let cases: [(&[Value], &str); 8] = [
        (&[json!({"spec": {"rules": 7}})], "is not an Ingress"),
        (&[canary(&[])], "no main Ingress has host `app.test` and path /"),
        (&[main_ingress(), canary(&[("canary-weight", "ten")])], "canary-weight is `ten`"),
        (&[main_ingress(), canary(&[("canary-by-header", "x"), ("canary-by-header-pattern", "(")])], "cannot be used"),
        (
            &[ingress("p", json!({"nginx.ingress.kubernetes.io/auth-url": "x"}), &[("a.test", "Prefix", "/", "a")])],
            "auth-url has no effect",
        ),
        (
            &[ingress(
                "p",
                json!({"nginx.ingress.kubernetes.io/use-regex": "true"}),
                &[("a.test", "Prefix", "/(", "a")],
            )],
            "is not a regular expression",
        ),
        (
            &[main_ingress(), {
                let mut same = canary(&[]);
                same["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("podinfo");
                same
            }],
            "is a canary for the backend of its main Ingress itself",
        ),
        (
            &[
                json!({"kind": "Ingress", "metadata": {"name": "x"}, "spec": {"rules": [{"host": "a", "http": {"paths": [
                {"backend": {"service": {"name": "s", "port": {}}}}]}}]}}),
            ],
            "names no port of Service s",
        ),
    ];
    for (objects, expected) in cases {
        let mut objects = objects.to_vec();
        objects.extend([other_class.clone(), ingress("good", json!({}), &[("good.test", "Prefix", "/", "good")])]);
        let (table, problems) = RouteTable::from_objects(&objects, []);
        assert_eq!(problems.len(), 1, "{expected}: {problems:?}");
        assert!(problems[0].message.contains(expected), "{expected}: {}", problems[0]);
        assert_eq!(service(&table.decide(&request("http://good.test/", &[]), &mut { UNLUCKY })), "good", "{expected}");
    }
}

/// Any JSON, shaped enough like routes to reach deep.
fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/*.()\\[$|+?-]{0,8}".prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "metadata",
        "annotations",
        "spec",
        "rules",
        "host",
        "http",
        "paths",
        "path",
        "pathType",
        "backend",
        "service",
        "name",
        "port",
        "number",
        "matches",
        "headers",
        "type",
        "value",
        "filters",
        "backendRefs",
        "weight",
        "hostnames",
        "namespace",
        "nginx.ingress.kubernetes.io/canary",
        "nginx.ingress.kubernetes.io/canary-weight",
        "nginx.ingress.kubernetes.io/use-regex",
    ]);
    leaf.prop_recursive(7, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_and_no_request_makes_it_panic(
        objects in prop::collection::vec(any_object(), 0..4),
        host in "[a-z.:\\[\\]]{0,12}",
        path in "/[ -~]{0,20}",
        draw in 1u32..=1000,
    ) {
        let (table, _) = RouteTable::from_objects(&objects, &objects);
        let mut request = http::Request::new(Bytes::new());
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        if let Ok(host) = http::HeaderValue::from_str(&host) {
            request.headers_mut().insert(http::header::HOST, host);
        }
        let _ = table.decide(&request, &mut Fixed { draw, ..UNLUCKY });
    }
}
