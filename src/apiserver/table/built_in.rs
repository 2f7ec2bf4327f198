//! The columns of the built-in kinds, as `kubectl` of the same version shows them.

use super::age::human;
use super::row::{Cell, Since, aging, cell};
use super::{access, autoscaler, cluster, pod, storage};
use crate::apiserver::kinds::resource as r;
use crate::apiserver::selector::label::LabelSelector;
use crate::model::object::At;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(value: &Value, pointer: &str) -> i64 {
    value.at(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
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

pub(super) const NAME: Cell = cell("Name", "string", 0, |it| json!(text(it, "/metadata/name")));
pub(super) const AGE: Cell = aging("Age", 0, |it| Since::date(text(it, "/metadata/creationTimestamp")));
const CREATED: Cell = cell("Created At", "date", 0, |it| json!(text(it, "/metadata/creationTimestamp")));
pub(super) const CONTAINERS: Cell = cell("Containers", "string", 1, |it| of_containers(it, "name"));
pub(super) const IMAGES: Cell = cell("Images", "string", 1, |it| of_containers(it, "image"));
const SELECTOR: Cell = cell("Selector", "string", 1, |it| {
    let selector = it.at("/spec/selector").map(LabelSelector::from_object).unwrap_or_default();
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
        r::CONFIGMAPS => vec![NAME, cell("Data", "string", 0, data), AGE],
        r::SECRETS => {
            vec![NAME, cell("Type", "string", 0, |it| json!(text(it, "/type"))), cell("Data", "string", 0, data), AGE]
        }
        r::NAMESPACES => vec![NAME, cell("Status", "string", 0, |it| json!(text(it, "/status/phase"))), AGE],
        r::NODES => cluster::nodes(),
        r::PRIORITY_CLASSES => cluster::priority_classes(),
        r::RESOURCE_QUOTAS => cluster::quotas(),
        r::ROLE_BINDINGS | r::CLUSTER_ROLE_BINDINGS => access::bindings(),
        r::PERSISTENT_VOLUMES => storage::volumes(),
        r::PERSISTENT_VOLUME_CLAIMS => storage::claims(),
        r::STORAGE_CLASSES => storage::classes(),
        r::POD_TEMPLATES => cluster::pod_templates(),
        r::SERVICE_ACCOUNTS => vec![NAME, cell("Secrets", "string", 0, |it| json!(list(it, "/secrets").len())), AGE],
        r::LEASES => vec![NAME, cell("Holder", "string", 0, |it| json!(text(it, "/spec/holderIdentity"))), AGE],
        r::CONTROLLER_REVISIONS => {
            vec![
                NAME,
                cell("Controller", "string", 0, controller),
                cell("Revision", "string", 0, |it| json!(number(it, "/revision"))),
                AGE,
            ]
        }
        "networkpolicies.networking.k8s.io" => vec![
            NAME,
            cell("Pod-Selector", "string", 0, |it| {
                let selector = it.at("/spec/podSelector").map(LabelSelector::from_object).unwrap_or_default();
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
        cell("Desired", "integer", 0, |it| json!(number(it, "/spec/replicas"))),
        cell("Available", "integer", 0, |it| json!(number(it, "/status/replicas"))),
        AGE,
    ]
}

fn pods() -> Vec<Cell> {
    vec![
        NAME,
        cell("Ready", "string", 0, pod::ready),
        cell("Status", "string", 0, pod::status),
        aging("Restarts", 0, pod::restarts),
        AGE,
        cell("IP", "string", 1, |it| or_none(text(it, "/status/podIP"))),
        cell("Node", "string", 1, |it| or_none(text(it, "/spec/nodeName"))),
        cell("Nominated Node", "string", 1, |it| or_none(text(it, "/status/nominatedNodeName"))),
        cell("Readiness Gates", "string", 1, |_| json!("<none>")),
    ]
}

fn workloads(resource: &str) -> Vec<Cell> {
    const READY: Cell = cell("Ready", "string", 0, |it| {
        json!(format!("{}/{}", number(it, "/status/readyReplicas"), number(it, "/spec/replicas")))
    });
    let counted: Vec<Cell> = match resource {
        r::DEPLOYMENTS => vec![
            READY,
            cell("Up-to-date", "string", 0, |it| json!(number(it, "/status/updatedReplicas"))),
            cell("Available", "string", 0, |it| json!(number(it, "/status/availableReplicas"))),
        ],
        r::REPLICA_SETS | r::REPLICATION_CONTROLLERS => vec![
            cell("Desired", "integer", 0, |it| json!(number(it, "/spec/replicas"))),
            cell("Current", "integer", 0, |it| json!(number(it, "/status/replicas"))),
            cell("Ready", "integer", 0, |it| json!(number(it, "/status/readyReplicas"))),
        ],
        r::DAEMON_SETS => vec![
            cell("Desired", "integer", 0, |it| json!(number(it, "/status/desiredNumberScheduled"))),
            cell("Current", "integer", 0, |it| json!(number(it, "/status/currentNumberScheduled"))),
            cell("Ready", "integer", 0, |it| json!(number(it, "/status/numberReady"))),
            cell("Up-to-date", "integer", 0, |it| json!(number(it, "/status/updatedNumberScheduled"))),
            cell("Available", "integer", 0, |it| json!(number(it, "/status/numberAvailable"))),
            cell("Node Selector", "string", 0, |it| labels(it.at("/spec/template/spec/nodeSelector"))),
        ],
        _ => vec![READY],
    };
    let mut cells = vec![NAME];
    cells.extend(counted);
    cells.extend([AGE, CONTAINERS, IMAGES]);
    match resource {
        r::STATEFUL_SETS => {}
        r::REPLICATION_CONTROLLERS => {
            cells.push(cell("Selector", "string", 1, |it| labels(it.at("/spec/selector"))));
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
            cell("Type", "string", 0, |it| json!(text(it, "/spec/type"))),
            cell("Cluster-IP", "string", 0, |it| or_none(text(it, "/spec/clusterIP"))),
            cell("External-IP", "string", 0, external_address),
            cell("Port(s)", "string", 0, service_ports),
            AGE,
            cell("Selector", "string", 1, |it| labels(it.at("/spec/selector"))),
        ],
        r::INGRESSES => vec![
            NAME,
            cell("Class", "string", 0, |it| or_none(text(it, "/spec/ingressClassName"))),
            cell("Hosts", "string", 0, hosts),
            cell("Address", "string", 0, |it| json!(balancer_addresses(it))),
            cell("Ports", "string", 0, |it| json!(if list(it, "/spec/tls").is_empty() { "80" } else { "80, 443" })),
            AGE,
        ],
        r::ENDPOINTS => vec![NAME, cell("Endpoints", "string", 0, endpoints), AGE],
        r::ENDPOINT_SLICES => vec![
            NAME,
            cell("AddressType", "string", 0, |it| json!(text(it, "/addressType"))),
            cell("Ports", "string", 0, |it| {
                or_none(&joined(list(it, "/ports").iter().map(|it| number(it, "/port").to_string())))
            }),
            cell("Endpoints", "string", 0, |it| {
                let addresses = list(it, "/endpoints").iter().flat_map(|it| list(it, "/addresses"));
                or_none(&joined(addresses.filter_map(|it| it.as_str().map(str::to_owned))))
            }),
            AGE,
        ],
        _ => vec![
            NAME,
            cell("Controller", "string", 0, |it| json!(text(it, "/spec/controller"))),
            cell("Parameters", "string", 0, |_| json!("<none>")),
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
            cell("Reference", "string", 0, |it| {
                let part = |key: &str| text(it, &format!("/spec/scaleTargetRef/{key}")).to_owned();
                json!(format!("{}/{}", part("kind"), part("name")))
            }),
            cell("Targets", "string", 0, autoscaler::targets),
            cell("MinPods", "string", 0, |it| json!(number(it, "/spec/minReplicas").to_string())),
            cell("MaxPods", "string", 0, |it| json!(number(it, "/spec/maxReplicas"))),
            cell("Replicas", "string", 0, |it| json!(number(it, "/status/currentReplicas"))),
            AGE,
        ],
        r::JOBS => vec![
            NAME,
            cell("Status", "string", 0, job_status),
            cell("Completions", "string", 0, |it| {
                json!(format!("{}/{}", number(it, "/status/succeeded"), number(it, "/spec/completions").max(1)))
            }),
            aging("Duration", 0, job_duration),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        r::CRON_JOBS => vec![
            NAME,
            cell("Schedule", "string", 0, |it| json!(text(it, "/spec/schedule"))),
            cell("Timezone", "string", 0, |it| or_none(text(it, "/spec/timeZone"))),
            cell("Suspend", "string", 0, |it| {
                json!(if it.at("/spec/suspend") == Some(&json!(true)) { "True" } else { "False" })
            }),
            cell("Active", "integer", 0, |it| json!(list(it, "/status/active").len())),
            aging("Last Schedule", 0, |it| match text(it, "/status/lastScheduleTime") {
                "" => Since::Fixed("<none>".to_owned()),
                last => Since::date(last),
            }),
            AGE,
            cell("Containers", "string", 1, |it| of_containers(&it["spec"]["jobTemplate"], "name")),
            cell("Images", "string", 1, |it| of_containers(&it["spec"]["jobTemplate"], "image")),
            cell("Selector", "string", 1, |it| {
                let selector = it.at("/spec/jobTemplate/spec/selector").map(LabelSelector::from_object);
                or_none(&selector.unwrap_or_default().to_string())
            }),
        ],
        _ => vec![
            NAME,
            cell("Min Available", "string", 0, |it| share(it.at("/spec/minAvailable"))),
            cell("Max Unavailable", "string", 0, |it| share(it.at("/spec/maxUnavailable"))),
            cell("Allowed Disruptions", "integer", 0, |it| json!(number(it, "/status/disruptionsAllowed"))),
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
    json!(status.unwrap_or(if job.at("/metadata/deletionTimestamp").is_some() { "Terminating" } else { "Running" }))
}

fn job_duration(job: &Value) -> Since {
    let at = |key: &str| text(job, &format!("/status/{key}")).parse::<Timestamp>().ok();
    match (at("startTime"), at("completionTime")) {
        (None, _) => Since::Fixed(String::new()),
        (Some(start), Some(end)) => Since::Fixed(human(end.as_second() - start.as_second())),
        (Some(_), None) => Since::date(text(job, "/status/startTime")),
    }
}

fn events() -> Vec<Cell> {
    fn seen(event: &Value, keys: &[&str]) -> Since {
        let date = keys.iter().map(|it| text(event, it)).find(|it| !it.is_empty()).unwrap_or_default();
        Since::date(date)
    }
    vec![
        aging("Last Seen", 0, |it| {
            seen(it, &["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"])
        }),
        cell("Type", "string", 0, |it| json!(text(it, "/type"))),
        cell("Reason", "string", 0, |it| json!(text(it, "/reason"))),
        cell("Object", "string", 0, |it| {
            let (kind, name) = (text(it, "/involvedObject/kind"), text(it, "/involvedObject/name"));
            json!(format!("{}/{name}", kind.to_lowercase()))
        }),
        cell("Subobject", "string", 1, |it| json!(text(it, "/involvedObject/fieldPath"))),
        cell("Source", "string", 1, |it| {
            let (component, host) = (text(it, "/source/component"), text(it, "/source/host"));
            let component = if component.is_empty() { text(it, "/reportingComponent") } else { component };
            json!(if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") })
        }),
        cell("Message", "string", 0, |it| json!(text(it, "/message").trim())),
        aging("First Seen", 1, |it| seen(it, &["/firstTimestamp", "/eventTime"])),
        cell("Count", "integer", 1, |it| json!(number(it, "/count").max(1))),
        cell("Name", "string", 1, |it| json!(text(it, "/metadata/name"))),
    ]
}
