//! `coalmine router`: the router of a cluster, as a pod of it. Logs on stderr; SIGTERM ends it in order.
//!
//! Exit codes: 0 when it was told to end, 2 when this is no pod and no kubeconfig was named, 3 when it cannot listen.

use super::args::RouterArgs;
use super::terminal::{complain, failure};
use super::{Exit, interrupt};
use crate::edge::{Edge, EdgeError, serve};

pub(crate) fn router(args: &RouterArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&failure("no runtime", &error));
            return Exit::Lab;
        }
    };
    complain(&format!("requests enter at {}, metrics are at {}", args.listen, args.metrics));
    match runtime.block_on(run(args)) {
        Ok(()) => Exit::AsExpected,
        Err(error) => {
            complain(&failure("the router does not run", &error));
            if matches!(error, EdgeError::Cluster(_)) { Exit::Usage } else { Exit::Lab }
        }
    }
}

async fn run(args: &RouterArgs) -> Result<(), EdgeError> {
    let edge = Edge {
        listen: args.listen,
        metrics: args.metrics,
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        pod: args.pod.clone(),
        namespace: args.pod_namespace.clone(),
    };
    serve(&edge, interrupt::told_to_end()).await
}
