//! The one table of keys. What a key does, the help pane and the hints at the bottom are all read from it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    PauseOrResume,
    /// One second of the run's clock.
    Step,
    /// One tick of the controller.
    StepTick,
    Faster,
    Slower,
    OpenGate,
    CloseGate,
    RollBack,
    Back10s,
    Forward10s,
    PreviousEvent,
    NextEvent,
    NextPane,
    PreviousPane,
    Zoom,
    ScrollUp,
    ScrollDown,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Filter,
    Help,
    Close,
    Quit,
}

/// Where a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// Only while a run is live: it asks something of the lab.
    Live,
    /// Only while a record is shown.
    Replay,
}

/// One row of the table.
#[derive(Debug)]
pub struct Binding {
    pub codes: &'static [KeyCode],
    /// How the keys are written: `space`, `+`.
    pub keys: &'static str,
    pub action: Action,
    pub when: When,
    /// For the help pane.
    pub help: &'static str,
    /// For the line of hints; empty leaves it out.
    pub hint: &'static str,
}

macro_rules! bindings {
    ($($codes:expr, $keys:literal, $action:ident, $when:ident, $help:literal, $hint:literal;)*) => {
        &[$(Binding { codes: &$codes, keys: $keys, action: Action::$action, when: When::$when, help: $help, hint: $hint }),*]
    };
}

use KeyCode::{BackTab, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

/// All keys, in the order of the help pane.
#[rustfmt::skip]
pub const BINDINGS: &[Binding] = bindings![
    [Char(' ')],            "space",     PauseOrResume, Always, "pause the clock, or let it run again",        "pause";
    [Char('.'), Char('s')], ". s",       Step,          Always, "while paused: let one second pass",           "step";
    [Char('>'), Char('S')], "> S",       StepTick,      Always, "while paused: let one controller tick pass",  "";
    [Char('+'), Char('=')], "+",         Faster,        Always, "faster",                                      "faster";
    [Char('-')],            "-",         Slower,        Always, "slower",                                      "slower";
    [Char('g'), Char('o')], "g o",       OpenGate,      Live,   "open the gate that the release waits for",    "gate";
    [Char('c')],            "c",         CloseGate,     Live,   "close the gate",                              "";
    [Char('r')],            "r",         RollBack,      Live,   "roll the release back (asks first)",          "roll back";
    [Left],                 "left",      Back10s,       Replay, "jump 10 seconds back",                        "-10s";
    [Right],                "right",     Forward10s,    Replay, "jump 10 seconds on",                          "+10s";
    [Char('[')],            "[",         PreviousEvent, Replay, "jump to the event before",                    "event";
    [Char(']')],            "]",         NextEvent,     Replay, "jump to the next event",                      "event";
    [Tab],                  "tab 1-7",   NextPane,      Always, "go to the next pane, or to one by its number","pane";
    [BackTab],              "shift-tab", PreviousPane,  Always, "go to the pane before",                       "";
    [Enter, Char('z')],     "enter z",   Zoom,          Always, "show the pane alone, or all panes",           "zoom";
    [Up, Char('k')],        "up k",      ScrollUp,      Always, "scroll up",                                   "";
    [Down, Char('j')],      "down j",    ScrollDown,    Always, "scroll down",                                 "";
    [PageUp],               "page up",   PageUp,        Always, "scroll a page up",                            "";
    [PageDown],             "page down", PageDown,      Always, "scroll a page down",                          "";
    [Home],                 "home",      Top,           Always, "to the top",                                  "";
    [End],                  "end",       Bottom,        Always, "to the bottom (events: follow again)",        "";
    [Char('/')],            "/",         Filter,        Always, "filter events by word or kind; ! in front excludes", "filter";
    [Char('?')],            "?",         Help,          Always, "this help",                                   "help";
    [Esc],                  "esc",       Close,         Always, "close what is open, clear the filter",        "";
    [Char('q')],            "q ctrl-c",  Quit,          Always, "end the run; once more leaves at once",       "quit";
];

/// What a key does now; none where it does nothing.
#[must_use]
pub fn action(key: &KeyEvent, is_replay: bool) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == Char('c')).then_some(Action::Quit);
    }
    available(is_replay).find(|it| it.codes.contains(&key.code)).map(|it| it.action)
}

/// The keys that work now.
pub fn available(is_replay: bool) -> impl Iterator<Item = &'static Binding> {
    let hidden = if is_replay { When::Live } else { When::Replay };
    BINDINGS.iter().filter(move |it| it.when != hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn no_key_means_two_things() {
        for is_replay in [false, true] {
            let mut seen = BTreeMap::new();
            for binding in available(is_replay) {
                for code in binding.codes {
                    let before = seen.insert(format!("{code:?}"), binding.keys);
                    assert_eq!(before, None, "{code:?} is also {}", binding.keys);
                }
            }
        }
    }

    #[test]
    fn keys_of_the_other_mode_do_nothing() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        assert_eq!(action(&key(Char('r')), false), Some(Action::RollBack));
        assert_eq!(action(&key(Char('r')), true), None);
        assert_eq!(action(&key(Left), false), None);
        assert_eq!(action(&KeyEvent::new(Char('c'), KeyModifiers::CONTROL), false), Some(Action::Quit));
        assert_eq!(action(&KeyEvent::new(Char('s'), KeyModifiers::CONTROL), false), None);
    }
}
