//! `coalmine run`: one scenario on one lab, as a live view or as lines.

use super::args::RunArgs;
use super::terminal::{self, complain, say};
use super::{Exit, interrupt, place, report};
use crate::event::{Envelope, Outcome, RunEnded};
use crate::model::command::Speed;
use crate::report::line::{self, Lines};
use crate::scenario::{self, Plan};
use crate::session::{Control, Journal, Launch, LaunchError, Sink};
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
    let asked = || {
        let place = place::of_run(args)?;
        let plan = plan(args)?;
        let traffic_from = place::traffic_from(args, &place)?;
        Ok::<_, String>((place, plan, traffic_from))
    };
    let (place, plan, traffic_from) = match asked() {
        Ok(all) => all,
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
        place,
        seed: Seed(args.seed),
        traffic_from,
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
fn plan(args: &RunArgs) -> Result<Plan, String> {
    let (plan, problems) = scenario::open(&args.scenario).map_err(|error| format!("coalmine: {error}\n"))?;
    let problems: String = problems.iter().map(|it| format!("{it}\n")).collect();
    let mut plan = plan.ok_or_else(|| problems.clone())?;
    complain(&problems);
    place::fit(&mut plan, args)?;
    Ok(plan)
}

fn with_lines(mut launch: Launch, control: Control) -> Result<RunEnded, LaunchError> {
    interrupt::listen(control)?;
    print_lines(|sink| {
        launch.sinks.push(sink);
        launch.run()
    })
}

/// Prints the lines of what `work` sends to its sink.
pub(crate) fn print_lines<T>(work: impl FnOnce(Sink) -> T) -> T {
    let lines = Arc::new(Mutex::new(Lines::new(terminal::line_options())));
    let sink = lines.clone();
    let result = work(Box::new(move |envelope| say(&lock(&sink).take(envelope))));
    say(&lock(&lines).finish());
    result
}

fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_view(mut launch: Launch, control: &Control, speed: Speed) -> Result<RunEnded, LaunchError> {
    show_view(control, speed, |sink| {
        launch.sinks.push(sink);
        move || launch.run()
    })
}

/// Shows what work sends to its sink. The work has a thread of its own; this thread is the view's. A person who quits the
/// view ends the work.
pub(crate) fn show_view<T, E, W>(control: &Control, speed: Speed, work: impl FnOnce(Sink) -> W) -> Result<T, E>
where
    W: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<std::io::Error> + Send + 'static,
{
    let (sender, events) = mpsc::sync_channel::<Envelope>(tui::CHANNEL);
    let running = std::thread::Builder::new().name("run".to_owned()).spawn(work(view_sink(sender)))?;
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
