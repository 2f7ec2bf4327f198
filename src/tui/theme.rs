//! Colours by role. Every role also has a sign or a word, so nothing is lost without colour; healthy is blue rather than green,
//! so that red and green are never told apart.

use crate::state::Tone;
use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colours {
    /// Bold, dim and reverse only.
    None,
    /// The terminal's own 16.
    Ansi16,
    /// Mid-tones of the 256 that stand out from white and from black.
    #[default]
    Indexed,
}

impl Colours {
    /// What a terminal can do, from `NO_COLOR` and `TERM`: any non-empty `NO_COLOR` means none (no-color.org).
    #[must_use]
    pub fn of(no_color: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        if no_color.is_some_and(|it| !it.is_empty()) || term == "dumb" {
            Self::None
        } else if ["linux", "vt100", "vt220", "ansi", "xterm", "screen", ""].contains(&term) {
            Self::Ansi16
        } else {
            Self::Indexed
        }
    }
}

/// What something means on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Plain,
    Good,
    Warning,
    Bad,
    /// Done by a person or by the scenario.
    Act,
    Primary,
    Canary,
    Muted,
    /// Frame of the pane that has the focus, titles.
    Focus,
}

impl From<Tone> for Role {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Plain => Self::Plain,
            Tone::Act => Self::Act,
            Tone::Good => Self::Good,
            Tone::Warning => Self::Warning,
            Tone::Bad => Self::Bad,
        }
    }
}

impl Colours {
    #[must_use]
    pub fn style(self, role: Role) -> Style {
        let colour = match self {
            Self::None => None,
            Self::Ansi16 => ansi(role),
            Self::Indexed => indexed(role),
        };
        let style = colour.map_or(Style::new(), |it| Style::new().fg(it));
        match role {
            Role::Bad | Role::Focus => style.add_modifier(Modifier::BOLD),
            Role::Muted if self == Self::None => style.add_modifier(Modifier::DIM),
            _ => style,
        }
    }
}

fn ansi(role: Role) -> Option<Color> {
    match role {
        Role::Plain => None,
        Role::Good | Role::Primary => Some(Color::Blue),
        Role::Warning => Some(Color::Yellow),
        Role::Bad => Some(Color::Red),
        Role::Act | Role::Focus => Some(Color::Cyan),
        Role::Canary => Some(Color::Magenta),
        Role::Muted => Some(Color::DarkGray),
    }
}

fn indexed(role: Role) -> Option<Color> {
    let index = match role {
        Role::Plain => return None,
        Role::Good | Role::Primary => 33,
        Role::Warning => 166,
        Role::Bad => 160,
        Role::Act | Role::Focus => 31,
        Role::Canary => 133,
        Role::Muted => 244,
    };
    Some(Color::Indexed(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_on_colours() {
        for (no_color, term, colours) in [
            (None, Some("xterm-256color"), Colours::Indexed),
            (Some(""), Some("xterm-256color"), Colours::Indexed),
            (Some("1"), Some("xterm-256color"), Colours::None),
            (None, Some("dumb"), Colours::None),
            (None, Some("linux"), Colours::Ansi16),
            (None, None, Colours::Ansi16),
        ] {
            assert_eq!(Colours::of(no_color, term), colours, "{no_color:?} {term:?}");
        }
    }
}
