//! Names of labs.

use super::LabKind;
use std::fmt;
use std::str::FromStr;

/// The longest DNS label (RFC 1123).
const MAX_LENGTH: usize = 63;
/// Runs of one user that may play side by side, each on a lab of its own, without giving it a name.
const MAX_RUNS: u32 = 1_000;

/// A lab's name: a DNS label, so that it can be a folder, part of a context's name and of a host's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabName(String);

/// Why a text is no lab's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a lab's name: it takes 1 to 63 of a-z, 0-9 and `-`, with a letter or digit at both ends")]
pub struct NameError(String);

impl LabName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LabName {
    /// A lab's of this kind, where no name is given.
    #[must_use]
    pub fn of(kind: LabKind) -> Self {
        Self(kind.name().to_owned())
    }

    /// Those of labs that are made for one run, where no name is given, in the order of preference: `run`, `run-2`, …
    pub fn of_runs() -> impl Iterator<Item = Self> {
        let more = (2..=MAX_RUNS).map(|it| Self(format!("run-{it}")));
        std::iter::once(Self("run".to_owned())).chain(more)
    }
}

impl Default for LabName {
    /// The embedded lab's, where no name is given.
    fn default() -> Self {
        Self::of(LabKind::Embedded)
    }
}

impl FromStr for LabName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        let ends = [text.bytes().next(), text.bytes().last()];
        let good = text.len() <= MAX_LENGTH
            && ends.iter().all(|it| it.is_some_and(inner))
            && text.bytes().all(|it| inner(it) || it == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(NameError(text.to_owned())) }
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_label() {
        let longest = "a".repeat(63);
        for good in ["embedded", "a", "7", "lab-2", "0-0", longest.as_str()] {
            assert_eq!(good.parse::<LabName>().unwrap().to_string(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "a-", "-", "A", "a_b", "a.b", "..", ".gate", "a/b", "ä", "a b", "a\0", too_long.as_str()]
        {
            assert_eq!(bad.parse::<LabName>(), Err(NameError(bad.to_owned())), "{bad:?}");
        }
    }
}
