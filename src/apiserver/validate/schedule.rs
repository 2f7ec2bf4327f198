//! The schedule of a cron job, with the errors of the parser that the real server uses (robfig/cron).

/// Names, and the range of the numbers, of each of the five fields.
const FIELDS: [(&[&str], u32, u32); 5] = [
    (&[], 0, 59),
    (&[], 0, 23),
    (&[], 1, 31),
    (&["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1, 12),
    (&["sun", "mon", "tue", "wed", "thu", "fri", "sat"], 0, 6),
];
const DESCRIPTORS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// What is wrong with it; None if it can be read.
pub fn fault(schedule: &str) -> Option<String> {
    if schedule.starts_with('@') {
        let known = DESCRIPTORS.contains(&schedule) || schedule.starts_with("@every ");
        return (!known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<_> = schedule.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Some(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    }
    fields
        .iter()
        .zip(FIELDS)
        .flat_map(|(field, of)| field.split(',').map(move |it| range(it, of)))
        .find_map(Result::err)
}

/// `*`, `?`, `4`, `2-5`, each perhaps with `/3`.
fn range(text: &str, (names, low, high): (&[&str], u32, u32)) -> Result<(), String> {
    let mut parts = text.split('/');
    let (bounds, step) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(format!("too many slashes: {text}"));
    }
    let mut ends = bounds.split('-');
    let (first, last) = (ends.next().unwrap_or_default(), ends.next());
    let (start, end) = match (first, last) {
        ("*" | "?", _) => (low, high),
        (first, None) => {
            let start = number(first, names, low)?;
            (start, if step.is_some() { high } else { start })
        }
        (first, Some(last)) => (number(first, names, low)?, number(last, names, low)?),
    };
    if ends.next().is_some() {
        return Err(format!("too many hyphens: {text}"));
    }
    let step = step.map_or(Ok(1), |it| number(it, &[], 0))?;
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {text}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number(text: &str, names: &[&str], low: u32) -> Result<u32, String> {
    if let Some(at) = names.iter().position(|it| it.eq_ignore_ascii_case(text)) {
        return Ok(low + at as u32);
    }
    text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for good in ["0 3 * * *", "*/5 0-6/2 1,15 jan-MAR sun", "@daily", "@every 5m", "? ? ? ? ?"] {
            assert_eq!(fault(good), None, "{good}");
        }
        let cases = [
            ("at noon", "expected exactly 5 fields, found 2: [at noon]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("@often", "unrecognized descriptor: @often"),
        ];
        for (schedule, wanted) in cases {
            assert_eq!(fault(schedule).as_deref(), Some(wanted), "{schedule}");
        }
    }
}
