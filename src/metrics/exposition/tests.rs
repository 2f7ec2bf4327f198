use super::*;
use crate::metrics::Registry;
use proptest::prelude::*;

fn read(text: &str) -> Vec<(String, f64, Option<i64>)> {
    let lines = parse(text).unwrap().lines;
    lines.iter().map(|line| (line.labels().to_string(), line.value, line.t_ms)).collect()
}

#[test]
fn every_form_of_a_sample_is_read() {
    for (line, labels, value, t_ms) in [
        ("up 1", r#"{__name__="up"}"#, 1.0, None),
        ("up{} 1 1700000000000", r#"{__name__="up"}"#, 1.0, Some(1_700_000_000_000)),
        ("  up {a=\"b\",}\t-2.5e3 ", r#"{__name__="up", a="b"}"#, -2_500.0, None),
        ("a:b_c{x=\"1\" , y = \"2\"} +Inf", r#"{__name__="a:b_c", x="1", y="2"}"#, f64::INFINITY, None),
        (r#"m{l="a \"b\" \\ \n c"} 0x"#, "", 0.0, None),
        (r#"m{l="a \"b\" \\ \n c"} 0"#, r#"{__name__="m", l="a \"b\" \\ \n c"}"#, 0.0, None),
        (r#"{"odd name", l="}"} 3"#, r#"{__name__="odd name", l="}"}"#, 3.0, None),
        ("m 1 1700000000.5", r#"{__name__="m"}"#, 1.0, Some(1_700_000_000_500)),
        ("m_bucket{le=\"1\"} 5 # {trace=\"x\"} 0.5", r#"{__name__="m_bucket", le="1"}"#, 5.0, None),
        ("m{empty=\"\"} 1\r", r#"{__name__="m"}"#, 1.0, None),
    ] {
        if labels.is_empty() {
            assert!(parse(line).is_err(), "{line}");
            continue;
        }
        assert_eq!(read(line), [(labels.to_owned(), value, t_ms)], "{line}");
    }
}

#[test]
fn comments_types_and_the_end_are_read() {
    let text = "# HELP c Counts \\\\ and\\nlines.\n# TYPE c counter\n# anything\n\nc 1\n# EOF\nnot read\n";
    let exposition = parse(text).unwrap();
    assert_eq!(exposition.lines.len(), 1);
    let expected = Metadata { kind: MetricType::Counter, help: "Counts \\ and\nlines.".to_owned() };
    assert_eq!(exposition.metadata["c"], expected);
}

#[test]
fn an_error_says_where() {
    for (text, line, column) in [
        ("up 1\nup\n", 2, 3),
        ("up x", 1, 4),
        ("up{a} 1", 1, 5),
        ("up{a=\"b} 1", 1, 6),
        ("up{a=\"b\"; } 1", 1, 9),
        ("1up 1", 1, 1),
        ("up 1 then", 1, 6),
        ("up 1 2 3", 1, 8),
        ("# TYPE up thing", 1, 11),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
    }
}

proptest! {
    /// What a registry writes reads back as what was put in.
    #[test]
    fn what_is_encoded_is_read_back(
        values in proptest::collection::btree_map((".{0,8}", "[a-z]{0,3}"), any::<f64>(), 0..8),
        help in ".{0,20}",
    ) {
        let registry = Registry::new();
        let gauge = registry.gauge_vec("g", &help, &["one", "two"]);
        for ((one, two), value) in &values {
            gauge.with(&[one, two]).set(*value);
        }
        let text = registry.encode();
        let exposition = parse(&text).unwrap();
        prop_assert_eq!(exposition.lines.len(), values.len());
        for line in &exposition.lines {
            let labels = line.labels();
            let key = (labels.get("one").to_owned(), labels.get("two").to_owned());
            let value = values[&key];
            prop_assert!(line.value.to_bits() == value.to_bits() || line.value.is_nan() == value.is_nan() && value.is_nan()
                || value == 0.0 && line.value == 0.0, "{} {}", line.value, value);
        }
        if !values.is_empty() {
            prop_assert_eq!(&exposition.metadata["g"].help, &help);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "([a-z{}=\",\\\\# 0-9\n\t\r.é-]|TYPE|HELP|EOF){0,60}") {
        if let Ok(exposition) = parse(&text) {
            for line in &exposition.lines {
                let _ = line.labels();
            }
        }
        let _ = labels_of(&text);
    }
}
