//! The samples that our engine and Prometheus both get.

use coalmine::metrics::Labels;
use coalmine::metrics::store::STALE;

/// 2026-01-01T00:00:00Z, in milliseconds.
pub const BASE_MS: i64 = 1_767_225_600_000;
/// How long the data go on.
pub const SPAN_MS: i64 = 40 * 60_000;
/// The usual distance between samples.
const EVERY_MS: i64 = 5_000;

pub struct Series {
    pub labels: Labels,
    pub samples: Vec<(i64, f64)>,
}

/// A small generator of its own, so that the data never change with a library.
struct Noise(u64);

impl Noise {
    /// From 0 up to, not including, 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }

    fn up_to(&mut self, limit: i64) -> i64 {
        (self.next() * limit as f64) as i64
    }
}

struct Data {
    series: Vec<Series>,
    noise: Noise,
}

impl Data {
    /// Times of one target: its own offset, a little late now and then.
    fn times(&mut self) -> Vec<i64> {
        let offset = self.noise.up_to(EVERY_MS);
        (0..SPAN_MS / EVERY_MS).map(|n| BASE_MS + offset + n * EVERY_MS + self.noise.up_to(40)).collect()
    }

    fn add(&mut self, labels: &[(&str, &str)], samples: Vec<(i64, f64)>) {
        self.series.push(Series { labels: Labels::from_pairs(labels.iter().copied()), samples });
    }

    /// A counter that grows by up to `most` per sample and starts anew after `reset` samples.
    fn counter(&mut self, labels: &[(&str, &str)], times: &[i64], most: f64, reset: usize) {
        let mut value = (self.noise.next() * 50.0).floor();
        let mut samples = Vec::new();
        for (index, t) in times.iter().enumerate() {
            if index % reset == reset - 1 {
                value = 0.0;
            }
            value += (self.noise.next() * most).floor();
            samples.push((*t, value));
        }
        self.add(labels, samples);
    }

    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], times: &[i64], limits: &[&str]) {
        let mut counts = vec![0.0; limits.len()];
        let (mut buckets, mut sums, mut totals) = (vec![Vec::new(); limits.len()], Vec::new(), Vec::new());
        let (mut sum, mut total) = (0.0, 0.0);
        for t in times {
            for _ in 0..self.noise.up_to(9) {
                let place = self.noise.up_to(limits.len() as i64) as usize;
                for count in &mut counts[place..] {
                    *count += 1.0;
                }
                sum += self.noise.next() * 3.0;
                total += 1.0;
            }
            for (bucket, count) in buckets.iter_mut().zip(&counts) {
                bucket.push((*t, *count));
            }
            sums.push((*t, sum));
            totals.push((*t, total));
        }
        let with = |suffix: &str, limit: Option<&str>| {
            let name = format!("{name}{suffix}");
            let own = labels.iter().copied().chain(limit.map(|limit| ("le", limit)));
            Labels::from_pairs(own.map(|(n, v)| (n.to_owned(), v.to_owned())).chain([("__name__".to_owned(), name)]))
        };
        for (limit, samples) in limits.iter().zip(buckets) {
            self.series.push(Series { labels: with("_bucket", Some(limit)), samples });
        }
        self.series.push(Series { labels: with("_sum", None), samples: sums });
        self.series.push(Series { labels: with("_count", None), samples: totals });
    }
}

const LIMITS: [&str; 6] = ["0.005", "0.05", "0.5", "1", "2.5", "+Inf"];

/// Everything, the same on every call.
pub fn all() -> Vec<Series> {
    let mut data = Data { series: Vec::new(), noise: Noise(7) };
    pods(&mut data);
    ingress(&mut data);
    envoy(&mut data);
    gauges(&mut data);
    odd_histograms(&mut data);
    data.series
}

fn pods(data: &mut Data) {
    for pod in ["podinfo-6d5f-x2x1z", "podinfo-6d5f-9kk8w", "podinfo-primary-77f-abcde"] {
        let times = data.times();
        for (status, most) in [("200", 9.0), ("404", 2.0), ("500", 3.0)] {
            let labels = [("kubernetes_namespace", "test"), ("kubernetes_pod_name", pod), ("status", status)];
            data.histogram("http_request_duration_seconds", &labels, &times, &LIMITS);
            let mut counter = vec![("__name__", "http_requests_total"), ("job", "podinfo")];
            counter.extend(labels);
            data.counter(&counter, &times, most, 97);
        }
        let version = if pod.contains("primary") { "6.9.1" } else { "6.9.2" };
        let info = [("__name__", "pod_info"), ("kubernetes_pod_name", pod), ("version", version), ("node", "n1")];
        data.add(&info, times.iter().map(|t| (*t, 1.0)).collect());
        data.add(
            &[("__name__", "up"), ("job", "podinfo"), ("instance", pod)],
            times.iter().enumerate().map(|(n, t)| (*t, f64::from(u8::from(n % 37 > 3)))).collect(),
        );
    }
}

fn ingress(data: &mut Data) {
    let times = data.times();
    for canary in ["", "test-podinfo-canary-9898"] {
        for status in ["200", "201", "404", "500", "503"] {
            let labels = [("namespace", "test"), ("ingress", "podinfo"), ("canary", canary), ("status", status)];
            let mut counter = vec![("__name__", "nginx_ingress_controller_requests"), ("service", "podinfo")];
            counter.extend(labels);
            data.counter(&counter, &times, if status == "200" { 12.0 } else { 2.0 }, 10_000);
            data.histogram("nginx_ingress_controller_response_duration_seconds", &labels, &times, &LIMITS);
        }
    }
}

fn envoy(data: &mut Data) {
    let times = data.times();
    for (cluster, code) in
        [("test_podinfo-canary_9898", "200"), ("test_podinfo-canary_9898", "503"), ("test_podinfo-primary_9898", "200")]
    {
        let labels = [("envoy_cluster_name", cluster), ("envoy_response_code", code)];
        let mut counter = vec![("__name__", "envoy_cluster_upstream_rq")];
        counter.extend(labels);
        data.counter(&counter, &times, 7.0, 211);
        data.histogram("envoy_cluster_upstream_rq_time", &labels, &times, &["0.5", "5", "50", "500", "+Inf"]);
    }
}

fn gauges(data: &mut Data) {
    let times = data.times();
    for (room, level) in [("kitchen", 21.0), ("cellar", -4.0), ("attic", 30.0)] {
        let samples = times.iter().map(|t| (*t, level + data.noise.next() * 3.0 - 1.5)).collect();
        data.add(&[("__name__", "temperature"), ("room", room)], samples);
        data.add(&[("__name__", "setpoint"), ("room", room)], times.iter().map(|t| (*t, level + 0.2)).collect());
    }
    let at = |n: usize| times[n];
    // Ends and comes back; ends for good; has a hole longer than the lookback; rarely has a sample.
    let lives: Vec<(i64, f64)> = (0..400)
        .filter(|n| !(100..150).contains(n))
        .map(|n| (at(n), if n == 99 || n == 399 { STALE } else { n as f64 }))
        .collect();
    data.add(&[("__name__", "stale"), ("kind", "twice")], lives);
    data.add(&[("__name__", "stale"), ("kind", "once")], vec![(at(10), 1.0), (at(11), 3.0), (at(12), STALE)]);
    let hole = (0..300).filter(|n| !(80..200).contains(n)).map(|n| (at(n), (n % 17) as f64)).collect();
    data.add(&[("__name__", "gap")], hole);
    data.add(&[("__name__", "sparse")], (0..400).step_by(47).map(|n| (at(n), n as f64 * 1.5)).collect());
    data.add(&[("__name__", "single")], vec![(at(200), 42.0)]);
    let special = |n: usize| match n % 11 {
        3 => f64::NAN,
        5 => f64::INFINITY,
        7 => f64::NEG_INFINITY,
        _ => (n % 5) as f64 - 2.0,
    };
    data.add(&[("__name__", "special")], (0..400).map(|n| (at(n), special(n))).collect());
    data.add(&[("__name__", "all_nan")], (0..400).map(|n| (at(n), f64::NAN)).collect());
    data.add(&[("__name__", "zero_total")], (0..400).map(|n| (at(n), 0.0)).collect());
    data.add(&[("__name__", "huge")], (0..400).map(|n| (at(n), 1e308 - n as f64)).collect());
    data.add(
        &[("__name__", "stamp")],
        (0..400).map(|n| (at(n), (BASE_MS / 1000 + n as i64 * 90_000) as f64)).collect(),
    );
    let line = (0..400).map(|n| (at(n), 10.0 + n as f64 * 0.25 + data.noise.next())).collect();
    data.add(&[("__name__", "growing")], line);
}

fn odd_histograms(data: &mut Data) {
    let times = data.times();
    data.histogram("odd", &[("kind", "no_infinity")], &times, &["0.1", "1", "10"]);
    data.histogram("odd", &[("kind", "only_infinity")], &times, &["+Inf"]);
    data.histogram("odd", &[("kind", "negative")], &times, &["-5", "-1", "0", "2", "+Inf"]);
    data.histogram("odd", &[("kind", "twice")], &times, &["1", "1.0", "2", "+Inf"]);
    let falling = |n: usize, limit: usize| (n * [4, 9, 7, 12][limit]) as f64;
    for (limit, le) in ["0.1", "0.5", "1", "+Inf"].iter().enumerate() {
        let samples = times.iter().enumerate().map(|(n, t)| (*t, falling(n, limit))).collect();
        data.add(&[("__name__", "odd_bucket"), ("kind", "falling"), ("le", le)], samples);
    }
}
