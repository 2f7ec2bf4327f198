//! The part of JSONPath that printer columns use: `.a.b`, `['a.b']`, `.a\.b`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.

use serde_json::Value;

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// Items whose field at the path has the text.
    Where(Vec<String>, String),
}

/// What the path finds; nothing if it is not understood.
pub fn find<'a>(path: &str, root: &'a Value) -> Vec<&'a Value> {
    let Some(steps) = parse(path) else { return Vec::new() };
    let mut found = vec![root];
    for step in &steps {
        found = found.into_iter().flat_map(|it| follow(step, it)).collect();
    }
    found.into_iter().filter(|it| !it.is_null()).collect()
}

fn follow<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    let list = || value.as_array().into_iter().flatten();
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(at) => {
            let length = value.as_array().map_or(0, Vec::len) as i64;
            let at = if *at < 0 { length + at } else { *at };
            usize::try_from(at).ok().and_then(|at| value.get(at)).into_iter().collect()
        }
        Step::All => match value {
            Value::Object(map) => map.values().collect(),
            _ => list().collect(),
        },
        Step::Where(path, text) => {
            let at = |item: &'a Value| path.iter().try_fold(item, |value, key| value.get(key));
            let fits = |it: &&'a Value| match at(it) {
                Some(Value::String(found)) => found == text,
                Some(Value::Bool(found)) => text == if *found { "true" } else { "false" },
                Some(found) => found.as_i64().is_some_and(|it| text.parse() == Ok(it)),
                None => false,
            };
            list().filter(fits).collect()
        }
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            steps.push(bracket(&inner[..end])?);
            rest = &inner[end + 1..];
        } else {
            let (name, tail) = word(rest.strip_prefix('.')?);
            if name == "*" {
                steps.push(Step::All);
            } else if !name.is_empty() {
                steps.push(Step::Field(name));
            }
            rest = tail;
        }
    }
    Some(steps)
}

/// A field's name up to the next step; a backslash takes the next character as it is.
fn word(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    (name, "")
}

/// Where the bracket closes, quotes and inner brackets aside.
fn closing(text: &str) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0);
    for (at, next) in text.char_indices() {
        match (quote, next) {
            (Some(open), _) if next == open => quote = None,
            (None, '"' | '\'') => quote = Some(next),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let text = text.trim();
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(condition) = text.strip_prefix("?(").and_then(|it| it.strip_suffix(')')) {
        let (left, right) = condition.split_once("==")?;
        let path = left.trim().strip_prefix('@')?;
        let path = path.split('.').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        return Some(Step::Where(path, unquoted(right.trim()).to_owned()));
    }
    match text.parse() {
        Ok(at) => Some(Step::Index(at)),
        Err(_) => Some(Step::Field(unquoted(text).to_owned())),
    }
}

fn unquoted(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote).and_then(|it: &str| it.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}
