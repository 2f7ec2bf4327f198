//! HorizontalPodAutoscaler `autoscaling/v2`.

mod source;

pub use source::{IDLE_MILLICORES, MILLICORES_PER_REQUEST_PER_SECOND, MetricSource, NoMetrics, cpu_millicores};

use super::client::Client;
use super::events::Recorder;
use super::queue::Queue;
use crate::sys::clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How often each autoscaler is looked at (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_PERIOD: Duration = Duration::from_secs(15);

pub(super) struct Controller;
impl Controller {
    pub(super) fn new(_: Client, _: Clock, _: Recorder, _: Queue, _: Arc<dyn MetricSource>) -> Self {
        Self
    }
    pub(super) async fn run(self) {}
}
