//! The templates of alert labels and annotations: the part of Go's templates that alerts use.
//!
//! `{{ $labels.name }}`, `{{ .Labels.name }}`, `{{ $value }}`, `{{ .Value }}`, texts and numbers, and the functions
//! `printf`, `humanize`, `humanizePercentage`, `humanizeDuration`, `title`, `toUpper`, `toLower`, called or piped.
//! Anything else becomes the text that Prometheus writes where a template fails, so that it is seen.

use crate::metrics::labels::Labels;
use crate::metrics::number;

/// The text with its templates filled in.
pub(super) fn expand(text: &str, alert: &str, labels: &Labels, value: f64) -> String {
    match try_expand(text, labels, value) {
        Ok(text) => text,
        Err(reason) => format!("<error expanding template: error executing template __alert_{alert}: {reason}>"),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(String),
    Number(f64),
}

impl Item {
    fn show(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number::general(*number),
        }
    }

    fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => text.parse().map_err(|_| format!("{text:?} is no number")),
        }
    }
}

fn try_expand(text: &str, labels: &Labels, value: f64) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (action, after) = after.split_once("}}").ok_or("unclosed action")?;
        let (before, action) = match action.strip_prefix("- ") {
            Some(action) => (before.trim_end(), action),
            None => (before, action),
        };
        let (action, after) = match action.strip_suffix(" -") {
            Some(action) => (action, after.trim_start()),
            None => (action, after),
        };
        out.push_str(before);
        out.push_str(&evaluate(action, labels, value)?.show());
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// One action: commands with a pipe between them; each gets what the former gave as its last argument.
fn evaluate(action: &str, labels: &Labels, value: f64) -> Result<Item, String> {
    let mut piped = None;
    for command in split_pipes(action) {
        let mut items = words(command)?.into_iter();
        let head = items.next().ok_or("missing value for command")?;
        let mut arguments: Vec<Item> = items.map(|word| operand(word, labels, value)).collect::<Result<_, _>>()?;
        if head.starts_with(|c: char| c.is_ascii_alphabetic()) {
            arguments.extend(piped.take());
            piped = Some(call(head, &arguments)?);
        } else if piped.is_none() && arguments.is_empty() {
            piped = Some(operand(head, labels, value)?);
        } else {
            return Err(format!("can't give argument to non-function {head}"));
        }
    }
    piped.ok_or_else(|| "missing value for command".to_owned())
}

/// The parts between pipes that are not in quotes.
fn split_pipes(action: &str) -> Vec<&str> {
    let mut quoted = false;
    let parts = action.split(|c: char| {
        quoted ^= c == '"';
        c == '|' && !quoted
    });
    parts.map(str::trim).collect()
}

fn words(command: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let mut rest = command.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(inside) => inside.find('"').ok_or("unterminated quoted string")? + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

fn operand(word: &str, labels: &Labels, value: f64) -> Result<Item, String> {
    if let Some(name) = word.strip_prefix("$labels.").or_else(|| word.strip_prefix(".Labels.")) {
        return Ok(Item::Text(labels.get(name).to_owned()));
    }
    if matches!(word, "$value" | ".Value") {
        return Ok(Item::Number(value));
    }
    if let Some(text) = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        return Ok(Item::Text(text.to_owned()));
    }
    word.parse().map(Item::Number).map_err(|_| format!("{word:?} is not known in alert templates"))
}

fn call(function: &str, arguments: &[Item]) -> Result<Item, String> {
    if function == "printf" {
        let (format, rest) = arguments.split_first().ok_or("wrong number of args for printf")?;
        return printf(&format.show(), rest).map(Item::Text);
    }
    let [argument] = arguments else {
        return Err(format!("wrong number of args for {function}: want 1 got {}", arguments.len()));
    };
    Ok(Item::Text(match function {
        "humanize" => humanize(argument.number()?),
        "humanizePercentage" => format!("{}%", significant(argument.number()? * 100.0)),
        "humanizeDuration" => humanize_duration(argument.number()?),
        "title" => title(&argument.show()),
        "toUpper" => argument.show().to_uppercase(),
        "toLower" => argument.show().to_lowercase(),
        other => return Err(format!("function {other:?} not defined")),
    }))
}

/// Go's `%s %v %q %d %f %.2f %g %e %%`.
fn printf(format: &str, arguments: &[Item]) -> Result<String, String> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').ok_or("printf: no verb after %")?;
        let (flags, verb) = (&after[..end], &after[end..=end]);
        rest = &after[end + 1..];
        if verb == "%" {
            out.push('%');
            continue;
        }
        let argument = arguments.next().ok_or("printf: too few arguments")?;
        let digits: usize = match flags.strip_prefix('.') {
            Some(digits) => digits.parse().ok().filter(|digits| *digits <= 30).ok_or("printf: unknown precision")?,
            None if flags.is_empty() => 6,
            None => return Err(format!("printf: flags {flags:?} are not known in alert templates")),
        };
        let shown = match verb {
            "s" | "v" => argument.show(),
            "q" => crate::metrics::labels::Quoted(&argument.show()).to_string(),
            "d" => format!("{:.0}", argument.number()?.trunc()),
            "f" => format!("{:.digits$}", argument.number()?),
            "g" if flags.is_empty() => number::general(argument.number()?),
            other => return Err(format!("printf: verb %{flags}{other} is not known in alert templates")),
        };
        out.push_str(&shown);
    }
    out.push_str(rest);
    Ok(out)
}

/// Go's `%.4g`: four significant digits, no trailing zeros.
fn significant(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return number::general(value);
    }
    let scientific = format!("{value:.3e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| -> String {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    if (-4..4).contains(&exponent) {
        return trim(&format!("{value:.*}", (3 - exponent).max(0) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// With a metric prefix.
fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return significant(value);
    }
    let (mut value, mut prefix) = (value, "");
    if value.abs() >= 1.0 {
        for next in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if value.abs() < 1000.0 {
                break;
            }
            (value, prefix) = (value / 1000.0, next);
        }
    } else {
        (value, prefix) = small(value);
    }
    format!("{}{prefix}", significant(value))
}

fn small(value: f64) -> (f64, &'static str) {
    let (mut value, mut prefix) = (value, "");
    for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if value.abs() >= 1.0 {
            break;
        }
        (value, prefix) = (value * 1000.0, next);
    }
    (value, prefix)
}

fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return significant(seconds);
    }
    if seconds == 0.0 {
        return "0s".to_owned();
    }
    if seconds.abs() < 1.0 {
        let (value, prefix) = small(seconds);
        return format!("{}{prefix}s", significant(value));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (s, m, h, d) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    match (d, h, m) {
        (0, 0, 0) => format!("{sign}{}s", significant(seconds.abs())),
        (0, 0, _) => format!("{sign}{m}m {s}s"),
        (0, ..) => format!("{sign}{h}h {m}m {s}s"),
        _ => format!("{sign}{d}d {h}h {m}m {s}s"),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let upper = |c: char| {
        let shown = if start { c.to_uppercase().collect::<String>() } else { c.to_string() };
        start = !c.is_alphanumeric() && c != '_' && c != '\'';
        shown
    };
    text.chars().map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_in_as_in_prometheus() {
        let labels = Labels::from_pairs([("job", "app"), ("pod", "a|b")]);
        for (template, value, expected) in [
            ("plain", 0.0, "plain"),
            ("{{ $labels.job }} at {{ $value }}", 0.25, "app at 0.25"),
            ("{{.Labels.job}}/{{ .Labels.none }}/{{ .Value }}", 1_234_567.0, "app//1.234567e+06"),
            ("{{ $value | humanize }}", 1_234_567.0, "1.235M"),
            ("{{ humanize $value }}", 0.0123, "12.3m"),
            ("{{ $value | humanizePercentage }}", 0.123_456, "12.35%"),
            ("{{ $value | humanizeDuration }}", 3_725.0, "1h 2m 5s"),
            ("{{ $value | humanizeDuration }}", 0.25, "250ms"),
            ("{{ $value | humanizeDuration }}", 12.345_6, "12.35s"),
            ("{{ printf \"%.2f|%s%%\" $value $labels.pod }}", 1.005, "1.00|a|b%"),
            ("{{ $value | printf \"%.1f\" }}", 2.25, "2.2"),
            ("{{ $labels.job | title }} {{ $labels.job | toUpper }}", 0.0, "App APP"),
            ("a {{- $value -}} b", 1.0, "a1b"),
            ("a {{- \" x\" -}} b", 1.0, "a xb"),
        ] {
            assert_eq!(expand(template, "A", &labels, value), expected, "{template}");
        }
        for bad in ["{{ $value", "{{ query \"up\" }}", "{{ $nothing }}", "{{ }}", "{{ printf }}", "{{ 1 2 }}"] {
            assert!(expand(bad, "A", &labels, 1.0).starts_with("<error expanding template: "), "{bad}");
        }
    }
}
