//! The kubelet of the one node, and the scheduler that has no choice.

mod table;

pub use table::Pods;
