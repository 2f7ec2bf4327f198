//! Run records: the same bytes each time, old ones stay readable, broken ones are explained.

use super::streams;
use coalmine::event::log::{Reader, Writer, read, read_as_far_as_possible};
use coalmine::event::{Envelope, Event, Note};
use proptest::prelude::*;

fn written(events: &[Envelope]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    events.iter().for_each(|it| writer.write(it).unwrap());
    writer.into_inner()
}

fn problem(bytes: &[u8]) -> String {
    read(bytes, "run.jsonl").expect_err("this record is broken").to_string()
}

#[test]
fn a_record_gives_back_what_was_written() {
    for events in [streams::healthy(), streams::storm(), streams::gate()] {
        let bytes = written(&events);
        assert_eq!(read(bytes.as_slice(), "run.jsonl").unwrap(), events);
        assert_eq!(written(&events), bytes);
    }
}

/// This file was written by version 1 and is never written again: it must stay readable for as long as version 1 is read.
#[test]
fn a_record_of_version_1_is_read() {
    let text = include_str!("records/v1-500-storm.jsonl");
    let events = read(text.as_bytes(), "v1-500-storm.jsonl").unwrap();
    assert_eq!(events.len(), text.lines().count() - 1);
    assert!(
        matches!(&events[0].event, Event::RunStarted(it) if it.scenario == "500-storm" && it.policy.threshold == 5)
    );
    let text_again = String::from_utf8(written(&events)).unwrap();
    assert_eq!(text_again, text, "version 1 is still what is written, so the bytes are the same too");
}

#[test]
fn what_is_wrong_with_a_record_is_said_with_its_place() {
    let whole = String::from_utf8(written(&streams::storm())).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let version_2 = whole.replacen("\"version\":1", "\"version\":2", 1);
    let swapped = joined(&[lines[0], lines[1], lines[3], lines[2]]);
    let killed = joined(&lines[..lines.len() - 1]);
    let twice = joined(&[&lines[..], &lines[1..2]].concat());
    let headless = joined(&[lines[0], &lines[2].replacen("\"seq\":2", "\"seq\":1", 1)]);
    let unknown = joined(&[lines[0], lines[1], r#"{"seq":2,"atMs":0,"event":{"dreamt":{}}}"#]);
    let long = format!("{}\n{}", lines[0], "x".repeat(2 << 20));
    for (case, bytes, expected) in [
        ("an empty file", b"".as_slice(), "run.jsonl: line 1: the file is empty"),
        ("another file", b"hello\n", "run.jsonl: line 1: it is not a coalmine record"),
        ("another JSON file", b"{\"format\":\"x\",\"version\":1}\n", "line 1: it is not a coalmine record"),
        ("a newer version", version_2.as_bytes(), "line 1: it has format version 2 and this coalmine reads 1 to 1"),
        ("a cut line", &whole.as_bytes()[..whole.len() - 9], "(`head -n "),
        ("swapped lines", swapped.as_bytes(), "line 3: event 3 comes where event 2 must"),
        ("a killed run", killed.as_bytes(), "stops before the run has ended"),
        ("two records in one", twice.as_bytes(), "an event comes after `runEnded`"),
        ("no first event", headless.as_bytes(), "line 2: the first event is not `runStarted`"),
        (
            "an unknown event",
            unknown.as_bytes(),
            "line 3: the line is not an event of format version 1: unknown variant",
        ),
        ("a line without end", long.as_bytes(), "line 2: the line is longer than"),
        ("no text", b"{\"format\":\"coalmine-record\",\"version\":1}\n\xff\xfe\n", "line 2: the line is not UTF-8"),
    ] {
        let text = problem(bytes);
        assert!(text.contains(expected), "{case}: {text}");
    }
}

#[test]
fn a_cut_record_gives_what_it_holds() {
    let whole = written(&streams::storm());
    let (events, problem) = read_as_far_as_possible(&whole[..whole.len() / 2], "run.jsonl").unwrap();
    assert!(!events.is_empty());
    assert_eq!(events, streams::storm()[..events.len()]);
    assert!(problem.is_some());
}

#[test]
fn events_that_a_reader_would_refuse_are_not_written() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let note = |seq| Envelope { seq, at_ms: 0, event: Event::Note(Note { text: "n".into() }) };
    assert!(writer.write(&note(2)).unwrap_err().to_string().contains("numbers go up by one"));
    let mut storm = streams::storm();
    let measured = storm.iter_mut().find_map(|it| match &mut it.event {
        Event::Measured(it) => Some(it),
        _ => None,
    });
    measured.unwrap().values[0].value = Some(f64::NAN);
    let mut writer = Writer::new(Vec::new()).unwrap();
    let refused = storm.iter().find_map(|it| writer.write(it).err()).expect("NaN has no JSON form");
    assert!(refused.to_string().contains("not finite"), "{refused}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut input = b"{\"format\":\"coalmine-record\",\"version\":1}\n".to_vec();
        let _ = read(bytes.as_slice(), "any");
        input.extend(bytes);
        if let Ok(reader) = Reader::new(input.as_slice(), "any") {
            prop_assert!(reader.count() <= 400);
        }
    }

    #[test]
    fn any_text_and_number_comes_back(text in "\\PC{0,60}", value in any::<f64>().prop_filter("finite", |it| it.is_finite())) {
        let mut events = streams::storm();
        for it in &mut events {
            match &mut it.event {
                Event::Reported(it) => it.message.clone_from(&text),
                Event::Measured(it) => it.values[0].value = Some(value),
                _ => {}
            }
        }
        let bytes = written(&events);
        prop_assert_eq!(read(bytes.as_slice(), "any").unwrap(), events);
    }
}
