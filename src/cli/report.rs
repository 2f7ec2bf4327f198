//! `coalmine report`: the reports of a record, written again.

use super::Exit;
use super::args::ReportArgs;
use super::terminal::{self, complain, say};
use crate::event::{Envelope, log};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub(crate) fn report(args: &ReportArgs) -> Exit {
    let events = match read(&args.record) {
        Ok(events) => events,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    let beside = args.record.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write(args.out.as_deref().unwrap_or(beside), &events)
}

/// Reads a whole record; the error is a text for people.
pub(crate) fn read(record: &Path) -> Result<Vec<Envelope>, String> {
    match read_as_far_as_possible(record)? {
        (events, None) => Ok(events),
        (_, Some(problem)) => Err(problem),
    }
}

/// Reads what there is of a record, and what is wrong with the rest, as texts for people.
pub(crate) fn read_as_far_as_possible(record: &Path) -> Result<(Vec<Envelope>, Option<String>), String> {
    let name = record.display().to_string();
    let file = File::open(record).map_err(|it| format!("coalmine: {name} could not be opened: {it}\n"))?;
    let in_words = |it: log::ReadError| terminal::failure("not a whole run record", &it);
    let (events, problem) = log::read_as_far_as_possible(BufReader::new(file), &name).map_err(in_words)?;
    Ok((events, problem.map(in_words)))
}

/// Writes all files of a run and names them.
pub(crate) fn write(folder: &Path, events: &[Envelope]) -> Exit {
    match crate::report::write_all(folder, events) {
        Ok(files) => {
            for file in files {
                say(&format!("wrote {}\n", file.display()));
            }
            Exit::AsExpected
        }
        Err(error) => {
            complain(&terminal::failure("the reports could not be written", &error));
            Exit::Lab
        }
    }
}
