//! `coalmine doctor`: can this machine hold a lab of containers?

use super::args::{DoctorArgs, LabArg, Output};
use super::terminal::{complain, failure, say};
use super::{Exit, real};
use crate::lab::real::kubernetes_of;
use crate::machine::{Check, Environment, Verdict, examine, examine_minikube, gather};
use std::fmt::Write as _;

pub(crate) fn doctor(args: &DoctorArgs) -> Exit {
    if let LabArg::Embedded | LabArg::Context = args.lab {
        say("such a lab needs nothing of this machine\n");
        return Exit::AsExpected;
    }
    let images = match real::images(args.images.as_deref()) {
        Ok((images, _)) => images,
        Err(error) => {
            complain(&failure("nothing was looked at", &error));
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&failure("no runtime", &error));
            return Exit::Lab;
        }
    };
    let facts = runtime.block_on(gather(&Environment::of_this_process(), kubernetes_of(&images.node)));
    let checks = match args.lab {
        LabArg::Minikube => examine_minikube(&facts, args.driver.as_deref()),
        _ => examine(&facts),
    };
    say(&match args.output {
        Some(Output::Json) => serde_json::to_string_pretty(&checks).unwrap_or_default() + "\n",
        None => as_text(&checks),
    });
    match checks.iter().map(|it| it.verdict).max() {
        Some(Verdict::Failed) => Exit::Lab,
        _ => Exit::AsExpected,
    }
}

/// One line for each finding, and the fix under those that need one.
fn as_text(checks: &[Check]) -> String {
    let width = checks.iter().map(|it| it.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for check in checks {
        let mark = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
        };
        let _ = writeln!(text, "{mark:<8} {:<width$}  {}", check.name, check.found);
        if !check.fix.is_empty() {
            let _ = writeln!(text, "{:9}{:width$}  {}", "", "", check.fix);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_is_not_well_has_its_fix_under_it() {
        let check = |name, verdict, fix: &str| Check { name, verdict, found: "2".to_owned(), fix: fix.to_owned() };
        let text = as_text(&[
            check("cgroup", Verdict::Ok, ""),
            check("memory", Verdict::Warning, "close something"),
            check("kind", Verdict::Failed, "get it"),
        ]);
        let expected = "\
ok       cgroup  2
warning  memory  2
                 close something
FAILED   kind    2
                 get it
";
        assert_eq!(text, expected);
    }
}
