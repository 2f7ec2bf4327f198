//! Durations as queries have them: numbers, and what computes one (`5m * 2`, `step() + 30s`, `min_of(range(), 1h)`).

use super::ParseError;
use super::grammar::{PRODUCT, Parsed, Parser, Wanted};
use super::lexer::Item;
use super::token::{Preprocessor, Token};
use crate::metrics::duration::Written;
use crate::metrics::number;
use crate::metrics::promql::MAX_QUERY_DEPTH;
use crate::metrics::promql::expr::BinaryOp;
use serde_json::{Value as Json, json};
use std::fmt::{self, Display};

/// Go's longest duration, in seconds.
const LONGEST_SECONDS: f64 = 9_223_372_036.854_776;

/// A duration as written.
#[derive(Debug, Clone)]
pub(in crate::metrics::promql) struct Span {
    /// Where Prometheus says that its text begins and ends, in bytes.
    pub(super) start: usize,
    end: usize,
    /// How many terms lie above one another, this one counted.
    depth: usize,
    /// It stands in parentheses, which for numbers are not kept.
    wrapped: bool,
    term: Term,
}

#[derive(Debug, Clone)]
enum Term {
    /// Seconds, and whether they were written with units.
    Number {
        seconds: f64,
        duration: bool,
    },
    /// `step()`
    Step,
    /// `range()`
    Range,
    Signed {
        negative: bool,
        inner: Box<Span>,
    },
    /// `min_of(…, …)`
    Least(Box<[Span; 2]>),
    /// `max_of(…, …)`
    Most(Box<[Span; 2]>),
    Binary {
        op: BinaryOp,
        sides: Box<[Span; 2]>,
    },
}

/// What `step()` and `range()` are; nothing for a query at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::metrics::promql) struct Scale {
    pub(in crate::metrics::promql) step_ms: i64,
    pub(in crate::metrics::promql) range_ms: i64,
}

impl Span {
    /// Milliseconds of a number; a duration that is computed is not known yet, and nothing.
    pub(super) fn fixed_ms(&self) -> i64 {
        match self.term {
            // Nanoseconds first, as Go rounds, then cut to milliseconds.
            Term::Number { seconds, .. } => ((seconds * 1e9).round() / 1e6) as i64,
            _ => 0,
        }
    }

    pub(super) fn is_computed(&self) -> bool {
        !matches!(self.term, Term::Number { .. })
    }

    /// Milliseconds, once it is known how the query is evaluated. The error says where, as Prometheus does there.
    pub(in crate::metrics::promql) fn millis(&self, scale: Scale, may_be_negative: bool) -> Result<i64, String> {
        if !self.is_computed() {
            return Ok(self.fixed_ms());
        }
        let seconds = self.seconds(scale)?;
        let refused = |why| Err(self.refusal(why));
        if !seconds.is_finite() {
            return refused("duration is NaN or infinite");
        }
        if seconds <= 0.0 && !may_be_negative {
            return refused("duration must be greater than 0");
        }
        if seconds.abs() > LONGEST_SECONDS {
            return refused("duration is out of range");
        }
        Ok((seconds * 1000.0) as i64)
    }

    fn seconds(&self, scale: Scale) -> Result<f64, String> {
        let both = |sides: &[Self; 2]| Ok::<_, String>((sides[0].seconds(scale)?, sides[1].seconds(scale)?));
        Ok(match &self.term {
            Term::Number { seconds, .. } => *seconds,
            Term::Step => scale.step_ms as f64 / 1000.0,
            Term::Range => scale.range_ms as f64 / 1000.0,
            Term::Signed { negative, inner } => {
                if *negative {
                    -inner.seconds(scale)?
                } else {
                    inner.seconds(scale)?
                }
            }
            Term::Least(sides) => both(sides).map(|(a, b)| if a < b || a.is_nan() { a } else { b })?,
            Term::Most(sides) => both(sides).map(|(a, b)| if a > b || a.is_nan() { a } else { b })?,
            Term::Binary { op, sides } => {
                let (a, b) = both(sides)?;
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Pow => a.powf(b),
                    op if b == 0.0 => return Err(self.refusal(by_zero(*op))),
                    BinaryOp::Div => a / b,
                    _ => a % b,
                }
            }
        })
    }

    /// `start:end: …`: not a line and a column, here.
    fn refusal(&self, why: &str) -> String {
        format!("{}:{}: {why}", self.start, self.end)
    }

    /// With a sign in front of it. A number takes it in.
    fn signed(self, sign: &Item, negative: bool) -> Self {
        match self.term {
            Term::Number { seconds, duration } => {
                let seconds = if negative { -seconds } else { seconds };
                Self { start: sign.start, term: Term::Number { seconds, duration }, ..self }
            }
            _ => self.under_sign(sign, negative),
        }
    }

    fn under_sign(self, sign: &Item, negative: bool) -> Self {
        let (end, depth) = (self.end, self.depth + 1);
        let term = Term::Signed { negative, inner: Box::new(self) };
        Self { start: sign.start, end, depth, wrapped: false, term }
    }

    fn of_two(sides: [Self; 2], term: impl FnOnce(Box<[Self; 2]>) -> Term) -> Self {
        let (start, end) = (sides[0].start, sides[1].end);
        let depth = sides[0].depth.max(sides[1].depth) + 1;
        Self { start, end, depth, wrapped: false, term: term(Box::new(sides)) }
    }

    /// As `/api/v1/parse_query` shows it: nothing for a number that stands alone.
    pub(super) fn json(&self) -> Json {
        if self.is_computed() { self.term_json() } else { Json::Null }
    }

    fn term_json(&self) -> Json {
        let (op, lhs, rhs) = match &self.term {
            Term::Number { seconds, duration } => {
                return json!({"type": "numberLiteral", "val": number::fixed(*seconds), "duration": duration});
            }
            Term::Step => ("step", None, None),
            Term::Range => ("range", None, None),
            Term::Signed { negative, inner } => (if *negative { "-" } else { "+" }, None, Some(&**inner)),
            Term::Least(sides) => ("min_of", Some(&sides[0]), Some(&sides[1])),
            Term::Most(sides) => ("max_of", Some(&sides[0]), Some(&sides[1])),
            Term::Binary { op, sides } => (op.name(), Some(&sides[0]), Some(&sides[1])),
        };
        let side = |it: Option<&Self>| it.map(Self::term_json);
        json!({"type": "durationExpr", "op": op, "lhs": side(lhs), "rhs": side(rhs), "wrapped": self.wrapped})
    }
}

fn by_zero(op: BinaryOp) -> &'static str {
    if op == BinaryOp::Div { "division by zero" } else { "modulo by zero" }
}

/// A number that stands alone is written as a duration; within others as it was written.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_computed() { self.term.fmt(f, self.wrapped) } else { Written(self.fixed_ms()).fmt(f) }
    }
}

impl Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>, wrapped: bool) -> fmt::Result {
        if wrapped {
            f.write_str("(")?;
        }
        let part = |f: &mut fmt::Formatter<'_>, it: &Span| it.term.fmt(f, it.wrapped);
        let two = |f: &mut fmt::Formatter<'_>, before: &str, sides: &[Span; 2], between: &str, after: &str| {
            f.write_str(before)?;
            part(f, &sides[0])?;
            f.write_str(between)?;
            part(f, &sides[1])?;
            f.write_str(after)
        };
        match self {
            Self::Number { seconds, duration: true } => Written((seconds * 1000.0) as i64).fmt(f)?,
            Self::Number { seconds, duration: false } => f.write_str(&number::fixed(*seconds))?,
            Self::Step => f.write_str("step()")?,
            Self::Range => f.write_str("range()")?,
            Self::Signed { negative, inner } => {
                f.write_str(if *negative { "-" } else { "" })?;
                part(f, inner)?;
            }
            Self::Least(sides) => two(f, "min_of(", sides, ", ", ")")?,
            Self::Most(sides) => two(f, "max_of(", sides, ", ", ")")?,
            Self::Binary { op, sides } => two(f, "", sides, &format!(" {} ", op.name()), "")?,
        }
        if wrapped { f.write_str(")") } else { Ok(()) }
    }
}

impl Parser<'_> {
    /// A range or step: more than nothing, as far as that can be seen in its text.
    pub(super) fn positive_duration(&mut self, wanted: Wanted) -> Parsed<Span> {
        let span = self.duration(0, wanted)?;
        match span.term {
            Term::Number { seconds, .. } if seconds <= 0.0 => {
                ParseError::new(span.start, "duration must be greater than 0")
            }
            _ => Ok(span),
        }
    }

    /// An offset, which may be negative. Operators belong to it only where it begins with a parenthesis or two signs.
    pub(super) fn offset_duration(&mut self, wanted: Wanted) -> Parsed<Span> {
        let sign = self.peek()?;
        let Token::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) = sign.token else {
            let paren = sign.token == Token::LeftParen;
            return if paren { self.duration(0, wanted) } else { self.duration_term(None, wanted) };
        };
        self.next()?;
        let negative = op == BinaryOp::Sub;
        Ok(match self.peek()?.token {
            Token::LeftParen => {
                let inner = self.duration_term(None, wanted)?;
                if inner.is_computed() && !negative { inner } else { inner.signed(&sign, negative) }
            }
            Token::Operator(BinaryOp::Add | BinaryOp::Sub) => {
                let inner = self.duration(PRODUCT + 1, wanted)?.signed(&sign, negative);
                self.operated(inner, 0, wanted)?
            }
            Token::Preprocessor(_) => self.duration_term(None, wanted)?.under_sign(&sign, negative),
            _ => self.duration_term(Some(sign.start), wanted)?.signed(&sign, negative),
        })
    }

    /// A duration whose operators all bind at least so tightly.
    fn duration(&mut self, least: u8, wanted: Wanted) -> Parsed<Span> {
        self.depth += 1;
        if self.depth > MAX_QUERY_DEPTH {
            return too_deep(self.last_end());
        }
        let item = self.peek()?;
        let left = match item.token {
            Token::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.next()?;
                let inner = self.duration(PRODUCT + 1, wanted)?;
                let dropped = inner.is_computed() && op == BinaryOp::Add;
                if dropped { inner } else { inner.signed(&item, op == BinaryOp::Sub) }
            }
            _ => self.duration_term(None, wanted)?,
        };
        let span = self.operated(left, least, wanted)?;
        self.depth -= 1;
        Ok(span)
    }

    /// What follows the left side: operators that bind at least so tightly, with their right sides.
    fn operated(&mut self, mut left: Span, least: u8, wanted: Wanted) -> Parsed<Span> {
        use BinaryOp as Op;
        while let item = self.peek()?
            && let Token::Operator(op @ (Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Mod | Op::Pow)) = item.token
            && op.precedence() >= least
        {
            self.next()?;
            let right = self.duration(op.right(), wanted)?;
            let zero = matches!(right.term, Term::Number { seconds: 0.0, .. });
            if zero && matches!(op, Op::Div | Op::Mod) {
                return ParseError::new(item.start, by_zero(op));
            }
            left = Span::of_two([left, right], |sides| Term::Binary { op, sides });
            if left.depth > MAX_QUERY_DEPTH {
                return too_deep(left.start);
            }
        }
        Ok(left)
    }

    /// A number, `step()` and the like, or a duration in parentheses. `sign` is where a number's sign stands, which is then
    /// where it is out of range.
    fn duration_term(&mut self, sign: Option<usize>, wanted: Wanted) -> Parsed<Span> {
        let item = self.peek()?;
        match item.token {
            Token::Number | Token::Duration => {
                self.next()?;
                let seconds = self.number(item)?;
                if !(-LONGEST_SECONDS..=LONGEST_SECONDS).contains(&seconds) {
                    return ParseError::new(sign.unwrap_or(item.start), "duration out of range");
                }
                let term = Term::Number { seconds, duration: item.token == Token::Duration };
                Ok(Span { start: item.start, end: item.end, depth: 1, wrapped: false, term })
            }
            Token::LeftParen => {
                self.next()?;
                let inner = self.duration(0, wanted)?;
                self.close(wanted)?;
                let wrapped = inner.is_computed();
                Ok(Span { wrapped, ..inner })
            }
            Token::Preprocessor(which) if !matches!(which, Preprocessor::Start | Preprocessor::End) => {
                self.next()?;
                self.preprocessed(item, which, wanted)
            }
            _ => self.unexpected(wanted.0, wanted.1),
        }
    }

    /// What follows `step`, `range`, `min_of` or `max_of`.
    fn preprocessed(&mut self, name: Item, which: Preprocessor, wanted: Wanted) -> Parsed<Span> {
        if !self.accept(Token::LeftParen)? {
            return self.unexpected(wanted.0, wanted.1);
        }
        let term = match which {
            Preprocessor::MaxOf | Preprocessor::MinOf => {
                let first = self.duration(0, wanted)?;
                if !self.accept(Token::Comma)? {
                    return self.unexpected(wanted.0, wanted.1);
                }
                let sides = [first, self.duration(0, wanted)?];
                self.close(wanted)?;
                let term = if which == Preprocessor::MaxOf { Term::Most } else { Term::Least };
                return Ok(Span::of_two(sides, term));
            }
            Preprocessor::Step => Term::Step,
            _ => Term::Range,
        };
        self.close(wanted)?;
        Ok(Span { start: name.start, end: self.last_end(), depth: 1, wrapped: false, term })
    }

    fn close(&mut self, wanted: Wanted) -> Parsed<()> {
        if self.accept(Token::RightParen)? { Ok(()) } else { self.unexpected(wanted.0, wanted.1) }
    }
}

fn too_deep<T>(start: usize) -> Parsed<T> {
    ParseError::new(start, format!("the query nests deeper than {MAX_QUERY_DEPTH}"))
}
