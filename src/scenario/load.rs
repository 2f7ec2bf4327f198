//! From the text of a scenario file to its plan, or to all its problems.

use super::manifests::{self, Files};
use super::plan::Plan;
use super::problem::{Problem, Problems, nearest};
use super::{build, check, read, scene};
use crate::sys::yaml::{self, Dialect};
use std::path::{Path, PathBuf};

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

/// Why a scenario could not even be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no scenario `{name}`, neither built in nor as a file{hint}")]
    Unknown { name: String, hint: String },
    #[error("cannot read {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
}

/// Reads and checks a scenario by what people type: a built-in name, or a file. A file wins where the text looks like a
/// path (has a `/`, or ends in `.yaml` or `.yml`).
///
/// # Errors
/// When there is no such scenario, or its file cannot be read.
pub fn open(name: &str) -> Result<(Option<Plan>, Vec<Problem>), OpenError> {
    let path = Path::new(name);
    let is_yaml = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("yaml") || it.eq_ignore_ascii_case("yml"));
    if !is_yaml
        && !name.contains('/')
        && let Some(builtin) = super::builtin::load(name)
    {
        return Ok(builtin);
    }
    if !path.is_file() {
        let near = nearest(name.trim_end_matches(".yaml"), &super::builtin::names());
        let hint = near.map_or_else(
            || "; `coalmine scenarios list` shows the built-in ones".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        return Err(OpenError::Unknown { name: name.to_owned(), hint });
    }
    let unreadable = |source| OpenError::Unreadable { path: name.to_owned(), source };
    let files = Disk { directory: path.parent().unwrap_or(Path::new("")).to_owned() };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > yaml::MAX_BYTES as u64 {
        let message = format!("it has {size} bytes, and at most {} are read", yaml::MAX_BYTES);
        return Err(unreadable(std::io::Error::other(message)));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(load(name, &text, &files))
}

/// Manifests on disk, relative to the scenario's own directory; `builtin:` names are in the binary.
#[derive(Debug, Clone)]
pub struct Disk {
    pub directory: PathBuf,
}

impl Files for Disk {
    fn shown(&self, name: &str) -> String {
        if name.starts_with("builtin:") { name.to_owned() } else { self.directory.join(name).display().to_string() }
    }

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
