//! The command line: what was typed, what it means, exit codes.
//!
//! In: arguments.
//! Out: text, files, an exit code.
//! Never: how anything is done.

pub mod scenarios;
