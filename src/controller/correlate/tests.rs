//! The correlator against client-go's rules, as a table and as properties.

use super::*;
use proptest::prelude::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn occurrence(message: &str, warning: bool, seconds: u64) -> Occurrence {
    let name = format!("podinfo.{seconds:x}");
    Occurrence {
        source: ("Canary/test/podinfo".to_owned(), warning),
        message: message.to_owned(),
        name,
        at: at(seconds),
    }
}

/// `create NAME MESSAGE`, `NAME xCOUNT MESSAGE`, or `filtered`.
fn told(correlator: &mut Correlator, message: &str, warning: bool, seconds: u64) -> String {
    match correlator.correlate(occurrence(message, warning, seconds)) {
        Delivery::Create(it) => format!("create {} {}", it.name, it.message),
        Delivery::Patch(it) => format!("{} x{} {}", it.name, it.count, it.message),
        Delivery::Filtered => "filtered".to_owned(),
    }
}

#[test]
fn the_same_message_raises_the_count() {
    let mut correlator = Correlator::default();
    assert_eq!(told(&mut correlator, "not ready", true, 0), "create podinfo.0 not ready");
    assert_eq!(told(&mut correlator, "not ready", true, 15), "podinfo.0 x2 not ready");
    let Delivery::Patch(record) = correlator.correlate(occurrence("not ready", true, 30)) else { panic!("no patch") };
    assert_eq!((record.count, record.first, record.last), (3, at(0), at(30)));
}

#[test]
fn the_tenth_distinct_message_begins_the_combined_event() {
    let mut correlator = Correlator::default();
    for number in 1..10 {
        let seconds = number * 15;
        let expected = format!("create podinfo.{seconds:x} m{number}");
        assert_eq!(told(&mut correlator, &format!("m{number}"), false, seconds), expected);
    }
    let combined = "create podinfo.96 (combined from similar events): Copying";
    assert_eq!(told(&mut correlator, "Copying", false, 150), combined);
    assert_eq!(told(&mut correlator, "Routing", false, 165), "podinfo.96 x2 (combined from similar events): Routing");
    assert_eq!(told(&mut correlator, "m3", false, 166), "podinfo.2d x2 m3", "an old message keeps its own event");
    assert_eq!(told(&mut correlator, "w", true, 167), "create podinfo.a7 w", "warnings are counted for themselves");
}

#[test]
fn a_pause_of_more_than_ten_minutes_begins_anew() {
    for (pause, expected) in
        [(600, "create podinfo.2bc (combined from similar events): new"), (601, "create podinfo.2bd new")]
    {
        let mut correlator = Correlator::default();
        for number in 0..9 {
            told(&mut correlator, &format!("m{number}"), false, 100);
        }
        assert_eq!(told(&mut correlator, "new", false, 100 + pause), expected);
    }
}

#[test]
fn after_a_burst_of_25_one_event_in_five_minutes_gets_through() {
    let mut correlator = Correlator::default();
    let delivered = (0..30).filter(|_| told(&mut correlator, "m", false, 0) != "filtered").count();
    assert_eq!(delivered, 25);
    assert_eq!(told(&mut correlator, "m", false, 299), "filtered");
    assert_eq!(told(&mut correlator, "m", false, 301), "podinfo.0 x32 m", "the filtered ones are counted");
    assert_eq!(told(&mut correlator, "m", false, 302), "filtered");
    assert_eq!(told(&mut correlator, "m", true, 302), "create podinfo.12e m", "each type has its own budget");
}

#[test]
fn the_least_recently_written_record_is_forgotten() {
    let mut recent = Recent::default();
    for key in 0..=MAX_RECORDS {
        recent.put(key, key);
        recent.put(0, key);
    }
    assert_eq!((recent.records.len(), recent.order.len()), (MAX_RECORDS, MAX_RECORDS));
    assert!(recent.get(&0).is_some() && recent.get(&1).is_none() && recent.get(&2).is_some());
}

proptest! {
    /// Whatever comes: a name is created once, counts rise by one per occurrence of an event, at most 25 + 1 per 300 s get
    /// through, and at most ten distinct messages have events within ten minutes.
    #[test]
    fn deliveries_keep_their_rules(steps in prop::collection::vec((0u64..40, 0u8..30), 1..200)) {
        let mut correlator = Correlator::default();
        let (mut now, mut delivered) = (0u64, 0u64);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (number, (pause, message)) in steps.into_iter().enumerate() {
            now += pause;
            let mut it = occurrence(&format!("m{message}"), false, now);
            it.name = format!("e{number}");
            match correlator.correlate(it) {
                Delivery::Create(record) => {
                    delivered += 1;
                    prop_assert!(record.count == 1 && counts.insert(record.name, 1).is_none());
                }
                Delivery::Patch(record) => {
                    delivered += 1;
                    // The first occurrences may have been filtered; then the event is created by this patch.
                    let before = counts.insert(record.name, record.count).unwrap_or(0);
                    prop_assert!(record.count > before);
                }
                Delivery::Filtered => {}
            }
        }
        prop_assert!(delivered <= 25 + now / 300 + 1);
    }
}
