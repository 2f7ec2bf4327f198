//! What happened, newest last; rollbacks stand out. A filter narrows it.

use super::{PaneId, printable};
use crate::state::{Entry, LabState};
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

pub fn title(state: &LabState, view: &View) -> Line<'static> {
    let all = state.timeline.len() as u64 + state.timeline.dropped();
    let typing = if view.is_typing_filter { "▏" } else { "" };
    let filter = match view.filter.as_str() {
        "" if !view.is_typing_filter => String::new(),
        filter => format!(", filter /{filter}{typing}"),
    };
    let back = match view.scrolled(PaneId::Events) {
        0 => String::new(),
        rows => format!(", {rows} newer below"),
    };
    Line::from(format!("events: {all}{filter}{back}"))
}

pub fn rows(state: &LabState, view: &View) -> usize {
    if view.filter.is_empty() {
        state.timeline.len()
    } else {
        state.timeline.iter().filter(|it| passes(it, &view.filter)).count()
    }
}

pub fn draw(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let height = usize::from(area.height);
    let newest = state.timeline.iter().rev().filter(|it| passes(it, &view.filter));
    let mut shown: Vec<&Entry> = newest.skip(view.scrolled(PaneId::Events)).take(height).collect();
    shown.reverse();
    for (row, entry) in shown.into_iter().enumerate() {
        let place = Rect { y: area.y + row as u16, height: 1, ..area };
        entry_line(state, view, entry).render(place, buf);
    }
}

fn entry_line(state: &LabState, view: &View, entry: &Entry) -> Line<'static> {
    let style = view.style(entry.tone);
    let style = if entry.text.starts_with("Rolling back") { style.add_modifier(Modifier::REVERSED) } else { style };
    Line::from(vec![
        Span::styled(format!("{:>7} ", state.time(entry.at_ms)), view.style(Role::Muted)),
        Span::styled(format!("{} {}", entry.tone.sign(), printable(&entry.text)), style),
    ])
}

/// Whether an entry holds the filter's words in its kind or its text, whatever their case; `!` in front turns it round.
fn passes(entry: &Entry, filter: &str) -> bool {
    let (wanted, filter) = match filter.strip_prefix('!') {
        Some("") | None => (true, filter.trim_start_matches('!')),
        Some(rest) => (false, rest),
    };
    let filter = filter.to_lowercase();
    let found = filter.is_empty() || entry.kind.name().contains(&filter) || entry.text.to_lowercase().contains(&filter);
    found == wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{EntryKind, Tone};

    #[test]
    fn a_filter_finds_words_and_kinds() {
        let text = "Halt podinfo.test advancement".to_owned();
        let entry = Entry { at_ms: 0, seq: 1, kind: EntryKind::Controller, tone: Tone::Warning, text };
        for (filter, passed) in [
            ("", true),
            ("halt", true),
            ("contro", true),
            ("!halt", false),
            ("pods", false),
            ("!pods", true),
            ("!", true),
        ] {
            assert_eq!(passes(&entry, filter), passed, "{filter}");
        }
    }
}
