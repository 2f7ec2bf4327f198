//! Run records: [`Writer`] over anything that takes bytes, [`Reader`] over anything that gives lines.
//!
//! The same events give the same bytes. A record that ends early (the program was killed) is read up to its last whole line,
//! and the reader then says so; nothing is skipped silently.

use super::wire::{self, Header, LineError, MAX_LINE_BYTES};
use super::{Envelope, Event};
use std::io::{self, BufRead, Read, Write};

/// The most events that [`read`] takes from one record.
pub const MAX_EVENTS: u64 = 20_000_000;

/// Writes a record line by line. It does not flush by itself: the caller knows when a reader waits.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    last_seq: u64,
}

/// Why an event was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("failed to write event {seq} to the record: {source}; is there room on the disk?")]
    Io { seq: u64, source: io::Error },
    #[error("event {seq} cannot follow event {last} in a record: numbers go up by one (a fault in coalmine)")]
    Order { seq: u64, last: u64 },
    #[error("event {seq} holds a number that is not finite, which JSON cannot carry (a fault in coalmine): {event}")]
    NotFinite { seq: u64, event: String },
    #[error("event {seq} is longer than the {MAX_LINE_BYTES} bytes that a line of a record may have")]
    TooLong { seq: u64 },
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(mut out: W) -> Result<Self, WriteError> {
        let header = serde_json::to_string(&Header::current()).expect("a header has a JSON form");
        writeln!(out, "{header}").map_err(|source| WriteError::Io { seq: 0, source })?;
        Ok(Self { out, last_seq: 0 })
    }

    /// Writes one event. Events must come with numbers 1, 2, 3, ….
    pub fn write(&mut self, envelope: &Envelope) -> Result<(), WriteError> {
        let seq = envelope.seq;
        if seq != self.last_seq + 1 {
            return Err(WriteError::Order { seq, last: self.last_seq });
        }
        if !wire::is_writable(&envelope.event) {
            return Err(WriteError::NotFinite { seq, event: envelope.event.to_string() });
        }
        let mut line = serde_json::to_vec(envelope).expect("events have string keys and finite numbers");
        if line.len() > MAX_LINE_BYTES {
            return Err(WriteError::TooLong { seq });
        }
        line.push(b'\n');
        self.out.write_all(&line).map_err(|source| WriteError::Io { seq, source })?;
        self.last_seq = seq;
        Ok(())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Gives the writer back, unflushed.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Reads a record as an iterator of events. It ends at the first error.
#[derive(Debug)]
pub struct Reader<R: BufRead> {
    input: R,
    /// What errors call the input: a path, or `standard input`.
    name: String,
    header: Header,
    line: u64,
    last: Option<(u64, u64)>,
    ended: bool,
    failed: bool,
}

/// Why a record cannot be read (further).
#[derive(Debug, thiserror::Error)]
#[error("{name}: line {line}: {why}")]
pub struct ReadError {
    /// What the input was called.
    pub name: String,
    /// 1-based.
    pub line: u64,
    pub why: ReadErrorKind,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadErrorKind {
    #[error("failed to read: {0}")]
    Io(#[from] io::Error),
    #[error("the file is empty; a record begins with its header")]
    Empty,
    #[error("the line is longer than {MAX_LINE_BYTES} bytes, so this is not a record that coalmine wrote")]
    TooLong,
    #[error("the line is not UTF-8 text, so this is not a record that coalmine wrote")]
    NotText,
    #[error("{0}")]
    Line(#[from] LineError),
    #[error(
        "the record stops in the middle of a line: the run was killed or the copy is not whole; the lines before it can be \
         read (`head -n {whole} FILE`)"
    )]
    Truncated { whole: u64 },
    #[error("the record stops before the run has ended (no `runEnded`): the run was killed or the copy is not whole")]
    NotEnded,
    #[error("event {found} comes where event {expected} must: lines are missing or were moved; take the record whole")]
    Gap { expected: u64, found: u64 },
    #[error("the time goes back, from {before} ms to {after} ms: lines were moved; take the record whole")]
    BackInTime { before: u64, after: u64 },
    #[error("the first event is not `runStarted`, so it is not known what ran")]
    NoStart,
    #[error("an event comes after `runEnded`: two records were joined; give them one by one")]
    AfterEnd,
    #[error("the record has more than {MAX_EVENTS} events")]
    TooMany,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header. `name` is what errors call the input.
    pub fn new(mut input: R, name: &str) -> Result<Self, ReadError> {
        let fail = |why| ReadError { name: name.to_owned(), line: 1, why };
        let line = match next_line(&mut input).map_err(fail)? {
            Line::Whole(text) | Line::Cut(text) => text,
            Line::End => return Err(fail(ReadErrorKind::Empty)),
        };
        let header = wire::read_header(&line).map_err(|it| fail(it.into()))?;
        Ok(Self { input, name: name.to_owned(), header, line: 1, last: None, ended: false, failed: false })
    }

    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether `runEnded` has been read. A record without it is of a run that was killed.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    fn read_next(&mut self) -> Result<Option<Envelope>, ReadErrorKind> {
        self.line += 1;
        let envelope = match next_line(&mut self.input)? {
            Line::Whole(text) => wire::read_event(&self.header, &text)?,
            // An editor may have taken the last line break away; a line that was really cut is no whole JSON object.
            Line::Cut(text) => {
                wire::read_event(&self.header, &text).map_err(|_| ReadErrorKind::Truncated { whole: self.line - 1 })?
            }
            Line::End => return Ok(None),
        };
        self.check_place(&envelope)?;
        self.last = Some((envelope.seq, envelope.at_ms));
        self.ended = matches!(envelope.event, Event::RunEnded(_));
        Ok(Some(envelope))
    }

    fn check_place(&self, envelope: &Envelope) -> Result<(), ReadErrorKind> {
        let (seq, at_ms) = self.last.unwrap_or_default();
        if self.ended {
            return Err(ReadErrorKind::AfterEnd);
        }
        if envelope.seq != seq + 1 {
            return Err(ReadErrorKind::Gap { expected: seq + 1, found: envelope.seq });
        }
        if envelope.at_ms < at_ms {
            return Err(ReadErrorKind::BackInTime { before: at_ms, after: envelope.at_ms });
        }
        if self.last.is_none() && !matches!(envelope.event, Event::RunStarted(_)) {
            return Err(ReadErrorKind::NoStart);
        }
        if envelope.seq > MAX_EVENTS { Err(ReadErrorKind::TooMany) } else { Ok(()) }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Envelope, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.read_next();
        self.failed = !matches!(result, Ok(Some(_)));
        result.map_err(|why| ReadError { name: self.name.clone(), line: self.line, why }).transpose()
    }
}

/// Reads a whole, finished record.
pub fn read(input: impl BufRead, name: &str) -> Result<Vec<Envelope>, ReadError> {
    let (events, problem) = read_as_far_as_possible(input, name)?;
    problem.map_or(Ok(events), Err)
}

/// Reads what can be read: the events, and what was wrong after the last of them (a record of a run that was killed has
/// no `runEnded`). The error is for inputs without a readable header.
pub fn read_as_far_as_possible(
    input: impl BufRead,
    name: &str,
) -> Result<(Vec<Envelope>, Option<ReadError>), ReadError> {
    let mut reader = Reader::new(input, name)?;
    let mut events = Vec::new();
    for event in reader.by_ref() {
        match event {
            Ok(event) => events.push(event),
            Err(problem) => return Ok((events, Some(problem))),
        }
    }
    let cut = || ReadError { name: name.to_owned(), line: reader.line, why: ReadErrorKind::NotEnded };
    let problem = (!reader.ended).then(cut);
    Ok((events, problem))
}

enum Line {
    Whole(String),
    /// Bytes without a line break: the input stopped inside the line.
    Cut(String),
    End,
}

fn next_line(input: &mut impl BufRead) -> Result<Line, ReadErrorKind> {
    let mut bytes = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    input.by_ref().take(limit).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Line::End);
    }
    let whole = bytes.last() == Some(&b'\n');
    if whole {
        bytes.pop();
    } else if bytes.len() as u64 == limit {
        return Err(ReadErrorKind::TooLong);
    }
    match String::from_utf8(bytes) {
        Ok(text) if whole => Ok(Line::Whole(text)),
        Ok(text) => Ok(Line::Cut(text)),
        // A cut can fall inside a character, so that is no sign of another kind of file.
        Err(_) if !whole => Ok(Line::Cut(String::new())),
        Err(_) => Err(ReadErrorKind::NotText),
    }
}
