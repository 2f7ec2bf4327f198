//! Webhooks that run something: what waits, what runs, and what is answered.

use super::command::parse;
use super::run::{Outcome, run};
use super::{Inner, Payload, empty, text};
use crate::sys::http::{HttpError, Response};
use crate::traffic::demo::parse_bool;
use http::StatusCode;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The runner looks for new tasks this often.
const RUNNER_PERIOD: Duration = Duration::from_millis(100);
/// Commands of type `cmd` that wait or run at most; further ones are refused with a note.
const MAX_TASKS: usize = 64;
/// What a shell answers when there is no such program.
const NOT_FOUND: i32 = 127;

/// Tasks of type `cmd`, by Canary and command.
#[derive(Debug)]
pub(super) struct Tasks {
    started: Duration,
    waiting: BTreeSet<(String, String)>,
    running: BTreeSet<(String, String)>,
}

impl Tasks {
    pub(super) fn new(started: Duration) -> Self {
        Self { started, waiting: BTreeSet::new(), running: BTreeSet::new() }
    }

    /// When the runner looks next, since the lab was made.
    fn next_look(&self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.started).as_millis() / RUNNER_PERIOD.as_millis();
        self.started + RUNNER_PERIOD * u32::try_from(passed + 1).unwrap_or(u32::MAX)
    }
}

impl Inner {
    /// `POST /` and every other path.
    pub(super) async fn start_task(self: &Arc<Self>, payload: Payload) -> Result<Response, HttpError> {
        if payload.metadata.is_empty() {
            return Ok(text(StatusCode::BAD_REQUEST, "metadata not found in payload"));
        }
        let metadata = &payload.metadata;
        let kind = metadata.get("type").map_or("cmd", String::as_str);
        let command = metadata.get("cmd").map(String::as_str);
        match kind {
            "bash" => Ok(self.blocking(&payload, command.unwrap_or_default()).await),
            "helm" | "helmv3" | "kubectl" => {
                let program = if kind == "kubectl" { "kubectl" } else { "helm" };
                let why = format!("exec: \"{program}\": executable file not found in $PATH");
                Ok(failed(command.unwrap_or_default(), "", &why))
            }
            "concord" => {
                let why = "concord tasks are not part of the embedded load tester; run this on a kind lab";
                Ok(text(StatusCode::INTERNAL_SERVER_ERROR, why))
            }
            "cmd" => Ok(match command {
                None => text(StatusCode::BAD_REQUEST, "cmd not found in metadata"),
                Some(command) => {
                    self.add(&payload.canary(), command);
                    empty(StatusCode::ACCEPTED)
                }
            }),
            "ngrinder" => Ok(self.ngrinder(&payload)),
            // The real one panics on a type it does not know: the connection breaks.
            _ => Err(HttpError::Closed),
        }
    }

    /// `bash`: the answer waits for the command's end.
    async fn blocking(self: &Arc<Self>, payload: &Payload, line: &str) -> Response {
        let command = match parse(line) {
            Ok(command) => command,
            Err(refusal) => {
                self.note(format!("bash command of {} refused: {line}: {refusal}", payload.canary()));
                return failed(line, &refusal.to_string(), &format!("exit status {NOT_FOUND}"));
            }
        };
        let ended = tokio::time::timeout(self.options.timeout, run(command, &self.http)).await;
        match ended {
            Err(_) => failed(line, "", "signal: killed"),
            Ok(Outcome { code: 0, output }) => {
                let wanted = payload.metadata.get("returnCmdOutput").is_some_and(|it| parse_bool(it) == Ok(true));
                if wanted { text(StatusCode::OK, output) } else { empty(StatusCode::OK) }
            }
            Ok(Outcome { code, output }) => failed(line, &output, &format!("exit status {code}")),
        }
    }

    /// `cmd`: taken over at the runner's next look, unless the same one is running by then.
    fn add(self: &Arc<Self>, canary: &str, line: &str) {
        let task = (canary.to_owned(), line.to_owned());
        let look = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = tasks.waiting.len() + tasks.running.len() >= MAX_TASKS;
            if is_full || !tasks.waiting.insert(task.clone()) {
                drop(tasks);
                if is_full {
                    self.note(format!("command of {canary} not run: {MAX_TASKS} others run already: {line}"));
                }
                return;
            }
            tasks.next_look(self.clock.elapsed())
        };
        let inner = self.clone();
        tokio::spawn(async move {
            let work = async {
                inner.clock.sleep_until(look).await;
                inner.run_task(task).await;
            };
            tokio::select! {
                biased;
                _ = inner.life.exited() => {}
                () = work => {}
            }
        });
    }

    async fn run_task(&self, task: (String, String)) {
        {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.waiting.remove(&task);
            if !tasks.running.insert(task.clone()) {
                tracing::debug!("command skipped {} is already running", task.1);
                return;
            }
        }
        let (canary, line) = &task;
        match parse(line) {
            Err(refusal) => self.note(format!("command of {canary} refused: {line}: {refusal}")),
            Ok(command) => match tokio::time::timeout(self.options.timeout, run(command, &self.http)).await {
                Err(_) => self.note(format!("command failed {line} signal: killed")),
                Ok(Outcome { code: 0, output }) => tracing::info!("command finished {line}\n{output}"),
                Ok(Outcome { code, output }) => self.note(format!("command failed {line} exit status {code} {output}")),
            },
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).running.remove(&task);
    }

    fn ngrinder(&self, payload: &Payload) -> Response {
        let given = |name: &str| payload.metadata.get(name).is_some_and(|value| !value.is_empty());
        if !["server", "clone", "username", "passwd"].into_iter().all(given) {
            return text(StatusCode::BAD_REQUEST, "server, clone, username and passwd are required metadata");
        }
        self.note(format!("ngrinder task of {} not run: it is not part of the embedded load tester", payload.canary()));
        empty(StatusCode::ACCEPTED)
    }
}

/// 500 with the real one's words: command, output, error.
fn failed(command: &str, output: &str, error: &str) -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("command {command} failed: {output}: {error}"))
}
