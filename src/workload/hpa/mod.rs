//! HorizontalPodAutoscaler `autoscaling/v2`.

mod source;

pub use source::{IDLE_MILLICORES, MILLICORES_PER_REQUEST_PER_SECOND, MetricSource, NoMetrics, cpu_millicores};
