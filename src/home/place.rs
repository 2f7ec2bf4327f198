//! Where the state directory is, by the XDG Base Directory Specification 0.8.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Our folder below the state directory.
const FOLDER: &str = "coalmine";

/// Why there is no state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no place for the state of labs: set XDG_STATE_HOME to an absolute path, or HOME")]
pub struct PlaceError;

/// `$XDG_STATE_HOME/coalmine`, or `~/.local/state/coalmine`. Reads the environment.
pub fn state_folder() -> Result<PathBuf, PlaceError> {
    below(std::env::var_os("XDG_STATE_HOME"), etcetera::home_dir().ok().as_deref())
}

/// The rules: an empty or relative `XDG_STATE_HOME` counts as unset.
fn below(xdg: Option<OsString>, home: Option<&Path>) -> Result<PathBuf, PlaceError> {
    let set = xdg.map(PathBuf::from).filter(|it| it.is_absolute());
    let usual = || home.filter(|it| it.is_absolute()).map(|it| it.join(".local/state"));
    set.or_else(usual).map(|it| it.join(FOLDER)).ok_or(PlaceError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_follows_the_xdg_rules() {
        let cases = [
            (Some("/srv/state"), Some("/home/a"), Ok("/srv/state/coalmine")),
            (Some("/srv/state"), None, Ok("/srv/state/coalmine")),
            (None, Some("/home/a"), Ok("/home/a/.local/state/coalmine")),
            (Some(""), Some("/home/a"), Ok("/home/a/.local/state/coalmine")),
            (Some("relative/state"), Some("/home/a"), Ok("/home/a/.local/state/coalmine")),
            (Some("relative/state"), Some("also/relative"), Err(PlaceError)),
            (None, None, Err(PlaceError)),
        ];
        for (xdg, home, expected) in cases {
            let found = below(xdg.map(OsString::from), home.map(Path::new));
            assert_eq!(found, expected.map(PathBuf::from), "XDG_STATE_HOME={xdg:?} HOME={home:?}");
        }
    }
}
