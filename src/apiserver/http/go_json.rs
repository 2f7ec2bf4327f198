//! Why a text is no JSON, in the words of Go's `encoding/json`.

/// What the next byte has to be.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Value,
    /// After `[`: a value or its end.
    FirstItem,
    /// After `{`: a key or its end.
    FirstKey,
    Key,
    Colon,
    /// After a value: a comma, or the end of what is open.
    Next,
}

/// The first fault; None if the text is JSON.
pub fn fault(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0, open: Vec::new() };
    scanner.scan().err()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// `{` and `[` that are not closed yet.
    open: Vec<u8>,
}

impl Scanner<'_> {
    fn scan(&mut self) -> Result<(), String> {
        let mut wanted = Wanted::Value;
        loop {
            while self.peek().is_some_and(|it| b" \t\r\n".contains(&it)) {
                self.at += 1;
            }
            let Some(byte) = self.peek() else {
                let done = self.open.is_empty() && wanted == Wanted::Next;
                return if done { Ok(()) } else { Err(END.to_owned()) };
            };
            wanted = self.step(byte, wanted)?;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self, byte: u8, wanted: Wanted) -> Result<Wanted, String> {
        match (wanted, byte) {
            (Wanted::FirstItem, b']') | (Wanted::FirstKey, b'}') => Ok(self.close()),
            (Wanted::Value | Wanted::FirstItem, _) => self.value(byte),
            (Wanted::FirstKey | Wanted::Key, b'"') => self.string().map(|()| Wanted::Colon),
            (Wanted::FirstKey | Wanted::Key, _) => invalid(byte, "looking for beginning of object key string"),
            (Wanted::Colon, b':') => {
                self.at += 1;
                Ok(Wanted::Value)
            }
            (Wanted::Colon, _) => invalid(byte, "after object key"),
            (Wanted::Next, _) => self.next(byte),
        }
    }

    fn next(&mut self, byte: u8) -> Result<Wanted, String> {
        match (self.open.last(), byte) {
            (Some(b'{'), b'}') | (Some(b'['), b']') => Ok(self.close()),
            (Some(open), b',') => {
                let wanted = if *open == b'{' { Wanted::Key } else { Wanted::Value };
                self.at += 1;
                Ok(wanted)
            }
            (Some(b'{'), _) => invalid(byte, "after object key:value pair"),
            (Some(_), _) => invalid(byte, "after array element"),
            (None, _) => invalid(byte, "after top-level value"),
        }
    }

    fn close(&mut self) -> Wanted {
        self.open.pop();
        self.at += 1;
        Wanted::Next
    }

    fn value(&mut self, byte: u8) -> Result<Wanted, String> {
        match byte {
            b'{' | b'[' => {
                self.open.push(byte);
                self.at += 1;
                return Ok(if byte == b'{' { Wanted::FirstKey } else { Wanted::FirstItem });
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            _ => return invalid(byte, "looking for beginning of value"),
        }
        Ok(Wanted::Next)
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            match self.peek() {
                None => return Err(END.to_owned()),
                Some(found) if found == expected => self.at += 1,
                Some(found) => {
                    let context = format!("in literal {word} (expecting {})", quoted(expected));
                    return invalid(found, &context);
                }
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            let Some(byte) = self.peek() else { return Err(END.to_owned()) };
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..0x20 => return invalid(byte, "in string literal"),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(byte) = self.peek() else { return Err(END.to_owned()) };
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => (0..4).try_for_each(|_| match self.peek() {
                None => Err(END.to_owned()),
                Some(digit) if digit.is_ascii_hexdigit() => {
                    self.at += 1;
                    Ok(())
                }
                Some(other) => invalid(other, "in \\u hexadecimal character escape"),
            }),
            other => invalid(other, "in string escape code"),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// At least one.
    fn digits(&mut self, context: &str) -> Result<(), String> {
        match self.peek() {
            None => return Err(END.to_owned()),
            Some(byte) if !byte.is_ascii_digit() => return invalid(byte, context),
            Some(_) => {}
        }
        while self.peek().is_some_and(|it| it.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}

const END: &str = "unexpected end of JSON input";

fn invalid<T>(byte: u8, context: &str) -> Result<T, String> {
    Err(format!("invalid character {} {context}", quoted(byte)))
}

/// A byte as Go's `quoteChar` writes it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::fault;
    use proptest::prelude::*;

    #[test]
    fn faults_have_the_words_of_go() {
        let cases = [
            ("no json", "invalid character 'o' in literal null (expecting 'u')"),
            ("{\"data\":", "unexpected end of JSON input"),
            ("", "unexpected end of JSON input"),
            ("apiVersion: v1", "invalid character 'a' looking for beginning of value"),
            ("{a: 1}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\": 1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} {}", "invalid character '{' after top-level value"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ];
        for (text, wanted) in cases {
            assert_eq!(fault(text.as_bytes()).as_deref(), Some(wanted), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_has_a_fault_if_and_only_if_serde_cannot_read_it(text in r#"[\[\]{}:,"a-c0-9. e-]{0,24}|(true|false|null)x?"#) {
            prop_assert_eq!(fault(text.as_bytes()).is_none(), serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }
}
