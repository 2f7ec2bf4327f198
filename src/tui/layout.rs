//! Where everything stands, by the size of the terminal.

use super::panes::PaneId;
use ratatui::layout::{Constraint, Layout, Rect};

/// Below this only a sentence is shown.
pub const SMALLEST: (u16, u16) = (24, 6);
/// From here on all panes are shown together.
const MEDIUM: (u16, u16) = (76, 20);
/// From here on the charts stand below each other and the lists beside them.
const LARGE: (u16, u16) = (110, 32);

/// Places on the screen. Panes that have none are not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    pub title: Rect,
    /// Phase, strikes and why.
    pub release: Rect,
    pub panes: Vec<(PaneId, Rect)>,
    pub hints: Rect,
}

/// Shares out the screen; none when it is too small for anything. `only` is the pane to show where one is shown alone.
#[must_use]
pub fn places(screen: Rect, only: PaneId, zoomed: bool, in_setup: bool) -> Option<Places> {
    let fits = |(width, height): (u16, u16)| screen.width >= width && screen.height >= height;
    if !fits(SMALLEST) {
        return None;
    }
    let release_height = if fits(MEDIUM) { 5 } else { 4.min(screen.height.saturating_sub(4)) };
    let rows = [Constraint::Length(1), Constraint::Length(release_height), Constraint::Fill(1), Constraint::Length(1)];
    let [title, release, body, hints] = Layout::vertical(rows).areas(screen);
    let panes = if zoomed || !fits(MEDIUM) {
        vec![(only, body)]
    } else if in_setup {
        setup(body)
    } else if fits(LARGE) {
        large(body)
    } else {
        medium(body)
    };
    Some(Places { title, release, panes, hints })
}

/// Nothing can be plotted before the scenario: steps, pods and events have the screen.
fn setup(body: Rect) -> Vec<(PaneId, Rect)> {
    let [top, events] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(body);
    let [steps, pods] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(top);
    vec![(PaneId::Steps, steps), (PaneId::Pods, pods), (PaneId::Events, events)]
}

fn medium(body: Rect) -> Vec<(PaneId, Rect)> {
    let rows = [Constraint::Fill(4), Constraint::Length(5), Constraint::Fill(3)];
    let [charts, middle, events] = Layout::vertical(rows).areas(body);
    let [weight, success, latency] =
        Layout::horizontal([Constraint::Fill(21), Constraint::Fill(31), Constraint::Fill(28)]).areas(charts);
    let [requests, pods] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(middle);
    vec![
        (PaneId::Weight, weight),
        (PaneId::Success, success),
        (PaneId::Latency, latency),
        (PaneId::Requests, requests),
        (PaneId::Pods, pods),
        (PaneId::Events, events),
    ]
}

fn large(body: Rect) -> Vec<(PaneId, Rect)> {
    let [top, events] = Layout::vertical([Constraint::Fill(5), Constraint::Fill(2)]).areas(body);
    let [left, right] = Layout::horizontal([Constraint::Fill(5), Constraint::Fill(4)]).areas(top);
    let [weight, success, latency] = Layout::vertical([Constraint::Fill(1); 3]).areas(left);
    let [requests, pods, steps] =
        Layout::vertical([Constraint::Length(7), Constraint::Fill(4), Constraint::Fill(3)]).areas(right);
    vec![
        (PaneId::Weight, weight),
        (PaneId::Success, success),
        (PaneId::Latency, latency),
        (PaneId::Requests, requests),
        (PaneId::Pods, pods),
        (PaneId::Steps, steps),
        (PaneId::Events, events),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_pane_has_a_place_on_a_large_screen() {
        let places = places(Rect::new(0, 0, 120, 40), PaneId::Events, false, false).unwrap();
        assert_eq!(places.panes.len(), super::super::panes::PANES.len());
    }

    proptest! {
        #[test]
        fn places_stay_on_the_screen(width in 0u16..300, height in 0u16..120, zoomed: bool, in_setup: bool) {
            let screen = Rect::new(0, 0, width, height);
            if let Some(it) = places(screen, PaneId::Weight, zoomed, in_setup) {
                let all = [it.title, it.release, it.hints].into_iter().chain(it.panes.into_iter().map(|it| it.1));
                for place in all {
                    prop_assert_eq!(place.intersection(screen), place);
                }
            }
        }
    }
}
