//! The numbered steps of one tick, in Flagger's order: one call per step, and the step that ends the tick returns early.

use super::ask::{Answer, Event, Input, Level, LogLevel, Step, Tell, Turn};
use super::script::{Run, Script, Stop};

/// One call of a tick: replays `answers`, then says what is wanted next.
///
/// Call it first with no answers; carry out [`Turn::tell`], then [`Turn::next`], append the answer, and call it again
/// with the same `input`, until it is done.
#[must_use]
pub fn tick(input: &Input<'_>, answers: &[Answer]) -> Turn {
    let mut script = Script::new(answers);
    let run = steps(input, &mut script);
    script.turn(run)
}

fn steps(input: &Input<'_>, script: &mut Script<'_>) -> Run<Step> {
    let Ok(Some(canary)) = script.canary()? else {
        let message = format!("Canary {}.{} not found", input.name, input.namespace);
        script.tell(|| Tell::Log { level: LogLevel::Error, message });
        return Err(Stop::End(Step::Read));
    };
    if canary.spec.suspend {
        let message = "skipping canary run as object is suspended".to_owned();
        script.tell(|| Tell::Event(Event { level: Level::Normal, message, phase: canary.status.phase }));
        return Err(Stop::End(Step::Suspended));
    }
    Ok(Step::Provider)
}
