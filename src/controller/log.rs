//! The controller's log: complete where Kubernetes Events are lossy, bounded all the same.

use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use crate::sys::output::Output;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How many lines are kept; older ones are dropped.
pub const MAX_LINES: usize = 10_000;
/// How many lines a slow listener may be behind before it is told that it missed some.
const MAX_BEHIND: usize = 4_096;

/// How serious a line is, in Flagger's (zap's) words and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    /// `-log-level` can say this; no line has it.
    Warn,
    Error,
    /// The same.
    Fatal,
}

impl Level {
    /// As `-log-level` takes it; whatever it does not know is `info`.
    #[must_use]
    pub fn of_flag(value: &str) -> Self {
        match value {
            "debug" => Self::Debug,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "fatal" | "panic" => Self::Fatal,
            _ => Self::Info,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 1, 2, 3, … without gaps, so that a reader sees what it missed.
    pub seq: u64,
    pub at: Timestamp,
    pub level: Level,
    /// `{name}.{namespace}` of the Canary that the line is about; empty for the controller itself.
    pub canary: String,
    pub message: String,
    /// For a line that is also a Kubernetes Event: whether that is a Warning (else Normal).
    pub event: Option<bool>,
}

impl Line {
    /// The line as Flagger writes it with `-zap-encoding json`. `caller` names this station: Flagger's own source lines
    /// would be a pretence.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = serde_json::json!({
            "level": self.level.name(),
            "ts": self.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "caller": "coalmine/controller",
            "msg": self.message,
        });
        if !self.canary.is_empty() {
            line["canary"] = self.canary.as_str().into();
        }
        line.to_string()
    }
}

/// The last [`MAX_LINES`] lines, and a stream of new ones. Clones are handles on the same log.
#[derive(Debug, Clone)]
pub struct Log {
    clock: Clock,
    /// Where lines of at least this level are printed too.
    output: (Output, Level),
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    news: broadcast::Sender<Line>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    last: u64,
}

impl Log {
    pub(super) fn new(clock: Clock) -> Self {
        let (news, _) = broadcast::channel(MAX_BEHIND);
        Self {
            clock,
            output: (Output::default(), Level::Debug),
            shared: Arc::new(Shared { kept: Mutex::default(), news }),
        }
    }

    /// The same log, which also prints its lines of at least this level.
    pub(super) fn printing(self, output: Output, least: Level) -> Self {
        Self { output: (output, least), ..self }
    }

    /// The kept lines after number `seq`; 0 gives all.
    #[must_use]
    pub fn since(&self, seq: u64) -> Vec<Line> {
        let kept = self.kept();
        let from = kept.lines.partition_point(|it| it.seq <= seq);
        kept.lines.range(from..).cloned().collect()
    }

    /// New lines as they are written.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Line> {
        self.shared.news.subscribe()
    }

    pub(super) fn write(&self, level: Level, canary: &str, message: &str) {
        self.push(level, canary, message, None);
    }

    pub(super) fn write_event(&self, level: Level, canary: &str, message: &str, warning: bool) {
        self.push(level, canary, message, Some(warning));
    }

    fn push(&self, level: Level, canary: &str, message: &str, event: Option<bool>) {
        let mut kept = self.kept();
        kept.last += 1;
        let line = Line {
            seq: kept.last,
            at: self.clock.now(),
            level,
            canary: canary.to_owned(),
            message: message.to_owned(),
            event,
        };
        if kept.lines.len() == MAX_LINES {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line.clone());
        drop(kept);
        let (output, least) = &self.output;
        if level >= *least {
            output.line(|| line.to_json());
        }
        // Nobody may be listening; the line is kept either way.
        let _ = self.shared.news.send(line);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `{name}.{namespace}`, which is how Flagger names a Canary in its log.
pub(super) fn canary_key(canary: &ObjectRef) -> String {
    format!("{}.{}", canary.name, canary.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_the_last_lines_and_numbers_all() {
        let log = Log::new(Clock::simulated());
        for number in 1..=MAX_LINES + 5 {
            log.write(Level::Info, "podinfo.test", &number.to_string());
        }
        let all = log.since(0);
        assert_eq!((all.len(), all[0].seq, all[0].message.as_str()), (MAX_LINES, 6, "6"));
        assert_eq!(log.since(MAX_LINES as u64 + 3).len(), 2);
        assert!(log.since(u64::MAX).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn writes_lines_in_flaggers_shape() {
        let log = Log::new(Clock::simulated());
        let mut news = log.subscribe();
        tokio::time::advance(std::time::Duration::from_millis(1_119)).await;
        log.write_event(Level::Info, "podinfo.test", "Initialization done! podinfo.test", false);
        let line = news.recv().await.unwrap();
        assert_eq!(
            line.to_json(),
            r#"{"level":"info","ts":"2026-01-01T00:00:01.119Z","caller":"coalmine/controller","msg":"Initialization done! podinfo.test","canary":"podinfo.test"}"#
        );
        assert_eq!(line.event, Some(false));
    }
}
