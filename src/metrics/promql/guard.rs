//! Looks over a query's text before the parser does, and refuses what would overflow its stack or its durations.

use super::value::QueryError;
use super::{MAX_QUERY_BYTES, MAX_QUERY_DEPTH};
use std::iter::Peekable;
use std::str::CharIndices;

/// The longest duration that is read, in seconds: Go's 292 years.
const MAX_DURATION_SECONDS: f64 = 9.2e9;

/// Says whether the parser may have this text.
pub(super) fn check(query: &str) -> Result<(), QueryError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(QueryError::Parse(format!("the query is longer than {MAX_QUERY_BYTES} bytes")));
    }
    let mut guard = Guard { levels: vec![1], brackets: 0, after_offset: false };
    let mut characters = query.char_indices().peekable();
    let mut previous = ' ';
    while let Some((at, character)) = characters.next() {
        match character {
            '"' | '\'' | '`' => skip_text(&mut characters, character),
            '#' => while characters.next_if(|(_, next)| *next != '\n').is_some() {},
            '{' => skip_braces(&mut characters),
            word if word.is_alphanumeric() || word == '_' || word == '.' => {
                let end = word_end(&mut characters, query.len(), begins_number(word));
                guard.word(&query[at..end])?;
            }
            other => guard.symbol(other, previous),
        }
        if guard.depth() > MAX_QUERY_DEPTH {
            return Err(QueryError::Parse(format!("the query nests deeper than {MAX_QUERY_DEPTH}")));
        }
        previous = character;
    }
    Ok(())
}

struct Guard {
    /// Operators seen in each open parenthesis: a chain of them becomes a tree as deep as it is long.
    levels: Vec<usize>,
    brackets: usize,
    /// The last word was `offset`, and only signs and space came since.
    after_offset: bool,
}

impl Guard {
    fn depth(&self) -> usize {
        self.levels.iter().sum()
    }

    fn operator(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            *level += 1;
        }
    }

    fn word(&mut self, word: &str) -> Result<(), QueryError> {
        let lower = word.to_ascii_lowercase();
        let is_duration = self.brackets > 0 || self.after_offset;
        self.after_offset = lower == "offset";
        if matches!(lower.as_str(), "and" | "or" | "unless" | "atan2") {
            self.operator();
        }
        // `inf` and `nan` read as numbers too, and hexadecimal ones are always short enough unless they are long texts.
        let seconds = lower.parse::<f64>().ok();
        let too_long = seconds.is_some_and(|seconds| seconds.is_nan() || seconds > MAX_DURATION_SECONDS)
            || (lower.starts_with("0x") && lower.len() > 10);
        if is_duration && too_long {
            return Err(QueryError::Parse(format!("duration out of range: {word}")));
        }
        Ok(())
    }

    fn symbol(&mut self, symbol: char, previous: char) {
        match symbol {
            '(' => self.levels.push(1),
            ')' if self.levels.len() > 1 => {
                // What was inside is as deep as it was, but beside what follows, not above it.
                self.levels.pop();
            }
            '[' => {
                self.brackets += 1;
                self.operator();
            }
            ']' => self.brackets = self.brackets.saturating_sub(1),
            '+' | '-' | '*' | '/' | '%' | '^' => self.operator(),
            '=' | '<' | '>' | '!' if !matches!(previous, '=' | '<' | '>' | '!') => self.operator(),
            _ => {}
        }
        if !symbol.is_whitespace() && symbol != '-' && symbol != '+' {
            self.after_offset = false;
        }
    }
}

/// A number may have a sign after its exponent's letter, which must not cut it in two.
fn begins_number(word: char) -> bool {
    word.is_ascii_digit() || word == '.'
}

fn word_end(characters: &mut Peekable<CharIndices>, length: usize, number: bool) -> usize {
    let mut last = ' ';
    loop {
        let exponent = number && matches!(last, 'e' | 'E');
        let more = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || (exponent && matches!(c, '+' | '-'));
        match characters.next_if(|(_, next)| more(*next)) {
            Some((_, next)) => last = next,
            None => return characters.peek().map_or(length, |(at, _)| *at),
        }
    }
}

fn skip_text(characters: &mut Peekable<CharIndices>, quote: char) {
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return;
        }
        if character == '\\' && quote != '`' {
            characters.next();
        }
    }
}

fn skip_braces(characters: &mut Peekable<CharIndices>) {
    while let Some((_, character)) = characters.next() {
        match character {
            '}' => return,
            '"' | '\'' | '`' => skip_text(characters, character),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_could_not_bear_is_refused() {
        for bad in [
            "x[1e300]",
            "x[9e99:1m]",
            "x offset 1e300",
            "x offset - 1e+300",
            "x offset inf",
            "x offset NaN",
            &"(".repeat(10_000),
            &"-".repeat(10_000),
            &"1+".repeat(10_000),
            &"x[1m:]".repeat(5_000),
            &" ".repeat(MAX_QUERY_BYTES + 1),
        ] {
            assert!(check(bad).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
        for good in ["1e300", "x * 1e300", "inf", "x[5m] offset -1d", "{a=\"((((\"}", "# ((((\n1", "'[1e300]'"] {
            assert!(check(good).is_ok(), "{good}");
        }
    }
}
