//! A run as lines: what a person reads in a terminal without panes, in a CI log, or in a pipe.
//!
//! [`Lines`] takes events and gives finished lines. A line carries the state of its moment: time, phase, canary weight, success
//! rate and latency beside their limits, strikes used, and the event. Lines of a controller's tick wait for the status that the
//! tick writes (or for time to pass), so that the strike which a line reports is counted in it.

use crate::event::{ClockKind, Envelope, Event, Expectation, RunEnded, RunStarted, StepState};
use crate::state::{CheckState, Entry, EntryKind, LabState, Told, Tone, words};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Columns to fit into; none leaves lines whole (pipes and files).
    pub width: Option<usize>,
    /// Whether to colour. The meaning is in the words and signs either way.
    pub colours: bool,
    /// Whether signs are plain ASCII.
    pub ascii: bool,
}

impl Options {
    /// Whole lines without colour: for pipes and files.
    pub const PLAIN: Self = Self { width: None, colours: false, ascii: false };

    fn sign(self, tone: Tone) -> char {
        if self.ascii { tone.ascii_sign() } else { tone.sign() }
    }
}

/// Under this width a line's numbers and its event take a line each.
const WIDE: usize = 100;
/// How long a tick's lines wait for the tick's status at most, milliseconds of the run.
const TICK_SPREAD_MS: u64 = 900;

/// Turns a stream of events into lines. [`Lines::take`] gives what is finished; [`Lines::finish`] gives the rest.
#[derive(Debug)]
pub struct Lines {
    options: Options,
    state: LabState,
    waiting: Vec<Waiting>,
    out: String,
    has_columns: bool,
}

/// A line whose strikes are not known yet.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    /// The canary's weight, where it is not the one at the end of the tick.
    weight: Option<i64>,
}

impl Lines {
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, state: LabState::default(), waiting: Vec::new(), out: String::new(), has_columns: false }
    }

    /// The state after the last event.
    #[must_use]
    pub fn state(&self) -> &LabState {
        &self.state
    }

    /// Takes the next event; gives the lines that are finished by it, each with its line break; often none.
    pub fn take(&mut self, envelope: &Envelope) -> String {
        if self.waiting.first().is_some_and(|it| envelope.at_ms > it.entry.at_ms + TICK_SPREAD_MS) {
            self.flush();
        }
        self.state.apply(envelope);
        match &envelope.event {
            Event::RunStarted(run) => self.heading(run),
            Event::StatusChanged(_) => self.flush(),
            Event::RunEnded(ended) => {
                self.flush();
                let text = verdict(&self.state, ended, self.options);
                self.out.push_str(&text);
            }
            _ => self.queue(envelope),
        }
        std::mem::take(&mut self.out)
    }

    /// The lines that still waited when the events stopped.
    pub fn finish(&mut self) -> String {
        self.flush();
        std::mem::take(&mut self.out)
    }

    fn queue(&mut self, envelope: &Envelope) {
        let Some(entry) = Entry::of(envelope) else { return };
        let is_lab = self.state.scenario_started_ms.is_none() || entry.kind == EntryKind::Lab;
        if is_lab {
            self.lab_line(envelope, &entry);
            return;
        }
        // The route changes with the event or just after; only a rollback is read with the weight it found.
        let keeps_weight = matches!(&self.state.release.last_told, Some((_, Told::RollingBack(_))));
        let weight = keeps_weight.then(|| self.state.live_weight());
        self.waiting.push(Waiting { entry, weight });
        // Only what the controller says waits for its status.
        if self.waiting.iter().all(|it| it.entry.kind != EntryKind::Controller) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() && !self.has_columns {
            self.has_columns = true;
            let head = column_heads(self.options);
            self.out.push_str(&head);
        }
        let mut last_row = String::new();
        for it in &waiting {
            let row = self.numbers(it).row();
            let line = self.line(it, &row, row == last_row);
            self.out.push_str(&line);
            last_row = row;
        }
    }

    fn heading(&mut self, run: &RunStarted) {
        for line in heading(run) {
            self.out.push_str(&for_terminal(&line, self.options));
            self.out.push('\n');
        }
        self.out.push('\n');
    }

    /// Before the scenario there is nothing to stand in columns. Steps are told when they begin only where they take a
    /// person's time, which on the simulated clock they do not.
    fn lab_line(&mut self, envelope: &Envelope, entry: &Entry) {
        self.flush();
        let begins = matches!(&envelope.event, Event::LabStep(it) if it.state == StepState::Started);
        if begins && self.state.clock() == Some(ClockKind::Simulated) {
            return;
        }
        let text = format!("{} {}", self.options.sign(entry.tone), one_line(&entry.text));
        let text =
            wrapped(&painted(&text, entry.tone, self.options), self.options.width.unwrap_or(usize::MAX).max(30), 4);
        self.out.push_str(&for_terminal(&text, self.options));
        self.out.push('\n');
    }

    fn numbers(&self, waiting: &Waiting) -> Numbers<'static> {
        let state = &self.state;
        Numbers {
            time: state.time(waiting.entry.at_ms),
            phase: if state.release.phase.name().is_empty() { "-" } else { state.release.phase.name() },
            weight: format!("{} %", waiting.weight.unwrap_or(state.live_weight())),
            success: state.success_check().map_or_else(|| "-".to_owned(), beside_limit),
            latency: state.latency_check().map_or_else(|| "-".to_owned(), beside_limit),
            strikes: format!("{}/{}", state.release.strikes, state.threshold()),
        }
    }

    /// In a narrow terminal, numbers that are those of the line before are not said again.
    fn line(&self, waiting: &Waiting, row: &str, is_repeated: bool) -> String {
        let entry = &waiting.entry;
        let event = format!("{} {}", self.options.sign(entry.tone), one_line(&entry.text));
        let event = painted(&event, entry.tone, self.options);
        let line = match self.options.width {
            Some(width) if width < WIDE => {
                let row = if is_repeated { String::new() } else { format!("{row}\n") };
                format!("{row}         {}\n", wrapped(&event, width.max(30) - 9, 11))
            }
            Some(width) => format!("{row}  {}\n", wrapped(&event, width - NUMBERS - 2, NUMBERS + 4)),
            None => format!("{row}  {event}\n"),
        };
        for_terminal(&line, self.options)
    }
}

/// All lines of a record.
#[must_use]
pub fn all(events: &[Envelope], options: Options) -> String {
    let mut lines = Lines::new(options);
    let mut text: String = events.iter().map(|it| lines.take(it)).collect();
    text.push_str(&lines.finish());
    text
}

/// Width of [`Numbers::row`].
const NUMBERS: usize = 71;

struct Numbers<'a> {
    time: String,
    phase: &'a str,
    weight: String,
    success: String,
    latency: String,
    strikes: String,
}

impl Numbers<'_> {
    fn row(&self) -> String {
        let Self { time, phase, weight, success, latency, strikes } = self;
        format!("{time:>7}  {phase:<16} {weight:>6}  {success:>13}  {latency:>13}  {strikes:>6}")
    }
}

fn column_heads(options: Options) -> String {
    let heads = Numbers {
        time: "time".to_owned(),
        phase: "phase",
        weight: "weight".to_owned(),
        success: "success %".to_owned(),
        latency: "latency ms".to_owned(),
        strikes: "strike".to_owned(),
    };
    let row = heads.row();
    match options.width {
        Some(width) if width < WIDE => format!("\n{row}\n         event\n"),
        _ => format!("\n{row}  event\n"),
    }
}

/// What runs, where, on which clock, under which policy.
fn heading(run: &RunStarted) -> Vec<String> {
    let policy = &run.policy;
    let clock = match run.clock {
        ClockKind::Simulated => "simulated clock: times are the lab's, not yours",
        ClockKind::Wall => "wall clock",
    };
    let mut lines = vec![
        format!("{}: {}", run.scenario, run.title),
        format!("{} lab, {clock}, seed {}, coalmine {}", run.lab, run.seed, run.version),
    ];
    lines.push(policy_words(policy));
    if !policy.checks.is_empty() {
        let checks: Vec<_> = policy.checks.iter().map(check_words).collect();
        lines.push(format!("checks: {}", checks.join(", ")));
    }
    lines
}

/// `podinfo.test by nginx, canary: weights 10 20 30, a check every 15s, rollback at 5 strikes`
pub(super) fn policy_words(policy: &crate::event::Policy) -> String {
    let shape = match (policy.weights.as_slice(), policy.iterations) {
        ([], iterations) if iterations > 0 => words::count(iterations.unsigned_abs(), "iteration"),
        ([], _) => "no analysis".to_owned(),
        (weights, _) => {
            let weights: Vec<_> = weights.iter().map(ToString::to_string).collect();
            format!("weights {}", weights.join(" "))
        }
    };
    format!(
        "{}.{} on {}, {}: {shape}, a check every {}, rollback at {}",
        policy.canary,
        policy.namespace,
        policy.provider,
        policy.strategy,
        words::span(policy.interval_ms),
        words::count(policy.threshold.unsigned_abs(), "strike"),
    )
}

/// `success rate ≥ 99 % over 1m00s`
pub(super) fn check_words(check: &crate::event::Check) -> String {
    let window = words::span(check.window_ms);
    format!("{} {} over {window}", words::check_label(&check.name), words::limits(check))
}

fn beside_limit(check: &CheckState) -> String {
    let text = check.against_limit();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The verdict, why, what next, and the expectations as a table.
#[must_use]
pub fn verdict(state: &LabState, ended: &RunEnded, options: Options) -> String {
    let tone = if ended.as_expected() { Tone::Good } else { Tone::Bad };
    let judged = if ended.as_expected() { "as expected" } else { "NOT as expected" };
    let head = format!("{}, {judged} (scenario time {})", ended.outcome.words(), state.time(state.now_ms));
    let mut text = format!("\n{}\n", painted(&head, tone, options));
    let width = options.width.unwrap_or(usize::MAX);
    for (label, sentence) in [("why", &ended.why), ("next", &ended.next)] {
        if !sentence.is_empty() {
            let sentence = wrapped(&one_line(sentence), width.max(30) - 8, 8);
            text.extend(["  ", label, &" ".repeat(6 - label.len()), &sentence, "\n"]);
        }
    }
    if !ended.expectations.is_empty() {
        text.push_str("\nexpected\n");
        ended.expectations.iter().for_each(|it| text.push_str(&expectation(it, options)));
    }
    for_terminal(&text, options)
}

fn expectation(it: &Expectation, options: Options) -> String {
    let (word, tone) = if it.met { ("met   ", Tone::Good) } else { ("NOT MET", Tone::Bad) };
    let head = painted(&format!("{} {word:<7}", options.sign(tone)), tone, options);
    let seen = if it.seen.is_empty() { String::new() } else { format!(" (seen: {})", it.seen) };
    format!("  {head} {}{}\n", one_line(&it.text), one_line(&seen))
}

/// Events of a real cluster can carry line breaks and control characters; a terminal must not act on them.
fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

fn painted(text: &str, tone: Tone, options: Options) -> String {
    let code = match tone {
        _ if !options.colours => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Act => "36",
        Tone::Good => "32",
        Tone::Warning => "33",
        Tone::Bad => "1;31",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn for_terminal(text: &str, options: Options) -> String {
    if !options.ascii {
        return text.to_owned();
    }
    let swapped = text.replace('≥', ">=").replace('≤', "<=").replace('…', "...");
    swapped.chars().map(|it| if it.is_ascii() { it } else { '?' }).collect()
}

/// Breaks a text at spaces into lines of at most `width` characters; further lines are indented. Escape sequences stay
/// whole because they hold no spaces.
fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = visible_length(word);
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

fn visible_length(word: &str) -> usize {
    let mut escaped = false;
    word.chars()
        .filter(|it| {
            let was_escaped = escaped;
            escaped = *it == '\u{1b}' || (escaped && *it != 'm');
            !was_escaped && !escaped
        })
        .count()
}
