//! Weight, success rate and latency over time, with limits, violations, faults and the rollback.

use crate::state::{CheckState, LabState, Point, words};
use crate::tui::theme::Role;
use crate::tui::view::View;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph, Widget};

/// The longest time that a chart shows; older points leave at the left. Milliseconds.
const LONGEST_MS: u64 = 15 * 60_000;
/// The shortest, so that a young run does not jump about.
const SHORTEST_MS: u64 = 60_000;

type Points = Vec<(f64, f64)>;

pub fn weight_title(state: &LabState, view: &View) -> Line<'static> {
    let weight = Span::styled(state.live_weight().to_string(), view.style(Role::Canary));
    let goal = match state.policy().map_or(0, |it| it.max_weight) {
        0 => " %".to_owned(),
        max => format!(" of {max} %"),
    };
    Line::from(vec![Span::raw("weight "), weight, Span::raw(goal)])
}

pub fn success_title(state: &LabState, view: &View) -> Line<'static> {
    check_title("success rate", state.success_check(), view)
}

pub fn latency_title(state: &LabState, view: &View) -> Line<'static> {
    check_title("latency", state.latency_check(), view)
}

/// `✖ success rate 71.43 < 99 %`
fn check_title(name: &str, check: Option<&CheckState>, view: &View) -> Line<'static> {
    let Some(check) = check else { return Line::from(format!("{name} (not a check here)")) };
    let text = check.against_limit();
    if text.is_empty() {
        return Line::from(format!("{} {}", check.label(), words::limits(&check.check)));
    }
    let (sign, role) = match (check.value(), check.is_violated()) {
        (None, _) => ("?", Role::Warning),
        (_, true) => ("✖", Role::Bad),
        (_, false) => ("✔", Role::Good),
    };
    let text = words::with_unit(&text, &check.check.unit);
    Line::from(vec![
        Span::styled(format!("{sign} "), view.style(role)),
        Span::raw(format!("{} ", check.label())),
        Span::styled(text, view.style(role)),
    ])
}

pub fn draw_weight(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    let range = time_range(state);
    let max = state.policy().map_or(0, |it| it.max_weight);
    let highest = state.weights.iter().map(|it| it.live).max().unwrap_or(0).max(max).max(10) as f64;
    let top = if highest > 50.0 { 100.0 } else { highest };
    let live = stepped(state.weights.iter().map(|it| (it.at_ms, it.live as f64)), state, range);
    let goal = level(max as f64, range);
    let marks = Marks::of(state, range, (0.0, top));
    let mut sets = Vec::new();
    if max > 0 {
        sets.push(dots(&goal, Role::Muted, view));
    }
    sets.push(line(&live, Role::Canary, view));
    sets.extend(marks.sets(view));
    let look = (time_axis(false, view, area), view, area);
    chart(sets, range, (0.0, top), look).render(area, buf);
}

pub fn draw_success(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    draw_check(state.success_check(), state, view, area, buf, |lowest, _| ((lowest - 1.0).max(0.0), 100.0));
}

pub fn draw_latency(state: &LabState, view: &View, area: Rect, buf: &mut Buffer) {
    draw_check(state.latency_check(), state, view, area, buf, |_, highest| (0.0, highest * 1.1));
}

fn draw_check(
    check: Option<&CheckState>,
    state: &LabState,
    view: &View,
    area: Rect,
    buf: &mut Buffer,
    bounds: fn(f64, f64) -> (f64, f64),
) {
    let Some(check) = check else {
        Paragraph::new("this release is not judged by it").style(view.style(Role::Muted)).render(area, buf);
        return;
    };
    let range = time_range(state);
    let points: Vec<Point> = check.series.points().collect();
    let xy = |it: &Point| Some((seconds(state, it.at_ms), it.value?));
    let values: Points = points.iter().filter_map(xy).filter(|it| it.0 >= range.0).collect();
    let broken: Points = points.iter().filter(|it| it.violated).filter_map(xy).filter(|it| it.0 >= range.0).collect();
    let limits: Vec<f64> = [check.check.min, check.check.max].into_iter().flatten().collect();
    let all = || values.iter().map(|it| it.1).chain(limits.iter().copied());
    let (lowest, highest) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = if lowest > highest { (0.0, 100.0) } else { bounds(lowest, highest) };
    let high = if high > low { high } else { low + 1.0 };
    let lines: Vec<Points> = limits.iter().map(|it| level(*it, range)).collect();
    let marks = Marks::of(state, range, (low, high));
    let mut sets: Vec<Dataset> = lines.iter().map(|it| dots(it, Role::Warning, view)).collect();
    sets.extend(marks.sets(view));
    sets.push(line(&values, Role::Primary, view));
    sets.push(scatter(&broken, Role::Bad, view));
    let is_lowest = state.latency_check().is_some_and(|it| std::ptr::eq(it, check));
    let look = (time_axis(is_lowest, view, area), view, area);
    chart(sets, range, (low, high), look).render(area, buf);
}

/// Moments that every chart marks: when the last fault went on, and the rollback.
struct Marks {
    fault: Points,
    rollback: Points,
}

impl Marks {
    fn of(state: &LabState, range: (f64, f64), bounds: (f64, f64)) -> Self {
        let upright = |at: Option<u64>| -> Points {
            let at = at.map(|it| seconds(state, it)).filter(|it| *it >= range.0);
            at.map_or(Vec::new(), |x| {
                (0..=20).map(|it| (x, bounds.0 + (bounds.1 - bounds.0) * f64::from(it) / 20.0)).collect()
            })
        };
        Self { fault: upright(state.last_fault_ms), rollback: upright(state.release.rollback_ms) }
    }

    fn sets<'a>(&'a self, view: &View) -> [Dataset<'a>; 2] {
        [scatter(&self.fault, Role::Act, view), line(&self.rollback, Role::Bad, view)]
    }
}

/// Seconds of scenario time that are on the charts.
fn time_range(state: &LabState) -> (f64, f64) {
    let (start, now) = (state.scenario_started_ms.unwrap_or(0), state.now_ms);
    let from = start.max(now.saturating_sub(LONGEST_MS));
    (seconds(state, from), seconds(state, now.max(from + SHORTEST_MS)))
}

fn seconds(state: &LabState, at_ms: u64) -> f64 {
    state.scenario_ms(at_ms) as f64 / 1000.0
}

/// Corners of a line that stays level between changes.
fn stepped(changes: impl Iterator<Item = (u64, f64)>, state: &LabState, range: (f64, f64)) -> Points {
    let mut points: Points = Vec::new();
    for (at_ms, value) in changes {
        let x = seconds(state, at_ms).max(range.0);
        if let Some((_, before)) = points.last().copied() {
            points.push((x, before));
        }
        points.push((x, value));
    }
    if let Some((_, last)) = points.last().copied() {
        points.push((seconds(state, state.now_ms), last));
    }
    points
}

fn level(value: f64, range: (f64, f64)) -> Points {
    (0..=60).map(|it| (range.0 + (range.1 - range.0) * f64::from(it) / 60.0, value)).collect()
}

fn line<'a>(points: &'a Points, role: Role, view: &View) -> Dataset<'a> {
    Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(view.style(role)).data(points)
}

fn dots<'a>(points: &'a Points, role: Role, view: &View) -> Dataset<'a> {
    Dataset::default().marker(Marker::Braille).graph_type(GraphType::Scatter).style(view.style(role)).data(points)
}

/// Dots that are seen between braille lines also without colour.
fn scatter<'a>(points: &'a Points, role: Role, view: &View) -> Dataset<'a> {
    Dataset::default().marker(Marker::Dot).graph_type(GraphType::Scatter).style(view.style(role)).data(points)
}

/// How an axis of time is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TimeAxis {
    Shown,
    /// Charts that stand below each other share the lowest one's, which leaves each more rows.
    Shared,
}

/// Only wide charts stand below each other; see [`crate::tui::layout`].
fn time_axis(is_lowest: bool, view: &View, area: Rect) -> TimeAxis {
    let is_stacked = area.width >= 56 && !view.zoomed;
    if is_stacked && !is_lowest { TimeAxis::Shared } else { TimeAxis::Shown }
}

/// Rows from which an axis of values has a label in its middle.
const ROWS_FOR_MIDDLE: u16 = 7;

fn chart<'a>(
    sets: Vec<Dataset<'a>>,
    range: (f64, f64),
    bounds: (f64, f64),
    look: (TimeAxis, &View, Rect),
) -> Chart<'a> {
    let (axis, view, area) = look;
    let muted = view.style(Role::Muted);
    let time = |at: f64| words::signed_span((at * 1000.0) as i64);
    let x = Axis::default().bounds([range.0, range.1]).style(muted);
    let x = if axis == TimeAxis::Shown { x.labels([time(range.0), time(range.1)]) } else { x };
    let digits = usize::from(bounds.1 - bounds.0 < 10.0);
    let middle = (area.height >= ROWS_FOR_MIDDLE).then_some(f64::midpoint(bounds.0, bounds.1));
    // One width for all charts, so that one moment stands in one column.
    let label = |it: f64| format!("{:>4}", words::number(it, digits));
    let labels: Vec<String> = [Some(bounds.0), middle, Some(bounds.1)].into_iter().flatten().map(label).collect();
    let y = Axis::default().bounds([bounds.0, bounds.1]).style(muted).labels(labels);
    Chart::new(sets).x_axis(x).y_axis(y).legend_position(None)
}
