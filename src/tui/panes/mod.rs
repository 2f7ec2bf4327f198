//! The panes: a table of what can be shown. A new pane is a new row here and a place in [`super::layout`].

mod charts;
mod events;
mod header;
mod pods;
mod requests;
mod steps;

pub use header::{draw_release, draw_title};

use super::view::View;
use crate::state::LabState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaneId {
    Weight,
    Success,
    Latency,
    Requests,
    Pods,
    Steps,
    Events,
}

/// One pane: how to reach it, what stands in its frame, what is inside.
pub struct Pane {
    pub id: PaneId,
    /// The digit that goes to it is its place in the table.
    pub about: &'static str,
    pub title: fn(&LabState, &View) -> Line<'static>,
    /// Draws inside the frame.
    pub draw: fn(&LabState, &View, Rect, &mut Buffer),
    /// How many rows there are to scroll through.
    pub rows: fn(&LabState, &View) -> usize,
}

/// All panes in the order of their digits.
pub const PANES: [Pane; 7] = [
    Pane {
        id: PaneId::Weight,
        about: "canary weight over time",
        title: charts::weight_title,
        draw: charts::draw_weight,
        rows: no_rows,
    },
    Pane {
        id: PaneId::Success,
        about: "success rate with its limit",
        title: charts::success_title,
        draw: charts::draw_success,
        rows: no_rows,
    },
    Pane {
        id: PaneId::Latency,
        about: "latency with its limit",
        title: charts::latency_title,
        draw: charts::draw_latency,
        rows: no_rows,
    },
    Pane {
        id: PaneId::Requests,
        about: "requests by version",
        title: requests::title,
        draw: requests::draw,
        rows: requests::rows,
    },
    Pane { id: PaneId::Pods, about: "Deployments and pods", title: pods::title, draw: pods::draw, rows: pods::rows },
    Pane {
        id: PaneId::Steps,
        about: "the scenario's steps",
        title: steps::title,
        draw: steps::draw,
        rows: steps::rows,
    },
    Pane {
        id: PaneId::Events,
        about: "what happened, newest last",
        title: events::title,
        draw: events::draw,
        rows: events::rows,
    },
];

/// A pane's place in [`PANES`].
#[must_use]
pub fn index(id: PaneId) -> usize {
    PANES.iter().position(|it| it.id == id).expect("every pane is in the table")
}

#[must_use]
pub fn pane(id: PaneId) -> &'static Pane {
    &PANES[index(id)]
}

fn no_rows(_: &LabState, _: &View) -> usize {
    0
}

/// Draws lines from a scroll position on, at most as many as fit.
fn draw_lines(lines: Vec<Line<'static>>, scrolled: usize, area: Rect, buf: &mut Buffer) {
    let height = usize::from(area.height);
    let first = scrolled.min(lines.len().saturating_sub(height));
    let shown: Vec<_> = lines.into_iter().skip(first).take(height).collect();
    Paragraph::new(shown).render(area, buf);
}

/// Text that was made elsewhere, without characters that a terminal would act on.
fn printable(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}
