//! Which resources there are that are not kept; discovery shows them with the kinds.

use super::metrics;
use crate::apiserver::server::Server;

/// A resource of its own.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub plural: &'static str,
    pub singular: &'static str,
    pub kind: &'static str,
    pub namespaced: bool,
    pub verbs: &'static [&'static str],
}

/// A part of a kind that is kept: of which, its name, what it is made of, how it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// `pods`, the key of the kind.
    pub of: &'static str,
    pub name: &'static str,
    /// Group, version and kind of its body.
    pub shown: (&'static str, &'static str, &'static str),
    pub verbs: &'static [&'static str],
}

const CREATE: &[&str] = &["create"];
const CONNECT: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];
const READ: &[&str] = &["get", "list"];

const fn review(group: &'static str, plural: &'static str, singular: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, singular, kind, namespaced: false, verbs: CREATE }
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// All of them, in the order in which discovery shows them.
pub const RESOURCES: [Resource; 9] = [
    Resource { namespaced: true, ..review("", "bindings", "binding", "Binding") },
    review(AUTHENTICATION, "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"),
    review(AUTHENTICATION, "tokenreviews", "tokenreview", "TokenReview"),
    Resource {
        namespaced: true,
        ..review(AUTHORIZATION, "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview")
    },
    review(AUTHORIZATION, "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"),
    review(AUTHORIZATION, "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"),
    review(AUTHORIZATION, "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview"),
    Resource { version: metrics::VERSION, verbs: READ, ..review(metrics::GROUP, "nodes", "", "NodeMetrics") },
    Resource {
        version: metrics::VERSION,
        verbs: READ,
        namespaced: true,
        ..review(metrics::GROUP, "pods", "", "PodMetrics")
    },
];

/// The parts of pods, service accounts and services.
pub const PARTS: [Part; 9] = [
    Part { of: "pods", name: "attach", shown: ("", "v1", "PodAttachOptions"), verbs: CONNECT },
    Part { of: "pods", name: "binding", shown: ("", "v1", "Binding"), verbs: CREATE },
    Part { of: "pods", name: "eviction", shown: ("policy", "v1", "Eviction"), verbs: CREATE },
    Part { of: "pods", name: "exec", shown: ("", "v1", "PodExecOptions"), verbs: CONNECT },
    Part { of: "pods", name: "log", shown: ("", "v1", "Pod"), verbs: &["get"] },
    Part { of: "pods", name: "portforward", shown: ("", "v1", "PodPortForwardOptions"), verbs: CONNECT },
    Part { of: "pods", name: "proxy", shown: ("", "v1", "PodProxyOptions"), verbs: PROXY },
    Part { of: "serviceaccounts", name: "token", shown: (AUTHENTICATION, "v1", "TokenRequest"), verbs: CREATE },
    Part { of: "services", name: "proxy", shown: ("", "v1", "ServiceProxyOptions"), verbs: PROXY },
];

/// Those that a server has: metrics only where somebody measures.
pub fn served(server: &Server) -> impl Iterator<Item = &'static Resource> + use<> {
    let measured = server.node_agent().is_some();
    RESOURCES.iter().filter(move |it| measured || it.group != metrics::GROUP)
}
