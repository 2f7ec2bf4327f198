//! Pages of docs/ that tests write, and hold: one test may own what stands before a heading, another what follows it.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tests of one process take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Which part of a page a test owns.
pub enum Part {
    Before(&'static str),
    /// With the heading.
    From(&'static str),
}

/// Compares the part of `page` with `text`; with `UPDATE_DOCS` set, writes it.
pub fn hold(page: &str, part: &Part, text: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let now = fs::read_to_string(&file).unwrap_or_default();
    let (Part::Before(heading) | Part::From(heading)) = part;
    let (before, from) = now.split_at(now.find(heading).unwrap_or(now.len()));
    let (wanted, is) = match part {
        Part::Before(_) => (format!("{text}{from}"), before),
        Part::From(_) => (format!("{before}{text}"), from),
    };
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, wanted).unwrap();
    } else {
        assert!(is == text, "{page} is old: run this test with UPDATE_DOCS=1. It should say:\n{text}\nand says:\n{is}");
    }
}
