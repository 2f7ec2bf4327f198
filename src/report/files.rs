//! All reports of a run as files of one directory, each whole or not there.

use super::{html, json, junit, markdown};
use crate::event::Envelope;
use crate::event::log::{WriteError, Writer};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a run leaves in its directory.
pub const RECORD: &str = "record.jsonl";

/// Why reports were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteAllError {
    #[error("failed to make the directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("failed to write {}: {source}; the reports that were there before are untouched", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("failed to write the run record: {0}")]
    Record(#[from] WriteError),
}

/// Writes `record.jsonl`, `report.md`, `report.html`, `junit.xml` and `result.json` into `dir`, which is made if it is not
/// there. All are made and written beside their places first and then renamed, so that a full disk leaves what was there.
/// Gives the paths in that order.
pub fn write_all(dir: &Path, events: &[Envelope]) -> Result<Vec<PathBuf>, WriteAllError> {
    let files = [
        (RECORD, record(events)?),
        ("report.md", markdown(events).into_bytes()),
        ("report.html", html(events).into_bytes()),
        ("junit.xml", junit(events).into_bytes()),
        ("result.json", json(events).into_bytes()),
    ];
    fs::create_dir_all(dir).map_err(|source| WriteAllError::Directory { path: dir.to_owned(), source })?;
    let mut beside = Beside { paths: Vec::new() };
    for (name, bytes) in &files {
        let path = dir.join(format!(".{name}.partial"));
        beside.paths.push(path.clone());
        fs::write(&path, bytes).map_err(|source| WriteAllError::File { path, source })?;
    }
    files.iter().map(|(name, _)| in_place(dir, name)).collect()
}

fn in_place(dir: &Path, name: &str) -> Result<PathBuf, WriteAllError> {
    let path = dir.join(name);
    match fs::rename(dir.join(format!(".{name}.partial")), &path) {
        Ok(()) => Ok(path),
        Err(source) => Err(WriteAllError::File { path, source }),
    }
}

fn record(events: &[Envelope]) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::new(Vec::new())?;
    events.iter().try_for_each(|it| writer.write(it))?;
    Ok(writer.into_inner())
}

/// Files beside their places; what was not renamed is removed.
struct Beside {
    paths: Vec<PathBuf>,
}

impl Drop for Beside {
    fn drop(&mut self) {
        for path in &self.paths {
            // Renamed files are not there any more, and for the others there is nobody left to tell.
            let _ = fs::remove_file(path);
        }
    }
}
