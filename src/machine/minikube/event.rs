//! minikube's lines of JSON.
//!
//! Every field is a text. Numbers of steps skip and go back, because not every step is taken and some are taken by others. A
//! line of type `error` without an exit code is a remark; minikube prints those with a picture at their beginning.

use serde::Deserialize;
use std::collections::BTreeMap;

const TYPES: &str = "io.k8s.sigs.minikube.";

/// What one line says.
#[derive(Debug, Clone, PartialEq)]
pub enum MinikubeEvent {
    /// A step begins, or goes on: its name is one of a fixed list, of which `Done` is the last.
    Step { name: String, current: u32, total: u32, message: String },
    /// A download begins.
    Download { artifact: String },
    /// How far it is, from 0 to 1.
    Progress { artifact: String, part: f64 },
    /// Something a person should know.
    Remark(String),
    /// What ends it, and what helps; either can be empty.
    Failed { message: String, advice: String },
}

#[derive(Deserialize)]
struct CloudEvent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// None for lines that are no event of minikube's, and for those that say nothing.
pub(super) fn parse(line: &str) -> Option<MinikubeEvent> {
    let event: CloudEvent = serde_json::from_str(line.trim()).ok()?;
    let text = |key: &str| event.data.get(key).map(|it| plain(it)).unwrap_or_default();
    let number = |key: &str| text(key).parse().unwrap_or_default();
    match event.kind.strip_prefix(TYPES)? {
        "step" => Some(MinikubeEvent::Step {
            name: text("name"),
            current: number("currentstep"),
            total: number("totalsteps"),
            message: text("message"),
        }),
        "download" => Some(MinikubeEvent::Download { artifact: text("artifact") }),
        "download.progress" => {
            let part: f64 = text("progress").parse().ok()?;
            Some(MinikubeEvent::Progress { artifact: text("artifact"), part: part.clamp(0.0, 1.0) })
        }
        "error" if !text("exitcode").is_empty() => {
            Some(MinikubeEvent::Failed { message: text("message"), advice: help(&text("advice"), &text("url")) })
        }
        "info" | "warning" | "error" => Some(text("message")).filter(|it| !it.is_empty()).map(MinikubeEvent::Remark),
        _ => None,
    }
}

fn help(advice: &str, url: &str) -> String {
    [advice, url].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Without the picture at its beginning, and in one line.
fn plain(text: &str) -> String {
    let text = text.trim_start_matches(|it: char| !it.is_ascii() || it.is_ascii_whitespace());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, data: &str) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"https://minikube.sigs.k8s.io/","type":"io.k8s.sigs.minikube.{kind}","datacontenttype":"application/json","data":{data}}}"#
        )
    }

    #[test]
    fn lines_are_read_as_minikube_writes_them() {
        let remark = |text: &str| Some(MinikubeEvent::Remark(text.to_owned()));
        for (kind, data, expected) in [
            (
                "step",
                r#"{"currentstep":"11","message":"🐳  Preparing Kubernetes v1.35.8 on containerd 2.1 ...\n","name":"Preparing Kubernetes","totalsteps":"19"}"#,
                Some(MinikubeEvent::Step {
                    name: "Preparing Kubernetes".to_owned(),
                    current: 11,
                    total: 19,
                    message: "Preparing Kubernetes v1.35.8 on containerd 2.1 ...".to_owned(),
                }),
            ),
            (
                "step",
                r#"{"currentstep":"","message":"x","name":"Stopping","totalsteps":"19"}"#,
                Some(MinikubeEvent::Step {
                    name: "Stopping".to_owned(),
                    current: 0,
                    total: 19,
                    message: "x".to_owned(),
                }),
            ),
            (
                "download.progress",
                r#"{"artifact":"preload.tar.lz4","currentstep":"2","progress":"0.25","totalsteps":"19"}"#,
                Some(MinikubeEvent::Progress { artifact: "preload.tar.lz4".to_owned(), part: 0.25 }),
            ),
            ("download.progress", r#"{"artifact":"a","progress":"soon"}"#, None),
            ("download", r#"{"artifact":"a"}"#, Some(MinikubeEvent::Download { artifact: "a".to_owned() })),
            ("warning", r#"{"message":"slow"}"#, remark("slow")),
            (
                "error",
                r#"{"message":"❗  This container is having trouble accessing https://registry.k8s.io"}"#,
                remark("This container is having trouble accessing https://registry.k8s.io"),
            ),
            (
                "error",
                r#"{"advice":"Start it","exitcode":"69","issues":"","message":"no daemon","name":"PROVIDER_DOCKER_NOT_RUNNING","url":"https://minikube.sigs.k8s.io/docs/drivers/docker/"}"#,
                Some(MinikubeEvent::Failed {
                    message: "no daemon".to_owned(),
                    advice: "Start it https://minikube.sigs.k8s.io/docs/drivers/docker/".to_owned(),
                }),
            ),
            ("info", r#"{"message":""}"#, None),
            ("something.new", "{}", None),
        ] {
            assert_eq!(parse(&line(kind, data)), expected, "{kind} {data}");
        }
        for other in ["", "😄  minikube v1.39.0", "{", "[]", r#"{"type":"com.example.step","data":{}}"#] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
