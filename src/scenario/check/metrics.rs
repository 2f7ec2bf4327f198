//! The analysis' metrics: windows, sources, queries, and whether the traffic is enough to decide on.

use super::{SCRAPE, short};
use crate::canary::Strategy;
use crate::canary::template::{Model, render};
use crate::metrics::promql::Query;
use crate::model::canary::Metric;
use crate::model::traffic::Arrivals;
use crate::scenario::policy;
use crate::scenario::problem::Problems;
use crate::scenario::scene::Scene;

/// Checks that Flagger has built in.
const BUILTIN: [&str; 2] = ["request-success-rate", "request-duration"];
/// With fewer requests than this in a window, a mean or a rate says little about a release.
pub(super) const MIN_REQUESTS: f64 = 20.0;

pub(super) fn check(scene: &Scene<'_>, problems: &mut Problems) {
    let metrics = &scene.canary.spec.analysis.metrics;
    for (i, metric) in metrics.iter().enumerate() {
        let path = format!("/spec/analysis/metrics/{i}");
        window(scene, metric, &path, problems);
        source(scene, metric, &path, problems);
        limits(scene, metric, &path, problems);
    }
    if scene.file.traffic_complete {
        enough_traffic(scene, problems);
        reaches_canary(scene, problems);
    }
}

/// `rate()` needs two samples inside the window.
fn window(scene: &Scene<'_>, metric: &Metric, path: &str, problems: &mut Problems) {
    let window = policy::window(metric);
    if window < 2 * SCRAPE {
        let message = format!(
            "a window of {} holds less than two scrapes (one every {}): the query finds no value, and that is a failed check",
            short(window),
            short(SCRAPE)
        );
        problems.warn(scene.doc.place(&format!("{path}/interval")), message, "write 30s or 1m");
    }
}

fn source(scene: &Scene<'_>, metric: &Metric, path: &str, problems: &mut Problems) {
    let at = scene.doc.place(&format!("{path}/name"));
    if let Some(reference) = &metric.template_ref {
        let namespace = if reference.namespace.is_empty() { scene.namespace() } else { reference.namespace.as_str() };
        if let Some(doc) = scene.object("MetricTemplate", namespace, &reference.name) {
            template(scene, metric, path, doc, problems);
        } else {
            let message = format!("the manifests have no MetricTemplate `{}` in namespace {namespace}", reference.name);
            let at = scene.doc.place(&format!("{path}/templateRef/name"));
            problems.error(at, message, "add it, or correct the name");
        }
        if BUILTIN.contains(&metric.name.as_str()) {
            let message =
                format!("a metric named {} is asked twice: by Flagger's own query and by its template", metric.name);
            problems.warn(at, message, "give it another name");
        }
    } else if !metric.query.is_empty() {
        let (source, place) = scene.doc.place(&format!("{path}/query"));
        if let Err(error) = Query::parse(&metric.query) {
            problems.error((source, place), format!("the query is not PromQL: {error}"), "");
        }
    } else if !BUILTIN.contains(&metric.name.as_str()) {
        let message = format!(
            "metric {} has no template and no query, and Flagger has none of that name: every check fails",
            metric.name
        );
        problems.error(at, message, "add `templateRef`, or use request-success-rate or request-duration");
    }
}

/// The template's query, as Flagger renders it.
fn template(
    scene: &Scene<'_>,
    metric: &Metric,
    path: &str,
    doc: &crate::scenario::manifests::Doc,
    problems: &mut Problems,
) {
    let kind = doc.text("/spec/provider/type");
    if kind != "prometheus" {
        let message = format!("a lab has a Prometheus and nothing else to ask; this template's provider is `{kind}`");
        problems.error(doc.place("/spec/provider/type"), message, "write `type: prometheus`");
        return;
    }
    let query = doc.text("/spec/query");
    let at = doc.place("/spec/query");
    let rendered = match render(query, Model::new(&scene.canary, metric, &metric.interval)) {
        Ok(rendered) => rendered,
        Err(why) => return problems.error(at, format!("Flagger cannot render the query: {why}"), ""),
    };
    if metric.interval.is_empty() && query.contains("interval") {
        let message = "the template's query uses `{{ interval }}` and the metric has no `interval`: it renders empty";
        problems.error(scene.doc.place(path), message, "add `interval: 1m` to the metric");
    } else if let Err(error) = Query::parse(&rendered) {
        problems.error(
            at,
            format!("the rendered query is not PromQL: {error}"),
            format!("it renders as {}", one_line(&rendered)),
        );
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn limits(scene: &Scene<'_>, metric: &Metric, path: &str, problems: &mut Problems) {
    let at = scene.doc.place(path);
    let Some(range) = &metric.threshold_range else {
        if metric.threshold.is_none() {
            let message = format!("metric {} has no limit: Flagger takes 0", metric.name);
            problems.warn(at, message, "add `thresholdRange` with `min` or `max`");
        }
        return;
    };
    if let (Some(min), Some(max)) = (range.min, range.max)
        && min > max
    {
        problems.error(at, format!("no value is both at least {min} and at most {max}"), "turn the two round");
    }
    if metric.name == "request-success-rate" && range.min.is_some_and(|min| min > 0.0 && min <= 1.0) {
        let message = "the success rate is in percent, so a minimum of 1 or less lets nearly everything pass";
        problems.warn(scene.doc.place(&format!("{path}/thresholdRange/min")), message, "write 99 for 99 %");
    }
    let sub_milli = |bound: Option<f64>| bound.is_some_and(|it| it.fract().abs() > 0.0);
    if metric.name == "request-duration" && (sub_milli(range.max) || sub_milli(range.min)) {
        let message = "the duration is in milliseconds, and Flagger cuts its bounds to whole ones";
        problems.warn(scene.doc.place(&format!("{path}/thresholdRange")), message, "write 500 for half a second");
    }
}

/// Requests per second that all streams send when they are at their slowest.
fn total_rate(scene: &Scene<'_>) -> f64 {
    let slowest = |arrivals: &Arrivals| match arrivals {
        Arrivals::Constant { per_second } | Arrivals::Poisson { per_second } => *per_second,
        Arrivals::Ramp { from, to, .. } => from.min(*to),
    };
    scene.file.traffic.iter().map(|stream| slowest(&stream.arrivals)).sum()
}

/// How many requests reach the canary at its first weight before the first decision about it.
fn enough_traffic(scene: &Scene<'_>, problems: &mut Problems) {
    let analysis = &scene.canary.spec.analysis;
    let weights = policy::weights(analysis);
    let (Some(weight), Strategy::Canary) = (weights.first(), policy::strategy_of(&scene.canary)) else { return };
    let rate = total_rate(scene);
    let Some((i, metric)) = analysis.metrics.iter().enumerate().find(|(_, it)| BUILTIN.contains(&it.name.as_str()))
    else {
        return;
    };
    if rate <= 0.0 {
        let message = "no stream sends anything at the start, so the checks find no values and fail";
        problems.warn(scene.doc.place(&format!("/spec/analysis/metrics/{i}")), message, "add a stream to `traffic`");
        return;
    }
    let window = policy::window(metric).min(analysis.effective_interval());
    let expected = rate * (*weight as f64) / 100.0 * window.as_secs_f64();
    let needed = needed_requests(analysis.metrics.as_slice());
    if expected < needed {
        let message = format!(
            "at weight {weight} about {expected:.0} requests reach the canary before the first check, and it takes {needed:.0} to decide: {}",
            if needed > MIN_REQUESTS {
                "with fewer, a single bad one is already a failed check"
            } else {
                "with fewer, chance decides"
            }
        );
        let pointer =
            if analysis.step_weight > 0 { "/spec/analysis/stepWeight" } else { "/spec/analysis/stepWeights/0" };
        let enough = (needed * rate / expected).ceil();
        problems.warn(
            scene.doc.place(pointer),
            message,
            format!("send {enough} requests per second, or begin with a higher weight"),
        );
    }
}

/// With a minimum of 99 %, one bad request of fewer than 100 is a failed check.
fn needed_requests(metrics: &[Metric]) -> f64 {
    let min = metrics.iter().filter(|it| it.name == "request-success-rate").find_map(|it| policy::limits(it).min);
    let for_rate = min.filter(|min| *min < 100.0).map_or(0.0, |min| (100.0 / (100.0 - min)).round());
    MIN_REQUESTS.max(for_rate)
}

/// Blue/green and A/B on nginx: the built-in checks see the canary only through the ingress (flagger.md 0).
fn reaches_canary(scene: &Scene<'_>, problems: &mut Problems) {
    let spec = &scene.canary.spec;
    let uses_builtin = spec.analysis.metrics.iter().any(|it| it.template_ref.is_none() && it.query.is_empty());
    if !uses_builtin || spec.skip_analysis {
        return;
    }
    match (policy::strategy_of(&scene.canary), spec.provider.as_str()) {
        (Strategy::BlueGreen, "nginx") => {
            let message = "during blue/green the weight is 0, so no request reaches the canary through nginx: the built-in checks find no values and roll back";
            let help = "use a MetricTemplate over the app's own metrics, or step weights";
            problems.warn(scene.doc.key_place("/spec/analysis/iterations"), message, help);
        }
        (Strategy::AbTesting, _) if !some_stream_matches(scene) => {
            let message = "no stream sends the header or cookie of `match`, so no request reaches the canary: the checks find no values and roll back";
            problems.warn(
                scene.doc.key_place("/spec/analysis/match"),
                message,
                "add a stream with that header to `traffic`",
            );
        }
        _ => {}
    }
}

fn some_stream_matches(scene: &Scene<'_>) -> bool {
    scene.file.traffic.iter().any(|stream| {
        scene.canary.spec.analysis.matches.iter().any(|it| {
            let headers = it["headers"].as_object();
            headers.is_some_and(|headers| {
                headers.keys().all(|name| stream.headers.keys().any(|sent| sent.eq_ignore_ascii_case(name)))
            })
        })
    })
}
