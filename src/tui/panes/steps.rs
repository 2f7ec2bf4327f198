//! The scenario's steps as they are taken; the lab's steps while it is made.

use super::{draw_lines, printable};
use crate::event::StepState;
use crate::state::{LabState, LabStepState, words};
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub fn title(state: &LabState, _: &View) -> Line<'static> {
    if state.scenario_started_ms.is_none() {
        return Line::from("making the lab");
    }
    let taken = state.steps.last().map_or(0, |(_, it)| it.index + 1);
    Line::from(format!("steps: {taken} of {}", state.plan_steps))
}

pub fn rows(state: &LabState, _: &View) -> usize {
    if state.scenario_started_ms.is_none() { state.lab_steps.len() } else { state.steps.len() }
}

pub fn draw(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let lines: Vec<_> = if state.scenario_started_ms.is_none() {
        state.lab_steps.iter().map(|it| lab_line(it, view)).collect()
    } else {
        state.steps.iter().map(|(at, it)| step_line(&state.time(*at), &it.text, view)).collect()
    };
    draw_lines(lines, view.scrolled(super::PaneId::Steps), area, buf);
}

fn step_line(time: &str, text: &str, view: &View) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{time:>7} "), view.style(Role::Muted)),
        Span::styled("✔ ", view.style(Role::Good)),
        Span::raw(printable(text)),
    ])
}

fn lab_line(it: &LabStepState, view: &View) -> Line<'static> {
    let (sign, role) = match it.step.state {
        StepState::Started => ("◌", Role::Act),
        StepState::Done => ("✔", Role::Good),
        StepState::Failed => ("✖", Role::Bad),
    };
    let took = it.ended_ms.map_or(String::new(), |end| {
        let millis = end.saturating_sub(it.started_ms);
        if millis < 1000 { format!(" {millis}ms") } else { format!(" {}", words::span(millis)) }
    });
    let detail = if it.step.detail.is_empty() { String::new() } else { format!(": {}", it.step.detail) };
    Line::from(vec![
        Span::styled(format!("{sign} "), view.style(role)),
        Span::raw(printable(&it.step.name)),
        Span::styled(took, view.style(Role::Muted)),
        Span::raw(printable(&detail)),
    ])
}
