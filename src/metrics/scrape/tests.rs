use super::*;
use crate::metrics::store::{Matcher, is_stale};

fn target() -> Labels {
    Labels::from_pairs([("job", "pods"), ("instance", "10.0.0.1:9797")])
}

/// `labels value, value, …` of each series; a staleness marker is a dash.
fn dump(store: &Store) -> Vec<String> {
    let show = |value: &f64| if is_stale(*value) { "-".to_owned() } else { value.to_string() };
    let mut rows: Vec<String> = store
        .all()
        .map(|series| {
            let values: Vec<String> = series.samples.values().iter().map(show).collect();
            format!("{} {}", series.labels, values.join(" "))
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn a_scrape_adds_target_labels_up_and_its_size() {
    let mut store = Store::default();
    let mut scraper = Scraper::new(target(), HonorLabels::No);
    assert_eq!(scraper.ingest(&mut store, "# TYPE a counter\na{job=\"own\"} 1\nb 2\n", 1_000), Ok(2));
    assert_eq!(
        dump(&store),
        [
            r#"{__name__="a", exported_job="own", instance="10.0.0.1:9797", job="pods"} 1"#,
            r#"{__name__="b", instance="10.0.0.1:9797", job="pods"} 2"#,
            r#"{__name__="scrape_samples_scraped", instance="10.0.0.1:9797", job="pods"} 2"#,
            r#"{__name__="up", instance="10.0.0.1:9797", job="pods"} 1"#,
        ]
    );
    assert_eq!(scraper.metadata()["a"].kind.name(), "counter");
}

#[test]
fn honoured_labels_stay_what_the_target_says() {
    let mut store = Store::default();
    let labels = Labels::from_pairs([("namespace", "ingress")]);
    Scraper::new(labels, HonorLabels::Yes).ingest(&mut store, "a{namespace=\"test\"} 1", 1).unwrap();
    assert_eq!(store.select(&[Matcher::equal("namespace", "test")]).count(), 1);
}

#[test]
fn series_that_vanish_end_and_may_come_back() {
    let mut store = Store::default();
    let mut scraper = Scraper::new(Labels::empty(), HonorLabels::No);
    for (t, text) in [(1, "a 1\nb 1"), (2, "a 2"), (3, "a 3\nb 3"), (4, "this is {no exposition"), (5, "a 5\nb 5")] {
        let _ = scraper.ingest(&mut store, text, t);
    }
    scraper.fail(&mut store, 6).unwrap();
    scraper.vanish(&mut store, 7);
    assert_eq!(
        dump(&store),
        [
            r#"{__name__="a"} 1 2 3 - 5 -"#,
            r#"{__name__="b"} 1 - 3 - 5 -"#,
            r#"{__name__="scrape_samples_scraped"} 2 1 2 0 2 0 -"#,
            r#"{__name__="up"} 1 1 1 0 1 0 -"#,
        ]
    );
}

#[test]
fn samples_with_their_own_time_are_not_ended() {
    let mut store = Store::default();
    let mut scraper = Scraper::new(Labels::empty(), HonorLabels::No);
    scraper.ingest(&mut store, "a 1 500", 1_000).unwrap();
    scraper.fail(&mut store, 2_000).unwrap();
    let series = store.select(&[Matcher::equal(METRIC_NAME, "a")]).next().unwrap();
    assert_eq!((series.samples.times(), series.samples.values()), (&[500][..], &[1.0][..]));
}

#[test]
fn a_full_store_is_a_failed_scrape() {
    let limits = crate::metrics::store::Limits { max_series: 3, ..Default::default() };
    let mut store = Store::new(limits);
    let mut scraper = Scraper::new(Labels::empty(), HonorLabels::No);
    scraper.ingest(&mut store, "a 1", 1).unwrap();
    let error = scraper.ingest(&mut store, "a 1\nb 1\nc 1", 2).unwrap_err();
    assert!(matches!(error, ScrapeError::Store(AppendError::TooManySeries { limit: 3 })));
    let up = store.select(&[Matcher::equal(METRIC_NAME, "up")]).next().unwrap();
    assert_eq!(up.samples.values(), [1.0, 0.0]);
}

#[test]
fn offsets_are_spread_and_always_the_same() {
    let interval = Duration::from_secs(5);
    let offsets: Vec<Duration> =
        (0..200).map(|pod| offset(&Labels::from_pairs([("pod", pod.to_string())]), interval)).collect();
    assert!(offsets.iter().all(|offset| *offset < interval));
    let early = offsets.iter().filter(|offset| **offset < interval / 2).count();
    assert!((70..130).contains(&early), "{early} of 200 in the first half");
    assert_eq!(offset(&target(), interval), offset(&target(), interval));
    assert_eq!(offset(&target(), Duration::ZERO), Duration::ZERO);
}
