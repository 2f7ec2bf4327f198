//! Holds the simulated clock back to the speed that a person wants, and brings in what they ask for.
//!
//! The simulated clock jumps whenever every task waits. The pacer is one more task that wakes every [`BEAT`]; where time
//! runs ahead of the wanted speed it blocks the run's only thread, so nothing moves and nothing can be reordered. It
//! beats at every speed, also at [`Speed::Max`], so the speed does not change the record.

use crate::model::command::{Command, Speed};
use crate::sys::clock::Clock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a person's commands are taken in and the speed is kept, on the run's clock.
pub const BEAT: Duration = Duration::from_millis(50);
/// Commands that may wait for the next beat; more are dropped (a person cannot type that fast).
pub const MAX_WAITING_COMMANDS: usize = 64;

/// A person's end: send commands from any thread.
#[derive(Clone)]
pub struct Control(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    speed: Speed,
    paused: bool,
    /// While paused: run until here, on the run's clock.
    allowed_until: Duration,
    inbox: VecDeque<Command>,
    /// Where speed is measured from: real and run time at the last change of speed.
    anchor: Option<(Instant, Duration)>,
}

impl Control {
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        let state = State { speed, paused: false, allowed_until: Duration::ZERO, inbox: VecDeque::new(), anchor: None };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// Asks the run for something; it is taken in at the next beat.
    pub fn send(&self, command: Command) {
        let mut state = self.lock();
        if state.inbox.len() < MAX_WAITING_COMMANDS {
            state.inbox.push_back(command);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until run time may pass `now`; gives the commands that the session has to carry out.
    fn hold(&self, now: Duration) -> Vec<Command> {
        let mut state = self.lock();
        let mut out = Vec::new();
        loop {
            while let Some(command) = state.inbox.pop_front() {
                if !state.take(command, now) {
                    out.push(command);
                }
            }
            match state.wait_for(now) {
                Wait::Go => return out,
                Wait::ForPerson => {
                    state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Wait::For(time) => {
                    let waited = self.0.changed.wait_timeout(state, time);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

enum Wait {
    Go,
    For(Duration),
    ForPerson,
}

impl State {
    /// Carries out what concerns time alone; says whether it did.
    fn take(&mut self, command: Command, now: Duration) -> bool {
        match command {
            Command::Pause => {
                self.paused = true;
                self.allowed_until = now;
            }
            Command::Resume => self.paused = false,
            Command::Step { millis } => self.allowed_until = now + Duration::from_millis(millis),
            Command::Speed(speed) => self.speed = speed,
            Command::Quit => {
                // What is left to do is taking the lab down: nobody wants to watch that at a speed.
                self.paused = false;
                self.speed = Speed::Max;
                return false;
            }
            Command::OpenGate | Command::CloseGate | Command::RollBack => return false,
        }
        self.anchor = None;
        true
    }

    fn wait_for(&mut self, now: Duration) -> Wait {
        if self.paused {
            return if now < self.allowed_until { Wait::Go } else { Wait::ForPerson };
        }
        let Speed::Times(times) = self.speed else { return Wait::Go };
        #[expect(clippy::disallowed_methods, reason = "the pacer compares the simulated clock with the real one")]
        let real = Instant::now();
        let (real_start, run_start) = *self.anchor.get_or_insert((real, now));
        let due = real_start + now.saturating_sub(run_start).div_f64(times);
        match due.checked_duration_since(real) {
            Some(early) if !early.is_zero() => Wait::For(early),
            _ => Wait::Go,
        }
    }
}

/// Beats until the session drops the receiving end. On the wall clock only commands are brought in: real time cannot be held.
pub async fn beat(control: Control, clock: Clock, commands: mpsc::Sender<Command>) {
    let mut next = clock.elapsed();
    loop {
        next += BEAT;
        clock.sleep_until(next).await;
        let taken = if clock.is_simulated() { control.hold(clock.elapsed()) } else { control.drain() };
        for command in taken {
            if commands.send(command).await.is_err() {
                return;
            }
        }
    }
}

impl Control {
    fn drain(&self) -> Vec<Command> {
        self.lock().inbox.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn as_fast_as_it_can_never_waits() {
        let control = Control::new(Speed::Max);
        assert!(control.hold(SECOND * 3600).is_empty());
    }

    #[test]
    fn a_pause_holds_time_until_a_step_lets_it_pass() {
        let control = Control::new(Speed::Max);
        control.send(Command::Pause);
        control.send(Command::Step { millis: 2_000 });
        control.send(Command::OpenGate);
        assert_eq!(control.hold(SECOND), [Command::OpenGate]);
        assert!(control.hold(SECOND * 2).is_empty(), "two seconds from the first are allowed");
        assert!(matches!(control.lock().wait_for(SECOND * 3), Wait::ForPerson));
        control.send(Command::Resume);
        assert!(control.hold(SECOND * 3).is_empty());
    }

    #[test]
    fn who_quits_is_not_held() {
        let control = Control::new(Speed::Max);
        control.send(Command::Pause);
        control.send(Command::Quit);
        assert_eq!(control.hold(SECOND), [Command::Quit]);
        assert!(control.hold(SECOND * 1000).is_empty(), "nor is the taking down of the lab");
    }

    #[test]
    fn ten_times_is_a_tenth_of_the_wait() {
        let control = Control::new(Speed::Times(10.0));
        let mut state = control.lock();
        assert!(matches!(state.wait_for(SECOND), Wait::Go), "the first beat sets the anchor");
        let Wait::For(time) = state.wait_for(SECOND * 101) else { panic!("100 s ahead must wait") };
        assert!(time <= SECOND * 10 && time > SECOND * 5, "{time:?}");
    }
}
