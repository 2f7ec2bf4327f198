//! What can be typed. No decisions here: each command's own file says what the words mean.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

use crate::model::command::Speed;

/// A canary-release lab in one binary: scripted releases, decided as Flagger decides them, with a verdict.
#[derive(Debug, Parser)]
#[command(name = "coalmine", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 as expected, 1 an expectation was not met, 2 bad usage or file, \
    3 the lab could not be made or broke, 130 interrupted.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario on a lab and say how it ended, and why
    Run(RunArgs),
    /// List, show and check scenarios
    #[command(subcommand)]
    Scenarios(ScenariosCommand),
    /// Show a run record again, live or as lines
    Replay(ReplayArgs),
    /// Write the reports of a run record again
    Report(ReportArgs),
    /// Look whether this machine can hold a lab of containers, and say how to mend what it lacks
    Doctor(DoctorArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// A built-in scenario's name (see `coalmine scenarios list`) or a file
    pub scenario: String,
    /// Which clock the lab runs on
    #[arg(long, value_enum, default_value_t = ClockArg::Simulated)]
    pub clock: ClockArg,
    /// Simulated seconds per real second, or `max` [default: 10 in the live view, max without it]
    #[arg(long, value_name = "TIMES|max")]
    pub speed: Option<Speed>,
    /// Fixes every random choice; one seed gives one record on the simulated clock
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write record.jsonl, report.md, report.html, junit.xml and result.json into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print lines even where the live view could be shown
    #[arg(long)]
    pub lines: bool,
    /// Print the verdict only
    #[arg(long, short, conflicts_with = "lines")]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClockArg {
    /// As fast as it can, or at --speed; one seed gives one record
    Simulated,
    /// Real time, with the lab's three endpoints on loopback sockets
    Wall,
}

#[derive(Debug, Subcommand)]
pub enum ScenariosCommand {
    /// The built-in scenarios
    List,
    /// One built-in scenario: its file
    Show { name: String },
    /// All problems of scenario files, each with its place
    Check {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
    /// A JSON Schema of scenario files, for editors
    Schema,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A record.jsonl that `coalmine run --out` wrote
    pub record: PathBuf,
    /// Recorded seconds per real second in the live view, or `max`
    #[arg(long, value_name = "TIMES|max", default_value = "10")]
    pub speed: Speed,
    /// Print lines even where the live view could be shown
    #[arg(long)]
    pub lines: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A record.jsonl that `coalmine run --out` wrote
    pub record: PathBuf,
    /// The folder to write to [default: the record's own]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long, short, value_enum)]
    pub output: Option<Output>,
}

/// Forms of what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Json,
}
