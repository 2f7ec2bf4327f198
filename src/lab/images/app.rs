//! Behind podinfo's and the load tester's images: the demo app and the load tester of the data plane.

use super::Parts;
use crate::sys::http::{HttpError, Request, Response};
use crate::traffic::demo::{DemoApp, DemoSpec};
use crate::traffic::loadtester::{LoadTester, LoadTesterSpec};
use crate::workload::runtime::{ContainerSpec, Process, StartError};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// Each container draws its own random numbers; a restart draws new ones.
fn stream_name(container: &ContainerSpec) -> String {
    format!("{}/{}/{}/{}", container.namespace, container.pod, container.name, container.restart)
}

pub(crate) fn podinfo(parts: &Parts, version: &str, container: ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
    let rng = parts.seed.stream(&stream_name(&container));
    // podinfo's image has `./podinfo` as its command; whoever writes a command repeats it, with the arguments behind.
    let written = container.command.into_iter().skip(1).chain(container.args);
    let spec = DemoSpec {
        version: version.to_owned(),
        args: written.collect(),
        env: container.env,
        pod: container.pod,
        namespace: container.namespace,
        files: container.files,
        output: container.output,
    };
    match DemoApp::start(spec, parts.clock, rng) {
        Ok(app) => Ok(Arc::new(Podinfo(app))),
        Err(error) => Err(StartError { exit_code: error.exit_code, message: error.message }),
    }
}

pub(crate) fn load_tester(parts: &Parts, container: ContainerSpec) -> Result<Arc<dyn Process>, StartError> {
    let http = parts.network.seen_from(&container.namespace);
    let written = container.command.into_iter().skip(1).chain(container.args);
    let spec = LoadTesterSpec { args: written.collect(), pod: container.pod, output: container.output };
    match LoadTester::start(spec, http, parts.clock) {
        Ok(tester) => Ok(Arc::new(Tester(tester))),
        Err(error) => Err(StartError { exit_code: error.exit_code, message: error.message }),
    }
}

/// The data plane does not know the kubelet, so its processes are wrapped: the calls are the same by name.
macro_rules! process {
    ($wrapper:ident($inner:ty)) => {
        struct $wrapper($inner);

        impl Process for $wrapper {
            fn request(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
                self.0.handle(port, request)
            }

            fn exited(&self) -> BoxFuture<'static, i32> {
                self.0.exited()
            }

            fn terminate(&self) {
                self.0.terminate();
            }

            fn kill(&self) {
                self.0.kill();
            }
        }
    };
}

process!(Podinfo(DemoApp));
process!(Tester(LoadTester));
