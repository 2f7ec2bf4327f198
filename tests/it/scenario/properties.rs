//! No input panics, and a plan comes out only where nothing is an error.

use super::{GOOD, load, render};
use coalmine::scenario::{self, Severity, builtin};
use proptest::prelude::*;

fn holds(text: &str) {
    let (plan, problems) = load(text);
    let errors = problems.iter().any(|it| it.severity == Severity::Error);
    assert_eq!(plan.is_none(), errors, "{}", render(&problems));
    for problem in &problems {
        let Some(place) = problem.place else { continue };
        assert!(place.line > 0 && place.column > 0, "{problem}");
    }
}

/// A valid file with some of its words replaced, cut out or doubled.
fn mutated() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "",
        "-1",
        "0",
        "99999999999999999999",
        "1e400",
        ".nan",
        ".inf",
        "null",
        "~",
        "[]",
        "{}",
        "\"\"",
        "10s",
        "- ",
        ": ",
        "&a",
        "*a",
        "<<: *a",
        "!!binary x",
        "|",
        ">",
        "\t",
        "\u{0}",
        "é😀",
        "true",
        "6.10",
        "{{ x }}",
        "%",
        "---\n",
        "...\n",
    ]);
    let source = prop::sample::select(
        builtin::names().into_iter().filter_map(builtin::text).chain([GOOD]).map(str::to_owned).collect::<Vec<_>>(),
    );
    (source, prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, words), 1..4)).prop_map(
        |(mut text, edits)| {
            for (index, length, word) in edits {
                let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                if bounds.is_empty() {
                    break;
                }
                let at = index.index(bounds.len());
                let end = bounds.get(at + length).copied().unwrap_or(text.len());
                text.replace_range(bounds[at]..end, word);
            }
            text
        },
    )
}

#[test]
fn big_and_deep_files_end_with_a_limited_number_of_problems() {
    let lines = |count: usize, line: fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
    let keys = lines(30_000, |i| format!("key{i}: 1\n"));
    let steps = lines(5_000, |i| format!("  - stop{i}: {{}}\n"));
    let query = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    let deep =
        |depth| GOOD.replace("name: request-success-rate", &format!("name: x\n            query: {}", query(depth)));
    for text in [keys, GOOD.replace("steps:\n", &format!("steps:\n{steps}")), deep(100_000), deep(2_000)] {
        holds(&text);
        let (_, problems) = load(&text);
        assert!((1..=scenario::problem::MAX_PROBLEMS).contains(&problems.len()), "{}", problems.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,200}") {
        holds(&text);
    }

    #[test]
    fn yaml_like_text_does_not_panic(text in "(([ ]{0,6}(- )?[a-z]{1,8}: ?[\\[\\]{}&*!|>'\"%@`a-z0-9.,:-]{0,12})?\n){0,20}") {
        holds(&text);
    }

    #[test]
    fn mutated_files_do_not_panic(text in mutated()) {
        holds(&text);
    }
}
