//! `coalmine compare`: two records side by side.

use super::args::{CompareArgs, FormatArg};
use super::terminal::{complain, say};
use super::{Exit, report};
use crate::report::compare;

pub(crate) fn compare(args: &CompareArgs) -> Exit {
    let (left, right) = match (report::read(&args.left), report::read(&args.right)) {
        (Ok(left), Ok(right)) => (left, right),
        (left, right) => {
            [left.err(), right.err()].into_iter().flatten().for_each(|it| complain(&it));
            return Exit::Usage;
        }
    };
    let comparison = compare::compare(&left, &right, args.tolerance);
    say(&match args.output {
        FormatArg::Table => comparison.text(),
        FormatArg::Json => comparison.json(),
    });
    if comparison.alike { Exit::AsExpected } else { Exit::NotMet }
}
