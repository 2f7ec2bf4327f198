//! A policy to compare: its objects, its traffic, how its hooks answer, and a script of what happens to it.

use coalmine::model::fault::{DelaySpec, FaultKind, FaultSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where hooks are: names outside the cluster, answered by the test's sink in both arms.
pub const HOOKS: &str = "http://hooks.example";
/// Where alerts go.
pub const CHAT: &str = "http://chat.example";
/// Requests per second of a policy that has traffic.
pub const PER_SECOND: f64 = 12.0;

/// One policy in a namespace of its own name.
pub struct Policy {
    pub name: &'static str,
    /// What it is there to show; a sentence without its full stop.
    pub shows: &'static str,
    pub objects: Vec<Value>,
    /// Hook name to the statuses that it answers with, in order; the last one repeats. Hooks that are not listed: 200.
    pub hooks: BTreeMap<&'static str, Vec<u16>>,
    /// Requests per second, and their headers.
    pub traffic: Option<BTreeMap<String, String>>,
    pub script: Vec<(When, Act)>,
    /// When it is over.
    pub end: When,
    /// The policy is about pods that do not come: ticks that waited for them count.
    pub about_readiness: bool,
}

/// Something that has been observed.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// `status.phase`
    Phase(&'static str),
    /// The canary's live weight at the router.
    Live(i64),
    /// An event whose text has this in it came since the last act.
    Event(&'static str),
    /// That many of them came since the last act.
    Events(usize, &'static str),
    /// That many versions of the status came since the last act.
    Statuses(usize),
}

/// What is done then.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sets the container's image tag.
    Release(&'static str),
    /// Sets a fault on every pod of the new version.
    Fault(FaultSpec),
    /// Merge patch of an object of the namespace.
    Patch {
        api_version: &'static str,
        kind: &'static str,
        name: &'static str,
        patch: Value,
    },
    /// A strategic merge patch.
    Strategic {
        api_version: &'static str,
        kind: &'static str,
        name: &'static str,
        patch: Value,
    },
    Delete {
        api_version: &'static str,
        kind: &'static str,
        name: &'static str,
    },
}

/// Three of four answers are 500.
pub fn storm() -> Act {
    Act::Fault(FaultSpec { fault: FaultKind::Http500, rate: 0.75, delay: None })
}

/// Every answer takes two seconds.
pub fn slow() -> Act {
    let delay = Some(DelaySpec::Fixed { millis: 2_000 });
    Act::Fault(FaultSpec { fault: FaultKind::Delay, rate: 1.0, delay })
}

pub fn patch_canary(patch: Value) -> Act {
    Act::Patch { api_version: "flagger.app/v1beta1", kind: "Canary", name: "podinfo", patch }
}

impl Policy {
    /// podinfo behind an Ingress with a Canary of provider nginx: released once, promoted by weights 25 and 50.
    pub fn nginx(name: &'static str, shows: &'static str, analysis: Value) -> Self {
        let objects = vec![namespace(name), deployment(name), ingress(name), canary(name, "nginx", analysis)];
        Self::of(name, shows, objects)
    }

    /// The same behind a Gateway.
    pub fn gateway(name: &'static str, shows: &'static str, analysis: Value) -> Self {
        let mut canary = canary(name, "gatewayapi:v1", analysis);
        canary["spec"]["service"]["hosts"] = json!([host(name)]);
        canary["spec"]["service"]["gatewayRefs"] = json!([{"name": "gateway", "namespace": name}]);
        canary["spec"].as_object_mut().unwrap().remove("ingressRef");
        let mut objects = vec![namespace(name), deployment(name)];
        objects.extend([gateway(name), canary]);
        Self::of(name, shows, objects)
    }

    fn of(name: &'static str, shows: &'static str, objects: Vec<Value>) -> Self {
        Self {
            name,
            shows,
            objects,
            hooks: BTreeMap::new(),
            traffic: Some(BTreeMap::new()),
            script: vec![(When::Phase("Initialized"), Act::Release("6.9.3"))],
            end: When::Phase("Succeeded"),
            about_readiness: false,
        }
    }

    pub fn canary(&mut self) -> &mut Value {
        self.objects.iter_mut().find(|it| it["kind"] == "Canary").unwrap()
    }

    pub fn deployment(&mut self) -> &mut Value {
        self.objects.iter_mut().find(|it| it["kind"] == "Deployment").unwrap()
    }

    /// Adds a webhook to the Canary, and how it answers.
    pub fn hook(mut self, kind: &str, name: &'static str, answers: &[u16]) -> Self {
        let url = format!("{HOOKS}/{}/{name}", self.name);
        let hook = json!({"name": name, "type": kind, "url": url, "metadata": {"hook": name}});
        let analysis = &mut self.canary()["spec"]["analysis"];
        if analysis["webhooks"].is_null() {
            analysis["webhooks"] = json!([]);
        }
        analysis["webhooks"].as_array_mut().unwrap().push(hook);
        self.hooks.insert(name, answers.to_vec());
        self
    }

    /// Alerts to four receivers: one for each severity, and one that names none.
    pub fn alerting(mut self) -> Self {
        let severities = [("info", "info"), ("warn", "warn"), ("error", "error"), ("unset", "")];
        let mut alerts = Vec::new();
        for (name, severity) in severities {
            let address = format!("{CHAT}/{}/{name}", self.name);
            self = self.with(json!({
                "apiVersion": "flagger.app/v1beta1",
                "kind": "AlertProvider",
                "metadata": {"name": name},
                "spec": {"type": "slack", "channel": name, "address": address},
            }));
            alerts.push(match severity {
                "" => json!({"name": name, "providerRef": {"name": name}}),
                _ => json!({"name": name, "severity": severity, "providerRef": {"name": name}}),
            });
        }
        self.canary()["spec"]["analysis"]["alerts"] = alerts.into();
        self
    }

    /// The release is another tag.
    pub fn releases(mut self, tag: &'static str) -> Self {
        self.script[0].1 = Act::Release(tag);
        self
    }

    /// The release never becomes ready.
    pub fn never_ready(mut self) -> Self {
        self.about_readiness = true;
        self.releases("nope")
    }

    /// Nothing happens by itself.
    pub fn releases_never(mut self) -> Self {
        self.script.clear();
        self
    }

    /// One more thing to happen.
    pub fn then(mut self, when: When, act: Act) -> Self {
        self.script.push((when, act));
        self
    }

    pub fn ends(mut self, when: When) -> Self {
        self.end = when;
        self
    }

    pub fn without_traffic(mut self) -> Self {
        self.traffic = None;
        self
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.traffic = Some(BTreeMap::from([(name.to_owned(), value.to_owned())]));
        self
    }

    /// One more object, in the policy's namespace.
    pub fn with(mut self, mut object: Value) -> Self {
        object["metadata"]["namespace"] = self.name.into();
        // Before the Canary, so that what it names is there.
        self.objects.insert(self.objects.len() - 1, object);
        self
    }

    /// Changes the Canary.
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(self.canary());
        self
    }
}

pub fn host(namespace: &str) -> String {
    format!("{namespace}.example.com")
}

/// Success rate and duration over the last half minute. The bound of the duration is so wide that a machine with too much to
/// do keeps it.
pub fn built_in_checks() -> Value {
    json!([
        {"name": "request-success-rate", "interval": "30s", "thresholdRange": {"min": 99}},
        {"name": "request-duration", "interval": "30s", "thresholdRange": {"max": 5_000}},
    ])
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn deployment(namespace: &str) -> Value {
    let labels = json!({"app": "podinfo"});
    let container = json!({
        "name": "podinfod",
        "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
        "ports": [{"name": "http", "containerPort": 9898}, {"name": "http-metrics", "containerPort": 9797}],
        "command": ["./podinfo", "--port=9898", "--port-metrics=9797"],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1},
    });
    let annotations = json!({"prometheus.io/scrape": "true", "prometheus.io/port": "9797"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": namespace, "labels": {"app": "podinfo", "team": "a"}, "annotations": {"note": "kept"}},
        "spec": {
            "replicas": 1,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    })
}

fn ingress(namespace: &str) -> Value {
    let backend = json!({"service": {"name": "podinfo", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "podinfo", "namespace": namespace, "labels": {"app": "podinfo"},
            "annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": "30", "note": "kept"}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": host(namespace), "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    })
}

fn gateway(namespace: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway", "namespace": namespace},
        "spec": {"gatewayClassName": "nginx", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    })
}

fn canary(namespace: &str, provider: &str, analysis: Value) -> Value {
    json!({
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "podinfo", "namespace": namespace},
        "spec": {
            "provider": provider,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "podinfo"},
            "progressDeadlineSeconds": 60,
            "service": {"port": 80, "targetPort": "http"},
            "analysis": analysis,
        },
    })
}
