//! From the text of a scenario file to its plan, or to all its problems.

use super::manifests::{self, Files};
use super::plan::Plan;
use super::problem::{Problem, Problems};
use super::{build, check, read, scene};
use crate::sys::yaml::{self, Dialect};
use std::path::PathBuf;

/// Reads and checks a scenario. The plan is there exactly when no problem is an error.
///
/// `origin` is what problems call the file; `files` finds the manifests that it names.
#[must_use]
pub fn load(origin: &str, text: &str, files: &dyn Files) -> (Option<Plan>, Vec<Problem>) {
    let mut problems = Problems::default();
    let source = problems.add_source(origin, text);
    let plan = match yaml::documents(text, Dialect::Strict) {
        Ok(documents) => match documents.as_slice() {
            [one] => read::file(one, source, &mut problems).and_then(|file| {
                let docs = manifests::load(&file, source, files, &mut problems);
                let scene = scene::find(&file, source, &docs, &mut problems)?;
                check::all(&scene, &mut problems);
                build::plan(&scene)
            }),
            [] => {
                problems.error_in(source, "the file is empty", "see `coalmine scenarios show 500-storm` for one");
                None
            }
            [_, second, ..] => {
                let message = "a scenario file holds one scenario, and here a second document begins";
                problems.error((source, second.place), message, "put it into a file of its own");
                None
            }
        },
        Err(error) => {
            let message = format!("this is not YAML: {}", error.message);
            match error.place {
                Some(place) => problems.error((source, place), message, ""),
                None => problems.error_in(source, message, ""),
            }
            None
        }
    };
    let plan = plan.filter(|_| !problems.has_errors());
    (plan, problems.into_list())
}

/// Manifests on disk, relative to the scenario's own directory; `builtin:` names are in the binary.
#[derive(Debug, Clone)]
pub struct Disk {
    pub directory: PathBuf,
}

impl Files for Disk {
    fn read(&self, name: &str) -> Result<String, String> {
        if let Some(name) = name.strip_prefix("builtin:") {
            return super::builtin::manifest(name);
        }
        let path = self.directory.join(name);
        let size = std::fs::metadata(&path).map_err(|error| error.to_string())?.len();
        if size > yaml::MAX_BYTES as u64 {
            return Err(format!("it has {size} bytes, and at most {} are read", yaml::MAX_BYTES));
        }
        std::fs::read_to_string(&path).map_err(|error| error.to_string())
    }
}
