//! One frame: a pure function of state and view.

use super::keys;
use super::layout::{Places, places};
use super::panes::{PANES, Pane, draw_release, draw_title, index, pane};
use super::theme::Role;
use super::view::{Popup, View};
use crate::state::{LabState, Tone, why};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Widget, Wrap};

/// Draws everything.
pub fn draw(state: &LabState, view: &View, frame: &mut Frame) {
    let (screen, buf) = (frame.area(), frame.buffer_mut());
    let in_setup = state.scenario_started_ms.is_none();
    let Some(places) = places(screen, view.focus, view.zoomed, in_setup) else {
        Paragraph::new("coalmine: please make the window larger").wrap(Wrap { trim: true }).render(screen, buf);
        return;
    };
    draw_places(state, view, &places, buf);
    match view.popup {
        Some(Popup::Help) => draw_help(view, screen, buf),
        Some(Popup::ConfirmRollBack) => draw_confirm(state, view, screen, buf),
        None => {}
    }
}

fn draw_places(state: &LabState, view: &View, places: &Places, buf: &mut Buffer) {
    draw_title(state, view, places.title, buf);
    let role = match why(state).tone {
        Tone::Warning => Role::Warning,
        Tone::Bad => Role::Bad,
        _ => Role::Muted,
    };
    let title =
        state.policy().map_or_else(|| "release".to_owned(), |it| format!("release of {}.{}", it.canary, it.namespace));
    let frame = Block::bordered().title(title).border_type(BorderType::Rounded).border_style(view.style(role));
    let inside = frame.inner(places.release);
    frame.render(places.release, buf);
    draw_release(state, view, inside, buf);
    for (id, place) in &places.panes {
        draw_pane(pane(*id), state, view, *place, buf);
    }
    draw_hints(view, places.hints, buf);
}

/// A pane in its frame. The focus is told by a double frame, and by colour.
fn draw_pane(pane: &Pane, state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let has_focus = pane.id == view.focus;
    let (border, role) = if has_focus { (BorderType::Double, Role::Focus) } else { (BorderType::Rounded, Role::Muted) };
    let mut title = (pane.title)(state, view);
    title.spans.insert(0, Span::styled(format!("{} ", index(pane.id) + 1), view.style(Role::Muted)));
    let frame = Block::bordered().border_type(border).border_style(view.style(role)).title(title);
    let inside = frame.inner(area);
    frame.render(area, buf);
    if !inside.is_empty() {
        (pane.draw)(state, view, inside, buf);
    }
}

/// The last line: the answer to the last key, or what keys do.
fn draw_hints(view: &View, area: Rect, buf: &mut Buffer) {
    if view.is_typing_filter {
        let text = format!(" filter: {}▏  enter keeps it, esc clears it", view.filter);
        return Line::styled(text, view.style(Role::Focus)).render(area, buf);
    }
    if !view.message.is_empty() {
        return Line::styled(format!(" {}", view.message), view.style(Role::Act)).render(area, buf);
    }
    let mut spans = vec![Span::raw(" ")];
    let mut width = 1;
    let hints: Vec<_> = keys::available(view.is_replay).filter(|it| !it.hint.is_empty()).collect();
    // Help and quit are the ones a lost person needs, so the others give way to them.
    let (last, first): (Vec<_>, Vec<_>) =
        hints.into_iter().partition(|it| matches!(it.action, keys::Action::Help | keys::Action::Quit));
    let reserved: usize = last.iter().map(|it| hint_width(it)).sum();
    for binding in first {
        if width + hint_width(binding) + reserved <= usize::from(area.width) {
            width += hint_width(binding);
            spans.extend(hint(binding, view));
        }
    }
    spans.extend(last.into_iter().flat_map(|it| hint(it, view)));
    Line::from(spans).render(area, buf);
}

fn first_key(binding: &keys::Binding) -> &'static str {
    binding.keys.split(' ').next().unwrap_or_default()
}

fn hint_width(binding: &keys::Binding) -> usize {
    first_key(binding).len() + binding.hint.len() + 3
}

fn hint(binding: &keys::Binding, view: &View) -> [Span<'static>; 2] {
    let key = Span::styled(first_key(binding), view.style(Role::Focus));
    [key, Span::styled(format!(" {}  ", binding.hint), view.style(Role::Muted))]
}

fn draw_help(view: &View, screen: Rect, buf: &mut Buffer) {
    let keys = keys::available(view.is_replay).map(|it| {
        Line::from(vec![Span::styled(format!(" {:<10}", it.keys), view.style(Role::Focus)), Span::raw(it.help)])
    });
    let mut lines: Vec<Line> = keys.collect();
    lines.push(Line::default());
    lines.push(Line::styled(" panes: ", view.style(Role::Muted)));
    for row in PANES.chunks(2) {
        let mut text = String::new();
        for it in row {
            text.push_str(&format_pane(it));
        }
        lines.push(Line::from(text));
    }
    lines.push(Line::styled(
        " signs: ✔ good  ! warning  ✖ failed or rolled back  ▸ done by scenario or person; █ primary ▒ canary x harmed",
        view.style(Role::Muted),
    ));
    // Where the table is longer than the screen, the panes and signs give way to the keys.
    let height = (lines.len() as u16 + 2).min(screen.height);
    let area = screen.centered(Constraint::Length(76.min(screen.width)), Constraint::Length(height));
    popup("help (esc closes)", lines, Role::Focus, view, area, buf);
}

fn format_pane(pane: &Pane) -> String {
    format!(" {} {:<32}", index(pane.id) + 1, pane.about)
}

fn draw_confirm(state: &LabState, view: &View, screen: Rect, buf: &mut Buffer) {
    let canary = state.policy().map_or_else(String::new, |it| format!("{}.{}", it.canary, it.namespace));
    let lines = vec![
        Line::from(format!(" Roll back {canary}?")),
        Line::from(" All traffic goes to the primary; the new version is scaled down."),
        Line::default(),
        Line::styled(" y rolls back, any other key does not", view.style(Role::Focus)),
    ];
    let area = screen.centered(Constraint::Length(70.min(screen.width)), Constraint::Length(6.min(screen.height)));
    popup("roll back", lines, Role::Bad, view, area, buf);
}

fn popup(title: &str, lines: Vec<Line>, role: Role, view: &View, area: Rect, buf: &mut Buffer) {
    Clear.render(area, buf);
    let frame =
        Block::bordered().border_type(BorderType::Double).border_style(view.style(role)).title(title.to_owned());
    Paragraph::new(lines).block(frame).wrap(Wrap { trim: false }).render(area, buf);
}
