//! `coalmine run`: one scenario on one lab, as a live view or as lines.

use super::args::{ClockArg, RunArgs};
use super::terminal::{self, complain, say};
use super::{Exit, interrupt, report};
use crate::event::{ClockKind, Envelope, Outcome, RunEnded};
use crate::model::command::Speed;
use crate::report::line::{self, Lines};
use crate::scenario::{self, Plan};
use crate::session::{Control, Journal, Launch, LaunchError, Place, Sink};
use crate::sys::rng::Seed;
use crate::tui;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

/// How fast a person can follow a rollout whose ticks are 10 to 60 s apart.
const VIEW_SPEED: Speed = Speed::Times(10.0);

/// What a person sees of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    View,
    Lines,
    VerdictOnly,
}

pub(crate) fn run(args: &RunArgs) -> Exit {
    if args.clock == ClockArg::Wall && args.speed.is_some() {
        complain("coalmine: --speed is for the simulated clock; the wall clock has one speed\n");
        return Exit::Usage;
    }
    let plan = match plan(&args.scenario) {
        Ok(plan) => plan,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    if let Some(Err(error)) = args.out.as_deref().map(std::fs::create_dir_all) {
        complain(&terminal::failure("the folder of --out could not be made", &error));
        return Exit::Usage;
    }
    let show = match (args.quiet, args.lines || !terminal::can_show_view()) {
        (true, _) => Show::VerdictOnly,
        (false, true) => Show::Lines,
        (false, false) => Show::View,
    };
    let speed = args.speed.unwrap_or(if show == Show::View { VIEW_SPEED } else { Speed::Max });
    let control = Control::new(speed);
    let journal = Journal::default();
    let launch = Launch {
        plan,
        place: Place::Embedded(match args.clock {
            ClockArg::Simulated => ClockKind::Simulated,
            ClockArg::Wall => ClockKind::Wall,
        }),
        seed: Seed(args.seed),
        journal: journal.clone(),
        sinks: Vec::new(),
        control: control.clone(),
    };
    let result = match show {
        Show::View => with_view(launch, &control, speed),
        Show::Lines => with_lines(launch, control),
        Show::VerdictOnly => interrupt::listen(control).map_err(LaunchError::from).and_then(|()| launch.run()),
    };
    let exit = conclude(result, &journal, show);
    written(exit, args.out.as_deref(), &journal.take())
}

/// Warnings are printed; the error has all problems of the file.
fn plan(name: &str) -> Result<Plan, String> {
    let (plan, problems) = scenario::open(name).map_err(|error| format!("coalmine: {error}\n"))?;
    let problems: String = problems.iter().map(|it| format!("{it}\n")).collect();
    let plan = plan.ok_or_else(|| problems.clone())?;
    complain(&problems);
    Ok(plan)
}

fn with_lines(mut launch: Launch, control: Control) -> Result<RunEnded, LaunchError> {
    interrupt::listen(control)?;
    let lines = Arc::new(Mutex::new(Lines::new(terminal::line_options())));
    let sink = lines.clone();
    launch.sinks.push(Box::new(move |envelope| say(&lock(&sink).take(envelope))));
    let result = launch.run();
    say(&lock(&lines).finish());
    result
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The run has a thread of its own; this thread is the view's. A person who quits the view ends the run.
fn with_view(mut launch: Launch, control: &Control, speed: Speed) -> Result<RunEnded, LaunchError> {
    let (sender, events) = mpsc::sync_channel::<Envelope>(tui::CHANNEL);
    launch.sinks.push(view_sink(sender));
    let running = std::thread::Builder::new().name("run".to_owned()).spawn(move || launch.run())?;
    let hands = control.clone();
    let shown = tui::run(events, move |command| hands.send(command), &view_options(speed));
    control.send(crate::model::command::Command::Quit);
    let result = running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if let Err(error) = shown {
        complain(&terminal::failure("the live view broke", &error));
    }
    result
}

fn view_sink(sender: mpsc::SyncSender<Envelope>) -> Sink {
    Box::new(move |envelope| {
        // The view has gone: the run goes on to its end, unseen.
        let _ = sender.send(envelope.clone());
    })
}

pub(crate) fn view_options(speed: Speed) -> tui::Options {
    tui::Options { title: "coalmine".to_owned(), colours: terminal::colours(), speed }
}

/// The exit code, and the verdict where it has not been printed yet.
fn conclude(result: Result<RunEnded, LaunchError>, journal: &Journal, show: Show) -> Exit {
    let ended = match result {
        Ok(ended) => ended,
        Err(error) => {
            complain(&terminal::failure("no verdict", &error));
            return Exit::Lab;
        }
    };
    if show != Show::Lines {
        // Lines end with the verdict themselves; the view leaves nothing behind on the terminal.
        let state = journal.read(crate::state::LabState::of);
        say(&line::verdict(&state, &ended, terminal::line_options()));
    }
    match ended.outcome {
        Outcome::Interrupted => Exit::Interrupted,
        _ if ended.as_expected() => Exit::AsExpected,
        _ => Exit::NotMet,
    }
}

fn written(exit: Exit, folder: Option<&Path>, events: &[Envelope]) -> Exit {
    let Some(folder) = folder else { return exit };
    match report::write(folder, events) {
        Exit::AsExpected => exit,
        failed => failed,
    }
}
