//! Small private files: folders of 0700, files of 0600, written whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder, and what lies above it, for this user only. A folder that is there stays as it is.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Opens a file for locking; makes it where it is not there.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    private().read(true).write(true).create(true).truncate(false).open(path)
}

/// A locked file. Dropping it unlocks it for good: closing alone would not while a process that is being started holds a copy
/// of the descriptor, from its fork to its exec.
#[derive(Debug)]
pub(super) struct Locked(pub File);

impl Drop for Locked {
    fn drop(&mut self) {
        // A lock that cannot be given back goes with the last copy of the descriptor.
        let _ = self.0.unlock();
    }
}

/// A new, empty file in place of whatever was there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    remove(path)?;
    private().read(true).write(true).create_new(true).open(path)
}

/// Puts `bytes` in place of a file at once: who reads it meanwhile sees the old one whole or the new one whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path).or_else(fine_if_gone)
}

/// Removes a folder and what is in it; one that is not there is fine.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path).or_else(fine_if_gone)
}

fn fine_if_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
