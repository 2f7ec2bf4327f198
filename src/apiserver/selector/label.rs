//! Label selectors: the grammar of `k8s.io/apimachinery/pkg/labels`, and `metav1.LabelSelector` objects.

use crate::apiserver::validate::name;
use serde_json::Value;
use std::fmt;

/// What is asked of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    NotExists,
    GreaterThan(i64),
    LessThan(i64),
}

/// One requirement; a selector is a conjunction of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
}

impl Requirement {
    fn holds(&self, labels: Option<&Value>) -> bool {
        let value = labels.and_then(|it| it.get(&self.key)).and_then(Value::as_str);
        match (&self.operator, value) {
            (Operator::In(values), Some(value)) => values.iter().any(|it| it == value),
            (Operator::NotIn(values), Some(value)) => values.iter().all(|it| it != value),
            (Operator::Exists, Some(_)) | (Operator::NotExists | Operator::NotIn(_), None) => true,
            (Operator::GreaterThan(limit), Some(value)) => value.parse::<i64>().is_ok_and(|it| it > *limit),
            (Operator::LessThan(limit), Some(value)) => value.parse::<i64>().is_ok_and(|it| it < *limit),
            _ => false,
        }
    }
}

/// A conjunction of requirements. The empty one matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    pub requirements: Vec<Requirement>,
}

/// A selector that cannot be read; the text of the real server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

impl LabelSelector {
    /// Reads `app=x,tier in (a,b),!legacy,weight>5`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { tokens: lex(text), at: 0 };
        let mut requirements = parser.requirements().map_err(SelectorError)?;
        for requirement in &requirements {
            check(requirement)?;
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Reads a `metav1.LabelSelector` (`matchLabels`, `matchExpressions`). A missing one matches nothing for most users,
    /// so this takes the object itself; an empty object matches everything.
    #[must_use]
    pub fn from_object(object: &Value) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in object.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let operator = Operator::In(vec![value.as_str().unwrap_or_default().to_owned()]);
            requirements.push(Requirement { key: key.clone(), operator });
        }
        for expression in object.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |key| expression.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = values.filter_map(|it| it.as_str().map(str::to_owned)).collect();
            let operator = match text("operator").as_str() {
                "In" => Operator::In(values),
                "NotIn" => Operator::NotIn(values),
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::NotExists,
                // Validation refuses other operators; one that slipped through must match nothing.
                _ => Operator::In(vec![]),
            };
            requirements.push(Requirement { key: text("key"), operator });
        }
        Self { requirements }
    }

    /// All of these labels, as in a Service's selector.
    #[must_use]
    pub fn from_labels(labels: &Value) -> Self {
        let pairs = labels.as_object().into_iter().flatten();
        let requirement = |(key, value): (&String, &Value)| Requirement {
            key: key.clone(),
            operator: Operator::In(vec![value.as_str().unwrap_or_default().to_owned()]),
        };
        Self { requirements: pairs.map(requirement).collect() }
    }

    /// Whether labels (a JSON object, or none) satisfy it.
    #[must_use]
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        self.requirements.iter().all(|it| it.holds(labels))
    }

    /// Whether an object's labels satisfy it.
    #[must_use]
    pub fn matches_object(&self, object: &Value) -> bool {
        self.requirements.is_empty() || self.matches(object.pointer("/metadata/labels"))
    }
}

impl fmt::Display for LabelSelector {
    /// As the real server writes it in `status.selector` of a Scale: `app=x,tier in (a,b)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, operator }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Operator::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Operator::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::NotExists => write!(f, "!{key}")?,
                Operator::GreaterThan(limit) => write!(f, "{key}>{limit}")?,
                Operator::LessThan(limit) => write!(f, "{key}<{limit}")?,
            }
        }
        Ok(())
    }
}

fn check(requirement: &Requirement) -> Result<(), SelectorError> {
    let key = &requirement.key;
    if let Some(fault) = name::qualified_name_faults(key).into_iter().next() {
        return Err(SelectorError(format!("key: Invalid value: \"{key}\": {fault}")));
    }
    let (Operator::In(values) | Operator::NotIn(values)) = &requirement.operator else { return Ok(()) };
    for (index, value) in values.iter().enumerate() {
        if let Some(fault) = name::label_value_faults(value).into_iter().next() {
            return Err(SelectorError(format!(
                "unable to parse requirement: values[{index}][{key}]: Invalid value: \"{value}\": {fault}"
            )));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    Bang,
    Equals,
    NotEquals,
    Greater,
    Less,
    Word(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Bang => "!",
            Self::Equals => "=",
            Self::NotEquals => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::Word(word) => word,
        }
    }
}

fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        let token = match next {
            ' ' | '\t' | '\r' | '\n' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '>' => Token::Greater,
            '<' => Token::Less,
            '!' if chars.next_if_eq(&'=').is_some() => Token::NotEquals,
            '!' => Token::Bang,
            '=' => {
                chars.next_if_eq(&'=');
                Token::Equals
            }
            first => {
                let mut word = String::from(first);
                while let Some(more) = chars.next_if(|it| !" \t\r\n()!,<>=".contains(*it)) {
                    word.push(more);
                }
                Token::Word(word)
            }
        };
        tokens.push(token);
    }
    tokens
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn found(token: Option<&Token>) -> String {
        format!("found '{}'", token.map_or("", Token::text))
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        if self.peek().is_none() {
            return Ok(found);
        }
        loop {
            match self.peek() {
                Some(Token::Word(_) | Token::Bang) => {
                    let requirement = self.requirement().map_err(|it| format!("unable to parse requirement: {it}"))?;
                    found.push(requirement);
                }
                None => return Ok(found),
                other => return Err(format!("{}, expected: !, identifier, or 'end of string'", Self::found(other))),
            }
            match self.take() {
                None => return Ok(found),
                Some(Token::Comma) => match self.peek() {
                    Some(Token::Word(_) | Token::Bang) => {}
                    other => return Err(format!("{}, expected: identifier after ','", Self::found(other))),
                },
                other => return Err(format!("{}, expected: ',' or 'end of string'", Self::found(other.as_ref()))),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = matches!(self.peek(), Some(Token::Bang));
        if negated {
            self.take();
        }
        let key = match self.take() {
            Some(Token::Word(word)) => word,
            other => return Err(format!("{}, expected: identifier", Self::found(other.as_ref()))),
        };
        if negated {
            return Ok(Requirement { key, operator: Operator::NotExists });
        }
        let operator = match self.peek() {
            None | Some(Token::Comma) => return Ok(Requirement { key, operator: Operator::Exists }),
            _ => self.operator()?,
        };
        Ok(Requirement { key, operator })
    }

    fn operator(&mut self) -> Result<Operator, String> {
        match self.take() {
            Some(Token::Word(word)) if word == "in" => Ok(Operator::In(self.values()?)),
            Some(Token::Word(word)) if word == "notin" => Ok(Operator::NotIn(self.values()?)),
            Some(Token::Equals) => Ok(Operator::In(vec![self.exact()?])),
            Some(Token::NotEquals) => Ok(Operator::NotIn(vec![self.exact()?])),
            Some(Token::Greater) => Ok(Operator::GreaterThan(self.number()?)),
            Some(Token::Less) => Ok(Operator::LessThan(self.number()?)),
            other => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                Err(format!("{}, expected: {expected}", Self::found(other.as_ref())))
            }
        }
    }

    fn exact(&mut self) -> Result<String, String> {
        match self.peek() {
            None | Some(Token::Comma) => Ok(String::new()),
            _ => match self.take() {
                Some(Token::Word(word)) => Ok(word),
                other => Err(format!("{}, expected: identifier", Self::found(other.as_ref()))),
            },
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let text = self.exact()?;
        text.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                serde_json::json!(text)
            )
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            Some(Token::Open) => {}
            other => return Err(format!("{} expected: '('", Self::found(other.as_ref()))),
        }
        let mut values = Vec::new();
        let mut wants_value = true;
        loop {
            match self.take() {
                Some(Token::Word(word)) if wants_value => {
                    values.push(word);
                    wants_value = false;
                }
                Some(Token::Comma) => {
                    if wants_value {
                        values.push(String::new());
                    }
                    wants_value = true;
                }
                Some(Token::Close) => {
                    if wants_value {
                        values.push(String::new());
                    }
                    values.sort();
                    values.dedup();
                    return Ok(values);
                }
                other if wants_value => {
                    return Err(format!("{}, expected: ',', ')' or identifier", Self::found(other.as_ref())));
                }
                other => return Err(format!("{}, expected: ',' or ')'", Self::found(other.as_ref()))),
            }
        }
    }
}
