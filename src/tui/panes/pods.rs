//! Deployments and their pods.

use super::{draw_lines, printable};
use crate::event::Pod;
use crate::state::LabState;
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub fn title(state: &LabState, _: &View) -> Line<'static> {
    let ready = state.pods.values().filter(|it| it.ready).count();
    Line::from(format!("pods: {ready} of {} ready", state.pods.len()))
}

pub fn rows(state: &LabState, _: &View) -> usize {
    state.pods.len() + state.workloads.len()
}

pub fn draw(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let mut lines = Vec::new();
    for it in state.workloads.values() {
        let role = if it.ready < it.desired { Role::Warning } else { Role::Plain };
        let text = format!("{} {}: {} of {} ready", printable(&it.name), printable(&it.version), it.ready, it.desired);
        lines.push(Line::styled(text, view.style(role)));
    }
    lines.extend(state.pods.values().map(|it| pod_line(it, view)));
    if lines.is_empty() {
        lines.push(Line::styled("no pods yet", view.style(Role::Muted)));
    }
    draw_lines(lines, view.scrolled(super::PaneId::Pods), area, buf);
}

fn pod_line(pod: &Pod, view: &View) -> Line<'static> {
    let (sign, role) = match (pod.ready, pod.state.as_str()) {
        (true, _) => ("✔", Role::Good),
        (false, "Pending" | "ContainerCreating" | "Running") => ("◌", Role::Muted),
        (false, "Terminating" | "Completed") => ("•", Role::Muted),
        (false, _) => ("✖", Role::Bad),
    };
    let restarts = if pod.restarts == 0 { String::new() } else { format!(", {} restarts", pod.restarts) };
    Line::from(vec![
        Span::styled(format!("  {sign} "), view.style(role)),
        Span::raw(format!("{} ", printable(&pod.name))),
        Span::styled(format!("{}{restarts}", printable(&pod.state)), view.style(role)),
    ])
}
