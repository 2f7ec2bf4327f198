use super::*;

#[test]
fn errors_have_prometheus_words_and_places() {
    for (query, expected) in [
        ("", "unknown position: parse error: no expression found in input"),
        ("  ", "1:1: parse error: no expression found in input"),
        ("sum(\n  rate(x[5m]) y)", "2:15: parse error: unexpected identifier \"y\" in aggregation"),
        ("x y", "1:3: parse error: unexpected identifier \"y\""),
        ("x{a b}", "1:5: parse error: unexpected identifier \"b\" in label matching, expected label matching operator"),
        ("x{a=b}", "1:5: parse error: unexpected identifier \"b\" in label matching, expected string"),
        ("x{", "1:3: parse error: unexpected end of input inside braces"),
        ("(x", "1:3: parse error: unclosed left parenthesis"),
        ("x)", "1:3: parse error: unexpected right parenthesis ')'"),
        (
            "x offset",
            "1:9: parse error: unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("x[0s]", "1:3: parse error: duration must be greater than 0"),
        ("x[5m / 0s]", "1:6: parse error: division by zero"),
        ("1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("rate(x)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("nonsense(x)", "1:1: parse error: unknown function with name \"nonsense\""),
        ("1 + sort_by_label(x, \"a\")", "1:5: parse error: function \"sort_by_label\" is not enabled"),
        ("abs(x,)", "1:6: parse error: trailing commas not allowed in function call args"),
        ("sum by x (y)", "1:8: parse error: unexpected identifier \"x\" in grouping opts, expected \"(\""),
        ("\"\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"),
        ("$", "1:1: parse error: unexpected character: '$'"),
        ("5hs", "1:1: parse error: unknown unit \"hs\" in duration \"5hs\""),
    ] {
        let error = parse(query).expect_err(query).in_query(query);
        assert_eq!(error, expected, "{query}");
    }
}

#[test]
fn queries_are_written_back_as_prometheus_writes_them() {
    for (query, expected) in [
        ("sum by(b,a)(x)", "sum by (b, a) (x)"),
        ("sum(x) without()", "sum without () (x)"),
        ("-x ^ 2 * 3", "-x ^ 2 * 3"),
        ("x{b='1',a!~\"y\"} offset -5m @ 1.5", "x{a!~\"y\",b=\"1\"} @ 1.500 offset -5m"),
        ("x[90s:15s] @ end()", "x[1m30s:15s] @ end()"),
        ("a*on(x)group_left b", "a * on (x) group_left () b"),
        ("1>bool 0x1f", "1 > bool 31"),
        ("{__name__=\"x\", y=`\"`}", "{__name__=\"x\",y=\"\\\"\"}"),
        ("5m + topk(3, x[5m:] > 1m)", ""),
        ("Sum(X )", "sum(X)"),
        ("x[(5m+1m)*2:STEP ( )] offset -max_of(1,range())", "x[(5m + 1m) * 2:step()] offset -max_of(1, range())"),
    ] {
        match parse(query) {
            Ok(node) => assert_eq!(node.to_string(), expected, "{query}"),
            Err(error) => assert!(expected.is_empty(), "{query}: {error:?}"),
        }
    }
}
