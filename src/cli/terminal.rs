//! What the terminal can show, and writing to it.

use super::Exit;
use super::scenarios::Output;
use crate::report::line::Options;
use crate::tui::Colours;
use std::io::{self, IsTerminal, Write};

/// Prints both texts. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(output: &Output) -> Exit {
    say(&output.out);
    complain(&output.err);
    if output.code == 0 { Exit::AsExpected } else { Exit::Usage }
}

/// To stdout.
pub(crate) fn say(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// To stderr.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// An error with its causes, one per line, and what to do where somebody knew it.
pub(crate) fn failure(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("coalmine: {what}: {error}\n");
    let mut cause = error.source();
    while let Some(it) = cause {
        let line = it.to_string();
        // Some errors print their source themselves.
        if !text.contains(&line) {
            text = text + "  because: " + &line + "\n";
        }
        cause = it.source();
    }
    text
}

/// Whether the live view can be shown.
pub(crate) fn can_show_view() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal() && !is_dumb()
}

/// How lines look here: fitted to a terminal, whole and plain elsewhere. `NO_COLOR` and `TERM=dumb` are honoured.
pub(crate) fn line_options() -> Options {
    if !io::stdout().is_terminal() {
        return Options::PLAIN;
    }
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    Options { width, colours: colours() != Colours::None, ascii: is_dumb() }
}

/// Which colours may be used, from `NO_COLOR` and `TERM`.
pub(crate) fn colours() -> Colours {
    let (no_color, term) = (std::env::var("NO_COLOR").ok(), std::env::var("TERM").ok());
    Colours::of(no_color.as_deref(), term.as_deref())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|it| it == "dumb")
}
