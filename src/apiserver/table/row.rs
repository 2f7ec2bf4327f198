//! The row of an object, made once: its cells as JSON, with gaps for what grows older.

use super::age::human;
use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;

/// A column of a built-in kind, and what a cell of it shows.
#[derive(Debug)]
pub struct Cell {
    pub name: &'static str,
    pub of: &'static str,
    pub priority: i64,
    show: Show,
}

#[derive(Debug)]
enum Show {
    Fixed(fn(&Value) -> Value),
    Aging(fn(&Value) -> Since),
}

/// What a cell shows of a moment.
pub enum Since {
    /// How long ago it was: `before`, `3m5s`, `after`.
    Ago { before: String, second: i64, after: &'static str },
    /// There is no such moment, or it does not matter what time it is now.
    Fixed(String),
}

/// A cell that does not change while the object stays the same.
pub const fn cell(name: &'static str, of: &'static str, priority: i64, show: fn(&Value) -> Value) -> Cell {
    Cell { name, of, priority, show: Show::Fixed(show) }
}

/// A cell with an age.
pub const fn aging(name: &'static str, priority: i64, show: fn(&Value) -> Since) -> Cell {
    Cell { name, of: "string", priority, show: Show::Aging(show) }
}

impl Since {
    /// The age of a date; `<unknown>` if it is none.
    pub fn date(date: &str) -> Self {
        Self::around(String::new(), date, "")
    }

    /// The same between two texts.
    pub fn around(before: String, date: &str, after: &'static str) -> Self {
        match date.parse::<Timestamp>() {
            Ok(then) => Self::Ago { before, second: then.as_second(), after },
            Err(_) => Self::Fixed(format!("{before}<unknown>{after}")),
        }
    }
}

/// The cells of one object.
#[derive(Debug)]
pub struct Row {
    /// A list in JSON without the ages.
    json: Box<str>,
    /// Where in it an age stands, and since when it counts.
    ages: Box<[(usize, i64)]>,
}

impl Row {
    pub fn of(cells: &[Cell], object: &Value) -> Self {
        let (mut json, mut ages) = (String::from("["), Vec::new());
        for Cell { show, .. } in cells {
            if json.len() > 1 {
                json.push(',');
            }
            let fixed = match show {
                Show::Fixed(show) => show(object),
                Show::Aging(show) => match show(object) {
                    Since::Fixed(text) => Value::from(text),
                    Since::Ago { before, second, after } => {
                        let _ = write!(json, "\"{before}");
                        ages.push((json.len(), second));
                        let _ = write!(json, "{after}\"");
                        continue;
                    }
                },
            };
            let _ = write!(json, "{fixed}");
        }
        json.push(']');
        Self { json: json.into_boxed_str(), ages: ages.into_boxed_slice() }
    }

    /// Writes the cells as they are at `now`.
    pub fn write(&self, now: Timestamp, text: &mut BytesMut) {
        let mut done = 0;
        for (at, second) in &self.ages {
            text.put_slice(&self.json.as_bytes()[done..*at]);
            let _ = text.write_str(&human(now.as_second() - second));
            done = *at;
        }
        text.put_slice(&self.json.as_bytes()[done..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ages_grow_and_everything_else_stays() {
        let cells = [
            cell("Name", "string", 0, |it| it["name"].clone()),
            aging("Restarts", 0, |it| Since::around("3 (".to_owned(), it["last"].as_str().unwrap(), " ago)")),
            aging("Never", 0, |_| Since::date("")),
            cell("Count", "integer", 0, |_| json!(7)),
            aging("Age", 0, |it| Since::date(it["last"].as_str().unwrap())),
        ];
        let row = Row::of(&cells, &json!({ "name": "a\"b", "last": "2026-01-01T00:00:00Z" }));
        for (now, age) in [("2026-01-01T00:00:01Z", "1s"), ("2026-01-01T00:03:05Z", "3m5s")] {
            let mut text = BytesMut::new();
            row.write(now.parse().unwrap(), &mut text);
            let cells: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(cells, json!(["a\"b", format!("3 ({age} ago)"), "<unknown>", 7, age]));
        }
    }
}
