//! podinfo's stand-in (6.9.x) as a process.

use std::collections::BTreeMap;

/// What a demo app is started with: what a container gets from its pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DemoSpec {
    /// The image's tag: `6.9.2`.
    pub version: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// The pod's name, which is also the host name.
    pub pod: String,
    pub namespace: String,
    /// Mount path to file name to content.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
}
