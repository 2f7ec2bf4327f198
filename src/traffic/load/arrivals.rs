//! When a stream's requests are due.

use crate::model::traffic::Arrivals;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, Exp};
use std::time::Duration;

/// The moments at which one stream's requests are due, one after the other.
#[derive(Debug)]
pub(super) struct Schedule {
    arrivals: Arrivals,
    /// When the stream began.
    start: Duration,
    /// Requests that were due before `next`.
    count: u64,
    next: Option<Duration>,
    rng: ChaCha8Rng,
}

impl Schedule {
    /// The first request is due at once; with Poisson arrivals, after the first gap.
    pub(super) fn new(arrivals: Arrivals, start: Duration, rng: ChaCha8Rng) -> Self {
        let mut schedule = Self { arrivals, start, count: 0, next: None, rng };
        schedule.next = schedule.compute(start);
        schedule
    }

    /// When the next request is due, since the lab was made; never at a rate of 0.
    pub(super) fn next(&self) -> Option<Duration> {
        self.next
    }

    /// Goes on to the request after it.
    pub(super) fn advance(&mut self) {
        self.count += 1;
        self.next = self.next.and_then(|last| self.compute(last));
    }

    fn compute(&mut self, last: Duration) -> Option<Duration> {
        let count = self.count as f64;
        // Counted from the start and not from the last one, so that small errors do not add up.
        let offset = match self.arrivals {
            Arrivals::Constant { per_second } => count / per_second,
            Arrivals::Ramp { from, to, over } => ramp(count, from, to, over.as_secs_f64())?,
            Arrivals::Poisson { per_second } => {
                let gap = Exp::new(per_second).ok()?.sample(&mut self.rng);
                return Duration::try_from_secs_f64(gap).ok().and_then(|gap| last.checked_add(gap));
            }
        };
        Duration::try_from_secs_f64(offset).ok().and_then(|offset| self.start.checked_add(offset))
    }
}

/// Seconds until `count` requests were due when the rate goes from `from` to `to` over `over` seconds and stays there.
fn ramp(count: f64, from: f64, to: f64, over: f64) -> Option<f64> {
    let on_the_way = f64::midpoint(from, to) * over;
    if count >= on_the_way {
        return (to > 0.0).then(|| over + (count - on_the_way) / to);
    }
    // The count after t seconds is from·t + slope·t²/2; solved in the form that is also right for a slope of 0.
    let slope = (to - from) / over;
    let root = (from * from + 2.0 * slope * count).max(0.0).sqrt();
    Some(if from + root > 0.0 { 2.0 * count / (from + root) } else { 0.0 })
}
