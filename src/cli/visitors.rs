//! `coalmine visitors`: requests from inside a cluster, as a pod of it. Logs on stderr.
//!
//! Exit codes: 0 when it was told to end or left alone, 3 when it cannot listen.

use super::args::VisitorsArgs;
use super::terminal::{complain, failure};
use super::{Exit, interrupt};
use crate::edge::{Visitors, visit};

pub(crate) fn visitors(args: VisitorsArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&failure("no runtime", &error));
            return Exit::Lab;
        }
    };
    complain(&format!("orders are taken at {}, requests go to {}\n", args.listen, args.base));
    let VisitorsArgs { listen, base, host, target, seed } = args;
    let visitors = Visitors { listen, base, host, target, seed };
    match runtime.block_on(async { visit(visitors, interrupt::told_to_end()).await }) {
        Ok(()) => Exit::AsExpected,
        Err(error) => {
            complain(&failure("no requests are sent", &error));
            Exit::Lab
        }
    }
}
