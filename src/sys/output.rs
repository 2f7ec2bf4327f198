//! What a process prints: its last lines with their times, for whoever reads them now or follows them.

use super::clock::Clock;
use super::signal::{Signal, Waiter};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many bytes of lines are kept for each process; older lines are dropped. A kubelet keeps 10 MiB for each of five files.
pub const MAX_BYTES: usize = 1 << 20;
/// Longer lines are cut; container runtimes split them at this length.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub text: Arc<str>,
}

/// The writing end. Clones write to the same place; [`Output::default`] writes to nowhere.
#[derive(Debug, Clone, Default)]
pub struct Output(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    kept: Mutex<Kept>,
    news: Signal,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines were dropped: the number of the first kept one.
    dropped: u64,
    closed: bool,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles on the same lines are equal.
impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(left), Some(right)) => Arc::ptr_eq(left, right),
            (left, right) => left.is_none() && right.is_none(),
        }
    }
}

impl Eq for Output {}

impl Output {
    /// Keeps the last [`MAX_BYTES`] of what is written.
    #[must_use]
    pub fn kept(clock: Clock) -> Self {
        Self(Some(Arc::new(Shared { clock, kept: Mutex::default(), news: Signal::default() })))
    }

    /// Now, by the clock that its lines are stamped with; None where nothing is kept.
    #[must_use]
    pub fn now(&self) -> Option<Timestamp> {
        self.0.as_ref().map(|it| it.clock.now())
    }

    /// Writes a line; one that is made only if somebody keeps it.
    pub fn line<T: AsRef<str>>(&self, text: impl FnOnce() -> T) {
        let Some(shared) = &self.0 else { return };
        let text = text();
        let text = text.as_ref();
        let mut end = text.len().min(MAX_LINE_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let line = Line { at: shared.clock.now(), text: Arc::from(&text[..end]) };
        let mut kept = shared.kept();
        if kept.closed {
            return;
        }
        kept.bytes += line.text.len() + 1;
        kept.lines.push_back(line);
        while kept.bytes > MAX_BYTES
            && let Some(oldest) = kept.lines.pop_front()
        {
            kept.bytes -= oldest.text.len() + 1;
            kept.dropped += 1;
        }
        drop(kept);
        shared.news.raise();
    }

    /// Writes a line as Go's zap does in JSON: level, time, place in the program, message, then the fields in their order.
    pub fn zap(&self, level: &str, caller: &str, message: &str, fields: &[(&str, Value)]) {
        let Some(now) = self.now() else { return };
        let ts = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut line = json!({ "level": level, "ts": ts, "caller": caller, "msg": message });
        for (key, value) in fields {
            line[*key] = value.clone();
        }
        self.line(|| line.to_string());
    }

    /// Says that nothing more will come: the process has ended.
    pub fn close(&self) {
        if let Some(shared) = &self.0 {
            shared.kept().closed = true;
            shared.news.raise();
        }
    }

    /// Reads from the first kept line on.
    #[must_use]
    pub fn read(&self) -> Reader {
        let news = self.0.as_ref().map(|it| it.news.waiter());
        Reader { output: self.clone(), next: 0, news }
    }
}

/// The reading end, at some line. One that is slower than the writer misses what was dropped meanwhile.
#[derive(Debug)]
pub struct Reader {
    output: Output,
    next: u64,
    news: Option<Waiter>,
}

impl Reader {
    /// The lines that are there and have not been read.
    pub fn ready(&mut self) -> Vec<Line> {
        let Some(shared) = &self.output.0 else { return Vec::new() };
        let kept = shared.kept();
        let skip = usize::try_from(self.next.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        self.next = kept.dropped + kept.lines.len() as u64;
        kept.lines.iter().skip(skip).cloned().collect()
    }

    /// Waits for lines; none when the process has ended and everything is read.
    pub async fn more(&mut self) -> Vec<Line> {
        loop {
            let closed = self.output.0.as_ref().is_none_or(|it| it.kept().closed);
            let lines = self.ready();
            if !lines.is_empty() || closed {
                return lines;
            }
            let Some(news) = &mut self.news else { return Vec::new() };
            news.raised().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|it| &*it.text).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_what_is_kept_and_then_what_comes_until_the_end() {
        let output = Output::kept(Clock::simulated());
        output.line(|| "one");
        let mut reader = output.read();
        assert_eq!(texts(&reader.more().await), ["one"]);
        let writer = output.clone();
        tokio::spawn(async move {
            writer.line(|| "two");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            writer.line(|| "three");
            writer.close();
            writer.line(|| "after the end");
        });
        assert_eq!(texts(&reader.more().await), ["two"]);
        assert_eq!(texts(&reader.more().await), ["three"]);
        assert!(reader.more().await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_lines_go_first_and_long_ones_are_cut() {
        let output = Output::kept(Clock::simulated());
        let mut reader = output.read();
        for number in 0..70_000 {
            output.line(|| format!("{number:030}"));
        }
        let lines = reader.ready();
        assert!(lines.iter().map(|it| it.text.len() + 1).sum::<usize>() <= MAX_BYTES);
        assert_eq!(&*lines.last().unwrap().text, format!("{:030}", 69_999));
        output.line(|| "ä".repeat(MAX_LINE_BYTES));
        assert_eq!(reader.ready()[0].text.len(), MAX_LINE_BYTES);
    }

    #[test]
    fn nowhere_makes_no_lines() {
        Output::default().line(|| -> String { unreachable!("nobody keeps it") });
        assert!(Output::default().read().ready().is_empty());
    }
}
