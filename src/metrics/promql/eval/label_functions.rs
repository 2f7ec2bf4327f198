//! `label_replace` and `label_join`.

use super::frame::Frame;
use crate::metrics::promql::expr::Piece;
use crate::metrics::promql::value::QueryError;
use regex::{Captures, Regex};

/// Sets label `to` where the value of `from` matches.
pub(super) fn replace(
    mut frame: Frame,
    to: &str,
    replacement: &[Piece],
    from: &str,
    pattern: &Regex,
) -> Result<Frame, QueryError> {
    for labels in &mut frame.labels {
        if let Some(captures) = pattern.captures(labels.get(from)) {
            let value = expand(replacement, &captures);
            *labels = labels.with(to, &value);
        }
    }
    frame.distinct = false;
    frame.merged()
}

/// Sets label `to` to the values of `from`, joined.
pub(super) fn join(mut frame: Frame, to: &str, separator: &str, from: &[String]) -> Result<Frame, QueryError> {
    for labels in &mut frame.labels {
        let values: Vec<&str> = from.iter().map(|name| labels.get(name)).collect();
        let value = values.join(separator);
        *labels = labels.with(to, &value);
    }
    frame.distinct = false;
    frame.merged()
}

fn expand(pieces: &[Piece], captures: &Captures) -> String {
    let group = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Number(number) => captures.get(*number).map_or_else(String::new, |group| group.as_str().to_owned()),
        Piece::Name(name) => captures.name(name).map_or_else(String::new, |group| group.as_str().to_owned()),
    };
    pieces.iter().map(group).collect()
}

/// Reads Go's replacement form: `$1`, `${1}`, `$name`, `${name}`, `$$`. A name is as long as it can be, so `$1x` means
/// group `1x`, which is never there. A `$` that begins none of these stands for itself.
pub(in crate::metrics::promql) fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        pieces.push(Piece::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$".to_owned()));
            rest = after;
            continue;
        }
        let (open, name) = after.strip_prefix('{').map_or((false, after), |name| (true, name));
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        let (name, after_name) = name.split_at(end);
        let after_name = if open { after_name.strip_prefix('}') } else { Some(after_name) };
        match after_name {
            Some(after_name) if !name.is_empty() => {
                pieces.push(name.parse().map_or_else(|_| Piece::Name(name.to_owned()), Piece::Number));
                rest = after_name;
            }
            _ => {
                pieces.push(Piece::Text("$".to_owned()));
                rest = after;
            }
        }
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_read_as_go_reads_them() {
        let text = |text: &str| Piece::Text(text.to_owned());
        for (template, expected) in [
            ("$1", vec![Piece::Number(1)]),
            ("a${1}b$$", vec![text("a"), Piece::Number(1), text("b"), text("$")]),
            ("$1x", vec![Piece::Name("1x".to_owned())]),
            ("${name}", vec![Piece::Name("name".to_owned())]),
            ("$ ${", vec![text("$"), text(" "), text("$"), text("{")]),
            ("", vec![]),
        ] {
            assert_eq!(pieces(template), expected, "{template}");
        }
    }
}
