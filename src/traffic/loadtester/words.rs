//! A command line to words, without a shell.

use super::command::Refusal;

/// Splits a command line as `sh` would, as long as it needs nothing but words, quotes and backslashes. A pipe divides it;
/// whatever else a shell would act upon is refused by name.
pub(super) fn split(line: &str) -> Result<Vec<Vec<String>>, Refusal> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut in_word) = (String::new(), false);
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                in_word = true;
                quoted(&mut chars, '\'', &mut word)?;
            }
            '"' => {
                in_word = true;
                quoted(&mut chars, '"', &mut word)?;
            }
            '\\' => match chars.next() {
                // A line that goes on.
                Some('\n') => {}
                Some(next) => {
                    in_word = true;
                    word.push(next);
                }
                None => return Err(Refusal::Shell("a backslash at the end")),
            },
            '|' if chars.peek() == Some(&'|') => return Err(Refusal::Shell("`||`")),
            c if c == '|' || c == ' ' || c == '\t' => {
                end_word(&mut commands, &mut word, &mut in_word);
                if c == '|' {
                    commands.push(Vec::new());
                }
            }
            c => {
                if let Some(what) = shell_only(c, in_word) {
                    return Err(Refusal::Shell(what));
                }
                in_word = true;
                word.push(c);
            }
        }
    }
    end_word(&mut commands, &mut word, &mut in_word);
    if commands.iter().any(Vec::is_empty) {
        return Err(Refusal::Empty);
    }
    Ok(commands)
}

fn end_word(commands: &mut [Vec<String>], word: &mut String, in_word: &mut bool) {
    if std::mem::take(in_word)
        && let Some(command) = commands.last_mut()
    {
        command.push(std::mem::take(word));
    }
}

/// What a shell would do with an unquoted character.
fn shell_only(c: char, in_word: bool) -> Option<&'static str> {
    Some(match c {
        '$' => "a variable or `$(...)`",
        '`' => "a command substitution",
        ';' => "`;`",
        '\n' => "several lines",
        '&' => "`&` or `&&`",
        '>' | '<' => "a redirection",
        '(' | ')' => "a subshell",
        '*' | '[' => "a file name pattern",
        '{' => "braces",
        '#' if !in_word => "a comment",
        '~' if !in_word => "`~`",
        _ => return None,
    })
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char, word: &mut String) -> Result<(), Refusal> {
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(()),
            '$' | '`' if quote == '"' => return Err(Refusal::Shell("a variable or a command substitution")),
            '\\' if quote == '"' => match chars.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                Some('\n') => {}
                Some(next) => word.extend(['\\', next]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(Refusal::Shell("a quote that does not end"))
}
