//! Exit codes: documented, and part of what other programs may rely on.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It went as expected.
    AsExpected,
    /// An expectation of the scenario was not met.
    NotMet,
    /// Bad usage, or a bad file.
    Usage,
    /// The lab could not be made, or broke.
    Lab,
    /// Interrupted by a person or a signal.
    Interrupted,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::NotMet => 1,
            Self::Usage => 2,
            Self::Lab => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
