//! Whether somebody may do something, by the roles that are stored and bound: RBAC as kube-apiserver evaluates it.
//!
//! The roles that a real cluster begins with are not stored here. Of them count: the group `system:masters`, which may do
//! all, the ClusterRole `cluster-admin` in bindings, and what every user may know about the server and about themselves.

use super::access::{Asked, User};
use super::api::Api;
use super::options::ListOptions;
use super::selector::label::LabelSelector;
use serde_json::{Value, json};
use std::sync::Arc;

const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// A rule, and where it comes from: `ClusterRoleBinding "x" of ClusterRole "y" to User "z"`.
struct Granted {
    rule: Value,
    by: String,
}

/// Whether it is allowed, and by what; an empty reason for those who may do all.
pub fn allowed(api: &Api, user: &User, asked: &Asked) -> Option<String> {
    if user.groups.iter().any(|it| it == MASTERS) {
        return Some(String::new());
    }
    let namespace = match asked {
        Asked::Resource { namespace, .. } => namespace.as_str(),
        Asked::Path { .. } => "",
    };
    let found = granted(api, user, namespace).into_iter().find(|it| covers(&it.rule, asked));
    found.map(|it| format!("RBAC: allowed by {}", it.by))
}

/// What somebody may do in a namespace: rules about objects, and rules about paths.
pub fn rules(api: &Api, user: &User, namespace: &str) -> (Vec<Value>, Vec<Value>) {
    let mut all: Vec<Value> = granted(api, user, namespace).into_iter().map(|it| it.rule).collect();
    if user.groups.iter().any(|it| it == MASTERS) {
        all.splice(0..0, everything());
    }
    all.into_iter().partition(|it| it.get("nonResourceURLs").is_none())
}

fn everything() -> [Value; 2] {
    [
        json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }),
        json!({ "verbs": ["*"], "nonResourceURLs": ["*"] }),
    ]
}

/// What every cluster grants from the start, to everybody or to those whom it knows.
fn bootstrap(user: &User) -> Vec<Granted> {
    let group = user.groups.iter().find(|it| matches!(it.as_str(), AUTHENTICATED | "system:unauthenticated"));
    let Some(group) = group else { return Vec::new() };
    let by = |role: &str| format!("ClusterRoleBinding \"{role}\" of ClusterRole \"{role}\" to Group \"{group}\"");
    let mut granted = Vec::new();
    let mut add = |role: &str, rule: Value| granted.push(Granted { rule, by: by(role) });
    let health = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    if group == AUTHENTICATED {
        let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
        add(
            "system:basic-user",
            json!({ "verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": reviews }),
        );
        let reviews = ["selfsubjectreviews"];
        add(
            "system:basic-user",
            json!({ "verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": reviews }),
        );
    }
    add("system:public-info-viewer", json!({ "verbs": ["get"], "nonResourceURLs": health }));
    if group == AUTHENTICATED {
        let paths = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];
        let paths = [&paths[..4], &health[..2], &paths[4..], &health[2..]].concat();
        add("system:discovery", json!({ "verbs": ["get"], "nonResourceURLs": paths }));
    }
    granted
}

/// All rules that hold for somebody in a namespace; of bindings of the whole cluster first.
fn granted(api: &Api, user: &User, namespace: &str) -> Vec<Granted> {
    let mut granted = bootstrap(user);
    let mut add = |binding: &Value, title: String| {
        let mut subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
        let Some(whom) = subjects.find_map(|it| names(it, user, text(binding, "/metadata/namespace"))) else {
            return;
        };
        let (kind, role) = (text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        for rule in rules_of(api, kind, role, text(binding, "/metadata/namespace")) {
            granted.push(Granted { rule, by: format!("{title} of {kind} \"{role}\" to {whom}") });
        }
    };
    for binding in list(api, "clusterrolebindings.rbac.authorization.k8s.io", None) {
        add(&binding, format!("ClusterRoleBinding \"{}\"", text(&binding, "/metadata/name")));
    }
    if !namespace.is_empty() {
        for binding in list(api, "rolebindings.rbac.authorization.k8s.io", Some(namespace)) {
            add(&binding, format!("RoleBinding \"{}/{namespace}\"", text(&binding, "/metadata/name")));
        }
    }
    granted
}

fn list(api: &Api, resource: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
    api.list(resource, namespace, &ListOptions::default()).map(|it| it.items).unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// How a binding's subject is called, if it is the one who asks.
fn names(bound: &Value, user: &User, home: &str) -> Option<String> {
    let name = text(bound, "/name");
    match text(bound, "/kind") {
        "User" if name == user.name => Some(format!("User \"{name}\"")),
        "Group" if user.groups.iter().any(|it| it == name) => Some(format!("Group \"{name}\"")),
        "ServiceAccount" => {
            let namespace = Some(text(bound, "/namespace")).filter(|it| !it.is_empty()).unwrap_or(home);
            let account = format!("system:serviceaccount:{namespace}:{name}");
            (account == user.name).then(|| format!("ServiceAccount \"{name}/{namespace}\""))
        }
        _ => None,
    }
}

fn rules_of(api: &Api, kind: &str, name: &str, namespace: &str) -> Vec<Value> {
    let own = |role: &Value| role.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    if kind == "Role" {
        let role = api.get("roles.rbac.authorization.k8s.io", namespace, name);
        return role.map(|it| own(&it)).unwrap_or_default();
    }
    match api.get("clusterroles.rbac.authorization.k8s.io", "", name) {
        Ok(role) => {
            let selectors = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
            // On the real server a controller writes the sum into the role; here it is made when it is asked for.
            selectors.map_or_else(
                || own(&role),
                |selectors| selected(api, selectors).iter().flat_map(|it| own(it)).collect(),
            )
        }
        Err(_) if name == "cluster-admin" => everything().to_vec(),
        Err(_) => Vec::new(),
    }
}

fn selected(api: &Api, selectors: &[Value]) -> Vec<Arc<Value>> {
    let selectors: Vec<_> = selectors.iter().map(LabelSelector::from_object).collect();
    let mut roles = list(api, "clusterroles.rbac.authorization.k8s.io", None);
    roles.retain(|role| selectors.iter().any(|it| it.matches_object(role)));
    roles
}

fn covers(rule: &Value, asked: &Asked) -> bool {
    let lists = |key: &str| rule.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let has = |key: &str, wanted: &str| lists(key).any(|it| it == "*" || it == wanted);
    match asked {
        Asked::Resource { verb, group, resource, subresource, name, .. } => {
            let whole = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
            let any_of_kind = format!("*/{subresource}");
            let resource_fits =
                lists("resources").any(|it| it == "*" || it == whole || !subresource.is_empty() && it == any_of_kind);
            let name_fits = lists("resourceNames").next().is_none() || lists("resourceNames").any(|it| it == name);
            has("verbs", verb) && has("apiGroups", group) && resource_fits && name_fits
        }
        Asked::Path { verb, path } => {
            let path_fits = lists("nonResourceURLs")
                .any(|it| it == path || it.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix)));
            has("verbs", verb) && path_fits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::Server;
    use crate::sys::clock::Clock;
    use crate::sys::rng::Seed;

    fn server() -> Server {
        let server = Server::new(Clock::simulated(), Seed(1));
        let role = |kind: &str, name: &str, rules: Value| json!({ "kind": kind, "metadata": { "name": name }, "rules": rules });
        let bind = |name: &str, kind: &str, role: &str, subject: Value| {
            json!({ "metadata": { "name": name }, "subjects": [subject],
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role } })
        };
        let rbac = "rbac.authorization.k8s.io";
        let create = |plural: &str, namespace: &str, object: Value| {
            server.api().create(&format!("{plural}.{rbac}"), namespace, object).unwrap();
        };
        let pods = json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"] },
            { "verbs": ["*"], "apiGroups": ["apps"], "resources": ["*/scale"] },
            { "verbs": ["update"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["own"] }]);
        create("roles", "default", role("Role", "reader", pods));
        let user = |name: &str| json!({ "kind": "User", "apiGroup": rbac, "name": name });
        create("rolebindings", "default", bind("bob-reads", "Role", "reader", user("bob")));
        let metrics = json!([{ "verbs": ["get"], "nonResourceURLs": ["/metrics", "/logs/*"] }]);
        create("clusterroles", "", role("ClusterRole", "metrics", metrics));
        create("clusterrolebindings", "", bind("metrics", "ClusterRole", "metrics", user("bob")));
        let mut part = role(
            "ClusterRole",
            "part",
            json!([{ "verbs": ["list"], "apiGroups": ["apps"], "resources": ["deployments"] }]),
        );
        part["metadata"]["labels"] = json!({ "to": "sum" });
        create("clusterroles", "", part);
        let mut sum = role("ClusterRole", "sum", json!([]));
        sum["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { "to": "sum" } }] });
        create("clusterroles", "", sum);
        let group = json!({ "kind": "Group", "apiGroup": rbac, "name": "dev" });
        create("clusterrolebindings", "", bind("devs", "ClusterRole", "sum", group));
        let account = json!({ "kind": "ServiceAccount", "namespace": "default", "name": "robot" });
        create("rolebindings", "default", bind("robot", "ClusterRole", "cluster-admin", account));
        server
    }

    fn action(text: &str) -> Asked {
        let words: Vec<_> = text.split(' ').collect();
        if let [verb, path] = words[..]
            && path.starts_with('/')
        {
            return Asked::Path { verb: verb.to_owned(), path: path.to_owned() };
        }
        let (resource, group) = words[1].split_once('.').unwrap_or((words[1], ""));
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let at = |index: usize| words.get(index).map_or(String::new(), |it| (*it).to_owned());
        Asked::Resource {
            verb: words[0].to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: at(2),
            name: at(3),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bound_roles_allow_what_their_rules_say() {
        let server = server();
        let known = |name: &str, groups: &[&str]| {
            let groups = groups.iter().chain(&[AUTHENTICATED]).map(|it| (*it).to_owned()).collect();
            User { name: name.to_owned(), groups }
        };
        let (bob, ann) = (known("bob", &[]), known("ann", &["dev"]));
        let (robot, root) = (known("system:serviceaccount:default:robot", &[]), known("root", &[MASTERS]));
        let reads = Some("RBAC: allowed by RoleBinding \"bob-reads/default\" of Role \"reader\" to User \"bob\"");
        let sees = Some("RBAC: allowed by ClusterRoleBinding \"metrics\" of ClusterRole \"metrics\" to User \"bob\"");
        let devs = Some("RBAC: allowed by ClusterRoleBinding \"devs\" of ClusterRole \"sum\" to Group \"dev\"");
        let all = Some(
            "RBAC: allowed by RoleBinding \"robot/default\" of ClusterRole \"cluster-admin\" to ServiceAccount \"robot/default\"",
        );
        for (who, what, expected) in [
            (&bob, "get pods default", reads),
            (&bob, "get pods/log default", reads),
            (&bob, "get pods/exec default", None),
            (&bob, "delete pods default", None),
            (&bob, "get pods kube-system", None),
            (&bob, "get pods", None),
            (&bob, "patch deployments/scale.apps default", reads),
            (&bob, "patch deployments.apps default", None),
            (&bob, "update configmaps default own", reads),
            (&bob, "update configmaps default other", None),
            (&bob, "get /metrics", sees),
            (&bob, "get /logs/kubelet", sees),
            (&bob, "post /metrics", None),
            (&ann, "list deployments.apps kube-system", devs),
            (&ann, "list pods default", None),
            (&robot, "delete secrets default", all),
            (&robot, "delete secrets kube-system", None),
            (&root, "delete nodes", Some("")),
        ] {
            let found = allowed(&server.api(), who, &action(what));
            assert_eq!(found.as_deref(), expected, "{} {what}", who.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_may_know_the_server_and_themselves() {
        let server = server();
        let stranger = User { name: "eve".to_owned(), groups: vec![AUTHENTICATED.to_owned()] };
        for what in ["get /version", "get /apis/apps/v1", "create selfsubjectreviews.authentication.k8s.io"] {
            assert!(allowed(&server.api(), &stranger, &action(what)).is_some(), "{what}");
        }
        let nobody = User { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] };
        assert!(allowed(&server.api(), &nobody, &action("get /version")).is_some());
        assert!(allowed(&server.api(), &nobody, &action("get /apis")).is_none());
        let (objects, paths) = rules(&server.api(), &stranger, "default");
        assert_eq!((objects.len(), paths.len()), (2, 2));
    }
}
