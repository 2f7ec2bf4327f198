//! promtool, unchanged, against our API and against the real Prometheus: the same commands on the same samples print the
//! same.

use super::data::{self, BASE_MS};
use super::differential::database;
use super::prometheus::Prometheus;
use crate::real::find;
use coalmine::metrics::api;
use std::path::Path;
use tokio::process::Command;

/// What follows `promtool`. `URL` stands for the server, `T` for a moment amid the data, `T0` and `T1` for its ends.
const COMMANDS: &[&[&str]] = &[
    &["query", "instant", "--time=T", "URL", "sort(temperature)"],
    &["query", "instant", "--time=T", "-o", "json", "URL", "sort(temperature)"],
    &["query", "instant", "--time=T", "URL", "vector(1) / 0"],
    &["query", "instant", "--time=T", "URL", "scalar(single)"],
    &["query", "instant", "--time=T", "URL", "\"a text\""],
    &["query", "instant", "--time=T", "URL", "sum(temperature[12s])"],
    &["query", "instant", "--time=T", "URL", "sum(temp"],
    &["query", "instant", "--time=T", "URL", "topk(NaN, temperature)"],
    &["query", "instant", "--time=noon", "URL", "up"],
    &["query", "range", "--start=T0", "--end=T1", "--step=5m", "URL", "sum by (room) (temperature)"],
    &["query", "range", "--start=T0", "--end=T1", "--step=7m", "-o", "json", "URL", "rate(gap[10m])"],
    &["query", "range", "--start=T0", "--end=T1", "--step=1ms", "URL", "up"],
    &["query", "range", "--start=T1", "--end=T0", "--step=1m", "URL", "up"],
    &["query", "range", "--start=T0", "--end=T1", "--step=5m", "URL", "up["],
    &["query", "series", "--match=pod_info", "--match=up", "--start=T0", "--end=T1", "URL"],
    &["query", "series", "--match=nothing", "--start=T0", "--end=T1", "URL"],
    &["query", "series", "--match={", "--start=T0", "--end=T1", "URL"],
    &["query", "labels", "--start=T0", "--end=T1", "URL", "room"],
    &["query", "labels", "--start=T0", "--end=T1", "--match=setpoint", "URL", "room"],
    &["query", "labels", "--start=T0", "--end=T1", "URL", "nothing"],
    &[
        "query",
        "analyze",
        "--server=URL",
        "--type=histogram",
        "--match=odd_bucket{kind='twice'}",
        "--time=T",
        "--duration=20m",
    ],
    &["query", "analyze", "--server=URL", "--type=gauge", "--match=odd_bucket", "--time=T"],
    &["check", "healthy", "--url=URL"],
    &["check", "ready", "--url=URL"],
];

struct Printed {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(program: &Path, arguments: &[&str], url: &str) -> Printed {
    let second = BASE_MS / 1000;
    let fill = |argument: &&str| {
        let argument = argument.replace("URL", url);
        match argument.split_once('=') {
            Some((name, "T")) => format!("{name}={}", second + 1_500),
            Some((name, "T0")) => format!("{name}={}", second + 60),
            Some((name, "T1")) => format!("{name}={}", second + 2_400),
            _ => argument,
        }
    };
    let arguments: Vec<String> = arguments.iter().map(fill).collect();
    let output = Command::new(program).args(arguments).output().await.expect("promtool runs");
    // What names the server differs by its address alone.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(url, "URL").replace(&url[7..], "URL");
    Printed { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[tokio::test]
async fn promtool_prints_what_it_prints_of_prometheus() {
    let (Some(program), Some(tool)) = (find("prometheus"), find("promtool")) else { return };
    let series = data::all();
    let prometheus = Prometheus::start(program).await.expect("prometheus starts");
    prometheus.write(&series).await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let ours = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = tokio::spawn(axum::serve(listener, api::router(database(&series), || BASE_MS)).into_future());
    let theirs = prometheus.url("");
    let mut differences = Vec::new();
    for command in COMMANDS {
        let (a, b) = tokio::join!(run(&tool, command, &ours), run(&tool, command, &theirs));
        if (a.code, &a.out, &a.err) != (b.code, &b.out, &b.err) {
            let shown = |it: &Printed| format!("{:?}\n{}{}", it.code, it.out, it.err);
            differences.push(format!("{}\n  ours:   {}\n  theirs: {}", command.join(" "), shown(&a), shown(&b)));
        }
    }
    serving.abort();
    assert!(differences.is_empty(), "{} commands differ:\n{}", differences.len(), differences.join("\n"));
}
