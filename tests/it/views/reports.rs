//! The files that a run leaves.

use super::streams;
use coalmine::event::log::read;
use coalmine::event::{Envelope, Event};
use coalmine::report::{html, json, junit, markdown, write_all};
use std::fs;

#[test]
fn the_storms_report_in_markdown() {
    insta::assert_snapshot!(markdown(&streams::storm()));
}

#[test]
fn the_storms_verdict_for_machines() {
    insta::assert_snapshot!(json(&streams::storm()));
    insta::assert_snapshot!(junit(&streams::storm()));
}

#[test]
fn the_html_report_needs_no_network_and_no_scripts() {
    for events in [streams::storm(), streams::healthy(), streams::gate()] {
        let text = html(&events);
        for forbidden in ["http:", "https:", "<script", "src=", "url(", "@import", "<link", "javascript:"] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
        assert!(text.contains("prefers-color-scheme: dark") && text.contains("simulated clock"));
        assert_eq!(text.matches("<svg").count(), 3, "weight, success rate, latency");
        assert_balanced(&text);
    }
}

#[test]
fn the_plots_show_limits_violations_and_the_rollback() {
    let text = html(&streams::storm());
    assert_eq!(text.matches("class=\"violation\"").count(), 5, "five failed checks");
    assert!(text.contains("max weight 50 %") && text.contains("≥ 99 %") && text.contains("≤ 500 ms"));
    assert_eq!(text.matches("<title>rollback at 2m00s</title>").count(), 3, "on every plot");
    assert!(!html(&streams::healthy()).contains("class=\"violation\""));
}

/// Each element that is opened is closed in its order.
fn assert_balanced(text: &str) {
    let tag = regex::Regex::new(r"<(/?)([a-z0-9]+)[^>]*?(/?)>").unwrap();
    let mut open = Vec::new();
    for found in tag.captures_iter(text) {
        let (name, is_void) = (&found[2], ["meta"].contains(&&found[2]) || &found[3] == "/");
        if &found[1] == "/" {
            assert_eq!(open.pop().as_deref(), Some(name), "{}", &found[0]);
        } else if !is_void {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new());
}

/// A run whose every text is hostile.
fn hostile() -> Vec<Envelope> {
    const TEXT: &str = "</td><script>alert(\"1\")</script> | `x` *y* \u{1b}[31m \u{0} & ]]> \n# z";
    let mut events = streams::storm();
    for it in &mut events {
        match &mut it.event {
            Event::RunStarted(it) => {
                (it.scenario, it.title) = (TEXT.to_owned(), TEXT.to_owned());
                TEXT.clone_into(&mut it.policy.checks[0].name);
            }
            Event::LabStep(it) => TEXT.clone_into(&mut it.detail),
            Event::StepTaken(it) => TEXT.clone_into(&mut it.text),
            Event::Reported(it) => TEXT.clone_into(&mut it.message),
            Event::Requests(it) => {
                let tally = it.versions.values().next().cloned().unwrap_or_default();
                it.versions.insert(TEXT.to_owned(), tally);
            }
            Event::RunEnded(it) => {
                (it.why, it.next) = (TEXT.to_owned(), TEXT.to_owned());
                TEXT.clone_into(&mut it.expectations[0].text);
                TEXT.clone_into(&mut it.expectations[2].seen);
            }
            _ => {}
        }
    }
    events
}

#[test]
fn hostile_texts_stay_text() {
    let events = hostile();
    let text = html(&events);
    assert!(!text.contains("<script"), "HTML is escaped");
    assert_balanced(&text);
    let text = markdown(&events);
    assert!(!text.contains("<script") && !text.contains('\u{1b}'), "Markdown is escaped");
    for line in text.lines().filter(|it| it.contains("alert(")) {
        assert!(!line.contains(" | `x`") && !line.starts_with("# z"), "{line}");
    }
    let text = junit(&events);
    assert!(!text.contains("<script") && !text.contains('\u{1b}') && !text.contains('\u{0}'), "XML is escaped");
    let result: serde_json::Value = serde_json::from_str(&json(&events)).unwrap();
    assert!(result["why"].as_str().unwrap().contains("<script>"), "JSON keeps the text as it is");
}

#[test]
fn a_run_that_was_killed_is_reported_as_such() {
    let storm = streams::storm();
    for length in [0, 1, 10, storm.len() / 2, storm.len() - 1] {
        let events = &storm[..length];
        assert!(markdown(events).contains("not finished"), "{length}");
        assert_balanced(&html(events));
        assert!(junit(events).contains("the record has no end"), "{length}");
        let result: serde_json::Value = serde_json::from_str(&json(events)).unwrap();
        assert_eq!(result["outcome"], serde_json::Value::Null);
    }
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let events = streams::gate();
    for report in [markdown, html, junit, json] {
        assert_eq!(report(&events), report(&events));
    }
}

#[test]
fn all_files_are_written_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("a/new/directory");
    let events = streams::storm();
    let paths = write_all(&dir, &events).unwrap();
    let names: Vec<_> = paths.iter().map(|it| it.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["record.jsonl", "report.md", "report.html", "junit.xml", "result.json"]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 5, "nothing else is left there");
    assert_eq!(read(fs::read(&paths[0]).unwrap().as_slice(), "record.jsonl").unwrap(), events);
    assert_eq!(fs::read_to_string(&paths[2]).unwrap(), html(&events));

    // Something that cannot be replaced stands in the way of the second file's temporary form.
    let before = fs::read(&paths[0]).unwrap();
    fs::create_dir(dir.join(".report.md.partial")).unwrap();
    let problem = write_all(&dir, &streams::healthy()).unwrap_err().to_string();
    assert!(problem.contains("report.md.partial"), "{problem}");
    assert_eq!(fs::read(&paths[0]).unwrap(), before, "the old record is untouched");
    assert!(!dir.join(".record.jsonl.partial").exists());
}
