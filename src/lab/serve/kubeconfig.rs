//! The file that makes any Kubernetes client a client of this lab.

use super::Served;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

impl Served {
    /// A kubeconfig whose only context, cluster and user are called `context`.
    #[must_use]
    pub fn kubeconfig(&self, context: &str) -> String {
        let (server, token) = (self.kubernetes, &self.token);
        let ca = BASE64_STANDARD.encode(&self.ca);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
            clusters:\n- name: {context}\n  cluster:\n    server: https://{server}\n    certificate-authority-data: {ca}\n\
            users:\n- name: {context}\n  user:\n    token: {token}\n\
            contexts:\n- name: {context}\n  context:\n    cluster: {context}\n    user: {context}\n"
        )
    }
}
