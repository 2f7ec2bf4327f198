//! `coalmine router`: the router of a cluster, as a pod of it. Logs on stderr; SIGTERM ends it in order.
//!
//! Exit codes: 0 when it was told to end, 2 when this is no pod and no kubeconfig was named, 3 when it cannot listen.

use super::Exit;
use super::args::RouterArgs;
use super::interrupt::Interrupts;
use super::terminal::{complain, failure};
use crate::edge::{Edge, EdgeError, serve};
use tokio_util::sync::CancellationToken;

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
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        // Without signals there is no order to end: the process is killed, as it would be anyway.
        if let Ok(mut interrupts) = Interrupts::new() {
            interrupts.next().await;
            told.cancel();
        }
    });
    serve(&edge, stop).await
}
