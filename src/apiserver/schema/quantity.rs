//! Quantities (`500m`, `64Mi`) in the one form in which the real server keeps them.

/// Nano-units, the finest that a quantity can tell.
const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// What the real server says of text that is not a quantity.
pub const FAULT: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// The canonical form; None if the text is not a quantity (or too large to tell in nano-units).
pub fn canonical(text: &str) -> Option<String> {
    let split = text.find(|it: char| !matches!(it, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        let nano = scaled(number, 1_i128.checked_shl(*power)?)?;
        return Some(binary(nano));
    }
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        let nano = if *exponent < 0 {
            scaled(number, 1)? / 10_i128.pow(exponent.unsigned_abs())
        } else {
            scaled(number, 10_i128.pow(exponent.unsigned_abs()))?
        };
        return Some(decimal(nano));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let (exponent, _) = (exponent.parse::<i32>().ok()?, scaled(number, 1)?);
    // The exponent form is kept as it is told.
    (-9..=18).contains(&exponent).then(|| text.to_owned())
}

/// The value in nano-units, as a number to compare with.
pub fn nano(text: &str) -> Option<i128> {
    let split = text.find(|it: char| !matches!(it, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return scaled(number, 1_i128.checked_shl(*power)?);
    }
    let exponent = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
        Some((_, exponent)) => *exponent,
        None => suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|it| (-9..=18).contains(it))?,
    };
    let power = 10_i128.pow(exponent.unsigned_abs());
    if exponent < 0 { scaled(number, 1).map(|it| it / power) } else { scaled(number, power) }
}

/// A decimal number times a factor, in nano-units.
fn scaled(number: &str, factor: i128) -> Option<i128> {
    let (negative, digits) = match number.as_bytes().first()? {
        b'-' => (true, &number[1..]),
        b'+' => (false, &number[1..]),
        _ => (false, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
        return None;
    }
    let digits_only = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(18)];
    let parts: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let of = 10_i128.pow(fraction.len() as u32);
    let nano = whole.checked_mul(factor)?.checked_mul(NANO)?;
    let rest = parts.checked_mul(factor)?.checked_mul(NANO)?;
    // What is finer than nano is rounded up, away from zero.
    let sum = nano.checked_add(rest.checked_add(of - 1)? / of)?;
    Some(if negative { -sum } else { sum })
}

fn decimal(mut nano: i128) -> String {
    if nano == 0 {
        return "0".to_owned();
    }
    let mut at = 0;
    while nano % 1000 == 0 && at + 1 < DECIMAL.len() {
        nano /= 1000;
        at += 1;
    }
    format!("{nano}{}", DECIMAL[at].0)
}

fn binary(nano: i128) -> String {
    if nano % NANO != 0 {
        return decimal(nano);
    }
    let mut units = nano / NANO;
    let mut suffix = "";
    for (name, _) in BINARY {
        if units == 0 || units % 1024 != 0 {
            break;
        }
        units /= 1024;
        suffix = name;
    }
    format!("{units}{suffix}")
}
