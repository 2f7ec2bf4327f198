//! What the kubelet serves beside its work: logs of containers, and their processes for commands.

use super::table::Pods;
use crate::apiserver::{Api, ContainerAt, LogOptions, Status, resource};
use crate::sys::output::{Line, Output, Reader};
use crate::workload::json::{list, text};
use crate::workload::runtime::Process;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde_json::Value;
use std::sync::Arc;

/// The containers of the node, for whoever asks about one of them.
#[derive(Clone)]
pub struct Containers {
    api: Api,
    pods: Pods,
}

impl Containers {
    #[must_use]
    pub fn new(api: Api, pods: Pods) -> Self {
        Self { api, pods }
    }

    /// What a container printed, in pieces that end with lines unless a limit cuts them.
    ///
    /// # Errors
    /// In the kubelet's words, when the container has not started or had no run before this one.
    pub fn logs(&self, at: &ContainerAt, options: &LogOptions) -> Result<BoxStream<'static, Bytes>, Status> {
        let pod = self.api.get(resource::PODS, &at.namespace, &at.pod)?;
        check(&pod, at, options.previous).map_err(Status::bad_request)?;
        let found = self.pods.output(&at.namespace, &at.pod, &at.container, options.previous);
        let output = found.unwrap_or_default();
        Ok(pieces(&output, options.clone()).boxed())
    }

    /// The process of a container.
    ///
    /// # Errors
    /// When it does not run now.
    pub fn process(&self, at: &ContainerAt) -> Result<Arc<dyn Process>, Status> {
        let found = self.pods.of_container(&at.namespace, &at.pod, &at.container);
        found.ok_or_else(|| Status::bad_request(format!("container not found (\"{}\")", at.container)))
    }

    /// What a container prints from now on.
    #[must_use]
    pub fn output(&self, at: &ContainerAt) -> Option<Output> {
        self.pods.output(&at.namespace, &at.pod, &at.container, false)
    }
}

/// Whether there is a log, as the kubelet's `validateContainerLogStatus` sees it.
fn check(pod: &Value, at: &ContainerAt, previous: bool) -> Result<(), String> {
    let (container, pod_name) = (&at.container, &at.pod);
    let mut all = list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses"));
    let Some(status) = all.find(|it| text(it, "/name") == container) else {
        return Err(format!("container \"{container}\" in pod \"{pod_name}\" is not available"));
    };
    let ended_before = status.pointer("/lastState/terminated").is_some();
    if previous {
        let missing = || format!("previous terminated container \"{container}\" in pod \"{pod_name}\" not found");
        return if ended_before { Ok(()) } else { Err(missing()) };
    }
    let Some(waiting) = status.pointer("/state/waiting").filter(|_| !ended_before) else { return Ok(()) };
    let why = match text(waiting, "/reason") {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    };
    Err(format!("container \"{container}\" in pod \"{pod_name}\" is waiting to start: {why}"))
}

/// A log that is being read.
struct Tail {
    reader: Reader,
    options: LogOptions,
    /// Bytes that may still be sent.
    left: usize,
    begun: bool,
}

fn pieces(output: &Output, options: LogOptions) -> impl stream::Stream<Item = Bytes> + use<> {
    let left = options.limit_bytes.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
    let tail = Tail { reader: output.read(), options, left, begun: false };
    stream::unfold(tail, |mut tail| async move { tail.next().await.map(|piece| (piece, tail)) })
}

impl Tail {
    /// The next lines that are wanted; None at the end.
    async fn next(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let lines = match (self.begun, self.options.follow) {
                (false, _) => self.reader.ready(),
                (true, true) => self.reader.more().await,
                (true, false) => return None,
            };
            if self.begun && lines.is_empty() {
                return None;
            }
            let wanted: Vec<_> =
                lines.iter().filter(|it| self.options.since.is_none_or(|since| it.at >= since)).collect();
            let keep = self
                .options
                .tail_lines
                .filter(|_| !self.begun)
                .map_or(usize::MAX, |it| it.try_into().unwrap_or(usize::MAX));
            self.begun = true;
            let mut text = String::new();
            for line in &wanted[wanted.len().saturating_sub(keep)..] {
                self.write(line, &mut text);
            }
            if !text.is_empty() {
                let mut piece = Bytes::from(text);
                piece.truncate(self.left);
                self.left -= piece.len();
                return Some(piece);
            }
        }
        None
    }

    fn write(&self, line: &Line, text: &mut String) {
        if self.options.timestamps {
            text.push_str(&line.at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ ").to_string());
        }
        text.push_str(&line.text);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::Clock;
    use serde_json::json;
    use std::time::Duration;

    fn at() -> ContainerAt {
        ContainerAt { namespace: "test".to_owned(), pod: "p".to_owned(), container: "c".to_owned() }
    }

    #[test]
    fn a_log_is_there_once_the_container_has_run() {
        let waiting = |reason: &str| json!({ "waiting": { "reason": reason } });
        let ended = json!({ "terminated": { "exitCode": 1 } });
        let none = json!({});
        let running = json!({ "running": {} });
        let start = "container \"c\" in pod \"p\" is waiting to start: ";
        let never = "previous terminated container \"c\" in pod \"p\" not found";
        for (state, last, previous, expected) in [
            (&running, &none, false, String::new()),
            (&running, &none, true, never.to_owned()),
            (&running, &ended, true, String::new()),
            (&ended, &none, false, String::new()),
            (&waiting("ContainerCreating"), &none, false, format!("{start}ContainerCreating")),
            (&waiting("ErrImagePull"), &none, false, format!("{start}image can't be pulled")),
            (&waiting("ImagePullBackOff"), &none, false, format!("{start}trying and failing to pull image")),
            (&waiting("CrashLoopBackOff"), &ended, false, String::new()),
        ] {
            let pod =
                json!({ "status": { "containerStatuses": [{ "name": "c", "state": state, "lastState": last }] } });
            assert_eq!(check(&pod, &at(), previous).err().unwrap_or_default(), expected, "{state} {last} {previous}");
        }
        let gone = check(&json!({}), &at(), false).unwrap_err();
        assert_eq!(gone, "container \"c\" in pod \"p\" is not available");
    }

    async fn read(output: &Output, options: LogOptions) -> String {
        let pieces: Vec<_> = pieces(output, options).collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn options_choose_lines_and_bytes() {
        let clock = Clock::simulated();
        let output = Output::kept(clock);
        for text in ["one", "two", "three"] {
            output.line(|| text);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        let ago = |seconds| Some(clock.now().checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap());
        let all = LogOptions::default();
        for (options, expected) in [
            (all.clone(), "one\ntwo\nthree\n"),
            (LogOptions { tail_lines: Some(2), ..all.clone() }, "two\nthree\n"),
            (LogOptions { tail_lines: Some(0), ..all.clone() }, ""),
            (LogOptions { since: ago(15), ..all.clone() }, "three\n"),
            (LogOptions { limit_bytes: Some(6), ..all.clone() }, "one\ntw"),
            (LogOptions { timestamps: true, tail_lines: Some(1), ..all }, "2026-01-01T00:00:20.000000000Z three\n"),
        ] {
            assert_eq!(read(&output, options.clone()).await, expected, "{options:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn following_ends_with_the_container() {
        let output = Output::kept(Clock::simulated());
        output.line(|| "before");
        let writer = output.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            writer.line(|| "after");
            writer.close();
        });
        let options = LogOptions { follow: true, tail_lines: Some(0), ..LogOptions::default() };
        assert_eq!(read(&output, options).await, "after\n");
    }
}
