//! Histories that cannot grow without end.

use std::collections::VecDeque;

/// The newest `limit` items; older ones are counted and dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring<T> {
    items: VecDeque<T>,
    limit: usize,
    dropped: u64,
}

impl<T> Ring<T> {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), limit: limit.max(1), dropped: 0 }
    }

    pub fn push(&mut self, item: T) {
        if self.items.len() == self.limit {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.items.iter()
    }

    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.items.back()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many older items are gone.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Drops items from the old end while `is_old` says so; they do not count as [`Ring::dropped`].
    pub fn forget_while(&mut self, is_old: impl Fn(&T) -> bool) {
        while self.items.front().is_some_and(&is_old) {
            self.items.pop_front();
        }
    }
}

/// One value at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// None where there was nothing to measure.
    pub value: Option<f64>,
    /// Whether the value was outside its limits.
    pub violated: bool,
}

/// Values over the whole run. When the limit is reached, neighbours are merged in pairs and so are later ones: the plot gets
/// evenly coarser but keeps its beginning, its end and its violations.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    points: Vec<Point>,
    limit: usize,
    /// How many measurements one point stands for.
    stride: u32,
    /// The point being made, and of how many measurements so far.
    pending: Option<(Point, u32)>,
    last: Option<Point>,
}

impl Series {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { points: Vec::new(), limit: limit.max(4), stride: 1, pending: None, last: None }
    }

    pub fn push(&mut self, point: Point) {
        self.last = Some(point);
        let (made, count) = self.pending.map_or((point, 0), |(made, count)| (merged(made, point), count));
        if count + 1 < self.stride {
            self.pending = Some((made, count + 1));
            return;
        }
        self.pending = None;
        self.points.push(made);
        if self.points.len() >= self.limit {
            self.halve();
        }
    }

    /// Oldest first.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        self.points.iter().copied().chain(self.pending.map(|(point, _)| point))
    }

    /// The newest measurement as it came.
    #[must_use]
    pub fn last(&self) -> Option<Point> {
        self.last
    }

    fn halve(&mut self) {
        let (first, rest) = self.points.split_at(1);
        let halves = rest.chunks(2).map(|pair| merged(pair[0], pair[pair.len() - 1]));
        self.points = first.iter().copied().chain(halves).collect();
        self.stride = self.stride.saturating_mul(2);
    }
}

/// The later of two points, unless only the earlier one says something.
fn merged(first: Point, last: Point) -> Point {
    let first_says_more = (first.violated && !last.violated) || (first.value.is_some() && last.value.is_none());
    if first_says_more { first } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_newest_and_counts_the_rest() {
        let mut ring = Ring::new(3);
        (1..=5).for_each(|it| ring.push(it));
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(ring.dropped(), 2);
        ring.forget_while(|it| *it < 5);
        assert_eq!((ring.len(), ring.dropped()), (1, 2));
    }

    #[test]
    fn a_series_gets_coarser_but_keeps_violations_and_both_ends() {
        let mut series = Series::new(64);
        for at_ms in 0..10_000 {
            series.push(Point { at_ms, value: Some(1.0), violated: at_ms == 4_242 });
        }
        let points: Vec<Point> = series.points().collect();
        assert!(points.len() <= 64, "{}", points.len());
        assert!(points.iter().any(|it| it.violated && it.at_ms == 4_242));
        assert_eq!(points[0].at_ms, 0);
        assert_eq!(series.last().map(|it| it.at_ms), Some(9_999));
        assert!(points.is_sorted_by_key(|it| it.at_ms));
        let widest = points.windows(2).map(|it| it[1].at_ms - it[0].at_ms).max();
        assert!(widest < Some(600), "an even plot has no hole of {widest:?}");
    }
}
