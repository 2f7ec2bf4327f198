//! Requests by version: one cell per share of the last seconds' requests, then the numbers.

use super::{draw_lines, printable};
use crate::state::{LabState, RECENT_MS, VersionTraffic, words};
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

pub fn title(state: &LabState, _: &View) -> Line<'static> {
    let rate = state.traffic.recent_rate(state.now_ms);
    Line::from(format!("requests by version, last {} s: {rate:.0}/s", RECENT_MS / 1000))
}

pub fn rows(state: &LabState, _: &View) -> usize {
    state.traffic.versions.len() + 1
}

pub fn draw(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    if state.traffic.versions.is_empty() {
        draw_lines(vec![Line::styled("no requests yet", view.style(Role::Muted))], 0, area, buf);
        return;
    }
    let mut lines = vec![cells(state, view, usize::from(area.width))];
    let versions = state.traffic.versions.iter();
    lines.extend(versions.map(|(name, it)| version_line(state, view, name, it, usize::from(area.width))));
    draw_lines(lines, view.scrolled(super::PaneId::Requests), area, buf);
}

/// The row of cells: each version's well-served share, then its harmed share.
fn cells(state: &LabState, view: &View, width: usize) -> Line<'static> {
    let mut shares = Vec::new();
    for (name, version) in &state.traffic.versions {
        let (requests, harmed) = version.recent_counts(state.now_ms);
        let (role, cell) = look(name, version);
        shares.push((requests.saturating_sub(harmed), role, cell));
        shares.push((harmed, Role::Bad, "x"));
    }
    let counts: Vec<u64> = shares.iter().map(|it| it.0).collect();
    let spans = apportion(&counts, width).into_iter().zip(shares);
    spans.map(|(cells, (_, role, cell))| Span::styled(cell.repeat(cells), view.style(role))).collect()
}

/// Versions differ in shade too, for screens without colour.
fn look(name: &str, version: &VersionTraffic) -> (Role, &'static str) {
    match version.backend.as_str() {
        _ if name.is_empty() => (Role::Muted, "·"),
        "canary" => (Role::Canary, "▒"),
        _ => (Role::Primary, "█"),
    }
}

/// Shares out `cells` by largest remainder; whatever is there at all gets at least one cell.
fn apportion(counts: &[u64], cells: usize) -> Vec<usize> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return vec![0; counts.len()];
    }
    let exact: Vec<f64> = counts.iter().map(|it| *it as f64 * cells as f64 / total as f64).collect();
    let mut shares: Vec<usize> =
        counts.iter().zip(&exact).map(|(count, exact)| (exact.floor() as usize).max(usize::from(*count > 0))).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    for place in order.into_iter().filter(|it| counts[*it] > 0) {
        if shares.iter().sum::<usize>() < cells {
            shares[place] += 1;
        }
    }
    // The cells that the smallest got come from the largest.
    while shares.iter().sum::<usize>() > cells {
        let Some(largest) = shares.iter_mut().max() else { break };
        *largest -= 1;
    }
    shares
}

fn version_line(state: &LabState, view: &View, name: &str, version: &VersionTraffic, width: usize) -> Line<'static> {
    let (role, cell) = look(name, version);
    let (requests, harmed) = version.recent_counts(state.now_ms);
    let name = if name.is_empty() { "no version".to_owned() } else { printable(name) };
    let rate = state.traffic.rate_of(version, state.now_ms);
    let mut spans = vec![Span::styled(format!("{cell} "), view.style(role))];
    spans.push(Span::raw(format!("{name:<8} {:<7} {rate:>5.1}/s ", version.backend)));
    let percent = 100.0 * harmed as f64 / requests.max(1) as f64;
    let harm_role = if harmed == 0 { Role::Muted } else { Role::Bad };
    spans.push(Span::styled(format!("{:>5} % harmed", words::number(percent, 1)), view.style(harm_role)));
    if let Some(slice) = version.recent_slices(state.now_ms).last().filter(|_| width >= 52) {
        let (p50, p99) = (words::measured(slice.p50_ms, "ms"), words::measured(slice.p99_ms, "ms"));
        spans.push(Span::raw(format!("  p50 {p50} p99 {p99} ms")));
    }
    if width >= 76 {
        let total = words::thousands(version.requests);
        let text = format!("  {total} in all, {} harmed", words::thousands(version.harmed));
        spans.push(Span::styled(text, view.style(Role::Muted)));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_harmed_request_of_a_thousand_is_seen() {
        assert_eq!(apportion(&[999, 1], 40), [39, 1]);
        assert_eq!(apportion(&[90, 7, 3], 10), [8, 1, 1]);
        assert_eq!(apportion(&[0, 0], 10), [0, 0]);
        assert_eq!(apportion(&[1, 1, 1], 2).iter().sum::<usize>(), 2);
    }

    proptest! {
        #[test]
        fn all_cells_are_shared_out(counts in proptest::collection::vec(0u64..1_000_000, 1..8), cells in 0usize..200) {
            let shares = apportion(&counts, cells);
            let expected = if counts.iter().all(|it| *it == 0) { 0 } else { cells };
            prop_assert_eq!(shares.iter().sum::<usize>(), expected);
            prop_assert!(shares.iter().zip(&counts).all(|(share, count)| *count > 0 || *share == 0));
        }
    }
}
