//! Which process stands behind which pod.

use crate::sys::output::Output;
use crate::workload::runtime::Process;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kubelet's table of running processes; cheap to clone, all clones are one table.
#[derive(Clone, Default)]
pub struct Pods {
    inner: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    /// Namespace to pod name to what runs there.
    by_name: BTreeMap<String, BTreeMap<String, Running>>,
    /// Pod IP to namespace and name.
    by_ip: BTreeMap<String, (String, String)>,
}

#[derive(Default)]
struct Running {
    ip: String,
    containers: BTreeMap<String, Arc<dyn Process>>,
    /// Declared container ports, and which container declares them.
    ports: BTreeMap<u16, String>,
    /// What each container prints now, and what it printed in its run before.
    outputs: BTreeMap<String, (Output, Option<Output>)>,
    /// The container that answers on ports that none declares: the first one started.
    first: String,
}

impl Running {
    fn for_port(&self, port: u16) -> Option<Arc<dyn Process>> {
        let name = self.ports.get(&port).unwrap_or(&self.first);
        self.containers.get(name).cloned()
    }
}

impl Pods {
    /// The process of the pod's first container, or none when it does not run now.
    #[must_use]
    pub fn process(&self, namespace: &str, pod: &str) -> Option<Arc<dyn Process>> {
        let table = self.lock();
        let running = table.by_name.get(namespace)?.get(pod)?;
        running.containers.get(&running.first).cloned()
    }

    /// The process that has `port` in that pod: the container that declares it, else the first container.
    #[must_use]
    pub fn process_for_port(&self, namespace: &str, pod: &str, port: u16) -> Option<Arc<dyn Process>> {
        self.lock().by_name.get(namespace)?.get(pod)?.for_port(port)
    }

    /// The same for whoever only has an address. None: nobody has that IP, or nothing runs there now.
    #[must_use]
    pub fn by_ip(&self, ip: &str, port: u16) -> Option<Arc<dyn Process>> {
        let table = self.lock();
        let (namespace, pod) = table.by_ip.get(ip)?;
        table.by_name.get(namespace)?.get(pod)?.for_port(port)
    }

    /// Namespace and name of the pod that has this IP.
    #[must_use]
    pub fn pod_of_ip(&self, ip: &str) -> Option<(String, String)> {
        self.lock().by_ip.get(ip).cloned()
    }

    /// Namespace, name and IP of each pod that has a running process, in order.
    #[must_use]
    pub fn running(&self) -> Vec<(String, String, String)> {
        let table = self.lock();
        let of = |(namespace, pods): (&String, &BTreeMap<String, Running>)| {
            pods.iter()
                .filter(|(_, it)| !it.containers.is_empty())
                .map(|(name, it)| (namespace.clone(), name.clone(), it.ip.clone()))
                .collect::<Vec<_>>()
        };
        table.by_name.iter().flat_map(of).collect()
    }

    pub(super) fn insert(&self, at: &Place<'_>, ports: &[u16], process: Arc<dyn Process>) {
        let mut table = self.lock();
        table.by_ip.insert(at.ip.to_owned(), (at.namespace.to_owned(), at.pod.to_owned()));
        let pods = table.by_name.entry(at.namespace.to_owned()).or_default();
        let running = pods.entry(at.pod.to_owned()).or_default();
        at.ip.clone_into(&mut running.ip);
        if running.first.is_empty() {
            at.container.clone_into(&mut running.first);
        }
        for port in ports {
            running.ports.insert(*port, at.container.to_owned());
        }
        running.containers.insert(at.container.to_owned(), process);
    }

    /// The container's process prints to `output` from now on; what the one before it printed is kept, and nothing older.
    pub(super) fn print_to(&self, at: &Place<'_>, output: Output) {
        let mut table = self.lock();
        let pods = table.by_name.entry(at.namespace.to_owned()).or_default();
        let outputs = &mut pods.entry(at.pod.to_owned()).or_default().outputs;
        let before = outputs.remove(at.container).map(|(now, _)| now);
        outputs.insert(at.container.to_owned(), (output, before));
    }

    /// What a container prints, or printed in its run before; None when there was none.
    pub(super) fn output(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Output> {
        let table = self.lock();
        let (now, before) = table.by_name.get(namespace)?.get(pod)?.outputs.get(container)?;
        if previous { before.clone() } else { Some(now.clone()) }
    }

    /// The process of a container, or none when it does not run now.
    #[must_use]
    pub fn of_container(&self, namespace: &str, pod: &str, container: &str) -> Option<Arc<dyn Process>> {
        self.lock().by_name.get(namespace)?.get(pod)?.containers.get(container).cloned()
    }

    /// The names of a pod's containers that run now.
    #[must_use]
    pub fn containers(&self, namespace: &str, pod: &str) -> Vec<String> {
        let table = self.lock();
        let running = table.by_name.get(namespace).and_then(|it| it.get(pod));
        running.into_iter().flat_map(|it| it.containers.keys().cloned()).collect()
    }

    /// The container ended; its pod keeps its place.
    pub(super) fn remove_container(&self, at: &Place<'_>) {
        let mut table = self.lock();
        if let Some(running) = table.by_name.get_mut(at.namespace).and_then(|pods| pods.get_mut(at.pod)) {
            if let Some((output, _)) = running.outputs.get(at.container) {
                output.close();
            }
            running.containers.remove(at.container);
        }
    }

    /// The pod is gone.
    pub(super) fn remove(&self, namespace: &str, pod: &str) {
        let mut table = self.lock();
        let Some(pods) = table.by_name.get_mut(namespace) else { return };
        let gone = pods.remove(pod);
        if pods.is_empty() {
            table.by_name.remove(namespace);
        }
        if let Some(running) = gone {
            // Who still follows its output has seen all of it.
            running.outputs.values().for_each(|(output, _)| output.close());
            table.by_ip.remove(&running.ip);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which container of which pod, at which IP.
pub(super) struct Place<'a> {
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) ip: &'a str,
    pub(super) container: &'a str,
}
