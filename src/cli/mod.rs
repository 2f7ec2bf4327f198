//! The command line: what was typed, what it means, exit codes.
//!
//! In: arguments.
//! Out: data on stdout, everything else on stderr, files, an exit code.
//! Never: how anything is done.

mod args;
mod compare;
mod context;
mod detach;
mod doctor;
mod down;
mod env;
mod exit;
mod forward;
mod interrupt;
mod pack;
mod place;
mod real;
mod replay;
mod report;
mod router;
mod run;
pub mod scenarios;
mod status;
mod terminal;
mod up;
mod visitors;
mod watch;

pub use args::Cli;
pub use exit::Exit;

use args::{Command, ScenariosCommand};
use clap::Parser;

/// Parses the process's arguments and does what they say. Bad usage ends the process with exit code 2, help with 0.
#[must_use]
pub fn main() -> Exit {
    match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Up(args) => match args.lab {
            args::LabArg::Embedded => up::up(&args),
            args::LabArg::Kind | args::LabArg::Minikube | args::LabArg::Context => real::up(&args),
        },
        Command::Down(args) => down::down(&args),
        Command::Status(args) => status::status(&args),
        Command::Env(args) => env::env(&args),
        Command::Forward(args) => forward::forward(&args),
        Command::Watch(args) => watch::watch(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Report(args) => report::report(&args),
        Command::Pack(args) => pack::pack(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Router(args) => router::router(&args),
        Command::Visitors(args) => visitors::visitors(args),
        Command::Scenarios(command) => terminal::print(&match command {
            ScenariosCommand::List => scenarios::list(),
            ScenariosCommand::Show { name } => scenarios::show(&name),
            ScenariosCommand::Check { files } => scenarios::check(&files),
            ScenariosCommand::Schema => scenarios::schema(),
        }),
    }
}
