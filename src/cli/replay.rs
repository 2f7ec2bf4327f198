//! `coalmine replay`: a record again, live or as lines.

use super::args::ReplayArgs;
use super::terminal::{self, complain, say};
use super::{Exit, report};

pub(crate) fn replay(args: &ReplayArgs) -> Exit {
    // A run that was killed left a record without an end: what there is of it is shown, and the exit code is 2.
    let (events, problem) = match report::read_as_far_as_possible(&args.record) {
        Ok(read) => read,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    if args.lines || !terminal::can_show_view() {
        say(&crate::report::line::all(&events, terminal::line_options()));
    } else if let Err(error) = crate::tui::replay(events, args.speed, &super::run::view_options(args.speed)) {
        complain(&terminal::failure("the live view broke", &error));
        return Exit::Lab;
    }
    match problem {
        None => Exit::AsExpected,
        Some(problem) => {
            complain(&problem);
            Exit::Usage
        }
    }
}
