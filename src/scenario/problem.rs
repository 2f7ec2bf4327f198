//! What is wrong with a scenario: all of it at once, each with its place and what to do.

use crate::sys::yaml::Place;
use std::fmt;

/// Most problems that one check reports; a file that is worse than that has one cause.
pub const MAX_PROBLEMS: usize = 200;
/// Longest source line that is shown, in characters.
const MAX_LINE: usize = 160;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be run, or can never do what it says.
    Error,
    /// It can be run and will surprise.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// The file as it was named.
    pub file: String,
    /// None where no place in the file is to blame.
    pub place: Option<Place>,
    /// The whole line of the place.
    pub line: String,
    /// What is wrong, and why it matters.
    pub message: String,
    /// What to do; can be empty.
    pub help: String,
}

impl fmt::Display for Problem {
    /// `FILE:LINE:COLUMN: error: MESSAGE`, the line with a caret under the place, and `help: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        let Some(place) = self.place else {
            writeln!(f, "{}: {word}: {}", self.file, self.message)?;
            return self.write_help(f, "");
        };
        writeln!(f, "{}:{}:{}: {word}: {}", self.file, place.line, place.column, self.message)?;
        let margin = " ".repeat(place.line.to_string().len());
        // Tabs would move the caret; a line that is too long is cut where the caret can still be seen.
        let column = place.column.saturating_sub(1);
        let skipped = column.saturating_sub(MAX_LINE / 2);
        let shown: String = self.line.replace('\t', " ").chars().skip(skipped).take(MAX_LINE).collect();
        let left = shown.chars().count().saturating_sub(column - skipped).max(1);
        writeln!(f, " {margin} |")?;
        writeln!(f, " {} | {shown}", place.line)?;
        writeln!(f, " {margin} | {}{}", " ".repeat(column - skipped), "^".repeat(place.length.clamp(1, left)))?;
        self.write_help(f, &margin)
    }
}

impl Problem {
    fn write_help(&self, f: &mut fmt::Formatter<'_>, margin: &str) -> fmt::Result {
        if self.help.is_empty() { Ok(()) } else { writeln!(f, " {margin} = help: {}", self.help) }
    }
}

/// The texts that a scenario was read from, so that a problem can show its line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<(String, String)>,
}

/// Which text a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(usize);

/// Collects problems. Everything that checks takes one and goes on.
#[derive(Debug, Default)]
pub struct Problems {
    sources: Sources,
    list: Vec<Problem>,
}

impl Problems {
    /// Registers a text under the name that problems will show.
    pub fn add_source(&mut self, name: &str, text: &str) -> SourceId {
        self.sources.texts.push((name.to_owned(), text.to_owned()));
        SourceId(self.sources.texts.len() - 1)
    }

    pub fn error(&mut self, at: (SourceId, Place), message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, at.0, Some(at.1), message.into(), help.into());
    }

    pub fn warn(&mut self, at: (SourceId, Place), message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Warning, at.0, Some(at.1), message.into(), help.into());
    }

    /// An error of the whole file.
    pub fn error_in(&mut self, source: SourceId, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, source, None, message.into(), help.into());
    }

    fn push(&mut self, severity: Severity, source: SourceId, place: Option<Place>, message: String, help: String) {
        // The first error is never dropped, because it says why there is no plan.
        if self.is_full() && (severity == Severity::Warning || self.has_errors()) {
            return;
        }
        let Some((file, text)) = self.sources.texts.get(source.0) else { return };
        let place = place.filter(|it| it.line > 0);
        let line = place.and_then(|it| text.lines().nth(it.line - 1)).unwrap_or_default().to_owned();
        let problem = Problem { severity, file: file.clone(), place, line, message, help };
        // One cause can be met on two ways (a value that an alias repeats).
        if !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    /// Whether further problems are dropped; then what is costly to word can be left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= MAX_PROBLEMS
    }

    /// How many there are so far: a reader compares before and after.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|it| it.severity == Severity::Error)
    }

    /// All problems: by file in the order in which the files were read, then by place.
    #[must_use]
    pub fn into_list(self) -> Vec<Problem> {
        let order = |file: &str| self.sources.texts.iter().position(|(name, _)| name == file);
        let mut list = self.list;
        list.sort_by_key(|it| (order(&it.file), it.place.map(|at| (at.line, at.column)), it.severity));
        list
    }
}

/// The known name that is nearest to `word`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let target = folded(word);
    known
        .iter()
        .map(|name| (distance(&target, &folded(name)), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edits from one word to the other: letters added, left out, replaced, or swapped with their neighbour (optimal string
/// alignment). Words are short; of longer ones only the start is compared.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(40).collect(), b.chars().take(40).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let shifted = rows[i - 1][j].min(rows[i][j - 1]) + 1;
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let best = replaced.min(shifted);
                if swapped { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[a.len()][b.len()]
}
