//! `coalmine replay`: a record again, live or as lines.

use super::args::ReplayArgs;
use super::terminal::{self, complain, say};
use super::{Exit, report};

pub(crate) fn replay(args: &ReplayArgs) -> Exit {
    let events = match report::read(&args.record) {
        Ok(events) => events,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    if args.lines || !terminal::can_show_view() {
        say(&crate::report::line::all(&events, terminal::line_options()));
        return Exit::AsExpected;
    }
    match crate::tui::replay(events, args.speed, &super::run::view_options(args.speed)) {
        Ok(_) => Exit::AsExpected,
        Err(error) => {
            complain(&terminal::failure("the live view broke", &error));
            Exit::Lab
        }
    }
}
