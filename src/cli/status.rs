//! `coalmine status`: the labs that are written down, and how they stand.

use super::Exit;
use super::args::{Output, StatusArgs};
use super::terminal::{self, complain, say};
use crate::home::{Found, Home, HomeError, State};
use crate::model::duration::go;
use crate::sys::clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

const COLUMNS: [&str; 9] =
    ["NAME", "STATE", "KIND", "CONTROLLER", "AGE", "KUBERNETES", "PROMETHEUS", "ENTRY", "METRICS"];
/// Blanks between columns, as kubectl has them.
const GAP: usize = 3;

/// With a name: exit code 0 only if that lab can be used.
pub(crate) fn status(args: &StatusArgs) -> Exit {
    let labs = match labs(args) {
        Ok(labs) => labs,
        Err(error) => {
            complain(&terminal::failure("the labs cannot be read", &error));
            return Exit::Lab;
        }
    };
    let now = Clock::wall().now();
    match args.output {
        Some(Output::Json) => say(&as_json(&labs, now)),
        None if labs.is_empty() => complain(&nothing(args)),
        None => say(&as_table(&labs, now)),
    }
    for lab in &labs {
        if let Err(error) = &lab.record {
            complain(&format!("coalmine: {error}\n"));
        }
    }
    let usable = labs.iter().any(|it| it.state == State::Ready);
    if args.name.is_some() && !usable { Exit::Lab } else { Exit::AsExpected }
}

fn labs(args: &StatusArgs) -> Result<Vec<Found>, HomeError> {
    let home = Home::of_user()?;
    match &args.name {
        None => home.labs(),
        Some(name) => Ok(home.find(name)?.into_iter().collect()),
    }
}

fn nothing(args: &StatusArgs) -> String {
    match &args.name {
        None => "no labs: `coalmine up` makes one\n".to_owned(),
        Some(name) => format!("there is no lab `{name}`: `coalmine up --name {name}` makes it\n"),
    }
}

/// Since when it has been there: whole seconds; none for what cannot be read, and for clocks that were set back.
fn age(lab: &Found, now: Timestamp) -> Option<Duration> {
    let started: Timestamp = lab.record.as_ref().ok()?.started.parse().ok()?;
    let millis = u64::try_from(now.as_millisecond() - started.as_millisecond()).ok()?;
    Some(Duration::from_secs(millis / 1_000))
}

fn as_table(labs: &[Found], now: Timestamp) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(labs.iter().map(|it| row(it, now)));
    let width = |column: usize| rows.iter().map(|it| it[column].len()).max().unwrap_or_default() + GAP;
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |row: &[String; 9]| {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(lab: &Found, now: Timestamp) -> [String; 9] {
    let (name, state) = (lab.name.to_string(), lab.state.name().to_owned());
    let unknown = || "<unknown>".to_owned();
    let Ok(record) = &lab.record else {
        return [name, state, unknown(), unknown(), unknown(), unknown(), unknown(), unknown(), unknown()];
    };
    // A lab that is not there has no addresses, whatever it had.
    let endpoints = record.endpoints.as_ref().filter(|_| lab.state == State::Ready);
    let address = |it: Option<&String>| it.cloned().unwrap_or_else(|| "<none>".to_owned());
    [
        name,
        state,
        record.kind.name().to_owned(),
        record.controller.name().to_owned(),
        age(lab, now).map_or_else(unknown, go),
        address(endpoints.map(|it| &it.kubernetes.server)),
        address(endpoints.map(|it| &it.prometheus)),
        address(endpoints.map(|it| &it.entry)),
        address(endpoints.and_then(|it| it.metrics.as_ref())),
    ]
}

/// `{"labs": [...]}`: each as it is written down, with its name, state and age.
fn as_json(labs: &[Found], now: Timestamp) -> String {
    let lab = |it: &Found| {
        let mut value = json!({ "name": it.name.as_str(), "state": it.state.name() });
        if let Some(age) = age(it, now) {
            value["ageSeconds"] = age.as_secs().into();
        }
        match &it.record {
            Err(error) => value["problem"] = error.to_string().into(),
            Ok(record) => {
                if let (Some(value), Ok(Value::Object(fields))) = (value.as_object_mut(), serde_json::to_value(record))
                {
                    value.extend(fields.into_iter().filter(|(key, _)| key != "version"));
                }
            }
        }
        value
    };
    let labs: Vec<Value> = labs.iter().map(lab).collect();
    serde_json::to_string_pretty(&json!({ "labs": labs })).unwrap_or_default() + "\n"
}
