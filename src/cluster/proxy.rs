//! Requests to pods and services through the API's `proxy` subresource, the one road that every lab has.

use crate::cluster::client::with_query;
use crate::cluster::resource::push_segment;
use crate::cluster::{Client, ClusterError};
use bytes::Bytes;
use http::{Request, Response, Uri};

impl Client {
    /// The last `lines` lines of a container's log.
    pub async fn log(&self, namespace: &str, pod: &str, container: &str, lines: usize) -> Result<Bytes, ClusterError> {
        let mut path = "/api/v1/namespaces/".to_owned();
        for (segment, rest) in [(namespace, "/pods/"), (pod, "/log")] {
            push_segment(&mut path, segment);
            path.push_str(rest);
        }
        let path = with_query(&path, &[("container", container), ("tailLines", &lines.to_string())]);
        let request = Request::get(&path).body(Bytes::new());
        let request = request.map_err(|why| ClusterError::BadRequest(format!("{path}: {why}")))?;
        let answer = self.send_whole(request).await?;
        if answer.status().as_u16() >= 400 {
            return Err(ClusterError::from_answer(answer.status(), answer.body()));
        }
        Ok(answer.into_body())
    }

    /// Sends `request` to a port of a pod. Only the path and query of its URI count. Any status of the app is an answer;
    /// that the API cannot reach the pod is an error.
    pub async fn pod_request(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ClusterError> {
        self.proxied(namespace, "pods", pod, port, request).await
    }

    /// Sends `request` to a port of a service; the API picks one of its ready pods.
    pub async fn service_request(
        &self,
        namespace: &str,
        service: &str,
        port: u16,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ClusterError> {
        self.proxied(namespace, "services", service, port, request).await
    }

    async fn proxied(
        &self,
        namespace: &str,
        plural: &str,
        name: &str,
        port: u16,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ClusterError> {
        let mut path = "/api/v1/namespaces/".to_owned();
        push_segment(&mut path, namespace);
        path.push('/');
        path.push_str(plural);
        path.push('/');
        push_segment(&mut path, name);
        let rest = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let path = format!("{path}:{port}/proxy{rest}");
        let uri: Result<Uri, _> = path.parse();
        *request.uri_mut() = uri.map_err(|why| ClusterError::BadRequest(format!("{path}: {why}")))?;
        let answer = self.send_whole(request).await?;
        if answer.status().as_u16() >= 400 && is_status(answer.body()) {
            return Err(ClusterError::from_answer(answer.status(), answer.body()));
        }
        Ok(answer)
    }
}

/// Whether the answer is the API server's own: apps do not answer with a `metav1.Status`.
fn is_status(body: &[u8]) -> bool {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    answer.is_some_and(|it| it["kind"] == "Status" && it["apiVersion"] == "v1")
}
