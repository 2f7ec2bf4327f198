//! `coalmine watch`: the live view, or lines, of a Canary of any cluster with Flagger.
//!
//! Exit codes: 0 when a person leaves the view (as k9s), 130 when lines are interrupted (as `kubectl get -w`), 2 when
//! there is no such Canary or several, 3 when the cluster was gone for too long.

use super::args::WatchArgs;
use super::run::{print_lines, show_view};
use super::terminal::{self, complain};
use super::{Exit, interrupt, place, report};
use crate::lab::Reach;
use crate::model::command::Speed;
use crate::session::{Control, Journal, Sink, WatchError, Watching};

pub(crate) fn watch(args: &WatchArgs) -> Exit {
    let reach = match reach(args) {
        Ok(reach) => reach,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    if let Some(Err(error)) = args.out.as_deref().map(std::fs::create_dir_all) {
        complain(&terminal::failure("the folder of --out could not be made", &error));
        return Exit::Usage;
    }
    let (control, journal) = (Control::new(Speed::Max), Journal::default());
    // Without --out nothing is kept: a look can last for days.
    let sinks: Vec<Sink> = args.out.iter().map(|_| journal.sink()).collect();
    let (namespace, canary) = (args.namespace.clone(), args.canary.clone());
    let mut watching = Watching { reach, namespace, canary, sinks, control: control.clone() };
    let in_view = !args.lines && terminal::can_show_view();
    let result = if in_view {
        show_view(&control, Speed::Times(1.0), |sink| {
            watching.sinks.push(sink);
            move || watching.run()
        })
    } else {
        interrupt::listen(control).map_err(WatchError::from).and_then(|()| {
            print_lines(|sink| {
                watching.sinks.push(sink);
                watching.run()
            })
        })
    };
    let exit = conclude(result, in_view);
    match args.out.as_deref().map(|folder| report::write(folder, &journal.take())) {
        None | Some(Exit::AsExpected) => exit,
        Some(failed) => failed,
    }
}

fn reach(args: &WatchArgs) -> Result<Reach, String> {
    let mut reach = match &args.lab {
        Some(name) => place::reach(name)?,
        None => Reach::of_context(args.context.as_deref()).map_err(|it| terminal::failure("no cluster", &it))?,
    };
    if args.prometheus.is_some() {
        reach.prometheus.clone_from(&args.prometheus);
    }
    Ok(reach)
}

fn conclude(result: Result<(), WatchError>, in_view: bool) -> Exit {
    match result {
        Ok(()) if in_view => Exit::AsExpected,
        Ok(()) => Exit::Interrupted,
        Err(error) => {
            complain(&terminal::failure("nothing to watch", &error));
            if error.is_usage() { Exit::Usage } else { Exit::Lab }
        }
    }
}
