//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    coalmine::cli::main().into()
}
