use super::*;
use crate::metrics::labels::Labels;
use proptest::prelude::*;

fn store() -> Store {
    let mut store = Store::default();
    for (method, rate) in [("GET", 10.0), ("POST", 1.0)] {
        let labels = Labels::from_pairs([("__name__", "requests_total"), ("job", "app"), ("method", method)]);
        for sample in 0..60i32 {
            store.append(&labels, i64::from(sample) * 5_000, f64::from(sample) * rate).unwrap();
        }
    }
    store
}

fn ask(query: &str) -> Result<Value, QueryError> {
    Query::parse(query)?.instant(&store(), 295_000)
}

fn only(query: &str) -> f64 {
    match ask(query).unwrap() {
        Value::Vector(samples) if samples.len() == 1 => samples[0].value,
        Value::Scalar { value, .. } => value,
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn a_steady_counter_has_its_rate() {
    for (query, expected) in [
        ("sum(rate(requests_total[1m]))", 2.2),
        ("rate(requests_total{method=\"GET\"}[1m])", 2.0),
        ("increase(requests_total{method=\"POST\"}[1m])", 12.0),
        ("count_over_time(requests_total{method=\"POST\"}[1m])", 12.0),
        ("sum(requests_total) / 2", 324.5),
        ("scalar(sum(requests_total)) > bool 3", 1.0),
        ("max_over_time(sum(rate(requests_total[1m]))[2m:30s])", 2.2),
        ("vector(1)", 1.0),
    ] {
        let value = only(query);
        assert!((value - expected).abs() < 1e-9, "{query}: {value}");
    }
}

#[test]
fn errors_are_in_prometheus_words() {
    for (query, text) in [
        ("rate(requests_total)", "expected type"),
        ("", "no expression found in input"),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("{job=~\".*\"}", "vector selector must contain at least one non-empty matcher"),
        ("sort_by_label(up, \"a\")", "is not enabled"),
        ("limitk(1, up)", "is experimental and must be enabled"),
        ("requests_total * on(job) requests_total", "many-to-many matching not allowed"),
        ("sum by (method) (requests_total) * on(method) group_left sum(requests_total)", ""),
        ("label_replace(requests_total, \"method\", \"x\", \"\", \"\")", "same labelset"),
        ("up[1e300]", "duration out of range"),
        ("nothing(up)", "unknown function"),
    ] {
        match ask(query) {
            Err(error) => assert!(error.to_string().contains(text), "{query}: {error}"),
            Ok(value) => assert!(text.is_empty(), "{query}: {value:?}"),
        }
    }
}

#[test]
fn a_query_cannot_load_without_limit() {
    let text = ask("vector(1)[290y:1ms]").unwrap_err().to_string();
    assert!(text.contains("too many samples"), "{text}");
    let query = Query::parse("up").unwrap();
    assert!(query.range(&store(), 0, 11_001_000, 1_000).is_err());
    assert!(query.range(&store(), 0, 11_000_000, 1_000).is_ok());
}

#[test]
fn the_deepest_query_that_is_read_can_be_evaluated() {
    let depth = MAX_QUERY_DEPTH;
    for query in [
        format!("{}requests_total{}", "(".repeat(depth - 1), ")".repeat(depth - 1)),
        format!("{}requests_total{}", "abs(".repeat(depth - 1), ")".repeat(depth - 1)),
        format!("{}requests_total", "-".repeat(depth - 1)),
        format!("1{}", " + 1".repeat(depth - 1)),
        format!("1{}", " ^ 1".repeat(depth - 1)),
        format!("requests_total{}", " or requests_total".repeat(depth - 1)),
        format!("{}requests_total{}", "sum_over_time(".repeat(depth / 3), "[1m:30s])".repeat(depth / 3)),
    ] {
        // More steps than the budget allows is an answer too.
        if let Err(error) = ask(&query) {
            assert!(error.to_string().contains("too many samples"), "{error}");
        }
    }
    assert!(Query::parse(&"(".repeat(depth)).is_err());
}

/// Pieces that make queries more often than letters do.
fn query_text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 48] = [
        "requests_total",
        "up",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "5m",
        "1m:",
        "10s",
        "1e300",
        "inf",
        "NaN",
        "-",
        "+",
        "*",
        "/",
        "^",
        "%",
        "==",
        "!=",
        "=~",
        "!~",
        "> bool",
        "and",
        "or",
        "unless",
        "on(job)",
        "group_left",
        "offset",
        "@",
        "start()",
        "sum",
        "by (method)",
        "topk",
        "rate",
        "histogram_quantile",
        "label_replace",
        ",",
        "\"a\"",
        "\"(\"",
        "job",
        "=",
        "0x1f",
        "1y",
        "absent",
        "quantile_over_time",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    // Cheap enough for many; PROPTEST_CASES asks for more.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in query_text()) {
        if let Ok(query) = Query::parse(&text) {
            let store = store();
            let _ = query.instant(&store, 295_000);
            let _ = query.range(&store, 100_000, 295_000, 7_000);
        }
    }

    #[test]
    fn no_letters_make_it_panic(text in ".{0,60}") {
        let _ = Query::parse(&text);
    }

    /// A counter that grows by at most `most` per second has no higher rate, and never a negative one.
    #[test]
    fn rates_lie_between_zero_and_the_steepest_step(
        steps in proptest::collection::vec((1_000i64..20_000, 0.0f64..100.0), 2..40),
        window in 5_000i64..120_000,
    ) {
        let mut store = Store::default();
        let labels = Labels::from_pairs([("__name__", "c")]);
        let (mut t, mut value, mut steepest) = (0, 0.0, 0.0f64);
        store.append(&labels, 0, 0.0).unwrap();
        for (gap, rate) in steps {
            t += gap;
            value += rate * gap as f64 / 1_000.0;
            steepest = steepest.max(rate);
            store.append(&labels, t, value).unwrap();
        }
        let query = Query::parse(&format!("rate(c[{window}ms])")).unwrap();
        if let Value::Vector(samples) = query.instant(&store, t).unwrap() {
            for sample in samples {
                prop_assert!(sample.value >= 0.0 && sample.value <= steepest * (1.0 + 1e-9), "{}", sample.value);
            }
        }
    }
}
