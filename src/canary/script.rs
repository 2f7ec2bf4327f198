//! The script of one tick: hands out the answers in order and suspends the tick where they end.
//!
//! The tick's code runs from its beginning on every call. Asks that have an answer return it by reference; the first
//! without one stops the run through `?`. What is told before the last answer was told on an earlier call, so it is kept
//! only from there on.

use super::ask::{Answer, ApiError, Ask, Next, Outcome, Query, QueryError, StatusWrite, Step, Tell, Turn, Write};
use crate::model::canary::Canary;
use crate::model::object::ObjectRef;
use serde_json::Value;

/// Why the code of a tick stops running: the reason `?` returns early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The answer is not there yet.
    Suspend(Box<Ask>),
    /// Something failed, in these words. A step turns it into a Warning event and ends the tick ([`super::context::Tick::step`]).
    Failed(String),
    /// The tick is over after this step.
    End(Step),
    Mismatch {
        at: usize,
        asked: String,
    },
}

/// What a tick's code returns.
pub(super) type Run<T> = Result<T, Stop>;

/// Says what was being done when something failed.
pub(super) trait Context<T> {
    /// Rewrites the words of a failure; everything else passes.
    fn context(self, words: impl FnOnce(&str) -> String) -> Run<T>;
}

impl<T> Context<T> for Run<T> {
    fn context(self, words: impl FnOnce(&str) -> String) -> Run<T> {
        self.map_err(|stop| match stop {
            Stop::Failed(error) => Stop::Failed(words(&error)),
            other => other,
        })
    }
}

/// Replays answers in order.
#[derive(Debug)]
pub(super) struct Script<'a> {
    answers: &'a [Answer],
    next: usize,
    told: Vec<Tell>,
}

impl<'a> Script<'a> {
    pub(super) fn new(answers: &'a [Answer]) -> Self {
        Self { answers, next: 0, told: Vec::new() }
    }

    /// Turns what the code returned into what the driver does next.
    pub(super) fn turn(self, run: Run<Step>) -> Turn {
        let next = match run {
            Ok(step) | Err(Stop::End(step)) => Next::Done(Outcome::Ended(step)),
            Err(Stop::Suspend(ask)) => Next::Ask(*ask),
            Err(Stop::Mismatch { at, asked }) => Next::Done(Outcome::Mismatch { at, asked }),
            Err(Stop::Failed(error)) => Next::Done(Outcome::Failed(error)),
        };
        Turn { tell: self.told, next }
    }

    /// Tells the world something, once.
    pub(super) fn tell(&mut self, tell: impl FnOnce() -> Tell) {
        if self.next == self.answers.len() {
            self.told.push(tell());
        }
    }

    /// The next answer; where there is none, `ask` is made and the run suspends.
    fn take<T>(&mut self, ask: impl FnOnce() -> Ask, pick: impl FnOnce(&'a Answer) -> Option<T>) -> Run<T> {
        let at = self.next;
        let Some(answer) = self.answers.get(at) else { return Err(Stop::Suspend(Box::new(ask()))) };
        self.next += 1;
        pick(answer).ok_or_else(|| Stop::Mismatch { at, asked: format!("{:?}", ask()) })
    }

    pub(super) fn canary(&mut self) -> Run<Result<Option<&'a Canary>, &'a ApiError>> {
        self.take(
            || Ask::Canary,
            |answer| match answer {
                Answer::Canary(found) => Some(found.as_ref().map(Option::as_deref)),
                _ => None,
            },
        )
    }

    pub(super) fn read(&mut self, object: impl FnOnce() -> ObjectRef) -> Run<Result<Option<&'a Value>, &'a ApiError>> {
        self.take(
            || Ask::Read(object()),
            |answer| match answer {
                Answer::Object(found) => Some(found.as_ref().map(Option::as_ref)),
                _ => None,
            },
        )
    }

    /// `write` is made only when it is carried out, so replays build no objects.
    pub(super) fn write(&mut self, write: impl FnOnce() -> Write) -> Run<Result<(), &'a ApiError>> {
        self.take(|| Ask::Write(write()), written)
    }

    pub(super) fn status(&mut self, write: impl FnOnce() -> StatusWrite) -> Run<Result<(), &'a ApiError>> {
        self.take(|| Ask::Status(write()), written)
    }

    /// A hook, a ping, or a wait.
    pub(super) fn carry_out(&mut self, ask: impl FnOnce() -> Ask) -> Run<Result<(), &'a str>> {
        self.take(ask, |answer| match answer {
            Answer::Carried(result) => Some(result.as_ref().copied().map_err(String::as_str)),
            _ => None,
        })
    }

    pub(super) fn query(&mut self, query: impl FnOnce() -> Query) -> Run<Result<f64, &'a QueryError>> {
        self.take(
            || Ask::Query(query()),
            |answer| match answer {
                Answer::Value(result) => Some(result.as_ref().copied()),
                _ => None,
            },
        )
    }

    pub(super) fn text(&mut self, ask: impl FnOnce() -> Ask) -> Run<&'a str> {
        self.take(ask, |answer| match answer {
            Answer::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

fn written(answer: &Answer) -> Option<Result<(), &ApiError>> {
    match answer {
        Answer::Written(result) => Some(result.as_ref().copied()),
        _ => None,
    }
}
