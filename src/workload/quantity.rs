//! Kubernetes quantities (`100m`, `64Mi`, `1.5`, `2e3`) as numbers.

/// The value in base units (cores, bytes, requests); none when the text is no quantity.
pub(super) fn parse(text: &str) -> Option<f64> {
    // A decimal exponent wins over the suffixes E and Ei, which never have digits behind them.
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))?;
    let number: f64 = text[..split].parse().ok()?;
    let factor = match &text[split..] {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => return None,
    };
    Some(number * factor)
}

/// As Kubernetes writes it: whole numbers bare, else in thousandths.
pub(super) fn write(value: f64) -> String {
    let thousandths = (value * 1e3).ceil();
    if thousandths % 1e3 == 0.0 { format!("{:.0}", thousandths / 1e3) } else { format!("{thousandths:.0}m") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("100m", Some(0.1)),
            ("1", Some(1.0)),
            ("1.5", Some(1.5)),
            ("64Mi", Some(67_108_864.0)),
            ("2e3", Some(2_000.0)),
            ("3E", Some(3e18)),
            ("500k", Some(500_000.0)),
            ("", None),
            ("m", None),
            ("10 m", None),
            ("inf", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn and_are_written_in_thousandths_when_they_must_be() {
        assert_eq!((write(2.0).as_str(), write(0.25).as_str(), write(1.0005).as_str()), ("2", "250m", "1001m"));
    }
}
