//! A comparison as a table for people, and as JSON.

use super::judge::{Comparison, Line, Mark};
use crate::state::words::{signed_span, span};
use std::fmt::Write as _;

/// Widths of the two columns of values, at least and at most; longer values stand below each other.
const NARROWEST: usize = 24;
const WIDEST: usize = 48;

impl Comparison {
    /// The whole comparison, with a line break at its end. The last line says whether the runs are alike.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write_aspects(&mut text);
        self.write_events(&mut text);
        text.push('\n');
        if self.alike {
            let _ = writeln!(text, "The runs are alike; times were allowed to differ by {}.", span(self.tolerance_ms));
        } else {
            let _ = writeln!(text, "The runs differ. First: {}.", self.first);
            let _ = writeln!(text, "\"Here\" is {}; \"there\" is {}.", self.left, self.right);
        }
        text
    }

    /// As JSON, indented, with a line break at the end.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers have a JSON form") + "\n"
    }

    fn write_aspects(&self, text: &mut String) {
        let values = self.aspects.iter().flat_map(|it| [&it.left, &it.right]).chain([&self.left, &self.right]);
        let fitting = values.map(|it| it.chars().count()).filter(|it| *it <= WIDEST);
        let width = fitting.max().unwrap_or(NARROWEST).max(NARROWEST);
        let _ = writeln!(text, "  {:<14}  {:<width$}  {}", "", self.left, self.right);
        for it in &self.aspects {
            let sign = sign(it.mark);
            if it.mark == Mark::Same && it.left.chars().count() > width {
                let _ = writeln!(text, "{sign} {:<14}  {}", it.name, it.left);
            } else if it.left.chars().count() > width {
                let _ = writeln!(text, "{sign} {:<14}  {}\n  {:<14}  {}", it.name, it.left, "", it.right);
            } else {
                let _ = writeln!(text, "{sign} {:<14}  {:<width$}  {}", it.name, it.left, it.right);
            }
        }
    }

    fn write_events(&self, text: &mut String) {
        if self.events.is_empty() {
            return;
        }
        let _ =
            writeln!(text, "\n  {:>7}  {:>7}  Flagger's events; times count from the new revision", "here", "there");
        for it in &self.events {
            let _ = writeln!(text, "{} {:>7}  {:>7}  {}", line_sign(it), time(it.left_ms), time(it.right_ms), it.text);
        }
    }
}

/// `=` the same, `!` different, ` ` shown and not judged.
fn sign(mark: Mark) -> char {
    match mark {
        Mark::Same => '=',
        Mark::Different => '!',
        Mark::Shown => ' ',
    }
}

/// As [`sign`]; `<` and `>` point to the run that alone has the event.
fn line_sign(line: &Line) -> char {
    match (line.left_ms, line.right_ms) {
        (Some(_), None) => '<',
        (None, Some(_)) => '>',
        _ => sign(line.mark),
    }
}

fn time(at_ms: Option<i64>) -> String {
    at_ms.map_or_else(|| "-".to_owned(), signed_span)
}
