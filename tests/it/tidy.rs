//! The rules of the house that a reviewer should not have to check: who imports whom, module pages, file lengths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file that still fits in a head.
const MAX_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rows of a two-column table of docs/ARCHITECTURE.md whose header begins with `first`.
fn table(first: &str) -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    page.lines()
        .skip_while(|line| !line.starts_with(&format!("| {first} |")))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(|it| it.trim().to_owned());
            (cells.next().unwrap(), cells.next().unwrap_or_default())
        })
        .collect()
}

fn station_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    (inside.components().count() > 1).then(|| inside.iter().next().unwrap().to_string_lossy().into_owned())
}

/// The stations that a line of code names as `crate::station`.
fn named_stations(line: &str) -> Vec<&str> {
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with('$'))
        .map(|(at, found)| {
            let rest = &line[at + found.len()..];
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
        })
        .filter(|it| !it.is_empty())
        .collect()
}

#[test]
fn a_station_imports_only_what_the_architecture_page_allows() {
    let allowed: BTreeMap<_, BTreeSet<_>> = table("station")
        .into_iter()
        .map(|(station, list)| (station, list.split(',').map(|it| it.trim().to_owned()).collect()))
        .collect();
    assert!(allowed.len() > 10, "the table of stations was not found");
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let Some(station) = station_of(&file) else { continue };
        let may = allowed.get(&station).unwrap_or_else(|| panic!("{station} is not in docs/ARCHITECTURE.md"));
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for named in named_stations(line) {
                if named != station && allowed.contains_key(named) && !may.contains(named) {
                    wrong.push(format!("{}:{}: {station} imports {named}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "docs/ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn a_crate_with_one_home_is_named_only_there() {
    for (name, home) in table("crate") {
        for file in rust_files(&root().join("src")) {
            if station_of(&file).is_some_and(|it| it == home) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let named = text.lines().any(|line| {
                !line.trim_start().starts_with("//")
                    && (line.contains(&format!("use {name}::"))
                        || line.contains(&format!(" {name}::"))
                        || line.contains(&format!("({name}::")))
            });
            assert!(!named, "{} names {name}, whose home is src/{home}", file.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_fits_in_a_head() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")).into_iter().chain(rust_files(&root().join("tests"))) {
        let text = fs::read_to_string(&file).unwrap();
        // A sibling `tests.rs` belongs to the page of its module.
        if !text.starts_with("//!") && !file.ends_with("tests.rs") {
            wrong.push(format!("{}: no page at its top", file.display()));
        }
        if text.lines().count() > MAX_LINES {
            wrong.push(format!("{}: {} lines, more than {MAX_LINES}", file.display(), text.lines().count()));
        }
        let is_station = file.ends_with("mod.rs") && file.parent().and_then(Path::parent) == Some(&root().join("src"));
        if is_station && !text.contains("Never:") {
            wrong.push(format!("{}: does not say what it must never know", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
