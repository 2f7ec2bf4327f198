//! The scenarios and manifests that are in the binary.

use super::load::load as load_text;
use super::manifests::Files;
use super::plan::Plan;
use super::problem::Problem;
use include_dir::{Dir, include_dir};

static SCENARIOS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");
static MANIFESTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/manifests");

/// The order in which they are best met.
const ORDER: [&str; 10] = [
    "healthy-release",
    "500-storm",
    "latency-spike",
    "pod-crash",
    "bad-image",
    "manual-rollback",
    "gated-release",
    "ab-testing",
    "blue-green",
    "gateway-storm",
];

/// Names of all built-in scenarios: the first to meet first, then by name.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        SCENARIOS.files().filter_map(|file| file.path().to_str()?.strip_suffix(".yaml")).collect();
    names.sort_by_key(|name| (ORDER.iter().position(|it| it == name).unwrap_or(ORDER.len()), *name));
    names
}

/// The file of a built-in scenario, as it was written.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    SCENARIOS.get_file(format!("{name}.yaml"))?.contents_utf8()
}

/// Reads and checks a built-in scenario; none where there is none of that name.
#[must_use]
pub fn load(name: &str) -> Option<(Option<Plan>, Vec<Problem>)> {
    let text = text(name)?;
    Some(load_text(&format!("scenarios/{name}.yaml"), text, &Embedded))
}

/// The text of a built-in manifest: `podinfo/canary.yaml`.
pub fn manifest(name: &str) -> Result<String, String> {
    let file = MANIFESTS.get_file(name).and_then(|file| file.contents_utf8());
    file.map(str::to_owned).ok_or_else(|| "there is no built-in manifest of that name".to_owned())
}

/// Manifests in the binary, under the names that files in `scenarios/` use for them.
#[derive(Debug, Clone, Copy)]
pub struct Embedded;

impl Files for Embedded {
    fn read(&self, name: &str) -> Result<String, String> {
        let inside = name.strip_prefix("builtin:").or_else(|| name.strip_prefix("../manifests/"));
        inside.ok_or_else(|| "built-in scenarios use built-in manifests alone".to_owned()).and_then(manifest)
    }
}
