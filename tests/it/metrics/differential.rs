//! Our PromQL against the real Prometheus: the same samples, the same queries, the same answers.

use super::data::{self, BASE_MS};
use super::prometheus::Prometheus;
use super::queries;
use crate::real::find;
use coalmine::metrics::store::Limits;
use coalmine::metrics::{Database, Labels, QueryError, Value};
use serde_json::Value as Json;

/// How far two values may differ, relatively.
const TOLERANCE: f64 = 1e-9;

/// Moments after the start of the data, in milliseconds: amid everything, in the hole, off any grid, near the end, past it.
const INSTANTS_MS: [i64; 6] = [95_000, 600_000, 1_234_567, 1_500_000, 2_399_000, 2_640_000];
/// From, to and step, in milliseconds after the start.
const RANGES_MS: [(i64, i64, i64); 3] =
    [(0, 2_700_000, 60_000), (403_210, 1_003_210, 7_000), (1_995_000, 2_400_000, 15_000)];

/// An answer in a form that can be compared: label sets with their points.
type Rows = Vec<(String, Vec<(i64, f64)>)>;

/// Our database with the samples.
pub fn database(series: &[data::Series]) -> Database {
    let database = Database::new(Limits::default());
    for series in series {
        for (t, value) in &series.samples {
            database.append(&series.labels, *t, *value).expect("the data are in order");
        }
    }
    database
}

fn ours(value: Value) -> Rows {
    match value {
        Value::Scalar { t_ms, value } => vec![("scalar".to_owned(), vec![(t_ms, value)])],
        Value::Text { t_ms, text } => vec![(format!("string {text}"), vec![(t_ms, 0.0)])],
        Value::Vector(samples) => {
            samples.into_iter().map(|sample| (sample.labels.to_string(), vec![(sample.t_ms, sample.value)])).collect()
        }
        Value::Matrix(series) => series.into_iter().map(|series| (series.labels.to_string(), series.points)).collect(),
    }
}

fn theirs(answer: &Json) -> Result<Rows, String> {
    if answer["status"] != "success" {
        return Err(answer["error"].as_str().unwrap_or_default().to_owned());
    }
    let point = |pair: &Json| {
        let t = pair[0].as_f64().expect("a time");
        let value = pair[1].as_str().expect("a value").replace("Inf", "inf").parse().unwrap_or(f64::NAN);
        ((t * 1000.0).round() as i64, value)
    };
    let result = &answer["data"]["result"];
    Ok(match answer["data"]["resultType"].as_str().expect("a type") {
        "scalar" => vec![("scalar".to_owned(), vec![point(result)])],
        "string" => vec![(format!("string {}", result[1].as_str().expect("a text")), vec![(point(result).0, 0.0)])],
        _ => result
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| {
                let metric = row["metric"].as_object().expect("labels");
                let labels = metric.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a text")));
                let points = match row.get("value") {
                    Some(value) => vec![point(value)],
                    None => row["values"].as_array().expect("points").iter().map(point).collect(),
                };
                (Labels::from_pairs(labels).to_string(), points)
            })
            .collect(),
    })
}

fn same_value(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
        || (a.abs() < 1e-300 && b.abs() < 1e-300)
}

fn same_row(ours: &(String, Vec<(i64, f64)>), theirs: &(String, Vec<(i64, f64)>)) -> bool {
    let same_points = || ours.1.iter().zip(&theirs.1).all(|(a, b)| a.0 == b.0 && same_value(a.1, b.1));
    ours.0 == theirs.0 && ours.1.len() == theirs.1.len() && same_points()
}

/// Why a pattern cannot be compiled is said in the words of the library that compiles it.
fn is_about_a_pattern(ours: &str, theirs: &str) -> bool {
    const WORDS: &str = "error parsing regexp: ";
    let place = |text: &str| text.split_once(WORDS).map(|(place, _)| place.to_owned());
    place(ours).is_some_and(|ours| place(theirs).is_some_and(|theirs| theirs.ends_with(&ours)))
}

/// What differs; nothing if nothing does.
fn difference(
    query: &str,
    ours: Result<Rows, QueryError>,
    theirs: Result<Rows, String>,
    ordered: bool,
) -> Option<String> {
    let (mut ours, mut theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(ours), Err(theirs)) => {
            if let QueryError::Parse(text) = &ours {
                let same = theirs.ends_with(&format!(": {text}")) || is_about_a_pattern(text, &theirs);
                return (!same).then(|| format!("{query}\n  ours: {text}\n  theirs: {theirs}"));
            }
            // Which of several series is named first is chance in Prometheus; the first words are not.
            let words: String = ours.to_string().chars().take(30).collect();
            return (!theirs.contains(&words)).then(|| format!("{query}\n  ours: {ours}\n  theirs: {theirs}"));
        }
        (ours, theirs) => return Some(format!("{query}\n  ours: {ours:?}\n  theirs: {theirs:?}")),
    };
    if !ordered {
        ours.sort_by(|a, b| a.0.cmp(&b.0));
        theirs.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let same = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| same_row(a, b));
    let odd = ours.iter().zip(&theirs).find(|(a, b)| !same_row(a, b));
    (!same).then(|| format!("{query}: {} rows against {}\n  ours, theirs: {odd:?}", ours.len(), theirs.len()))
}

#[tokio::test]
async fn queries_give_what_prometheus_gives() {
    let Some(program) = find("prometheus") else { return };
    let series = data::all();
    let prometheus = Prometheus::start(program).await.expect("prometheus starts");
    prometheus.write(&series).await;
    let database = database(&series);
    let mut differences = Vec::new();
    for query in queries::all() {
        let ordered = queries::has_order(query);
        for at in INSTANTS_MS {
            let t_ms = BASE_MS + at;
            let parameters = [("query", query), ("time", &seconds(t_ms))];
            let theirs = theirs(&prometheus.ask("/api/v1/query", &parameters).await);
            let ours = database.instant(query, t_ms).map(ours);
            differences.extend(difference(&format!("{query} @{at}"), ours, theirs, ordered));
        }
        for (from, to, step) in RANGES_MS {
            let (start, end) = (BASE_MS + from, BASE_MS + to);
            let (start_s, end_s, step_s) = (seconds(start), seconds(end), seconds(step));
            let parameters = [("query", query), ("start", &start_s), ("end", &end_s), ("step", &step_s)];
            let theirs = theirs(&prometheus.ask("/api/v1/query_range", &parameters).await);
            let ours = database.range(query, start, end, step).map(ours);
            differences.extend(difference(&format!("{query} @{from}..{to}/{step}"), ours, theirs, true));
        }
    }
    assert!(differences.is_empty(), "{} answers differ:\n{}", differences.len(), differences.join("\n"));
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[test]
fn every_query_is_there_once() {
    let all: Vec<&str> = queries::all().collect();
    let distinct: std::collections::BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len());
    assert!(all.len() >= 120, "{} queries", all.len());
}
