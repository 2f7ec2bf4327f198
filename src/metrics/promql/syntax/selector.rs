//! Selectors: `name{label="value", …}`, with what moves them in time.

use super::grammar::{Parsed, Parser};
use super::lexer::Item;
use super::token::{Keyword, Preprocessor, Token};
use super::{Node, ParseError, Selector, Span, What, When};
use crate::metrics::labels::METRIC_NAME;
use crate::metrics::promql::expr::{At, BinaryOp};
use crate::metrics::store::{MatchKind, Matcher};

/// What may stand where a duration is wanted.
const DURATION_WANTED: &str = "number, duration, step(), or range()";

impl Parser<'_> {
    /// A selector that begins with a name, which was read.
    pub(super) fn named_selector(&mut self, name: Item) -> Parsed<Node> {
        let mut matchers = Vec::new();
        if self.peek()?.token == Token::LeftBrace {
            self.next()?;
            matchers = self.matchers()?;
        }
        let name_text = self.text_of(name).to_owned();
        matchers.push(Matcher::equal(METRIC_NAME, &name_text));
        let selector = Selector { name: name_text, matchers, when: When::default() };
        Ok(self.node(name.start, 0, What::Selector(selector)))
    }

    /// A selector without a name in front; its brace was read.
    pub(super) fn bare_selector(&mut self, brace: Item) -> Parsed<Node> {
        let matchers = self.matchers()?;
        let selector = Selector { name: String::new(), matchers, when: When::default() };
        Ok(self.node(brace.start, 0, What::Selector(selector)))
    }

    /// Conditions up to the closing brace.
    fn matchers(&mut self) -> Parsed<Vec<Matcher>> {
        let mut matchers = Vec::new();
        if self.accept(Token::RightBrace)? {
            return Ok(matchers);
        }
        loop {
            matchers.push(self.matcher()?);
            if self.accept(Token::RightBrace)? {
                return Ok(matchers);
            }
            if !self.accept(Token::Comma)? {
                return self.unexpected("label matching", "\",\" or \"}\"");
            }
            if self.accept(Token::RightBrace)? {
                return Ok(matchers);
            }
        }
    }

    fn matcher(&mut self) -> Parsed<Matcher> {
        let label = self.peek()?;
        let name = match label.token {
            Token::Identifier => self.text_of(label).to_owned(),
            Token::Text => self.unquoted(label),
            _ => return self.unexpected("label matching", "identifier or \"}\""),
        };
        self.next()?;
        let kind = match self.peek()?.token {
            Token::Equal => MatchKind::Equal,
            Token::Operator(BinaryOp::NotEqual) => MatchKind::NotEqual,
            Token::Matches => MatchKind::Regex,
            Token::MatchesNot => MatchKind::NotRegex,
            // A quoted name alone is the metric's.
            _ if label.token == Token::Text => return Ok(Matcher::equal(METRIC_NAME, &name)),
            _ => return self.unexpected("label matching", "label matching operator"),
        };
        self.next()?;
        let value = self.peek()?;
        if value.token != Token::Text {
            return self.unexpected("label matching", "string");
        }
        self.next()?;
        let value = self.unquoted(value);
        Matcher::new(kind, &name, &value).map_err(|error| ParseError { start: label.start, text: error.to_string() })
    }

    /// What follows a part and belongs to it alone: ranges, offsets, fixed times.
    pub(super) fn with_modifiers(&mut self, mut node: Node) -> Parsed<Node> {
        loop {
            node = match self.peek()?.token {
                Token::LeftBracket => self.ranged(node)?,
                Token::Keyword(Keyword::Offset) => self.shifted(node)?,
                Token::At => self.fixed(node)?,
                Token::Keyword(word @ (Keyword::Anchored | Keyword::Smoothed)) => {
                    let word = if word == Keyword::Anchored { "anchored" } else { "smoothed" };
                    self.next()?;
                    return ParseError::new(node.start, format!("{word} modifier is experimental and not enabled"));
                }
                _ => return Ok(node),
            };
        }
    }

    /// `[range]` or `[range:step]`.
    fn ranged(&mut self, node: Node) -> Parsed<Node> {
        let bracket = self.next()?;
        let wanted = ("subquery or range selector", DURATION_WANTED);
        let range = self.positive_duration(wanted)?;
        if self.accept(Token::RightBracket)? {
            return self.range_of(node, bracket.start, range);
        }
        if !self.accept(Token::Colon)? {
            return self.unexpected("subquery or range", "\":\" or \"]\"");
        }
        let step = if self.peek()?.token == Token::RightBracket {
            None
        } else {
            let wanted = ("subquery selector", "number, duration, step(), range(), or \"]\"");
            Some(self.positive_duration(wanted)?)
        };
        if !self.accept(Token::RightBracket)? {
            return self.unexpected("subquery selector", "\"]\"");
        }
        let (start, depth) = (node.start, node.depth);
        let what = What::Subquery { inner: Box::new(node), range, step, when: When::default() };
        Ok(self.node(start, depth, what))
    }

    fn range_of(&mut self, node: Node, bracket: usize, range: Span) -> Parsed<Node> {
        let What::Selector(selector) = node.what else {
            return ParseError::new(bracket, "ranges only allowed for vector selectors");
        };
        if selector.when.offset.as_ref().is_some_and(|it| it.fixed_ms() != 0) {
            return ParseError::new(bracket, "no offset modifiers allowed before range");
        }
        if matches!(selector.when.at, Some(At::Time(_))) {
            return ParseError::new(bracket, "no @ modifiers allowed before range");
        }
        Ok(self.node(node.start, node.depth, What::Range { selector, range }))
    }

    /// `offset duration`.
    fn shifted(&mut self, mut node: Node) -> Parsed<Node> {
        self.next()?;
        let offset = self.offset_duration(("offset", DURATION_WANTED))?;
        let start = node.start;
        let Some(when) = when_of(&mut node) else {
            let text =
                "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return ParseError::new(start, text);
        };
        // One of nothing is none.
        if when.offset.as_ref().is_some_and(|it| it.is_computed() || it.fixed_ms() != 0) {
            return ParseError::new(start, "offset may not be set multiple times");
        }
        when.offset = Some(offset);
        node.end = self.last_end();
        Ok(node)
    }

    /// `@ time`, `@ start()`, `@ end()`.
    fn fixed(&mut self, mut node: Node) -> Parsed<Node> {
        self.next()?;
        let at = match self.peek()?.token {
            Token::Preprocessor(which @ (Preprocessor::Start | Preprocessor::End)) => {
                self.next()?;
                if !self.accept(Token::LeftParen)? || !self.accept(Token::RightParen)? {
                    return self.unexpected("@", "timestamp");
                }
                if which == Preprocessor::Start { At::Start } else { At::End }
            }
            Token::Number | Token::Duration | Token::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                self.time(node.start)?
            }
            _ => return self.unexpected("@", "timestamp"),
        };
        let start = node.start;
        let Some(when) = when_of(&mut node) else {
            let text =
                "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
            return ParseError::new(start, text);
        };
        if when.at.is_some() {
            return ParseError::new(start, "@ <timestamp> may not be set multiple times");
        }
        when.at = Some(at);
        node.end = self.last_end();
        Ok(node)
    }

    /// Seconds since 1970, with or without a sign.
    fn time(&mut self, selector: usize) -> Parsed<At> {
        let mut sign = 1.0;
        if let Token::Operator(op) = self.peek()?.token {
            self.next()?;
            sign = if op == BinaryOp::Sub { -1.0 } else { 1.0 };
        }
        let item = self.peek()?;
        if !matches!(item.token, Token::Number | Token::Duration) {
            return self.unexpected("@", "timestamp");
        }
        self.next()?;
        let seconds = sign * self.number(item)?;
        // Go's 64 bits of seconds; milliseconds end earlier, and saturate there.
        if !seconds.is_finite() || seconds.abs() >= 9_223_372_036_854_775_807.0 {
            let shown =
                if seconds.is_finite() { format!("{seconds:.6}") } else { crate::metrics::number::fixed(seconds) };
            return ParseError::new(selector, format!("timestamp out of bounds for @ modifier: {shown}"));
        }
        Ok(At::Time((seconds * 1000.0).round() as i64))
    }
}

/// Of what can be moved in time, when it looks.
fn when_of(node: &mut Node) -> Option<&mut When> {
    match &mut node.what {
        What::Selector(selector) | What::Range { selector, .. } => Some(&mut selector.when),
        What::Subquery { when, .. } => Some(when),
        _ => None,
    }
}
