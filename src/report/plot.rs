//! Plots as plain numbers and strings for inline SVG: no scripts, no fonts, no network.

use super::summary::tone_name;
use crate::state::{CheckState, LabState, Point, Tone, words};
use serde::Serialize;

/// The drawing's size in SVG units, and the room for labels at its left, right, top and bottom.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 24.0;
/// Marks of strikes and the like on one plot at most.
const MAX_MARKS: usize = 60;

/// One plot, ready to be written out.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    pub id: &'static str,
    pub title: String,
    /// What a person who cannot see the plot is told.
    pub description: String,
    pub unit: String,
    pub lines: Vec<PlotLine>,
    pub limits: Vec<Limit>,
    pub violations: Vec<Dot>,
    pub marks: Vec<Mark>,
    pub x_ticks: Vec<Tick>,
    pub y_ticks: Vec<Tick>,
    pub frame: Frame,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Frame {
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct PlotLine {
    pub name: String,
    pub class: &'static str,
    /// `x,y x,y …`, one for each stretch without a hole.
    pub stretches: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Limit {
    pub y: String,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Dot {
    pub x: String,
    pub y: String,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Mark {
    pub x: String,
    pub tone: &'static str,
    pub sign: char,
    pub text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Tick {
    pub at: String,
    pub text: String,
}

/// Weight, success rate and latency of a run.
pub(super) fn plots(state: &LabState) -> Vec<Plot> {
    let mut all = vec![weight(state)];
    all.extend(state.success_check().map(|it| check(state, it, "success", |low, _| ((low - 1.0).max(0.0), 100.0))));
    all.extend(state.latency_check().map(|it| check(state, it, "latency", |_, high| (0.0, high * 1.1))));
    all
}

/// Where times and values lie on the drawing.
struct Scale {
    start_ms: f64,
    end_ms: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(state: &LabState, (low, high): (f64, f64)) -> Self {
        let start_ms = state.scenario_started_ms.unwrap_or(0) as f64;
        let end_ms = (state.now_ms as f64).max(start_ms + 1000.0);
        Self { start_ms, end_ms, low, high: if high > low { high } else { low + 1.0 } }
    }

    fn x(&self, at_ms: u64) -> f64 {
        let share = (at_ms as f64 - self.start_ms) / (self.end_ms - self.start_ms);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn shows(&self, at_ms: u64) -> bool {
        at_ms as f64 >= self.start_ms
    }
}

/// One decimal is a tenth of a pixel.
fn coordinate(value: f64) -> String {
    words::number(value, 1)
}

fn weight(state: &LabState) -> Plot {
    let highest = state.weights.iter().map(|it| it.live).max().unwrap_or(0);
    let max = state.policy().map_or(0, |it| it.max_weight);
    let scale = Scale::of(state, (0.0, if highest.max(max) > 50 { 100.0 } else { 60.0 }));
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for it in state.weights.iter() {
        let (x, y) = (scale.x(it.at_ms), scale.y(it.live as f64));
        corners.extend(corners.last().map(|before| (x, before.1)));
        corners.push((x, y));
    }
    corners.extend(corners.last().map(|last| (scale.x(state.now_ms), last.1)));
    let limits = if max > 0 {
        vec![Limit { y: coordinate(scale.y(max as f64)), text: format!("max weight {max} %") }]
    } else {
        Vec::new()
    };
    let description =
        format!("The canary's live weight over time; the highest was {highest} %, the last {} %.", state.live_weight());
    let line = PlotLine { name: "canary weight".to_owned(), class: "canary", stretches: vec![stretch(&corners)] };
    Plot { lines: vec![line], limits, ..plot(state, &scale, "weight", "canary weight".to_owned(), "%", description) }
}

fn check(state: &LabState, it: &CheckState, id: &'static str, bounds: fn(f64, f64) -> (f64, f64)) -> Plot {
    let points: Vec<Point> = it.series.points().collect();
    let limits: Vec<f64> = [it.check.min, it.check.max].into_iter().flatten().collect();
    let values = points.iter().filter_map(|it| it.value).chain(limits.iter().copied());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
    let scale = Scale::of(state, if low > high { (0.0, 100.0) } else { bounds(low, high) });
    let line = PlotLine { name: it.check.name.clone(), class: "measured", stretches: stretches(&points, &scale) };
    let dot = |point: &Point| {
        let value = point.value?;
        let text = format!("{}: {}", state.time(point.at_ms), words::against(&it.check, Some(value)));
        Some(Dot { x: coordinate(scale.x(point.at_ms)), y: coordinate(scale.y(value)), text })
    };
    let violations: Vec<Dot> = points.iter().filter(|it| it.violated).filter_map(dot).collect();
    let limits =
        limits.iter().map(|limit| Limit { y: coordinate(scale.y(*limit)), text: words::limits(&it.check) }).collect();
    let description = format!(
        "{} over time, limit {}; {}.",
        it.check.name,
        words::limits(&it.check),
        words::count(it.violations, "measurement") + " outside the limit"
    );
    let title = format!("{} ({})", it.label(), it.check.name);
    Plot { lines: vec![line], limits, violations, ..plot(state, &scale, id, title, &it.check.unit, description) }
}

/// Frame, ticks and marks, without lines yet.
fn plot(state: &LabState, scale: &Scale, id: &'static str, title: String, unit: &str, description: String) -> Plot {
    Plot {
        id,
        title,
        description,
        unit: unit.to_owned(),
        lines: Vec::new(),
        limits: Vec::new(),
        violations: Vec::new(),
        marks: marks(state, scale),
        x_ticks: x_ticks(state, scale),
        y_ticks: y_ticks(scale),
        frame: Frame {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: WIDTH - RIGHT,
            top: TOP,
            bottom: HEIGHT - BOTTOM,
        },
    }
}

fn stretch(points: &[(f64, f64)]) -> String {
    let pairs: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", coordinate(*x), coordinate(*y))).collect();
    pairs.join(" ")
}

/// A line breaks where there was no value.
fn stretches(points: &[Point], scale: &Scale) -> Vec<String> {
    let shown: Vec<&Point> = points.iter().filter(|it| scale.shows(it.at_ms)).collect();
    let pieces = shown.split(|it| it.value.is_none()).filter(|it| !it.is_empty());
    pieces
        .map(|piece| {
            let place = |it: &&Point| Some((scale.x(it.at_ms), scale.y(it.value?)));
            stretch(&piece.iter().filter_map(place).collect::<Vec<_>>())
        })
        .collect()
}

/// Moments that every plot marks.
fn marks(state: &LabState, scale: &Scale) -> Vec<Mark> {
    let release = &state.release;
    let finished = match release.rollback_ms {
        Some(_) => None,
        None => release.finished_ms,
    };
    let mut all = [
        (release.detected_ms, Tone::Act, "new version found"),
        (state.last_fault_ms, Tone::Warning, "fault on"),
        (release.first_halt_ms, Tone::Warning, "first failed check"),
        (release.rollback_ms, Tone::Bad, "rollback"),
        (finished, Tone::Good, "finished"),
    ];
    all.sort_by_key(|it| it.0);
    let mark = |(at, tone, text): (Option<u64>, Tone, &str)| {
        let at = at.filter(|it| scale.shows(*it))?;
        let text = format!("{text} at {}", state.time(at));
        Some(Mark { x: coordinate(scale.x(at)), tone: tone_name(tone), sign: tone.sign(), text })
    };
    all.into_iter().filter_map(mark).take(MAX_MARKS).collect()
}

/// Round times, about eight of them.
fn x_ticks(state: &LabState, scale: &Scale) -> Vec<Tick> {
    let length = (scale.end_ms - scale.start_ms) / 1000.0;
    let steps = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0];
    let step = steps.into_iter().find(|it| length / it <= 9.0).unwrap_or((length / 8.0).ceil());
    let start_ms = scale.start_ms as u64;
    let times = (0..=(length / step) as u64).map(|it| start_ms + it * (step * 1000.0) as u64);
    times.map(|at| Tick { at: coordinate(scale.x(at)), text: state.time(at) }).collect()
}

fn y_ticks(scale: &Scale) -> Vec<Tick> {
    let span = scale.high - scale.low;
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|it| *it >= rough).unwrap_or(rough);
    let first = (scale.low / step).ceil() as i64;
    let last = (scale.high / step + 1e-9).floor() as i64;
    let values = (first..=last.min(first + 20)).map(|it| it as f64 * step);
    values.map(|it| Tick { at: coordinate(scale.y(it)), text: words::number(it, 3) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside_the_plot() {
        let scale = Scale { start_ms: 0.0, end_ms: 120_000.0, low: 69.0, high: 100.0 };
        let texts: Vec<String> = y_ticks(&scale).into_iter().map(|it| it.text).collect();
        assert_eq!(texts, ["70", "80", "90", "100"]);
        let texts: Vec<String> = x_ticks(&LabState::default(), &scale).into_iter().map(|it| it.text).collect();
        assert_eq!(texts, ["0s", "15s", "30s", "45s", "1m00s", "1m15s", "1m30s", "1m45s", "2m00s"]);
    }

    #[test]
    fn a_line_has_a_hole_where_there_was_no_value() {
        let scale = Scale { start_ms: 0.0, end_ms: 1000.0, low: 0.0, high: 1.0 };
        let point = |at_ms, value| Point { at_ms, value, violated: false };
        let points = [point(0, Some(0.0)), point(250, Some(1.0)), point(500, None), point(1000, Some(1.0))];
        assert_eq!(stretches(&points, &scale), ["56,176 254,22", "848,22"]);
    }
}
