//! Flagger's load tester: its gates and its roll-back switch, spoken to through the Kubernetes API's Service proxy.

use super::ground::Ground;
use super::patience::insist;
use crate::cluster::ClusterError;
use crate::model::object::ObjectRef;
use bytes::Bytes;
use serde_json::json;

pub(crate) const OPEN_GATE: &str = "/gate/open";
pub(crate) const CLOSE_GATE: &str = "/gate/close";
pub(crate) const OPEN_ROLLBACK: &str = "/rollback/open";
pub(crate) const CLOSE_ROLLBACK: &str = "/rollback/close";

/// Why the load tester did not do it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the load tester answered {status}; is it installed in the Canary's namespace?")]
    Answer { status: http::StatusCode },
    #[error("the scenario has no load tester: a Canary webhook has to name its address")]
    None,
    #[error("`{0}` is not the address of a Service: write http://NAME.NAMESPACE")]
    NotAService(String),
}

/// Posts to one of its switches for the plan's Canary.
pub(crate) async fn call(ground: &Ground, path: &str) -> Result<(), CallError> {
    let plan = &ground.plan;
    let address = plan.load_tester.as_deref().ok_or(CallError::None)?;
    let (service, port) = service_of(address, &plan.namespace)?;
    let body = Bytes::from(json!({"name": plan.canary.name, "namespace": plan.canary.namespace}).to_string());
    let answer = insist(ground.clock, || {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.clone())
            .expect("a fixed path and header make a request");
        ground.cluster.service_request(&service.namespace, &service.name, port, request)
    });
    let status = answer.await?.status();
    if status.is_success() { Ok(()) } else { Err(CallError::Answer { status }) }
}

/// The Service behind `http://name[.namespace[.svc…]][:port]`.
fn service_of(address: &str, namespace: &str) -> Result<(ObjectRef, u16), CallError> {
    let uri: http::Uri = address.parse().map_err(|_| CallError::NotAService(address.to_owned()))?;
    let mut names = uri.host().unwrap_or_default().split('.');
    let name = names.next().filter(|it| !it.is_empty()).ok_or_else(|| CallError::NotAService(address.to_owned()))?;
    let namespace = names.next().unwrap_or(namespace);
    Ok((ObjectRef::new("v1", "Service", namespace, name), uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_tester_is_found_by_its_service_name() {
        for (address, namespace, name, port) in [
            ("http://flagger-loadtester.test", "test", "flagger-loadtester", 80),
            ("http://flagger-loadtester.tools.svc.cluster.local:8080/", "tools", "flagger-loadtester", 8080),
            ("http://flagger-loadtester", "home", "flagger-loadtester", 80),
        ] {
            let (service, found) = service_of(address, "home").unwrap();
            assert_eq!((service.namespace.as_str(), service.name.as_str(), found), (namespace, name, port));
        }
        assert!(service_of("not an address", "home").is_err());
    }
}
