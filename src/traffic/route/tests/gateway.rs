//! HTTPRoutes: precedence, weights, filters, problems.

use super::*;

fn httproute(hosts: &[&str], rules: Value) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": "test", "name": "podinfo"}, "spec": {"hostnames": hosts, "rules": rules}})
}

fn to(service: &str) -> Value {
    json!([{"name": service, "port": 9898}])
}

fn route_table(objects: &[Value]) -> RouteTable {
    let (table, problems) = RouteTable::from_objects([], objects);
    assert_eq!(problems, []);
    table
}

#[test]
fn http_route_matches_have_the_precedence_of_the_specification() {
    let path = |kind: &str, value: &str| json!({"type": kind, "value": value});
    let rules = json!([
        {"matches": [{"path": path("PathPrefix", "/")}], "backendRefs": to("root")},
        {"matches": [{"path": path("PathPrefix", "/foo")}], "backendRefs": to("foo")},
        {"matches": [{"path": path("PathPrefix", "/foo"), "method": "POST"}], "backendRefs": to("foo-post")},
        {"matches": [{"path": path("PathPrefix", "/foo"), "headers": [{"name": "x-a", "value": "1"}]}], "backendRefs": to("foo-a")},
        {"matches": [{"path": path("PathPrefix", "/foo"), "headers": [
            {"name": "x-a", "value": "1"}, {"name": "x-b", "type": "RegularExpression", "value": "^2+$"}]}], "backendRefs": to("foo-ab")},
        {"matches": [{"path": path("PathPrefix", "/foo"), "queryParams": [{"name": "q", "value": "a b"}]}], "backendRefs": to("foo-q")},
        {"matches": [{"path": path("PathPrefix", "/foo/bar")}], "backendRefs": to("foo-bar")},
        {"matches": [{"path": path("RegularExpression", "/foo/[0-9]+")}], "backendRefs": to("number")},
        {"matches": [{"path": path("Exact", "/foo/7")}], "backendRefs": to("seven")},
    ]);
    let table = route_table(&[
        httproute(&["app.test"], rules),
        httproute(&["*.test"], json!([{"backendRefs": to("wild")}])),
        httproute(&[], json!([{"backendRefs": to("any")}])),
    ]);
    let get = |url: &str, headers: &[(&str, &str)]| request(url, headers);
    let post = |url: &str| http::Request::post(url).header("x-a", "1").body(Bytes::new()).unwrap();
    for (sentence, request, expected) in [
        ("the root", get("http://app.test/x", &[]), "root"),
        ("whole segments only", get("http://app.test/foobar", &[]), "root"),
        ("a longer prefix", get("http://app.test/foo", &[]), "foo"),
        ("the longest prefix before a method", post("http://app.test/foo/bar"), "foo-bar"),
        ("a method before headers", post("http://app.test/foo"), "foo-post"),
        ("a header", get("http://app.test/foo", &[("x-a", "1")]), "foo-a"),
        ("more headers", get("http://app.test/foo", &[("x-a", "1"), ("x-b", "22")]), "foo-ab"),
        ("all of them must fit", get("http://app.test/foo", &[("x-a", "1"), ("x-b", "3")]), "foo-a"),
        ("a query parameter", get("http://app.test/foo?q=a+b", &[]), "foo-q"),
        ("headers before query parameters", get("http://app.test/foo?q=a+b", &[("x-a", "1")]), "foo-a"),
        ("the first parameter of a name", get("http://app.test/foo?q=x&q=a+b", &[]), "foo"),
        ("a regular expression before prefixes", get("http://app.test/foo/42", &[]), "number"),
        ("of the whole path", get("http://app.test/foo/42/x", &[]), "foo"),
        ("exact before all", get("http://app.test/foo/7", &[]), "seven"),
        ("a wildcard host", get("http://a.b.test/", &[]), "wild"),
        ("any host", get("http://other.example/", &[]), "any"),
    ] {
        assert_eq!(service(&table.decide(&request, &mut { UNLUCKY })), expected, "{sentence}");
    }
}

#[test]
fn the_more_specific_host_wins_between_ingress_and_http_route() {
    let ingresses = [
        ingress("any", json!({}), &[("", "Prefix", "/", "ingress-any")]),
        ingress("same", json!({}), &[("both.test", "Prefix", "/", "ingress-both")]),
    ];
    let routes = [httproute(&["route.test", "both.test"], json!([{"backendRefs": to("route")}]))];
    let (table, _) = RouteTable::from_objects(&ingresses, &routes);
    for (host, expected) in [("route.test", "route"), ("both.test", "ingress-both"), ("x.test", "ingress-any")] {
        let decision = table.decide(&request(&format!("http://{host}/"), &[]), &mut { UNLUCKY });
        assert_eq!(service(&decision), expected, "{host}");
    }
}

#[test]
fn http_route_weights_converge_and_zero_is_never() {
    for weights in [[100u32, 0], [90, 10], [0, 100], [1, 3], [0, 0]] {
        let backends = json!([
            {"name": "primary", "port": 80, "weight": weights[0]}, {"name": "canary", "port": 80, "weight": weights[1]}]);
        let table = route_table(&[httproute(&["app.test"], json!([{"backendRefs": backends}]))]);
        let mut dice = Dice(Seed(3).stream("weights"));
        let request = request("http://app.test/", &[]);
        let chosen: Vec<String> = (0..10_000).map(|_| service(&table.decide(&request, &mut dice))).collect();
        let count = |name: &str| chosen.iter().filter(|it| *it == name).count();
        let total = weights[0] + weights[1];
        if total == 0 {
            assert_eq!(count("none"), 10_000);
        } else {
            assert_close(count("canary"), 10_000, f64::from(weights[1]) / f64::from(total));
            assert_eq!(count("primary") + count("canary"), 10_000);
        }
    }
}

#[test]
fn filters_are_read_and_applied() {
    let rules = json!([{
        "filters": [
            {"type": "RequestHeaderModifier", "requestHeaderModifier":
                {"set": [{"name": "x-set", "value": "new"}], "add": [{"name": "x-add", "value": "2"}], "remove": ["x-gone"]}},
            {"type": "URLRewrite", "urlRewrite":
                {"hostname": "inner.test", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2/"}}},
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "canary", "port": 80}, "percent": 10}},
        ],
        "timeouts": {"request": "10s", "backendRequest": "500ms"},
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
        "backendRefs": to("podinfo"),
    }]);
    let table = route_table(&[httproute(&["app.test"], rules)]);
    let Decision::Gateway(choice) = table.decide(&request("http://app.test/v1/x", &[]), &mut { UNLUCKY }) else {
        panic!()
    };
    let [Filter::RequestHeaders(edit), Filter::Rewrite { hostname, path: Some(path) }, Filter::Mirror(mirror)] =
        &choice.rule.filters[..]
    else {
        panic!("{:?}", choice.rule.filters)
    };
    let mut headers = request("http://x/", &[("x-set", "old"), ("x-add", "1"), ("x-gone", "x")]).headers().clone();
    edit.apply(&mut headers);
    assert_eq!(headers.get("x-set").unwrap(), "new");
    assert_eq!(headers.get_all("x-add").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(!headers.contains_key("x-gone"));
    assert_eq!(hostname.as_ref().unwrap(), "inner.test");
    assert_eq!(path.apply("/v1/x", choice.prefix.as_deref()), "/v2/x");
    assert_eq!((mirror.numerator, mirror.denominator), (10, 100));
    assert_eq!(choice.rule.policy.total_timeout, Some(std::time::Duration::from_secs(10)));
    assert_eq!(choice.rule.policy.read_timeout, std::time::Duration::from_millis(500));
}

#[test]
fn prefixes_are_replaced_as_the_specification_tables_it() {
    // The table of HTTPPathModifier in the Gateway API's reference.
    for (path, prefix, new, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
    ] {
        assert_eq!(PathRewrite::Prefix(new.to_owned()).apply(path, Some(prefix)), expected, "{path} {prefix} {new}");
    }
    assert_eq!(PathRewrite::Full("/all".to_owned()).apply("/foo/bar", Some("/foo")), "/all");
}

#[test]
fn redirects_say_where_to() {
    let plain = Redirect { scheme: None, hostname: None, path: None, port: None, status: 302 };
    let cases = [
        (plain.clone(), "http://app.test/a?b=c"),
        (Redirect { scheme: Some("https".into()), ..plain.clone() }, "https://app.test/a?b=c"),
        (
            Redirect { hostname: Some("new.test".into()), port: Some(8080), ..plain.clone() },
            "http://new.test:8080/a?b=c",
        ),
        (Redirect { scheme: Some("https".into()), port: Some(443), ..plain.clone() }, "https://app.test/a?b=c"),
        (Redirect { path: Some(PathRewrite::Full("/z".into())), ..plain }, "http://app.test/z?b=c"),
    ];
    for (redirect, expected) in cases {
        assert_eq!(redirect.location("app.test", "/a", Some("b=c"), None), expected);
    }
}

#[test]
fn what_an_http_route_cannot_do_is_told_with_its_rule() {
    for (rule, expected) in [
        (json!({"backendRefs": [{"name": "x"}]}), "backend x names no port"),
        (json!({"backendRefs": [{"name": "x", "port": 80, "kind": "Bucket"}]}), "backend x is not a Service"),
        (
            json!({"matches": [{"path": {"type": "RegularExpression", "value": "("}}]}),
            "cannot use a regular expression",
        ),
        (json!({"matches": [{"path": {"type": "Suffix", "value": "/"}}]}), "path match type `Suffix` is not known"),
        (json!({"matches": [{"headers": [{"name": "a b", "value": ""}]}]}), "`a b` is not a header name"),
        (json!({"filters": [{"type": "CORS"}]}), "filter CORS has no effect"),
        (json!({"filters": [{"type": "URLRewrite"}]}), "filter URLRewrite has no settings"),
        (json!({"timeouts": {"request": "soon"}}), "timeouts: `soon` is not a duration"),
    ] {
        let (_, problems) = RouteTable::from_objects([], &[httproute(&["a.test"], json!([rule]))]);
        assert_eq!(problems.len(), 1, "{expected}: {problems:?}");
        let text = problems[0].to_string();
        assert!(text.starts_with("HTTPRoute podinfo in test: rule 0: ") && text.contains(expected), "{text}");
    }
    let (_, problems) = RouteTable::from_objects([], &[json!({"kind": "HTTPRoute", "spec": {"rules": 7}})]);
    assert!(problems[0].message.contains("is not an HTTPRoute"));
}
