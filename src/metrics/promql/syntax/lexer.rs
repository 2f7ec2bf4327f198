//! Text to tokens. What a character means depends on where it stands: within braces words are never keywords, within
//! brackets only durations and what computes them may come.

use super::ParseError;
use super::token::{Keyword, Token, keyword, preprocessor};
use crate::metrics::promql::expr::BinaryOp;
use std::fmt::Write;

/// A token with its place, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) token: Token,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Statement,
    Braces,
    /// Behind `[`, up to the first number.
    Duration,
}

#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where the token being read began.
    start: usize,
    place: Place,
    parens: i64,
    bracket_open: bool,
    got_colon: bool,
    got_duration: bool,
    ended: bool,
}

type Lexed = Result<Item, ParseError>;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
            place: Place::Statement,
            parens: 0,
            bracket_open: false,
            got_colon: false,
            got_duration: false,
            ended: false,
        }
    }

    /// The next token; after the end, the end again.
    pub(super) fn next(&mut self) -> Lexed {
        loop {
            self.eat(is_space);
            self.start = self.at;
            let comment = self.place != Place::Duration && self.peek() == Some('#');
            if self.ended || !comment {
                break;
            }
            self.eat(|c| c != '\n' && c != '\r');
        }
        match self.place {
            Place::Statement => self.statement(),
            Place::Braces => self.braces(),
            Place::Duration => self.duration(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn accept(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let fits = self.peek().is_some_and(wanted);
        if fits {
            self.take();
        }
        fits
    }

    fn eat(&mut self, wanted: impl Fn(char) -> bool) {
        while self.accept(&wanted) {}
    }

    #[expect(clippy::unnecessary_wraps, reason = "every way to a token ends here, and most of them can fail")]
    fn emit(&mut self, token: Token) -> Lexed {
        let item = Item { token, start: self.start, end: self.at };
        self.start = self.at;
        Ok(item)
    }

    fn error<T>(&self, text: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { start: self.start, text: text.into() })
    }

    fn statement(&mut self) -> Lexed {
        let Some(character) = self.take() else { return self.end() };
        match character {
            ',' => self.emit(Token::Comma),
            '*' => self.emit(Token::Operator(BinaryOp::Mul)),
            '/' => self.emit(Token::Operator(BinaryOp::Div)),
            '%' => self.emit(Token::Operator(BinaryOp::Mod)),
            '+' => self.emit(Token::Operator(BinaryOp::Add)),
            '-' => self.emit(Token::Operator(BinaryOp::Sub)),
            '^' => self.emit(Token::Operator(BinaryOp::Pow)),
            '=' | '!' | '<' | '>' => self.comparison(character),
            '"' | '\'' | '`' => self.string(character),
            '(' | ')' => self.paren(character),
            '{' => {
                self.place = Place::Braces;
                self.emit(Token::LeftBrace)
            }
            '[' => self.bracket(),
            ']' if !self.bracket_open => self.error(format!("unexpected right bracket {}", rune(']'))),
            ']' => {
                self.bracket_open = false;
                self.emit(Token::RightBracket)
            }
            '@' => self.emit(Token::At),
            digit if self.begins_number(digit) => self.number_or_duration(digit),
            letter if is_alpha(letter) || letter == ':' => self.word(letter),
            other => self.error(format!("unexpected character: {}", rune(other))),
        }
    }

    fn end(&mut self) -> Lexed {
        self.ended = true;
        if self.parens != 0 {
            return self.error("unclosed left parenthesis");
        }
        if self.bracket_open {
            return self.error("unclosed left bracket");
        }
        self.emit(Token::End)
    }

    fn comparison(&mut self, first: char) -> Lexed {
        let token = match (first, self.peek()) {
            ('=', Some('=')) => Token::Operator(BinaryOp::Equal),
            ('=', Some('~')) => return self.error(format!("unexpected character after '=': {}", rune('~'))),
            ('=', _) => return self.emit(Token::Equal),
            ('!', Some('=')) => Token::Operator(BinaryOp::NotEqual),
            ('!', other) => {
                let other = other.unwrap_or(char::REPLACEMENT_CHARACTER);
                return self.error(format!("unexpected character after '!': {}", rune(other)));
            }
            ('<', Some('=')) => Token::Operator(BinaryOp::LessEqual),
            ('>', Some('=')) => Token::Operator(BinaryOp::GreaterEqual),
            (_, Some('/')) => Token::Trim,
            ('<', _) => return self.emit(Token::Operator(BinaryOp::Less)),
            _ => return self.emit(Token::Operator(BinaryOp::Greater)),
        };
        self.take();
        self.emit(token)
    }

    fn paren(&mut self, character: char) -> Lexed {
        if character == '(' {
            self.parens += 1;
            return self.emit(Token::LeftParen);
        }
        self.parens -= 1;
        let item = self.emit(Token::RightParen);
        if self.parens < 0 {
            return self.error(format!("unexpected right parenthesis {}", rune(')')));
        }
        item
    }

    fn bracket(&mut self) -> Lexed {
        if self.bracket_open {
            return self.error(format!("unexpected left bracket {}", rune('[')));
        }
        (self.bracket_open, self.got_colon, self.place) = (true, false, Place::Duration);
        self.emit(Token::LeftBracket)
    }

    fn begins_number(&self, character: char) -> bool {
        character.is_ascii_digit() || (character == '.' && self.peek().is_some_and(|next| next.is_ascii_digit()))
    }

    /// A keyword or a name; within brackets only a colon and the words of durations.
    fn word(&mut self, first: char) -> Lexed {
        if self.bracket_open {
            if first == ':' {
                if self.got_colon {
                    return self.error(format!("unexpected colon {}", rune(':')));
                }
                self.got_colon = true;
                return self.emit(Token::Colon);
            }
            return match self.duration_word(first) {
                Some(token) => self.emit(token),
                None => self.error(format!("unexpected character: {}, expected {}", rune(first), rune(':'))),
            };
        }
        self.eat(|c| is_alphanumeric(c) || c == ':');
        let word = &self.text[self.start..self.at];
        let token = match keyword(word) {
            // `fill` is new, so it is a keyword only where nothing else can be meant.
            Some(Token::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.text[self.at..].trim_start_matches(is_space).starts_with('(') =>
            {
                Token::Identifier
            }
            Some(token) => token,
            None if word.contains(':') => Token::MetricIdentifier,
            None => Token::Identifier,
        };
        self.emit(token)
    }

    /// A word that computes durations; nothing is consumed beyond letters when it is another.
    fn duration_word(&mut self, first: char) -> Option<Token> {
        if !matches!(first.to_ascii_lowercase(), 's' | 'r' | 'm') {
            return None;
        }
        self.eat(is_alpha);
        let word = &self.text[self.start..self.at];
        preprocessor(word).filter(|_| !word.eq_ignore_ascii_case("start"))
    }

    fn braces(&mut self) -> Lexed {
        let Some(character) = self.take() else { return self.error("unexpected end of input inside braces") };
        match character {
            letter if is_alpha(letter) => {
                self.eat(is_alphanumeric);
                self.emit(Token::Identifier)
            }
            ',' => self.emit(Token::Comma),
            '"' | '\'' | '`' => self.string(character),
            '=' => {
                let token = if self.accept(|c| c == '~') { Token::Matches } else { Token::Equal };
                self.emit(token)
            }
            '!' => match self.take() {
                Some('~') => self.emit(Token::MatchesNot),
                Some('=') => self.emit(Token::Operator(BinaryOp::NotEqual)),
                other => {
                    let other = other.unwrap_or(char::REPLACEMENT_CHARACTER);
                    self.error(format!("unexpected character after '!' inside braces: {}", rune(other)))
                }
            },
            '{' => self.error(format!("unexpected left brace {}", rune('{'))),
            '}' => {
                self.place = Place::Statement;
                self.emit(Token::RightBrace)
            }
            other => self.error(format!("unexpected character inside braces: {}", rune(other))),
        }
    }

    fn duration(&mut self) -> Lexed {
        let Some(character) = self.take() else {
            return self.error("unexpected end of input in duration expression");
        };
        match character {
            ']' => {
                (self.bracket_open, self.got_colon, self.place) = (false, false, Place::Statement);
                self.emit(Token::RightBracket)
            }
            ':' => {
                let item = self.emit(Token::Colon);
                if !self.got_duration {
                    return self.error("unexpected colon before duration in duration expression");
                }
                if self.got_colon {
                    return self.error("unexpected repeated colon in duration expression");
                }
                self.got_colon = true;
                item
            }
            '(' | ')' => self.paren(character),
            '+' => self.emit(Token::Operator(BinaryOp::Add)),
            '-' => self.emit(Token::Operator(BinaryOp::Sub)),
            '*' => self.emit(Token::Operator(BinaryOp::Mul)),
            '/' => self.emit(Token::Operator(BinaryOp::Div)),
            '%' => self.emit(Token::Operator(BinaryOp::Mod)),
            '^' => self.emit(Token::Operator(BinaryOp::Pow)),
            ',' => self.emit(Token::Comma),
            digit if self.begins_number(digit) => {
                (self.got_duration, self.place) = (true, Place::Statement);
                self.number_or_duration(digit)
            }
            other => match self.duration_word(other) {
                Some(token) => self.emit(token),
                None => self.error(format!("unexpected character in duration expression: {}", rune(other))),
            },
        }
    }

    fn string(&mut self, quote: char) -> Lexed {
        loop {
            match self.take() {
                Some('\\') if quote != '`' => self.escape(quote)?,
                None if quote == '`' => return self.error("unterminated raw string"),
                Some('\n') if quote == '`' => {}
                None | Some('\n') => return self.error("unterminated quoted string"),
                Some(character) if character == quote => return self.emit(Token::Text),
                Some(_) => {}
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, quote: char) -> Result<(), ParseError> {
        let Some(first) = self.take() else { return self.error("escape sequence not terminated") };
        let (digits, base, most) = match first {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            other if other == quote => return Ok(()),
            '0'..='7' => (2, 8, 255),
            'x' => (2, 16, 255),
            'u' => (4, 16, 0x10_FFFF),
            'U' => (8, 16, 0x10_FFFF),
            other => return self.error(format!("unknown escape sequence {}", code_point(other))),
        };
        let mut value = first.to_digit(8).filter(|_| base == 8).unwrap_or(0);
        for _ in 0..digits {
            let Some(character) = self.take() else { return self.error("escape sequence not terminated") };
            let Some(digit) = character.to_digit(base) else {
                return self.error(format!("illegal character {} in escape sequence", code_point(character)));
            };
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        if value > most || (0xD800..0xE000).contains(&value) {
            return self.error("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }

    fn number_or_duration(&mut self, first: char) -> Lexed {
        self.at -= first.len_utf8();
        if self.number() {
            return self.emit(Token::Number);
        }
        if self.rest_of_duration() {
            return self.emit(Token::Duration);
        }
        self.error(format!("bad number or duration syntax: {}", super::Quoted(&self.text[self.start..self.at])))
    }

    /// Reads what looks like a number, and says whether it ends like one. Dots, exponents and underscores come at most
    /// where Go has them; whether the number has a value is the parser's question.
    fn number(&mut self) -> bool {
        let begin = self.at;
        let hexadecimal = self.accept(|c| c == '0') && self.accept(|c| c == 'x' || c == 'X');
        if hexadecimal {
            self.accept(|c| c == '_');
        }
        let is_digit = |c: char| if hexadecimal { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        self.accept(|c| c == '.');
        self.accept(is_digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(next) = self.peek().filter(|c| is_digit(*c) || matches!(c, '.' | '_' | 'e' | 'E')) {
            // Within hexadecimal digits, `e` is one of them, except where Go looks for an exponent first.
            let fine = match next {
                '.' if dot => {
                    self.take();
                    false
                }
                '.' => {
                    dot = true;
                    self.take();
                    !self.accept(|c| matches!(c, '_' | '.')) && !hexadecimal
                }
                'e' | 'E' if exponent => {
                    self.take();
                    false
                }
                'e' | 'E' => {
                    exponent = true;
                    self.take();
                    self.accept(|c| matches!(c, '+' | '-'));
                    !self.accept(|c| matches!(c, '.' | '_' | 'e' | 'E')) && self.peek().is_some()
                }
                '_' => {
                    self.take();
                    !self.accept(|c| matches!(c, '.' | '_' | 'e' | 'E')) && self.peek().is_some()
                }
                _ => {
                    self.eat(is_digit);
                    true
                }
            };
            if !fine {
                return false;
            }
        }
        self.at != begin && !self.peek().is_some_and(is_alphanumeric)
    }

    /// Reads units behind the first number of a duration. Which units there are, and their order, is seen later.
    fn rest_of_duration(&mut self) -> bool {
        if !self.accept(|c| "smhdwy".contains(c)) {
            return false;
        }
        self.accept(|c| c == 's');
        while self.accept(|c| c.is_ascii_digit()) {
            self.eat(|c| c.is_ascii_digit());
            if !self.accept(|c| "smhdw".contains(c)) {
                return false;
            }
            self.accept(|c| c == 's');
        }
        let ends = !self.peek().is_some_and(is_alphanumeric);
        if !ends {
            self.take();
        }
        ends
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

/// A character as Go's `%q` writes it.
fn rune(character: char) -> String {
    match character {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let quoted = super::Quoted(other.encode_utf8(&mut [0; 4])).to_string();
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// A character as Go's `%#U` writes it.
fn code_point(character: char) -> String {
    let mut out = format!("U+{:04X}", u32::from(character));
    if !character.is_control() {
        let _ = write!(out, " '{character}'");
    }
    out
}
