//! The processor time that processes took, as Linux counts it. On a machine that others use too it is what can be compared.

use std::fs;
use std::time::Duration;

/// Linux counts in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// The fields of `/proc/PID/stat` behind the program's name.
fn stat(process: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
    fields.split_whitespace().map(str::to_owned).collect()
}

fn ticks(fields: &[String], places: [usize; 2]) -> Duration {
    let sum: f64 = places.iter().map(|place| fields[*place].parse::<f64>().expect("a number")).sum();
    Duration::from_secs_f64(sum / TICKS_PER_SECOND)
}

/// Processor time of a process so far, its own and the kernel's for it.
pub fn of(process: u32) -> Duration {
    ticks(&stat(&process.to_string()), [11, 12])
}

/// The same of all children that have ended.
pub fn of_children() -> Duration {
    ticks(&stat("self"), [13, 14])
}

/// The same of this process.
pub fn own() -> Duration {
    ticks(&stat("self"), [11, 12])
}
