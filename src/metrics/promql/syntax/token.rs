//! Tokens, and how messages name them.

use crate::metrics::labels::Quoted;
use crate::metrics::promql::expr::BinaryOp;

/// What a piece of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    End,
    Identifier,
    /// An identifier with colons, which only metrics may have.
    MetricIdentifier,
    Number,
    Duration,
    /// With its quotes.
    Text,
    Comma,
    Colon,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    LeftParen,
    RightParen,
    /// `=`
    Equal,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `@`
    At,
    Operator(BinaryOp),
    /// `</` and `>/`, which cut native histograms.
    Trim,
    Aggregator,
    Keyword(Keyword),
    /// A name that is also a function or a preprocessor: `start`, `end`, `step`, `range`, `max_of`, `min_of`.
    Preprocessor(Preprocessor),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Offset,
    Smoothed,
    Anchored,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preprocessor {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// What a word means outside braces, whatever its case; none for plain names.
pub(super) fn keyword(word: &str) -> Option<Token> {
    use Keyword as K;
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => Token::Operator(BinaryOp::And),
        "or" => Token::Operator(BinaryOp::Or),
        "unless" => Token::Operator(BinaryOp::Unless),
        "atan2" => Token::Operator(BinaryOp::Atan2),
        "sum" | "avg" | "count" | "min" | "max" | "group" | "stddev" | "stdvar" | "topk" | "bottomk"
        | "count_values" | "quantile" | "limitk" | "limit_ratio" => Token::Aggregator,
        "offset" => Token::Keyword(K::Offset),
        "smoothed" => Token::Keyword(K::Smoothed),
        "anchored" => Token::Keyword(K::Anchored),
        "by" => Token::Keyword(K::By),
        "without" => Token::Keyword(K::Without),
        "on" => Token::Keyword(K::On),
        "ignoring" => Token::Keyword(K::Ignoring),
        "group_left" => Token::Keyword(K::GroupLeft),
        "group_right" => Token::Keyword(K::GroupRight),
        "fill" => Token::Keyword(K::Fill),
        "fill_left" => Token::Keyword(K::FillLeft),
        "fill_right" => Token::Keyword(K::FillRight),
        "bool" => Token::Keyword(K::Bool),
        "inf" | "nan" => Token::Number,
        other => return preprocessor(other),
    })
}

/// The words that durations may be computed with, and the ends of a query.
pub(super) fn preprocessor(word: &str) -> Option<Token> {
    Some(Token::Preprocessor(match word.to_ascii_lowercase().as_str() {
        "start" => Preprocessor::Start,
        "end" => Preprocessor::End,
        "step" => Preprocessor::Step,
        "range" => Preprocessor::Range,
        "max_of" => Preprocessor::MaxOf,
        "min_of" => Preprocessor::MinOf,
        _ => return None,
    }))
}

impl Token {
    /// Whether a metric may have this word as its name.
    pub(super) fn is_metric_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator | Self::Preprocessor(_) => true,
            Self::Operator(op) => op.is_set(),
            Self::Keyword(word) => !matches!(
                word,
                Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
            ),
            _ => false,
        }
    }

    /// Whether a label in a grouping may have this word as its name.
    pub(super) fn is_label_name(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregator | Self::Preprocessor(_) => true,
            Self::Operator(op) => op.is_set() || op == BinaryOp::Atan2,
            Self::Keyword(word) => word != Keyword::Without,
            _ => false,
        }
    }

    /// Whether an expression may begin so.
    pub(super) fn begins_expression(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::Number
                    | Self::Duration
                    | Self::Text
                    | Self::LeftParen
                    | Self::LeftBrace
                    | Self::Operator(BinaryOp::Add | BinaryOp::Sub)
            )
    }
}

/// How many characters of a long text a message shows.
const SHOWN: usize = 10;

/// The token with this text, as messages name it.
pub(super) fn describe(token: Token, text: &str) -> String {
    let shown = || {
        if text.len() > SHOWN {
            let first: String = text.chars().take(SHOWN).collect();
            format!("{}...", Quoted(&first))
        } else {
            Quoted(text).to_string()
        }
    };
    match token {
        Token::End => "end of input".to_owned(),
        Token::Identifier => format!("identifier {}", Quoted(text)),
        Token::MetricIdentifier => format!("metric identifier {}", Quoted(text)),
        Token::Number => format!("number {}", shown()),
        Token::Duration => format!("duration {}", shown()),
        Token::Text => format!("string {}", shown()),
        Token::Keyword(_) => format!("<{text}>"),
        Token::Operator(_) | Token::Matches | Token::MatchesNot | Token::At | Token::Trim => format!("<op:{text}>"),
        Token::Aggregator => format!("<aggr:{text}>"),
        _ => shown(),
    }
}
