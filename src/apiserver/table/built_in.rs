//! The columns of the built-in kinds, as `kubectl` of the same version shows them.

use super::age::{age, human};
use super::{Cell, Shown, access, autoscaler, cluster, pod, storage};
use crate::apiserver::kinds::resource as r;
use crate::apiserver::selector::label::LabelSelector;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { "<none>" } else { text })
}

pub(super) fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

pub(super) fn labels(map: Option<&Value>) -> Value {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    or_none(&joined(pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))))
}

pub(super) const NAME: Cell = Cell("Name", "string", 0, |it, _| json!(text(it, "/metadata/name")));
pub(super) const AGE: Cell =
    Cell("Age", "string", 0, |it, shown| json!(age(text(it, "/metadata/creationTimestamp"), shown.now)));
const CREATED: Cell = Cell("Created At", "date", 0, |it, _| json!(text(it, "/metadata/creationTimestamp")));
pub(super) const CONTAINERS: Cell = Cell("Containers", "string", 1, |it, _| of_containers(it, "name"));
pub(super) const IMAGES: Cell = Cell("Images", "string", 1, |it, _| of_containers(it, "image"));
const SELECTOR: Cell = Cell("Selector", "string", 1, |it, _| {
    let selector = it.pointer("/spec/selector").map(LabelSelector::from_object).unwrap_or_default();
    or_none(&selector.to_string())
});

fn of_containers(object: &Value, key: &str) -> Value {
    let containers = list(object, "/spec/template/spec/containers").iter();
    json!(joined(containers.map(|it| it[key].as_str().unwrap_or_default().to_owned())))
}

/// The columns of a kind; kinds without columns of their own show when they were created.
pub fn cells(resource: &str) -> Vec<Cell> {
    match resource {
        r::PODS => pods(),
        r::DEPLOYMENTS | r::REPLICA_SETS | r::REPLICATION_CONTROLLERS | r::STATEFUL_SETS | r::DAEMON_SETS => {
            workloads(resource)
        }
        r::SERVICES | r::INGRESSES | r::ENDPOINTS | r::ENDPOINT_SLICES | r::INGRESS_CLASSES => network(resource),
        r::HORIZONTAL_POD_AUTOSCALERS | r::JOBS | r::CRON_JOBS | r::POD_DISRUPTION_BUDGETS => scaling(resource),
        r::EVENTS | r::EVENTS_V1 => events(),
        r::CONFIGMAPS => vec![NAME, Cell("Data", "string", 0, |it, _| data(it)), AGE],
        r::SECRETS => vec![
            NAME,
            Cell("Type", "string", 0, |it, _| json!(text(it, "/type"))),
            Cell("Data", "string", 0, |it, _| data(it)),
            AGE,
        ],
        r::NAMESPACES => vec![NAME, Cell("Status", "string", 0, |it, _| json!(text(it, "/status/phase"))), AGE],
        r::NODES => cluster::nodes(),
        r::PRIORITY_CLASSES => cluster::priority_classes(),
        r::RESOURCE_QUOTAS => cluster::quotas(),
        r::ROLE_BINDINGS | r::CLUSTER_ROLE_BINDINGS => access::bindings(),
        r::PERSISTENT_VOLUMES => storage::volumes(),
        r::PERSISTENT_VOLUME_CLAIMS => storage::claims(),
        r::STORAGE_CLASSES => storage::classes(),
        r::POD_TEMPLATES => cluster::pod_templates(),
        r::SERVICE_ACCOUNTS => vec![NAME, Cell("Secrets", "string", 0, |it, _| json!(list(it, "/secrets").len())), AGE],
        r::LEASES => vec![NAME, Cell("Holder", "string", 0, |it, _| json!(text(it, "/spec/holderIdentity"))), AGE],
        r::CONTROLLER_REVISIONS => {
            vec![
                NAME,
                Cell("Controller", "string", 0, |it, _| controller(it)),
                Cell("Revision", "string", 0, |it, _| json!(number(it, "/revision"))),
                AGE,
            ]
        }
        "networkpolicies.networking.k8s.io" => vec![
            NAME,
            Cell("Pod-Selector", "string", 0, |it, _| {
                let selector = it.pointer("/spec/podSelector").map(LabelSelector::from_object).unwrap_or_default();
                or_none(&selector.to_string())
            }),
            AGE,
        ],
        _ => vec![NAME, CREATED],
    }
}

/// The columns of a scale.
pub fn scale() -> Vec<Cell> {
    vec![
        NAME,
        Cell("Desired", "integer", 0, |it, _| json!(number(it, "/spec/replicas"))),
        Cell("Available", "integer", 0, |it, _| json!(number(it, "/status/replicas"))),
        AGE,
    ]
}

fn pods() -> Vec<Cell> {
    vec![
        NAME,
        Cell("Ready", "string", 0, pod::ready),
        Cell("Status", "string", 0, pod::status),
        Cell("Restarts", "string", 0, pod::restarts),
        AGE,
        Cell("IP", "string", 1, |it, _| or_none(text(it, "/status/podIP"))),
        Cell("Node", "string", 1, |it, _| or_none(text(it, "/spec/nodeName"))),
        Cell("Nominated Node", "string", 1, |it, _| or_none(text(it, "/status/nominatedNodeName"))),
        Cell("Readiness Gates", "string", 1, |_, _| json!("<none>")),
    ]
}

fn workloads(resource: &str) -> Vec<Cell> {
    const READY: Cell = Cell("Ready", "string", 0, |it, _| {
        json!(format!("{}/{}", number(it, "/status/readyReplicas"), number(it, "/spec/replicas")))
    });
    let counted: Vec<Cell> = match resource {
        r::DEPLOYMENTS => vec![
            READY,
            Cell("Up-to-date", "string", 0, |it, _| json!(number(it, "/status/updatedReplicas"))),
            Cell("Available", "string", 0, |it, _| json!(number(it, "/status/availableReplicas"))),
        ],
        r::REPLICA_SETS | r::REPLICATION_CONTROLLERS => vec![
            Cell("Desired", "integer", 0, |it, _| json!(number(it, "/spec/replicas"))),
            Cell("Current", "integer", 0, |it, _| json!(number(it, "/status/replicas"))),
            Cell("Ready", "integer", 0, |it, _| json!(number(it, "/status/readyReplicas"))),
        ],
        r::DAEMON_SETS => vec![
            Cell("Desired", "integer", 0, |it, _| json!(number(it, "/status/desiredNumberScheduled"))),
            Cell("Current", "integer", 0, |it, _| json!(number(it, "/status/currentNumberScheduled"))),
            Cell("Ready", "integer", 0, |it, _| json!(number(it, "/status/numberReady"))),
            Cell("Up-to-date", "integer", 0, |it, _| json!(number(it, "/status/updatedNumberScheduled"))),
            Cell("Available", "integer", 0, |it, _| json!(number(it, "/status/numberAvailable"))),
            Cell("Node Selector", "string", 0, |it, _| labels(it.pointer("/spec/template/spec/nodeSelector"))),
        ],
        _ => vec![READY],
    };
    let mut cells = vec![NAME];
    cells.extend(counted);
    cells.extend([AGE, CONTAINERS, IMAGES]);
    match resource {
        r::STATEFUL_SETS => {}
        r::REPLICATION_CONTROLLERS => {
            cells.push(Cell("Selector", "string", 1, |it, _| labels(it.pointer("/spec/selector"))));
        }
        _ => cells.push(SELECTOR),
    }
    cells
}

/// `kind.group/name` of the owner that controls it.
fn controller(object: &Value) -> Value {
    let owner = list(object, "/metadata/ownerReferences").iter().find(|it| it["controller"] == json!(true));
    let Some(owner) = owner else { return json!("<none>") };
    let group = text(owner, "/apiVersion").split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
    json!(format!("{}{group}/{}", text(owner, "/kind").to_lowercase(), text(owner, "/name")))
}

fn network(resource: &str) -> Vec<Cell> {
    match resource {
        r::SERVICES => vec![
            NAME,
            Cell("Type", "string", 0, |it, _| json!(text(it, "/spec/type"))),
            Cell("Cluster-IP", "string", 0, |it, _| or_none(text(it, "/spec/clusterIP"))),
            Cell("External-IP", "string", 0, |it, _| external_address(it)),
            Cell("Port(s)", "string", 0, |it, _| service_ports(it)),
            AGE,
            Cell("Selector", "string", 1, |it, _| labels(it.pointer("/spec/selector"))),
        ],
        r::INGRESSES => vec![
            NAME,
            Cell("Class", "string", 0, |it, _| or_none(text(it, "/spec/ingressClassName"))),
            Cell("Hosts", "string", 0, |it, _| hosts(it)),
            Cell("Address", "string", 0, |it, _| json!(balancer_addresses(it))),
            Cell("Ports", "string", 0, |it, _| json!(if list(it, "/spec/tls").is_empty() { "80" } else { "80, 443" })),
            AGE,
        ],
        r::ENDPOINTS => vec![NAME, Cell("Endpoints", "string", 0, |it, _| endpoints(it)), AGE],
        r::ENDPOINT_SLICES => vec![
            NAME,
            Cell("AddressType", "string", 0, |it, _| json!(text(it, "/addressType"))),
            Cell("Ports", "string", 0, |it, _| {
                or_none(&joined(list(it, "/ports").iter().map(|it| number(it, "/port").to_string())))
            }),
            Cell("Endpoints", "string", 0, |it, _| {
                let addresses = list(it, "/endpoints").iter().flat_map(|it| list(it, "/addresses"));
                or_none(&joined(addresses.filter_map(|it| it.as_str().map(str::to_owned))))
            }),
            AGE,
        ],
        _ => vec![
            NAME,
            Cell("Controller", "string", 0, |it, _| json!(text(it, "/spec/controller"))),
            Cell("Parameters", "string", 0, |_, _| json!("<none>")),
            AGE,
        ],
    }
}

/// Where a Service is reached from outside, as far as anything has said so.
fn external_address(service: &Value) -> Value {
    let own = joined(list(service, "/spec/externalIPs").iter().filter_map(|it| it.as_str().map(str::to_owned)));
    match text(service, "/spec/type") {
        "ExternalName" => json!(text(service, "/spec/externalName")),
        "LoadBalancer" => {
            let given = balancer_addresses(service);
            let both = [given, own].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(",");
            json!(if both.is_empty() { "<pending>" } else { &both })
        }
        _ => or_none(&own),
    }
}

/// The addresses in `status.loadBalancer`, or its host names.
fn balancer_addresses(object: &Value) -> String {
    joined(list(object, "/status/loadBalancer/ingress").iter().map(|it| {
        let address = text(it, "/ip");
        if address.is_empty() { text(it, "/hostname").to_owned() } else { address.to_owned() }
    }))
}

fn service_ports(service: &Value) -> Value {
    let ports = list(service, "/spec/ports").iter().map(|it| {
        let (port, node, protocol) = (number(it, "/port"), number(it, "/nodePort"), text(it, "/protocol"));
        if node == 0 { format!("{port}/{protocol}") } else { format!("{port}:{node}/{protocol}") }
    });
    or_none(&joined(ports))
}

fn hosts(ingress: &Value) -> Value {
    let hosts =
        joined(list(ingress, "/spec/rules").iter().map(|it| text(it, "/host").to_owned()).filter(|it| !it.is_empty()));
    json!(if hosts.is_empty() { "*".to_owned() } else { hosts })
}

fn endpoints(object: &Value) -> Value {
    let pairs = list(object, "/subsets").iter().flat_map(|subset| {
        list(subset, "/ports").iter().flat_map(move |port| {
            let addresses = list(subset, "/addresses").iter();
            addresses.map(move |it| format!("{}:{}", text(it, "/ip"), number(port, "/port")))
        })
    });
    or_none(&joined(pairs))
}

fn data(object: &Value) -> Value {
    let count = |key: &str| object.get(key).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    json!(count("data") + count("binaryData"))
}

fn scaling(resource: &str) -> Vec<Cell> {
    match resource {
        r::HORIZONTAL_POD_AUTOSCALERS => vec![
            NAME,
            Cell("Reference", "string", 0, |it, _| {
                let part = |key: &str| text(it, &format!("/spec/scaleTargetRef/{key}")).to_owned();
                json!(format!("{}/{}", part("kind"), part("name")))
            }),
            Cell("Targets", "string", 0, |it, _| autoscaler::targets(it)),
            Cell("MinPods", "string", 0, |it, _| json!(number(it, "/spec/minReplicas").to_string())),
            Cell("MaxPods", "string", 0, |it, _| json!(number(it, "/spec/maxReplicas"))),
            Cell("Replicas", "string", 0, |it, _| json!(number(it, "/status/currentReplicas"))),
            AGE,
        ],
        r::JOBS => vec![
            NAME,
            Cell("Status", "string", 0, |it, _| job_status(it)),
            Cell("Completions", "string", 0, |it, _| {
                json!(format!("{}/{}", number(it, "/status/succeeded"), number(it, "/spec/completions").max(1)))
            }),
            Cell("Duration", "string", 0, job_duration),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        r::CRON_JOBS => vec![
            NAME,
            Cell("Schedule", "string", 0, |it, _| json!(text(it, "/spec/schedule"))),
            Cell("Timezone", "string", 0, |it, _| or_none(text(it, "/spec/timeZone"))),
            Cell("Suspend", "string", 0, |it, _| {
                json!(if it.pointer("/spec/suspend") == Some(&json!(true)) { "True" } else { "False" })
            }),
            Cell("Active", "integer", 0, |it, _| json!(list(it, "/status/active").len())),
            Cell("Last Schedule", "string", 0, |it, shown| match text(it, "/status/lastScheduleTime") {
                "" => json!("<none>"),
                last => json!(age(last, shown.now)),
            }),
            AGE,
            Cell("Containers", "string", 1, |it, _| of_containers(&it["spec"]["jobTemplate"], "name")),
            Cell("Images", "string", 1, |it, _| of_containers(&it["spec"]["jobTemplate"], "image")),
            Cell("Selector", "string", 1, |it, _| {
                let selector = it.pointer("/spec/jobTemplate/spec/selector").map(LabelSelector::from_object);
                or_none(&selector.unwrap_or_default().to_string())
            }),
        ],
        _ => vec![
            NAME,
            Cell("Min Available", "string", 0, |it, _| share(it.pointer("/spec/minAvailable"))),
            Cell("Max Unavailable", "string", 0, |it, _| share(it.pointer("/spec/maxUnavailable"))),
            Cell("Allowed Disruptions", "integer", 0, |it, _| json!(number(it, "/status/disruptionsAllowed"))),
            AGE,
        ],
    }
}

fn share(value: Option<&Value>) -> Value {
    value.map_or_else(|| json!("N/A"), |it| it.as_str().map_or_else(|| json!(it.to_string()), |it| json!(it)))
}

fn job_status(job: &Value) -> Value {
    let holds = |kind: &str| {
        let found = list(job, "/status/conditions").iter().find(|it| text(it, "/type") == kind);
        found.is_some_and(|it| text(it, "/status") == "True")
    };
    let status = ["Complete", "Failed", "Suspended", "FailureTarget"].into_iter().find(|it| holds(it));
    json!(status.unwrap_or(if job.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else {
        "Running"
    }))
}

fn job_duration(job: &Value, shown: &Shown) -> Value {
    let at = |key: &str| text(job, &format!("/status/{key}")).parse::<Timestamp>().ok();
    let Some(start) = at("startTime") else { return json!("") };
    let end = at("completionTime").unwrap_or(shown.now);
    json!(human(end.as_second() - start.as_second()))
}

fn events() -> Vec<Cell> {
    fn seen(event: &Value, keys: &[&str], shown: &Shown) -> Value {
        let date = keys.iter().map(|it| text(event, it)).find(|it| !it.is_empty()).unwrap_or_default();
        json!(age(date, shown.now))
    }
    vec![
        Cell("Last Seen", "string", 0, |it, shown| {
            seen(it, &["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"], shown)
        }),
        Cell("Type", "string", 0, |it, _| json!(text(it, "/type"))),
        Cell("Reason", "string", 0, |it, _| json!(text(it, "/reason"))),
        Cell("Object", "string", 0, |it, _| {
            let (kind, name) = (text(it, "/involvedObject/kind"), text(it, "/involvedObject/name"));
            json!(format!("{}/{name}", kind.to_lowercase()))
        }),
        Cell("Subobject", "string", 1, |it, _| json!(text(it, "/involvedObject/fieldPath"))),
        Cell("Source", "string", 1, |it, _| {
            let (component, host) = (text(it, "/source/component"), text(it, "/source/host"));
            let component = if component.is_empty() { text(it, "/reportingComponent") } else { component };
            json!(if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") })
        }),
        Cell("Message", "string", 0, |it, _| json!(text(it, "/message").trim())),
        Cell("First Seen", "string", 1, |it, shown| seen(it, &["/firstTimestamp", "/eventTime"], shown)),
        Cell("Count", "integer", 1, |it, _| json!(number(it, "/count").max(1))),
        Cell("Name", "string", 1, |it, _| json!(text(it, "/metadata/name"))),
    ]
}
