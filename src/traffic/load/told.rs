//! The load generator as somebody else's: told which streams to send, and asked what came of them, by requests that may be
//! repeated. Pure: whoever serves it has the sockets.

use super::LoadGenerator;
use crate::model::traffic::Stream;
use crate::sys::clock::Clock;
use crate::traffic::tally::Slice;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Slices that wait to be asked for; the oldest go when there are more.
pub const MAX_SLICES: usize = 600;

/// What is told and asked at once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Counts changes from 1; one that was carried out already is not carried out again. Without a change it is 0.
    pub change: u64,
    /// These streams take the place of those of their name.
    pub streams: Vec<Stream>,
    /// These end.
    pub stop: Vec<String>,
    /// The number of the last slice that arrived; those up to it are forgotten.
    pub seen: u64,
    /// Ends all streams: the answer has the last slice.
    pub end: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the generator's clock says, whose times stand in the slices.
    pub now: Duration,
    /// With their numbers, which count from 1.
    pub slices: Vec<(u64, Slice)>,
    /// Why streams were not taken.
    pub refused: Vec<String>,
}

/// A generator that is told.
pub struct Told {
    generator: LoadGenerator,
    clock: Clock,
    changed: u64,
    slices: VecDeque<(u64, Slice)>,
    next: u64,
    ended: bool,
}

impl Told {
    #[must_use]
    pub fn new(generator: LoadGenerator, clock: Clock) -> Self {
        Self { generator, clock, changed: 0, slices: VecDeque::new(), next: 1, ended: false }
    }

    /// Puts what ended since the last call into a slice of its own.
    pub fn cut(&mut self) {
        if self.ended {
            return;
        }
        self.slices.push_back((self.next, self.generator.take_slice()));
        self.next += 1;
        while self.slices.len() > MAX_SLICES {
            self.slices.pop_front();
        }
    }

    /// Does what the order says, and tells what it does not know yet.
    pub fn obey(&mut self, order: &Order) -> Report {
        let mut refused = Vec::new();
        if order.change > self.changed {
            self.changed = order.change;
            for name in &order.stop {
                self.generator.stop(name);
            }
            refused =
                order.streams.iter().filter_map(|it| self.generator.put(it).err()).map(|it| it.to_string()).collect();
        }
        if order.end && !self.ended {
            self.cut();
            self.ended = true;
            for stream in self.generator.streams() {
                self.generator.stop(&stream.name);
            }
        }
        while self.slices.front().is_some_and(|(number, _)| *number <= order.seen) {
            self.slices.pop_front();
        }
        Report { now: self.clock.elapsed(), slices: self.slices.iter().cloned().collect(), refused }
    }

    /// Whether its end has come and all of it has arrived.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended && self.slices.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::traffic::Arrivals;
    use crate::sys::http::{Http, HttpError, Request, Response};
    use crate::sys::rng::Seed;
    use crate::traffic::load::LoadTarget;
    use futures_util::future::{BoxFuture, FutureExt};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    struct Answers;

    impl Http for Answers {
        fn send(&self, _: Request, _: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
            async { Ok(Response::default()) }.boxed()
        }
    }

    fn stream(name: &str) -> Stream {
        Stream {
            name: name.to_owned(),
            arrivals: Arrivals::Constant { per_second: 10.0 },
            method: "GET".to_owned(),
            host: String::new(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            timeout: Duration::from_secs(1),
        }
    }

    fn told(clock: Clock) -> Told {
        let (base, host, target) = ("http://router.test".to_owned(), String::new(), String::new());
        let target = LoadTarget { http: Arc::new(Answers), base, host, target };
        Told::new(LoadGenerator::start(target, clock, Seed(1)), clock)
    }

    fn requests(report: &Report) -> Vec<(u64, u64)> {
        let count = |it: &Slice| it.versions.values().map(|it| it.requests).sum();
        report.slices.iter().map(|(number, it)| (*number, count(it))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn each_slice_is_told_until_it_has_arrived_and_each_change_is_made_once() {
        let clock = Clock::simulated();
        let mut told = told(clock);
        let second = |n| clock.sleep_until(Duration::from_secs(n) + Duration::from_millis(50));
        let first = Order { change: 1, streams: vec![stream("visitors")], ..Order::default() };
        assert!(told.obey(&first).slices.is_empty());
        second(1).await;
        told.cut();
        assert_eq!(requests(&told.obey(&first)), [(1, 11)], "the order came again, because its answer was lost");
        second(2).await;
        told.cut();
        assert_eq!(requests(&told.obey(&Order::default())), [(1, 11), (2, 10)], "the first one did not arrive");
        let stop = Order { change: 2, stop: vec!["visitors".to_owned()], seen: 2, ..Order::default() };
        assert!(told.obey(&stop).slices.is_empty());
        second(3).await;
        assert_eq!(requests(&told.obey(&Order { seen: 2, end: true, ..Order::default() })), [(3, 0)]);
        assert!(!told.is_over(), "nobody knows whether the last one arrived");
        told.obey(&Order { seen: 3, end: true, ..Order::default() });
        assert!(told.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_cannot_be_sent_says_why_and_slices_that_nobody_asks_for_have_an_end() {
        let mut told = told(Clock::simulated());
        let bad = Stream { method: "NO METHOD".to_owned(), ..stream("bad") };
        let report = told.obey(&Order { change: 1, streams: vec![bad], ..Order::default() });
        assert_eq!(report.refused, ["stream `bad`: `NO METHOD` is not an HTTP method"]);
        (0..MAX_SLICES + 5).for_each(|_| told.cut());
        let report = told.obey(&Order::default());
        assert_eq!((report.slices.len(), report.slices[0].0), (MAX_SLICES, 6));
    }

    #[test]
    fn a_report_survives_its_way() {
        let mut slice = Slice { from: Duration::from_millis(1500), to: Duration::from_secs(2), ..Slice::default() };
        slice.versions.entry("6.9.2".to_owned()).or_default().by_status.insert(500, 3);
        let report = Report { now: Duration::from_secs(2), slices: vec![(7, slice)], refused: vec!["why".to_owned()] };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}
