//! What will be made on somebody's cluster, for that person to read and to agree to.

use crate::model::object::ObjectRef;
use crate::stack::Theirs;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Lines of a plan are at most so wide, in characters.
const WIDTH: usize = 100;
/// What stands before each row's text.
const INDENT: usize = 22;
/// Objects that are shown on their own, whatever part they belong to.
const OF_CLUSTER: [(&str, &str); 4] = [
    ("Namespace", "namespaces"),
    ("CustomResourceDefinition", "definitions"),
    ("ClusterRole", "cluster roles"),
    ("ClusterRoleBinding", "bound to accounts"),
];

/// What a look at the cluster came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub context: String,
    pub lab: String,
    /// Of Kubernetes there.
    pub version: String,
    pub nodes: usize,
    /// What the cluster has, by what it is.
    pub(super) there: BTreeMap<&'static str, Vec<String>>,
    /// What a person should know besides.
    pub(super) notes: Vec<String>,
    pub(super) planned: Vec<Planned>,
    /// What nodes have to pull.
    pub images: Vec<String>,
    /// What of the cluster's own the lab uses.
    pub theirs: Theirs,
}

/// One object and how it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub part: &'static str,
    pub object: Value,
    pub stand: Stand,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    New,
    /// This lab's, from an earlier `up`.
    Ours,
    /// Somebody else's, and used.
    Shared,
}

impl Plan {
    /// Objects that are not there yet.
    #[must_use]
    pub fn new_objects(&self) -> usize {
        self.of(Stand::New).count()
    }

    fn of(&self, stand: Stand) -> impl Iterator<Item = &Planned> {
        self.planned.iter().filter(move |it| it.stand == stand)
    }

    /// Title and text of each row of what will be made: what belongs to the cluster, then each part by its namespaces.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let titles = OF_CLUSTER.iter().map(|(_, title)| ((*title, String::new()), Vec::new()));
        let mut rows: IndexMap<(&'static str, String), Vec<String>> = titles.collect();
        for it in self.of(Stand::New) {
            let named = ObjectRef::of(&it.object);
            let (row, text) = match OF_CLUSTER.iter().find(|(kind, _)| named.kind == *kind) {
                Some((_, title)) => ((*title, String::new()), short(&it.object)),
                None => ((it.part, named.namespace), format!("{} {}", named.kind, named.name)),
            };
            rows.entry(row).or_default().push(text);
        }
        let place = |namespace: &str| if namespace.is_empty() { String::new() } else { format!("in {namespace}: ") };
        let full = rows.into_iter().filter(|(_, all)| !all.is_empty());
        full.map(|((title, namespace), all)| (title, place(&namespace) + &all.join(", "))).collect()
    }
}

/// A cluster-wide object in few words; that an account may do everything is said.
fn short(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let account = object.pointer("/subjects/0/name").and_then(Value::as_str);
    match (account, object.pointer("/roleRef/name").and_then(Value::as_str)) {
        (Some(account), Some("cluster-admin")) => format!("{account} (cluster-admin: it may do everything)"),
        (Some(account), Some(_)) => account.to_owned(),
        _ => name.to_owned(),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = if self.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", self.nodes) };
        writeln!(f, "the context `{}` is Kubernetes {}, {nodes}\n", self.context, self.version)?;
        for (what, all) in &self.there {
            row(f, what, if all.is_empty() { "none".to_owned() } else { all.join(", ") }.as_str())?;
        }
        for note in &self.notes {
            row(f, "", note)?;
        }
        let (new, ours) = (self.new_objects(), self.of(Stand::Ours).count());
        let before = if ours == 0 { String::new() } else { format!("; {ours} of the lab's are there") };
        writeln!(f, "\nthe lab `{}` will make {new} objects there{before}\n", self.lab)?;
        for (title, text) in self.rows() {
            row(f, title, &text)?;
        }
        let shared: Vec<String> = self.of(Stand::Shared).map(|it| ObjectRef::of(&it.object).to_string()).collect();
        if !shared.is_empty() {
            row(f, "used as they are", &shared.join(", "))?;
        }
        row(f, "nodes pull", &self.images.join(", "))?;
        row(
            f,
            "metrics",
            "Prometheus reads those of every pod of the cluster that has the annotation prometheus.io/scrape",
        )?;
        writeln!(
            f,
            "\nall labelled {}={}; `coalmine down --name {2}` removes them again",
            super::LAB,
            self.lab,
            self.lab
        )
    }
}

/// A title and its text, wrapped between words.
fn row(f: &mut fmt::Formatter<'_>, title: &str, text: &str) -> fmt::Result {
    let mut line = format!("  {title:<width$}", width = INDENT - 2);
    for word in text.split(' ') {
        if line.trim_end().len() > INDENT && line.chars().count() + word.chars().count() > WIDTH {
            writeln!(f, "{}", line.trim_end())?;
            line = " ".repeat(INDENT);
        }
        line = line + word + " ";
    }
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn planned(part: &'static str, kind: &str, name: &str, namespace: &str, stand: Stand) -> Planned {
        let metadata =
            if namespace.is_empty() { json!({"name": name}) } else { json!({"name": name, "namespace": namespace}) };
        Planned { part, object: json!({"apiVersion": "v1", "kind": kind, "metadata": metadata}), stand }
    }

    #[test]
    fn a_person_reads_what_will_be_made_and_what_is_used() {
        let mut admin = planned("Flux", "ClusterRoleBinding", "coalmine-flux", "", Stand::New);
        admin.object["subjects"] = json!([{"name": "kustomize-controller"}]);
        admin.object["roleRef"] = json!({"name": "cluster-admin"});
        let plan = Plan {
            context: "staging".to_owned(),
            lab: "context".to_owned(),
            version: "v1.35.8".to_owned(),
            nodes: 3,
            there: BTreeMap::from([("IngressClasses", vec!["traefik".to_owned()]), ("Prometheus", Vec::new())]),
            notes: vec!["uses source-controller v1.7.3 in flux-system".to_owned()],
            planned: vec![
                planned("definitions", "Namespace", "test", "", Stand::Shared),
                planned("definitions", "Namespace", "registry", "", Stand::New),
                admin,
                planned("registry", "Deployment", "registry", "registry", Stand::New),
                planned("registry", "Service", "registry", "registry", Stand::Ours),
            ],
            images: vec!["docker.io/library/registry:3.0.0".to_owned()],
            theirs: Theirs::default(),
        };
        let expected = "\
the context `staging` is Kubernetes v1.35.8, 3 nodes

  IngressClasses      traefik
  Prometheus          none
                      uses source-controller v1.7.3 in flux-system

the lab `context` will make 3 objects there; 1 of the lab's are there

  namespaces          registry
  bound to accounts   kustomize-controller (cluster-admin: it may do everything)
  registry            in registry: Deployment registry
  used as they are    Namespace test
  nodes pull          docker.io/library/registry:3.0.0
  metrics             Prometheus reads those of every pod of the cluster that has the annotation
                      prometheus.io/scrape

all labelled coalmine/lab=context; `coalmine down --name context` removes them again
";
        assert_eq!(plan.to_string(), expected);
    }
}
