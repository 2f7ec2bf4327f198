//! Labs that outlive the command that made them: where they are written down, and who is alive.
//!
//! In: the state directory, the name of a lab, what its maker has to say about it.
//! Out: a [`Claim`] for whoever makes a lab; [`Found`] and [`Record`] for whoever looks for one.
//! Never: how a lab is made or reached; printing; anything but small files.
//!
//! # What lies where
//!
//! ```text
//! $XDG_STATE_HOME/coalmine/labs/     0700, as all folders here; every file is 0600
//!   .gate                            locked while anybody looks or changes: microseconds each time
//!   NAME/lock                        locked by the living process, whose number is in it; the kernel frees it however
//!                                    that process ends
//!   NAME/lab.json                    the Record
//!   NAME/kubeconfig, ca.crt, token   the credentials
//!   NAME/log-PID                     what a detached lab said; PID is the process that started it
//! ```
//!
//! # What holds
//!
//! - Whoever holds `NAME/lock` made the `lab.json` beside it, so the process number in it is never a stranger's: a claim
//!   writes the new record before it leaves the gate.
//! - Looking never stops a claim: a look locks `NAME/lock` too, but inside the gate, where no claim can be.
//! - Files appear whole or not at all (written aside, then renamed).
//! - Nothing here has to be cleaned up before the next claim: what a killed process left is replaced. A lab that lives in no
//!   process is gone on with instead: its record is there from before the first of its containers until after the last.
//!
//! Every kind of lab is written down the same way. A lab that needs a living process says so by its `pid`; one that does
//! not (a cluster in containers) is as alive as its record says.

mod files;
mod name;
mod place;
mod record;
mod registry;

/// Puts a text in place of a file at once, readable by this user only.
pub fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    files::replace(path, text.as_bytes())
}

pub use name::{LabName, NameError};
pub use place::{PlaceError, state_folder};
pub use record::{Controller, Endpoints, Existing, Kubernetes, LabKind, Record};
pub use registry::{Claim, Claimed, Found, Home, HomeError, NotReady, State};
