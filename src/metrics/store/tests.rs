use super::*;
use proptest::prelude::*;

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
}

#[test]
fn samples_must_come_in_order() {
    let mut store = Store::new(Limits::default());
    let up = labels("__name__=up,job=a");
    assert!(store.append(&up, 1_000, 1.0).is_ok());
    assert!(store.append(&up, 1_000, 1.0).is_ok(), "the same again changes nothing");
    assert_eq!(store.append(&up, 1_000, 2.0), Err(AppendError::Duplicate));
    assert_eq!(store.append(&up, 999, 1.0), Err(AppendError::OutOfOrder));
    assert_eq!((store.series_count(), store.sample_count()), (1, 1));
}

#[test]
fn the_stale_marker_is_a_value_of_its_own() {
    let mut store = Store::new(Limits::default());
    let up = labels("__name__=up");
    store.append(&up, 1, f64::NAN).unwrap();
    assert!(!store.select(&[]).next().unwrap().samples.has_stale(), "an ordinary NaN is not stale");
    store.append(&up, 2, STALE).unwrap();
    assert!(store.select(&[]).next().unwrap().samples.has_stale());
    assert_eq!(store.append(&up, 2, f64::NAN), Err(AppendError::Duplicate));
}

#[test]
fn old_samples_and_ended_series_go_away() {
    let limits = Limits { retention_ms: 10_000, ..Limits::default() };
    let mut store = Store::new(limits);
    let (ended, live) = (labels("__name__=a"), labels("__name__=b"));
    let id = store.append(&ended, 0, 1.0).unwrap();
    for t in 0..=20 {
        store.append(&live, t * 1_000, 1.0).unwrap();
    }
    store.truncate();
    assert_eq!((store.series_count(), store.sample_count()), (1, 10), "10 s, left-open");
    assert_eq!(store.append_to(id, 21_000, 1.0), Err(AppendError::Gone));
    assert_eq!(store.select(&[Matcher::equal(METRIC_NAME, "a")]).count(), 0);
}

#[test]
fn limits_say_what_is_full() {
    let mut store = Store::new(Limits { max_series: 1, max_samples: 2, ..Limits::default() });
    let one = labels("__name__=a");
    store.append(&one, 1, 1.0).unwrap();
    assert_eq!(store.append(&labels("__name__=b"), 1, 1.0), Err(AppendError::TooManySeries { limit: 1 }));
    store.append(&one, 2, 1.0).unwrap();
    assert_eq!(store.append(&one, 3, 1.0), Err(AppendError::TooManySamples { limit: 2 }));
}

#[test]
fn matchers_choose_as_prometheus_does() {
    use MatchKind::{Equal, NotEqual, NotRegex, Regex};
    let mut store = Store::new(Limits::default());
    for text in ["__name__=up,job=a", "__name__=up,job=ab", "__name__=up", "__name__=down,job=a"] {
        store.append(&labels(text), 1, 1.0).unwrap();
    }
    let count = |matchers: &[(MatchKind, &str, &str)]| {
        let made = matchers.iter().map(|(kind, name, value)| Matcher::new(*kind, name, value).unwrap());
        store.select(&made.collect::<Vec<_>>()).count()
    };
    assert_eq!(count(&[(Equal, METRIC_NAME, "up")]), 3);
    assert_eq!(count(&[(Equal, METRIC_NAME, "up"), (Equal, "job", "")]), 1, "absent is empty");
    assert_eq!(count(&[(NotEqual, "job", "a")]), 2);
    assert_eq!(count(&[(Regex, "job", "a")]), 2, "patterns are anchored");
    assert_eq!(count(&[(Regex, "job", "a.*"), (Regex, METRIC_NAME, "u.|d.*")]), 3);
    assert_eq!(count(&[(NotRegex, "job", "a.*")]), 1);
    assert_eq!(count(&[(Regex, "job", ".+"), (NotEqual, METRIC_NAME, "up")]), 1);
    assert!(Matcher::new(Regex, "job", "(").unwrap_err().to_string().contains("error parsing regexp"));
}

#[derive(Debug, Clone)]
struct Op {
    series: u8,
    step: i64,
    value: i8,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0u8..6, -2i64..5, any::<i8>()).prop_map(|(series, step, value)| Op { series, step, value });
    proptest::collection::vec(op, 0..200)
}

proptest! {
    /// Against a list of all accepted samples that is filtered when asked.
    #[test]
    fn append_and_select_agree_with_a_naive_model(ops in ops(), retention in 1i64..200) {
        let mut store = Store::new(Limits { retention_ms: retention, ..Limits::default() });
        let mut model: BTreeMap<u8, Vec<(i64, f64)>> = BTreeMap::new();
        let mut now = 0;
        for op in &ops {
            now = (now + op.step).max(0);
            let series = labels(&format!("__name__=m{},s={}", op.series % 2, op.series));
            let taken = store.append(&series, now, f64::from(op.value)).is_ok();
            let known = model.entry(op.series).or_default();
            let last = known.last().copied();
            let fits = last.is_none_or(|(t, v)| now > t || (now == t && v.to_bits() == f64::from(op.value).to_bits()));
            prop_assert_eq!(taken, fits);
            if fits && last.is_none_or(|(t, _)| now > t) {
                known.push((now, f64::from(op.value)));
            }
        }
        store.truncate();
        let newest = model.values().flatten().map(|(t, _)| *t).max().unwrap_or(0);
        let mut total = 0;
        for (series, samples) in &model {
            let kept: Vec<(i64, f64)> = samples.iter().copied().filter(|(t, _)| *t > newest - retention).collect();
            total += kept.len();
            let matchers = [
                Matcher::equal(METRIC_NAME, &format!("m{}", series % 2)),
                Matcher::new(MatchKind::Regex, "s", &series.to_string()).unwrap(),
            ];
            let found: Vec<&Series> = store.select(&matchers).collect();
            prop_assert_eq!(found.len(), usize::from(!kept.is_empty()));
            let got: Option<Vec<(i64, f64)>> = found.first().map(|series| {
                series.samples.times().iter().copied().zip(series.samples.values().iter().copied()).collect()
            });
            prop_assert_eq!(got.unwrap_or_default(), kept);
        }
        prop_assert_eq!(store.sample_count(), total);
    }
}
