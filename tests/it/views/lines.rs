//! Lines as a run goes.

use super::streams;
use coalmine::report::line::{Options, all};

#[test]
fn the_storm_reads_from_heading_to_verdict() {
    insta::assert_snapshot!(all(&streams::storm(), Options::PLAIN));
}

#[test]
fn lines_fit_an_80_column_terminal_without_unicode_and_colour() {
    let options = Options { width: Some(80), colours: false, ascii: true };
    let text = all(&streams::storm(), options);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn a_gate_and_a_promotion_read_well_at_120_columns() {
    let options = Options { width: Some(120), ..Options::PLAIN };
    let text = all(&streams::gate(), options);
    for line in text.lines().skip_while(|it| !it.contains("phase")) {
        assert!(line.chars().count() <= 120, "{line}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn colour_never_changes_the_words() {
    let plain = all(&streams::storm(), Options::PLAIN);
    let coloured = all(&streams::storm(), Options { colours: true, ..Options::PLAIN });
    let escape = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert_ne!(plain, coloured);
    assert_eq!(plain, escape.replace_all(&coloured, ""));
}
