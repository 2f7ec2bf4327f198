//! The first line (what runs, on which clock) and the release: phase, weight, strikes, and why it stands where it stands.

use super::printable;
use crate::event::ClockKind;
use crate::state::{LabState, Tone, why, words};
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

/// ` coalmine 500-storm · embedded lab · simulated clock, 10x · 1m45s`
pub fn draw_title(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let style = view.style(Role::Focus).add_modifier(Modifier::REVERSED);
    buf.set_style(area, style);
    let (scenario, lab) = state.run.as_ref().map_or(("", ""), |it| (it.scenario.as_str(), it.lab.as_str()));
    // What must be seen on a narrow screen comes first.
    let lab = if lab.is_empty() { String::new() } else { format!("{lab} lab") };
    let parts = [format!("{} {scenario}", view.title), time(state), clock_words(state, view), lab, since_words(state)];
    let text = parts.iter().filter(|it| !it.trim().is_empty()).map(|it| printable(it)).collect::<Vec<_>>().join(" │ ");
    Line::from(format!(" {text}")).style(style).render(area, buf);
}

fn clock_words(state: &LabState, view: &View) -> String {
    let clock = state.clock().map_or("", ClockKind::words);
    let pace = match (view.is_replay, state.clock()) {
        _ if view.paused => ", PAUSED".to_owned(),
        (false, Some(ClockKind::Wall)) => String::new(),
        _ if state.ended.is_some() => ", ended".to_owned(),
        _ => format!(", {}", view.speed),
    };
    let replay = if view.is_replay { "replay of " } else { "" };
    format!("{replay}{clock}{pace}")
}

fn time(state: &LabState) -> String {
    if state.scenario_started_ms.is_none() { "making the lab".to_owned() } else { state.time(state.now_ms) }
}

fn since_words(state: &LabState) -> String {
    match (state.release.detected_ms, state.release.finished_ms) {
        (Some(at), None) => format!("release found {} ago", words::span(state.now_ms.saturating_sub(at))),
        _ => String::new(),
    }
}

/// Inside of the release's frame: a line of facts, then why and what next.
pub fn draw_release(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let why = why(state);
    let role = Role::from(why.tone);
    let [first, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    facts(state, view).render(first, buf);
    let sign = if why.tone == Tone::Plain { String::new() } else { format!("{} ", why.tone.sign()) };
    let mut lines = vec![Line::styled(format!("{sign}{}", printable(&why.text)), view.style(role))];
    if !why.next.is_empty() {
        let gate = if state.release.gate.is_some() && !view.is_replay { " (press g)" } else { "" };
        lines.push(Line::styled(format!("→ {}{gate}", printable(&why.next)), view.style(Role::Muted)));
    }
    Paragraph::new(lines).wrap(Wrap { trim: true }).render(rest, buf);
}

fn facts(state: &LabState, view: &View) -> Line<'static> {
    let release = &state.release;
    let phase = if release.phase.name().is_empty() { "no phase yet" } else { release.phase.name() };
    let bold = view.style(Role::Focus);
    let mut spans = vec![Span::styled(phase, bold)];
    spans.push(Span::raw(format!("   weight {} %", state.live_weight())));
    if release.live_weight.is_some_and(|it| it != release.status_weight) {
        spans.push(Span::styled(format!(" (status {} %)", release.status_weight), view.style(Role::Muted)));
    }
    if state.threshold() > 0 {
        spans.push(Span::raw("   strikes "));
        spans.extend(strikes(state, view));
    }
    if release.iterations > 0 {
        spans.push(Span::raw(format!("   iteration {}", release.iterations)));
    }
    for (_, fault) in state.faults.values() {
        let text = format!("   fault {} {} %", fault.fault.name(), (fault.rate * 100.0).round());
        spans.push(Span::styled(text, view.style(Role::Warning)));
    }
    for (_, rule) in state.rules.values().filter(|(_, it)| it.firing) {
        spans.push(Span::styled(format!("   alert {}", printable(&rule.alert)), view.style(Role::Warning)));
    }
    Line::from(spans)
}

/// `■■■□□ 3 of 5`; long rows of boxes give way to the numbers.
fn strikes(state: &LabState, view: &View) -> Vec<Span<'static>> {
    let (used, threshold) = (state.release.strikes, state.threshold());
    let words = Span::raw(format!("{used} of {threshold}"));
    if threshold > 20 {
        return vec![words];
    }
    let used = used.clamp(0, threshold) as usize;
    let role = if used == 0 { Role::Muted } else { Role::Bad };
    vec![
        Span::styled("■".repeat(used), view.style(role)),
        Span::styled("□".repeat(threshold as usize - used), view.style(Role::Muted)),
        Span::raw(" "),
        words,
    ]
}
