//! docs/EVENTS.md is what the types say.

use std::fs;
use std::path::Path;

#[test]
fn the_events_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/EVENTS.md");
    let page = coalmine::event::docs::page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/EVENTS.md is not current: UPDATE_DOCS=1 cargo test --test it events_page");
}
