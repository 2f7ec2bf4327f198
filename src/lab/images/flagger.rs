//! Behind Flagger's image: our canary controller, with the arguments that Flagger takes.

use super::Parts;
use super::part::{Part, ready, refused, text};
use crate::controller::log::Level;
use crate::controller::{Controller, Settings};
use crate::workload::runtime::{ContainerSpec, Process, StartError};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Flagger's exit code for flags that it does not know (Go's `flag` package).
const EXIT_BAD_FLAG: i32 = 2;
const PORT: u16 = 8080;

pub(crate) fn start(parts: &Parts, container: &ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
    let mut settings = settings(&container.args)?;
    settings.seed = parts.seed;
    settings.output = container.output.clone();
    let http = parts.network.seen_from(&container.namespace);
    let handle = Controller::start(parts.kubernetes.clone(), http, parts.clock, settings);
    let stopped = CancellationToken::new();
    let handle = Arc::new(handle);
    let until_stopped = handle.clone();
    let ends = stopped.clone();
    // Dropping the last handle ends the controller.
    tokio::spawn(async move {
        ends.cancelled().await;
        drop(until_stopped);
    });
    let weak = Arc::downgrade(&handle);
    Ok(Part::new(
        Arc::new(move |port, request| match (port, request.uri().path()) {
            (PORT, "/metrics") => {
                let metrics = weak.upgrade().map(|it| it.metrics()).unwrap_or_default();
                ready(text(StatusCode::OK, metrics))
            }
            (PORT, "/healthz") => ready(text(StatusCode::OK, "OK")),
            (PORT, _) => ready(text(StatusCode::NOT_FOUND, "404 page not found\n")),
            _ => refused(port),
        }),
        stopped,
    ))
}

/// Reads `-name=value` and `-name value` as Go does. Flags that change nothing in a lab are taken and ignored.
fn settings(arguments: &[String]) -> Result<Settings, StartError> {
    let mut settings = Settings::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let bad = |why: &str| StartError { exit_code: EXIT_BAD_FLAG, message: format!("{why}: {argument}") };
        let flag = argument.trim_start_matches('-');
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None if matches!(flag, "enable-leader-election" | "no-cross-namespace-refs") => (flag, "true".to_owned()),
            None => (flag, arguments.next().cloned().ok_or_else(|| bad("flag needs an argument"))?),
        };
        set(&mut settings, name, value).map_err(bad)?;
    }
    Ok(settings)
}

fn set(settings: &mut Settings, name: &str, value: String) -> Result<(), &'static str> {
    let list = |value: &str| value.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    match name {
        "mesh-provider" => settings.judge.mesh_provider = value,
        "metrics-server" => settings.judge.metrics_server = value,
        "selector-labels" => settings.judge.selector_labels = list(&value),
        "ingress-annotations-prefix" => settings.judge.ingress_annotations_prefix = value,
        "include-label-prefix" => settings.judge.include_label_prefix = list(&value),
        "enable-config-tracking" => settings.judge.config_tracking = value == "true",
        "no-cross-namespace-refs" => settings.judge.no_cross_namespace_refs = value == "true",
        "cluster-name" => settings.judge.cluster_name = value,
        "event-webhook" => settings.event_webhook = value,
        "namespace" => settings.namespace = value,
        "slack-url" => settings.slack_url = value,
        "slack-user" => settings.slack_user = value,
        "slack-channel" => settings.slack_channel = value,
        "msteams-url" => settings.msteams_url = value,
        "control-loop-interval" => {
            settings.control_loop_interval = crate::model::duration::parse_go(&value)
                .ok()
                .filter(|it| *it >= Duration::from_secs(1))
                .ok_or("not a duration of a second or more")?;
        }
        "log-level" => settings.log_level = Level::of_flag(&value),
        // One controller, one log, one client: nothing here depends on these.
        "zap-encoding"
        | "zap-replace-globals"
        | "threadiness"
        | "port"
        | "enable-leader-election"
        | "leader-election-namespace"
        | "kubeconfig-qps"
        | "kubeconfig-burst" => {}
        _ => return Err("flag provided but not defined"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_go_reads_them() {
        let read = |it: &[&str]| settings(&it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let it = read(&["-mesh-provider=nginx", "--metrics-server", "http://p:9090", "-log-level=info"]).unwrap();
        assert_eq!((it.judge.mesh_provider.as_str(), it.judge.metrics_server.as_str()), ("nginx", "http://p:9090"));
        assert_eq!((it.log_level, read(&[]).unwrap().log_level), (Level::Info, Level::Debug));
        assert_eq!(read(&["-control-loop-interval=30s"]).unwrap().control_loop_interval, Duration::from_secs(30));
        for bad in [&["-nonsense=1"][..], &["-mesh-provider"], &["-control-loop-interval=0s"]] {
            assert_eq!(read(bad).unwrap_err().exit_code, EXIT_BAD_FLAG, "{bad:?}");
        }
    }
}
