//! What a query answers.

use super::notes::Remarks;
use crate::metrics::labels::Labels;

/// One value of a series at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    /// Milliseconds since 1970.
    pub t_ms: i64,
    pub value: f64,
}

/// Values of one series over time.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeSeries {
    pub labels: Labels,
    /// Milliseconds since 1970 with the value, ascending, never empty.
    pub points: Vec<(i64, f64)>,
}

/// The answer to a query. Vectors come in the order that the query gives them (only `sort`, `topk` and the like promise
/// one); matrices of range queries are ordered by labels.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar { t_ms: i64, value: f64 },
    Text { t_ms: i64, text: String },
    Vector(Vec<Sample>),
    Matrix(Vec<RangeSeries>),
}

impl Value {
    /// Prometheus' `resultType`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar { .. } => "scalar",
            Self::Text { .. } => "string",
            Self::Vector(_) => "vector",
            Self::Matrix(_) => "matrix",
        }
    }
}

/// An answer with what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub value: Value,
    pub remarks: Remarks,
    pub samples: SamplesRead,
}

/// How many samples a query looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SamplesRead {
    /// Of windows that overlap, a sample counts in each.
    pub total: u64,
    /// Of windows that overlap, a sample counts once.
    pub read: u64,
    /// Loaded and made, all steps and intermediate results together: what the limit is compared with.
    pub charged: usize,
}

/// Why a query has no answer. The texts are Prometheus' where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query is not PromQL, or asks for what this engine leaves out. Says where: `1:5: parse error: …`.
    #[error("{0}")]
    Parse(String),
    /// The query cannot be answered as asked, whatever the data.
    #[error("{0}")]
    BadData(String),
    /// The data do not allow an answer.
    #[error("{0}")]
    Execution(String),
    /// It took longer than it may.
    #[error("query timed out in expression evaluation")]
    Timeout,
}

impl QueryError {
    /// Two series came out alike.
    pub(super) fn same_labels() -> Self {
        Self::Execution("vector cannot contain metrics with the same labelset".to_owned())
    }
}
