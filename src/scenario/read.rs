//! From the tree of a scenario file to [`super::format`]: shapes and words, nothing about meaning.

use super::fields::{Cx, Fields, duration, number, one_key, scalar, text, text_map, whole, word};
use super::format::{
    At, ExpectFile, FaultOffFile, FaultOnFile, File, MomentFile, ReleaseFile, StepAt, StepFile, StreamFile,
    TemplateFault, TrafficFile, WhenFile,
};
use super::problem::{Problems, SourceId, nearest};
use super::schema::{MAX_RATE, METHODS, PHASES};
use crate::event::Outcome;
use crate::model::canary::Phase;
use crate::model::fault::{DelaySpec, FaultKind, FaultTarget};
use crate::model::traffic::Arrivals;
use crate::sys::yaml::{Data, Node};
use std::collections::BTreeMap;
use std::time::Duration;

/// The kinds of steps, as they are written.
const STEPS: [&str; 8] = ["release", "faultOn", "faultOff", "traffic", "openGate", "closeGate", "rollBack", "wait"];

/// Reads a whole file. None when something that everything else needs is missing; problems say what.
pub(super) fn file(node: &Node, source: SourceId, problems: &mut Problems) -> Option<File> {
    let mut fields = Fields::of(node, source, "the scenario", problems)?;
    let name = fields.need("name", problems, name);
    let title = fields.need("title", problems, text);
    let description = fields.read("description", problems, scalar).map(|it| it.value).unwrap_or_default();
    let manifests = fields.list("manifests", problems, manifest);
    if fields.node("manifests").is_none() {
        fields.missing("manifests", problems);
    }
    let canary = fields.read("canary", problems, text);
    let host = fields.read("host", problems, text);
    let before = problems.count();
    let traffic = fields.list("traffic", problems, stream);
    let traffic_complete = problems.count() == before;
    let warmup = fields.read("warmup", problems, duration);
    let steps = fields.list("steps", problems, step);
    if fields.node("steps").is_none() {
        fields.missing("steps", problems);
    }
    let expect = fields.read("expect", problems, expect).map(|it| it.value).unwrap_or_default();
    let time_limit = fields.read("timeLimit", problems, duration);
    let settle = fields.read("settle", problems, duration);
    fields.finish(problems);
    Some(File {
        name: name?,
        title: title?,
        description,
        manifests: values(manifests),
        canary,
        host,
        traffic: values(traffic),
        traffic_complete,
        warmup,
        steps: values(steps),
        expect,
        time_limit,
        settle,
    })
}

fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|it| it.value).collect()
}

fn name(node: &Node, cx: &mut Cx<'_>) -> Option<String> {
    let name = text(node, cx)?;
    let plain = name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    if plain {
        return Some(name);
    }
    cx.fail(node, format!("`{name}` is not a name"), "use lower case letters, digits and dashes: 500-storm")
}

fn manifest(node: &Node, cx: &mut Cx<'_>) -> Option<Node> {
    match &node.data {
        Data::Map(_) => Some(node.clone()),
        _ => text(node, cx).map(|_| node.clone()),
    }
}

fn stream(node: &Node, cx: &mut Cx<'_>) -> Option<StreamFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "the stream", problems)?;
    let name = fields.need("name", problems, text);
    let arrivals = fields.need("arrivals", problems, arrivals);
    let method = fields.read("method", problems, method);
    let host = fields.read("host", problems, text);
    let path = fields.read("path", problems, path);
    let headers = fields.texts("headers", problems);
    let body = fields.read("body", problems, scalar);
    let timeout = fields.read("timeout", problems, positive);
    fields.finish(problems);
    let headers = headers.into_iter().map(|(key, value)| (key, value.value)).collect();
    Some(StreamFile { name: name?, arrivals: arrivals?, method, host, path, headers, body, timeout })
}

fn method(node: &Node, cx: &mut Cx<'_>) -> Option<String> {
    word("an HTTP method", &METHODS.map(|it| (it, it)))(node, cx).map(str::to_owned)
}

fn path(node: &Node, cx: &mut Cx<'_>) -> Option<String> {
    let path = text(node, cx)?;
    if path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok() {
        return Some(path);
    }
    cx.fail(node, format!("`{path}` is not a path"), "begin it with `/` and escape what URLs do not allow")
}

fn positive(node: &Node, cx: &mut Cx<'_>) -> Option<Duration> {
    let it = duration(node, cx)?;
    if it.is_zero() { cx.fail(node, "this is no time at all", "write a duration above 0") } else { Some(it) }
}

fn arrivals(node: &Node, cx: &mut Cx<'_>) -> Option<Arrivals> {
    const KINDS: [&str; 3] = ["constant", "poisson", "ramp"];
    let entry = one_key(node, "`arrivals`", cx)?;
    match entry.key.as_str() {
        "constant" => rate_of(&entry.value, cx, false).map(|per_second| Arrivals::Constant { per_second }),
        "poisson" => rate_of(&entry.value, cx, false).map(|per_second| Arrivals::Poisson { per_second }),
        "ramp" => {
            let (source, problems) = (cx.source, &mut *cx.problems);
            let mut fields = Fields::of(&entry.value, source, "`ramp`", problems)?;
            let from = fields.need("from", problems, |node, cx| rate_of(node, cx, true));
            let to = fields.need("to", problems, |node, cx| rate_of(node, cx, true));
            let over = fields.need("over", problems, positive);
            fields.finish(problems);
            Some(Arrivals::Ramp { from: *from?, to: *to?, over: *over? })
        }
        other => {
            let help = nearest(other, &KINDS)
                .map_or_else(|| "write constant, poisson or ramp".to_owned(), |name| format!("did you mean `{name}`?"));
            let message = format!("`{other}` is not a way to arrive");
            cx.problems.error((cx.source, entry.key_place), message, help);
            None
        }
    }
}

fn rate_of(node: &Node, cx: &mut Cx<'_>, zero: bool) -> Option<f64> {
    let it = number(node, cx)?;
    if it <= MAX_RATE && (it > 0.0 || (zero && it == 0.0)) {
        return Some(it);
    }
    cx.fail(node, format!("{it} requests per second cannot be sent"), format!("write a number up to {MAX_RATE}"))
}

fn step(node: &Node, cx: &mut Cx<'_>) -> Option<StepAt> {
    // A step without fields may be written as its bare name: `- rollBack`.
    if let Some(word) = node.as_text() {
        let empty = Node { place: node.place, data: Data::Null };
        return Some(StepAt { step: step_body(word, node, &empty, cx)?, place: node.place });
    }
    let entry = one_key(node, "the step", cx)?;
    let key = Node { place: entry.key_place, data: Data::Text(entry.key.clone()) };
    Some(StepAt { step: step_body(&entry.key, &key, &entry.value, cx)?, place: entry.key_place })
}

fn step_body(kind: &str, key: &Node, body: &Node, cx: &mut Cx<'_>) -> Option<StepFile> {
    Some(match kind {
        "release" => StepFile::Release(release(body, cx)?),
        "faultOn" => StepFile::FaultOn(fault_on(body, cx)?),
        "faultOff" => StepFile::FaultOff(fault_off(body, cx)?),
        "traffic" => StepFile::Traffic(traffic(body, cx)?),
        "openGate" => StepFile::OpenGate(moment(body, cx)?),
        "closeGate" => StepFile::CloseGate(moment(body, cx)?),
        "rollBack" => StepFile::RollBack(moment(body, cx)?),
        "wait" => StepFile::Wait(moment(body, cx)?),
        other => {
            let help = match nearest(other, &STEPS) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("the steps are {}", STEPS.join(", ")),
            };
            return cx.fail(key, format!("there is no step `{other}`"), help);
        }
    })
}

fn moment(node: &Node, cx: &mut Cx<'_>) -> Option<MomentFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "the step", problems)?;
    let when = when(&mut fields, problems);
    fields.finish(problems);
    Some(MomentFile { when })
}

fn when(fields: &mut Fields<'_>, problems: &mut Problems) -> WhenFile {
    WhenFile {
        at: fields.read("at", problems, duration),
        after: fields.read("after", problems, duration),
        on_phase: fields.read("onPhase", problems, phase),
        on_weight: fields.read("onWeight", problems, whole(0..=100)),
        within: fields.read("within", problems, positive),
    }
}

fn phase(node: &Node, cx: &mut Cx<'_>) -> Option<Phase> {
    word("a phase of a Canary", &PHASES.map(|it| (it.name(), it)))(node, cx)
}

fn release(node: &Node, cx: &mut Cx<'_>) -> Option<ReleaseFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let before = problems.count();
    let mut fields = Fields::of(node, source, "the release", problems)?;
    let mut read = ReleaseFile {
        when: when(&mut fields, problems),
        tag: fields.read("tag", problems, text),
        image: fields.read("image", problems, text),
        env: fields.texts("env", problems),
        args: fields.node("args").is_some().then(|| values(fields.list("args", problems, scalar))),
        annotations: fields.texts("annotations", problems).into_iter().map(|(key, it)| (key, it.value)).collect(),
        configs: fields.read("configs", problems, configs).map(|it| it.value).unwrap_or_default(),
        faults: fields.list("faults", problems, template_fault),
        complete: false,
    };
    fields.finish(problems);
    read.complete = problems.count() == before;
    Some(read)
}

fn configs(node: &Node, cx: &mut Cx<'_>) -> Option<BTreeMap<String, At<BTreeMap<String, String>>>> {
    if !matches!(node.data, Data::Map(_)) {
        return cx.fail(node, "`configs` must be a map of ConfigMap names", "write `name:`, and below it `key: value`");
    }
    let read = |entry: &crate::sys::yaml::Entry| {
        let data = text_map(&entry.value, &entry.key, cx).into_iter().map(|(key, it)| (key, it.value)).collect();
        (entry.key.clone(), At { value: data, place: entry.key_place })
    };
    Some(node.entries().iter().map(read).collect())
}

fn template_fault(node: &Node, cx: &mut Cx<'_>) -> Option<TemplateFault> {
    if let Data::Map(_) = node.data {
        let entry = one_key(node, "the fault", cx)?;
        let key = Node { place: entry.key_place, data: Data::Text(entry.key.clone()) };
        let kind = template_kind(&key, cx)?;
        if kind != FaultKind::SlowStart {
            return cx.fail(&key, format!("{} has no delay", kind.name()), "write its name alone");
        }
        return Some(TemplateFault { kind, delay: Some(positive(&entry.value, cx)?) });
    }
    Some(TemplateFault { kind: template_kind(node, cx)?, delay: None })
}

fn any_kind(node: &Node, cx: &mut Cx<'_>) -> Option<FaultKind> {
    word("a fault", &FaultKind::ALL.map(|it| (it.name(), it)))(node, cx)
}

fn template_kind(node: &Node, cx: &mut Cx<'_>) -> Option<FaultKind> {
    let kind = any_kind(node, cx)?;
    if kind.lives_in_template() {
        return Some(kind);
    }
    let help = format!("take it out of the release and add a step `- faultOn: {{fault: {}}}`", kind.name());
    cx.fail(node, format!("{} is switched on while the app runs, not built into a release", kind.name()), help)
}

fn runtime_kind(node: &Node, cx: &mut Cx<'_>) -> Option<FaultKind> {
    let kind = any_kind(node, cx)?;
    if !kind.lives_in_template() {
        return Some(kind);
    }
    let help = format!("write it in the release: `- release: {{tag: …, faults: [{}]}}`", kind.name());
    cx.fail(node, format!("{} is part of the pod template, so it can only come with a release", kind.name()), help)
}

fn target(node: &Node, cx: &mut Cx<'_>) -> Option<FaultTarget> {
    let words = [("canary", FaultTarget::Canary), ("primary", FaultTarget::Primary), ("all", FaultTarget::All)];
    word("a set of pods", &words)(node, cx)
}

fn share(node: &Node, cx: &mut Cx<'_>) -> Option<f64> {
    const HELP: &str = "write a share such as 30% or 0.3";
    let share = match &node.data {
        Data::Int(_) | Data::Float(_) => number(node, cx)?,
        Data::Text(text) => match text.strip_suffix('%').map(|it| it.trim().parse::<f64>()) {
            Some(Ok(percent)) => percent / 100.0,
            _ => return cx.fail(node, format!("`{text}` is not a share"), HELP),
        },
        _ => return cx.fail(node, format!("this must be a share, and it is {}", node.kind()), HELP),
    };
    if share > 0.0 && share <= 1.0 {
        return Some(share);
    }
    cx.fail(node, format!("{} % of requests is out of range", share * 100.0), "write 30% or 0.3: above 0, at most 100%")
}

fn delay(node: &Node, cx: &mut Cx<'_>) -> Option<DelaySpec> {
    if !matches!(node.data, Data::Map(_)) {
        return duration(node, cx).map(|it| DelaySpec::Fixed { millis: it.as_millis() as u64 });
    }
    let entry = one_key(node, "the delay", cx)?;
    let millis = |it: &Duration| it.as_secs_f64() * 1000.0;
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(&entry.value, source, "the distribution", problems)?;
    let spec = match entry.key.as_str() {
        "uniform" => {
            let (min, max) = (fields.need("min", problems, duration), fields.need("max", problems, duration));
            fields.finish(problems);
            let (min, max) = (min?, max?);
            if *min > *max {
                problems.error((source, max.place), "`max` is under `min`", "turn the two round");
            }
            DelaySpec::Uniform { min_millis: min.as_millis() as u64, max_millis: max.as_millis() as u64 }
        }
        "normal" => {
            let (mean, dev) = (fields.need("mean", problems, duration), fields.need("stdDev", problems, duration));
            fields.finish(problems);
            DelaySpec::Normal { mean_millis: millis(&*mean?), std_dev_millis: millis(&*dev?) }
        }
        "exponential" => {
            let mean = fields.need("mean", problems, positive);
            fields.finish(problems);
            DelaySpec::Exponential { mean_millis: millis(&*mean?) }
        }
        other => {
            let message = format!("`{other}` is not a distribution");
            problems.error((source, entry.key_place), message, "write uniform, normal or exponential");
            return None;
        }
    };
    Some(spec)
}

fn fault_on(node: &Node, cx: &mut Cx<'_>) -> Option<FaultOnFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "the fault", problems)?;
    let when = when(&mut fields, problems);
    let fault = fields.need("fault", problems, runtime_kind);
    let rate = fields.read("rate", problems, share);
    let delay_node = fields.node("delay").map(|it| it.place);
    let delay = fields.read("delay", problems, delay);
    let lasting = fields.read("for", problems, positive);
    let on = fields.read("on", problems, target);
    fields.finish(problems);
    let fault = fault?;
    match (*fault == FaultKind::Delay, delay_node) {
        (true, None) => {
            problems.error((source, fault.place), "the delay has no length", "add `delay: 800ms`, or a distribution");
        }
        (false, Some(place)) => {
            let message = format!("{} has no delay", fault.name());
            problems.error((source, place), message, "take `delay` out, or write `fault: delay`");
        }
        _ => {}
    }
    Some(FaultOnFile { when, fault, rate, delay, lasting, on })
}

fn fault_off(node: &Node, cx: &mut Cx<'_>) -> Option<FaultOffFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "the step", problems)?;
    let when = when(&mut fields, problems);
    let fault = fields.read("fault", problems, runtime_kind);
    let on = fields.read("on", problems, target);
    fields.finish(problems);
    Some(FaultOffFile { when, fault, on })
}

fn traffic(node: &Node, cx: &mut Cx<'_>) -> Option<TrafficFile> {
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "the step", problems)?;
    let when = when(&mut fields, problems);
    let streams = values(fields.list("streams", problems, stream));
    let stop = fields.list("stop", problems, text);
    let nothing = fields.node("streams").is_none() && fields.node("stop").is_none();
    fields.finish(problems);
    if nothing {
        return cx.fail(node, "the step changes nothing", "add `streams:`, or `stop:` with names of streams");
    }
    Some(TrafficFile { when, streams, stop })
}

fn expect(node: &Node, cx: &mut Cx<'_>) -> Option<ExpectFile> {
    const VERDICTS: [(&str, Outcome); 3] =
        [("promoted", Outcome::Promoted), ("rolled-back", Outcome::RolledBack), ("undecided", Outcome::Undecided)];
    let (source, problems) = (cx.source, &mut *cx.problems);
    let mut fields = Fields::of(node, source, "`expect`", problems)?;
    let read = ExpectFile {
        verdict: fields.read("verdict", problems, word("a verdict", &VERDICTS)),
        phases: fields.list("phases", problems, phase),
        weight_never_above: fields.read("weightNeverAbove", problems, whole(0..=100)),
        promoted_within: fields.read("promotedWithin", problems, positive),
        rolled_back_within: fields.read("rolledBackWithin", problems, positive),
        requests_harmed_at_most: fields.read("requestsHarmedAtMost", problems, whole(0..=i64::MAX)),
        events: fields.list("events", problems, text),
        no_events: fields.list("noEvents", problems, text),
        failed_checks: fields.read("failedChecks", problems, count),
    };
    fields.finish(problems);
    Some(read)
}

fn count(node: &Node, cx: &mut Cx<'_>) -> Option<(i64, i64)> {
    if let Data::Map(entries) = &node.data {
        let (source, problems) = (cx.source, &mut *cx.problems);
        let mut fields = Fields::of(node, source, "`failedChecks`", problems)?;
        let low = fields.read("atLeast", problems, whole(0..=i64::MAX));
        let high = fields.read("atMost", problems, whole(0..=i64::MAX));
        fields.finish(problems);
        if entries.is_empty() {
            return cx.fail(node, "`failedChecks` has no bounds", "write a number, or `atLeast:` and `atMost:`");
        }
        let bounds = (low.map_or(0, |it| it.value), high.map_or(i64::MAX, |it| it.value));
        if bounds.0 > bounds.1 {
            return cx.fail(node, "`atLeast` is above `atMost`", "turn the two round");
        }
        return Some(bounds);
    }
    whole(0..=i64::MAX)(node, cx).map(|it| (it, it))
}
