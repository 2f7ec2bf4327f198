//! Tokens to a tree, by precedence climbing.

use super::lexer::{Item, Lexer};
use super::token::{Keyword, Token, describe};
use super::{Aggregate, Binary, Function, Matching, Node, ParseError, Quoted, Selector, What, functions};
use crate::metrics::duration;
use crate::metrics::promql::MAX_QUERY_DEPTH;
use crate::metrics::promql::expr::{AggregateOp, BinaryOp, Cardinality};

pub(super) type Parsed<T> = Result<T, ParseError>;

/// A context that messages name, with what was wanted there.
pub(super) type Wanted = (&'static str, &'static str);

pub(super) struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    ahead: Option<Item>,
    /// End of the last token that was taken.
    last_end: usize,
    /// Within the parentheses of an aggregation, which then answers for what is unexpected.
    in_aggregation: bool,
    /// How many expressions are being read within one another.
    pub(super) depth: usize,
}

pub(super) fn parse(text: &str) -> Parsed<Node> {
    let mut parser = Parser::new(text);
    if parser.peek()?.token == Token::End {
        return ParseError::new(0, "no expression found in input");
    }
    let node = parser.expression(0)?;
    if parser.peek()?.token != Token::End {
        return parser.unexpected("", "");
    }
    Ok(node)
}

pub(super) fn parse_selector(text: &str) -> Parsed<Selector> {
    let mut parser = Parser::new(text);
    let first = parser.peek()?;
    let node = match first.token {
        Token::LeftBrace => {
            parser.next()?;
            parser.bare_selector(first)?
        }
        token if token.is_metric_name() => {
            parser.next()?;
            parser.named_selector(first)?
        }
        _ => return parser.unexpected("", ""),
    };
    if parser.peek()?.token != Token::End {
        return parser.unexpected("", "");
    }
    match node.what {
        What::Selector(selector) => Ok(selector),
        _ => parser.unexpected("", ""),
    }
}

impl BinaryOp {
    /// How tightly the operator binds; more is tighter.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            op if op.is_comparison() => 3,
            Self::Add | Self::Sub => 4,
            Self::Pow => 6,
            _ => PRODUCT,
        }
    }

    /// The least precedence that the right side's operators must have.
    pub(super) fn right(self) -> u8 {
        // Only powers group from the right.
        if self == Self::Pow { self.precedence() } else { self.precedence() + 1 }
    }
}

/// Of products; a sign binds as tightly.
pub(super) const PRODUCT: u8 = 5;

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, lexer: Lexer::new(text), ahead: None, last_end: 0, in_aggregation: false, depth: 0 }
    }

    pub(super) fn peek(&mut self) -> Parsed<Item> {
        if let Some(item) = self.ahead {
            return Ok(item);
        }
        let item = self.lexer.next()?;
        self.ahead = Some(item);
        Ok(item)
    }

    pub(super) fn next(&mut self) -> Parsed<Item> {
        let item = self.peek()?;
        self.ahead = None;
        self.last_end = item.end;
        Ok(item)
    }

    pub(super) fn accept(&mut self, token: Token) -> Parsed<bool> {
        let there = self.peek()?.token == token;
        if there {
            self.next()?;
        }
        Ok(there)
    }

    pub(super) fn text_of(&self, item: Item) -> &'t str {
        &self.text[item.start..item.end]
    }

    pub(super) fn last_end(&self) -> usize {
        self.last_end
    }

    /// The next token is not what was `expected` in that context.
    pub(super) fn unexpected<T>(&mut self, context: &str, expected: &str) -> Parsed<T> {
        let item = self.peek()?;
        let context = if context.is_empty() && self.in_aggregation { "aggregation" } else { context };
        let mut text = format!("unexpected {}", describe(item.token, self.text_of(item)));
        for (word, part) in [(" in ", context), (", expected ", expected)] {
            if !part.is_empty() {
                text.push_str(word);
                text.push_str(part);
            }
        }
        ParseError::new(item.start, text)
    }

    /// A node from `start` to the last token, above others that are `below` deep.
    pub(super) fn node(&self, start: usize, below: usize, what: What) -> Node {
        Node { start, end: self.last_end, depth: below + 1, what }
    }

    /// An expression whose operators all bind at least so tightly.
    fn expression(&mut self, least: u8) -> Parsed<Node> {
        self.depth += 1;
        let too_deep = |start| ParseError::new(start, format!("the query nests deeper than {MAX_QUERY_DEPTH}"));
        if self.depth > MAX_QUERY_DEPTH {
            return too_deep(self.last_end);
        }
        let mut left = self.operand()?;
        loop {
            let item = self.peek()?;
            let op = match item.token {
                Token::Operator(op) if op.precedence() >= least => op,
                Token::Trim => {
                    return ParseError::new(item.start, "native histograms, which < / and > / cut, are left out");
                }
                _ => break,
            };
            self.next()?;
            left = self.binary(op, left)?;
            if left.depth > MAX_QUERY_DEPTH {
                return too_deep(left.start);
            }
        }
        self.depth -= 1;
        if left.depth > MAX_QUERY_DEPTH { too_deep(left.start) } else { Ok(left) }
    }

    fn operand(&mut self) -> Parsed<Node> {
        let item = self.peek()?;
        if !item.token.begins_expression() {
            return self.unexpected("", "");
        }
        self.next()?;
        let node = match item.token {
            Token::Number | Token::Duration => {
                let value = self.number(item)?;
                self.node(item.start, 0, What::Number { value, duration: item.token == Token::Duration })
            }
            Token::Text => self.node(item.start, 0, What::Text(self.unquoted(item))),
            Token::LeftParen => self.parenthesis(item)?,
            Token::LeftBrace => self.bare_selector(item)?,
            Token::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => return self.signed(item, op == BinaryOp::Sub),
            name => match (name, self.peek()?.token) {
                (Token::Aggregator, Token::LeftParen | Token::Keyword(Keyword::By | Keyword::Without)) => {
                    self.aggregate(item)?
                }
                (Token::Identifier | Token::Preprocessor(_), Token::LeftParen) => self.call(item)?,
                _ => self.named_selector(item)?,
            },
        };
        self.with_modifiers(node)
    }

    fn parenthesis(&mut self, open: Item) -> Parsed<Node> {
        let inner = self.expression(0)?;
        if !self.accept(Token::RightParen)? {
            return self.unexpected("", "");
        }
        let depth = inner.depth;
        Ok(self.node(open.start, depth, What::Paren(Box::new(inner))))
    }

    fn signed(&mut self, sign: Item, negative: bool) -> Parsed<Node> {
        let inner = self.expression(PRODUCT + 1)?;
        if let What::Number { value, duration } = inner.what {
            let value = if negative { -value } else { value };
            return Ok(Node { start: sign.start, what: What::Number { value, duration }, ..inner });
        }
        let depth = inner.depth;
        Ok(self.node(sign.start, depth, What::Unary { negative, inner: Box::new(inner) }))
    }

    fn binary(&mut self, op: BinaryOp, lhs: Node) -> Parsed<Node> {
        let bool_result = self.accept(Token::Keyword(Keyword::Bool))?;
        let matching = self.matching()?;
        let filled = self.fill()?;
        let rhs = self.expression(op.right())?;
        if filled {
            return ParseError::new(lhs.start, "binop fill modifiers are experimental and not enabled");
        }
        let (start, depth) = (lhs.start, lhs.depth.max(rhs.depth));
        Ok(self.node(start, depth, What::Binary(Box::new(Binary { op, lhs, rhs, bool_result, matching }))))
    }

    /// `on(…)`, `ignoring(…)`, `group_left(…)`, `group_right(…)`.
    fn matching(&mut self) -> Parsed<Matching> {
        let mut matching =
            Matching { cardinality: Cardinality::OneToOne, on: false, labels: Vec::new(), include: Vec::new() };
        match self.peek()?.token {
            Token::Keyword(Keyword::On) => matching.on = true,
            Token::Keyword(Keyword::Ignoring) => {}
            _ => return Ok(matching),
        }
        self.next()?;
        matching.labels = self.grouping()?;
        matching.cardinality = match self.peek()?.token {
            Token::Keyword(Keyword::GroupLeft) => Cardinality::ManyToOne,
            Token::Keyword(Keyword::GroupRight) => Cardinality::OneToMany,
            _ => return Ok(matching),
        };
        self.next()?;
        if self.peek()?.token == Token::LeftParen {
            matching.include = self.grouping()?;
        }
        Ok(matching)
    }

    /// Reads the values that stand for missing series, which are refused; says whether there are any.
    fn fill(&mut self) -> Parsed<bool> {
        let mut any = false;
        while matches!(self.peek()?.token, Token::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) {
            self.next()?;
            any = true;
            if !self.accept(Token::LeftParen)? {
                return self.unexpected("", "");
            }
            if matches!(self.peek()?.token, Token::Operator(BinaryOp::Add | BinaryOp::Sub)) {
                self.next()?;
            }
            let number = matches!(self.peek()?.token, Token::Number | Token::Duration);
            if !number || !self.next().and_then(|_| self.accept(Token::RightParen))? {
                return self.unexpected("", "");
            }
        }
        Ok(any)
    }

    /// Labels in parentheses.
    fn grouping(&mut self) -> Parsed<Vec<String>> {
        if !self.accept(Token::LeftParen)? {
            return self.unexpected("grouping opts", "\"(\"");
        }
        let mut labels = Vec::new();
        if self.accept(Token::RightParen)? {
            return Ok(labels);
        }
        loop {
            labels.push(self.grouping_label()?);
            if self.accept(Token::RightParen)? {
                return Ok(labels);
            }
            if !self.accept(Token::Comma)? {
                return self.unexpected("grouping opts", "\",\" or \")\"");
            }
            if self.accept(Token::RightParen)? {
                return Ok(labels);
            }
        }
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let item = self.peek()?;
        let label = match item.token {
            Token::Text => self.unquoted(item),
            token if token.is_label_name() => self.text_of(item).to_owned(),
            _ => return self.unexpected("grouping opts", "label"),
        };
        self.next()?;
        if label.is_empty() {
            return ParseError::new(item.start, format!("invalid label name for grouping: {}", Quoted(&label)));
        }
        Ok(label)
    }

    fn aggregate(&mut self, name: Item) -> Parsed<Node> {
        let outside = std::mem::replace(&mut self.in_aggregation, true);
        let mut modifier = self.aggregate_modifier()?;
        if self.peek()?.token != Token::LeftParen {
            return self.unexpected("", "");
        }
        let args = self.arguments()?;
        self.in_aggregation = outside;
        if modifier.is_none() {
            modifier = self.aggregate_modifier()?;
        }
        let word = self.text_of(name).to_ascii_lowercase();
        let (op, args) = aggregation(&word, args, name.start)?;
        let (without, labels) = modifier.unwrap_or_default();
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0);
        let mut args = args.into_iter();
        let param = if op.takes_parameter() { args.next() } else { None };
        let Some(inner) = args.next() else {
            return ParseError::new(name.start, "no arguments for aggregate expression provided");
        };
        let aggregate = Aggregate { op, inner, param, without, labels };
        Ok(self.node(name.start, depth, What::Aggregate(Box::new(aggregate))))
    }

    /// `by (…)` or `without (…)`: whether it is the latter, with the labels.
    fn aggregate_modifier(&mut self) -> Parsed<Option<(bool, Vec<String>)>> {
        let without = match self.peek()?.token {
            Token::Keyword(Keyword::By) => false,
            Token::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.next()?;
        Ok(Some((without, self.grouping()?)))
    }

    /// Expressions in parentheses, whose opening one is next.
    fn arguments(&mut self) -> Parsed<Vec<Node>> {
        self.next()?;
        let mut args = Vec::new();
        if self.accept(Token::RightParen)? {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if self.accept(Token::RightParen)? {
                return Ok(args);
            }
            let comma = self.peek()?;
            if comma.token != Token::Comma {
                return self.unexpected("", "");
            }
            self.next()?;
            if !self.peek()?.token.begins_expression() {
                return ParseError::new(comma.start, "trailing commas not allowed in function call args");
            }
        }
    }

    fn call(&mut self, name: Item) -> Parsed<Node> {
        let args = self.arguments()?;
        let text = self.text_of(name);
        let function: &'static Function = match functions::find(text) {
            None => return ParseError::new(name.start, format!("unknown function with name {}", Quoted(text))),
            Some(function) if function.experimental => {
                return ParseError::new(name.start, format!("function {} is not enabled", Quoted(text)));
            }
            Some(function) => function,
        };
        let depth = args.iter().map(|arg| arg.depth).max().unwrap_or(0);
        Ok(self.node(name.start, depth, What::Call { function, args }))
    }

    /// The value of a number, or of a duration in seconds.
    pub(super) fn number(&self, item: Item) -> Parsed<f64> {
        let text = self.text_of(item);
        if item.token == Token::Duration {
            let read = duration::parse(text).map(|millis| millis as f64 / 1000.0);
            return read.map_err(|text| ParseError { start: item.start, text });
        }
        let failed = |why| {
            // The place is that of the token read last, as in Prometheus.
            let text = format!("error parsing number: strconv.ParseFloat: parsing {}: {why}", Quoted(text));
            ParseError { start: item.start, text }
        };
        read_number(text).map_err(failed)
    }

    /// A text without its quotes. The lexer has seen that it is well formed.
    pub(super) fn unquoted(&self, item: Item) -> String {
        unquote(self.text_of(item))
    }
}

/// The operator of that name, if it has as many arguments as it takes.
fn aggregation(name: &str, args: Vec<Node>, start: usize) -> Parsed<(AggregateOp, Vec<Node>)> {
    if args.is_empty() {
        return ParseError::new(start, "no arguments for aggregate expression provided");
    }
    let Some(op) = AggregateOp::named(name) else {
        let flag = "--enable-feature=promql-experimental-functions";
        return ParseError::new(start, format!("{name}() is experimental and must be enabled with {flag}"));
    };
    let (wanted, got) = (1 + usize::from(op.takes_parameter()), args.len());
    if wanted != got {
        let text = format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {got}");
        return ParseError::new(start, text);
    }
    Ok((op, args))
}

/// A number as Go reads it: whole ones in base 2, 8, 10 or 16 by their prefix, otherwise a float.
fn read_number(text: &str) -> Result<f64, &'static str> {
    let plain: String = text.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    let based = |digits: &str, base| i64::from_str_radix(digits, base).ok().map(|whole| whole as f64);
    let prefixed = plain.strip_prefix("0x").and_then(|digits| based(digits, 16));
    let octal = || plain.strip_prefix('0').filter(|digits| !digits.is_empty()).and_then(|digits| based(digits, 8));
    if let Some(value) = prefixed.or_else(octal) {
        return Ok(value);
    }
    match plain.as_str() {
        "inf" => Ok(f64::INFINITY),
        "nan" => Ok(f64::NAN),
        hexadecimal if hexadecimal.starts_with("0x") => Err("invalid syntax"),
        other => match other.parse::<f64>() {
            Ok(value) if value.is_infinite() => Err("value out of range"),
            Ok(value) => Ok(value),
            Err(_) => Err("invalid syntax"),
        },
    }
}

fn unquote(text: &str) -> String {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if text.starts_with('`') || !inner.contains('\\') {
        return inner.to_owned();
    }
    // Escapes may name single bytes, so bytes are what is collected.
    let mut bytes = Vec::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let Some(escaped) = characters.next() else { break };
        let mut code = |first: u32, digits: usize, base| {
            characters
                .by_ref()
                .take(digits)
                .fold(first, |code, c| code.wrapping_mul(base) + c.to_digit(base).unwrap_or(0))
        };
        match escaped {
            'a' => bytes.push(0x07),
            'b' => bytes.push(0x08),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            'x' => bytes.push(code(0, 2, 16) as u8),
            '0'..='7' => bytes.push(code(escaped.to_digit(8).unwrap_or(0), 2, 8) as u8),
            'u' | 'U' => {
                let digits = if escaped == 'u' { 4 } else { 8 };
                let character = char::from_u32(code(0, digits, 16)).unwrap_or(char::REPLACEMENT_CHARACTER);
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
