//! From facts to findings: what is well, what is not, and the fix to type.

use super::facts::Facts;
use super::kind::MIN_VERSION;
use super::minikube::MIN_MINIKUBE;

const GIB: u64 = 1 << 30;
/// Below this a node does not come up; control plane and controllers take about 1.2 GiB, and images are unpacked.
const MEMORY_NEEDED: u64 = 7 * GIB / 2;
const MEMORY_COMFORTABLE: u64 = 6 * GIB;
const CPUS_NEEDED: u64 = 2;
const CPUS_COMFORTABLE: u64 = 4;
/// The node image and the lab's images take about 4 GiB unpacked.
const DISK_NEEDED: u64 = 8 * GIB;
/// kind's own figures for several nodes and controllers (its page of known issues).
const INOTIFY_INSTANCES: u64 = 512;
const INOTIFY_WATCHES: u64 = 524_288;
/// From here on kubelet refuses cgroup v1 unless told otherwise.
const NEEDS_CGROUP_V2: (u32, u32) = (1, 35);

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    /// What is so.
    pub found: String,
    /// What to type or do; empty where all is well.
    pub fix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// It may work.
    Warning,
    /// It will not work.
    Failed,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), fix: String::new() }
    }

    fn warning(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, found: found.into(), fix: fix.into() }
    }

    fn failed(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failed, found: found.into(), fix: fix.into() }
    }
}

/// Everything that a kind lab needs of this machine, in the order in which one would mend it.
#[must_use]
pub fn examine(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(docker_command(facts));
    engine(facts, &mut checks);
    checks.extend(kind(facts));
    checks.extend(disk(facts));
    checks.extend(inotify(facts));
    checks.push(proxies(facts));
    checks
}

/// Everything that a minikube lab needs of this machine. What stands behind a driver of virtual machines is minikube's to
/// look at; an engine is looked at where the driver is one of containers, or minikube's to choose and there is one.
#[must_use]
pub fn examine_minikube(facts: &Facts, driver: Option<&str>) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(minikube(facts));
    let of_containers = matches!(driver, Some("docker" | "podman"));
    if of_containers || (driver.is_none() && matches!(facts.engine, Some(Ok(_)))) {
        engine(facts, &mut checks);
    }
    checks.extend(disk(facts));
    checks.extend(inotify(facts));
    checks.push(proxies(facts));
    checks
}

fn minikube(facts: &Facts) -> Option<Check> {
    Some(match facts.minikube.as_ref()? {
        Ok((major, minor)) if (*major, *minor) >= MIN_MINIKUBE => Check::ok("minikube", format!("v{major}.{minor}")),
        Ok((major, minor)) => Check::warning(
            "minikube",
            format!(
                "v{major}.{minor}, older than v{}.{}: it may not know the lab's Kubernetes",
                MIN_MINIKUBE.0, MIN_MINIKUBE.1
            ),
            "`brew upgrade minikube`, or https://minikube.sigs.k8s.io/docs/start/",
        ),
        Err(text) => {
            let (found, fix) = text.split_once(". ").unwrap_or((text, ""));
            Check::failed("minikube", found, fix)
        }
    })
}

fn docker_command(facts: &Facts) -> Option<Check> {
    let name = "docker command";
    Some(match facts.docker_command.as_ref()? {
        Ok(version) => Check::ok(name, version.clone()),
        Err(why) => Check::failed(
            name,
            why.clone(),
            "kind runs the docker command: install it, https://docs.docker.com/engine/install/",
        ),
    })
}

fn engine(facts: &Facts, checks: &mut Vec<Check>) {
    let (host, it) = match &facts.engine {
        Some(Ok(found)) => (&found.0, &found.1),
        Some(Err(error)) => {
            return checks.push(told("container engine", &error.to_string(), "`docker info` shows what is in the way"));
        }
        None => return,
    };
    checks.push(Check::ok("container engine", format!("{} {} at {host}", it.system, it.version)));
    if it.os != "linux" {
        checks.push(Check::failed("containers", format!("of {}", it.os), "Switch Docker Desktop to Linux containers"));
    }
    let (system, memory) = (it.system.to_lowercase(), it.memory_bytes);
    let more = if system.contains("colima") {
        "colima stop && colima start --cpu 4 --memory 6"
    } else if system.contains("podman") {
        "podman machine stop && podman machine set --rootful --cpus 4 --memory 6144 && podman machine start"
    } else if system.contains("docker desktop") {
        "Docker Desktop: Settings, Resources: 4 CPUs, 6 GB"
    } else {
        "Close what else uses it, or take a larger machine"
    };
    let level = |value: u64, needed: u64, comfortable: u64| match value {
        it if it < needed => Verdict::Failed,
        it if it < comfortable => Verdict::Warning,
        _ => Verdict::Ok,
    };
    let sized = |name, verdict, found| Check {
        name,
        verdict,
        found,
        fix: if verdict == Verdict::Ok { String::new() } else { more.to_owned() },
    };
    let found = format!("{} of {} comfortable", gib(memory), gib(MEMORY_COMFORTABLE));
    checks.push(sized("memory", level(memory, MEMORY_NEEDED, MEMORY_COMFORTABLE), found));
    let found = format!("{} of {CPUS_COMFORTABLE} comfortable", it.cpus);
    checks.push(sized("processors", level(it.cpus, CPUS_NEEDED, CPUS_COMFORTABLE), found));
    checks.push(cgroup(&it.cgroup_version, facts.kubernetes));
    if it.rootless {
        checks.push(Check::warning(
            "rootless engine",
            "yes",
            "kind needs delegated cgroups: https://kind.sigs.k8s.io/docs/user/rootless/",
        ));
    }
}

fn cgroup(version: &str, kubernetes: (u32, u32)) -> Check {
    let found = format!("v{version}");
    if version == "2" {
        return Check::ok("cgroup", found);
    }
    let fix = "Boot with systemd.unified_cgroup_hierarchy=1 (WSL: kernelCommandLine = cgroup_no_v1=all in .wslconfig), or use \
        a node image of Kubernetes 1.34";
    if kubernetes >= NEEDS_CGROUP_V2 {
        Check::failed("cgroup", found, fix)
    } else {
        Check::warning("cgroup", found, fix)
    }
}

fn kind(facts: &Facts) -> Option<Check> {
    Some(match facts.kind.as_ref()? {
        Ok((major, minor)) if (*major, *minor) >= MIN_VERSION => Check::ok("kind", format!("v{major}.{minor}")),
        Ok((major, minor)) => Check::failed(
            "kind",
            format!("v{major}.{minor}, older than v{}.{}", MIN_VERSION.0, MIN_VERSION.1),
            "`brew upgrade kind`, or https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
        ),
        Err(text) => told("kind", text, "`kind version` shows what is in the way"),
    })
}

/// An error mostly says in its second sentence what helps.
fn told(name: &'static str, error: &str, else_type: &str) -> Check {
    let (found, fix) = error.split_once(". ").unwrap_or((error, else_type));
    Check::failed(name, found, fix)
}

fn disk(facts: &Facts) -> Option<Check> {
    let free = facts.free_disk_bytes?;
    let found = format!("{} free of {} needed", gib(free), gib(DISK_NEEDED));
    Some(if free < DISK_NEEDED {
        Check::failed("disk", found, "docker system prune")
    } else {
        Check::ok("disk", found)
    })
}

fn inotify(facts: &Facts) -> Option<Check> {
    let (instances, watches) = (facts.inotify_instances?, facts.inotify_watches?);
    let found = format!("{instances} instances, {watches} watches");
    Some(if instances < INOTIFY_INSTANCES || watches < INOTIFY_WATCHES {
        let fix = format!(
            "sudo sysctl fs.inotify.max_user_instances={INOTIFY_INSTANCES} fs.inotify.max_user_watches={INOTIFY_WATCHES}"
        );
        Check::warning("inotify", found, fix)
    } else {
        Check::ok("inotify", found)
    })
}

fn proxies(facts: &Facts) -> Check {
    if facts.proxies.is_empty() {
        return Check::ok("proxy", "none");
    }
    let found = facts.proxies.join(", ");
    if facts.no_proxy_has_loopback {
        Check::ok("proxy", format!("{found}; not for loopback"))
    } else {
        Check::warning("proxy", found, "export NO_PROXY=\"$NO_PROXY,localhost,127.0.0.1,10.96.0.0/16,10.244.0.0/16\"")
    }
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / GIB as f64)
}

#[cfg(test)]
mod tests {
    use super::super::engine::{EngineError, EngineFacts};
    use super::*;

    fn well() -> Facts {
        let engine = EngineFacts {
            version: "28.0.4".to_owned(),
            system: "Ubuntu 24.04".to_owned(),
            os: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
            cpus: 4,
            memory_bytes: 16 * GIB,
            cgroup_version: "2".to_owned(),
            ..EngineFacts::default()
        };
        Facts {
            engine: Some(Ok(("unix:///var/run/docker.sock".to_owned(), engine))),
            docker_command: Some(Ok("Docker version 28.0.4".to_owned())),
            kind: Some(Ok((0, 33))),
            minikube: Some(Ok((1, 39))),
            free_disk_bytes: Some(50 * GIB),
            inotify_instances: Some(8192),
            inotify_watches: Some(524_288),
            kubernetes: (1, 35),
            ..Facts::default()
        }
    }

    /// The findings that are not well.
    fn ill(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Verdict, String)> {
        let mut facts = well();
        change(&mut facts);
        let all = examine(&facts).into_iter().filter(|it| it.verdict != Verdict::Ok);
        all.inspect(|it| assert!(!it.fix.is_empty(), "{}: every shortcoming has a fix", it.name))
            .map(|it| (it.name, it.verdict, it.fix))
            .collect()
    }

    fn engine_of(facts: &mut Facts) -> &mut EngineFacts {
        match &mut facts.engine {
            Some(Ok((_, it))) => it,
            _ => panic!("there is an engine"),
        }
    }

    #[test]
    fn a_machine_that_is_well_has_no_finding() {
        assert_eq!(ill(|_| ()), []);
    }

    #[test]
    fn each_shortcoming_is_found_alone_and_has_its_fix() {
        type Change = fn(&mut Facts);
        for (name, verdict, part_of_fix, change) in [
            (
                "memory",
                Verdict::Failed,
                "colima start --cpu 4 --memory 6",
                (|it| {
                    engine_of(it).memory_bytes = 2 * GIB;
                    engine_of(it).system = "colima".to_owned();
                }) as Change,
            ),
            ("memory", Verdict::Warning, "Settings, Resources", |it| {
                engine_of(it).memory_bytes = 4 * GIB;
                engine_of(it).system = "Docker Desktop".to_owned();
            }),
            ("processors", Verdict::Failed, "larger machine", |it| engine_of(it).cpus = 1),
            ("processors", Verdict::Warning, "larger machine", |it| engine_of(it).cpus = 2),
            ("cgroup", Verdict::Failed, "unified_cgroup_hierarchy", |it| engine_of(it).cgroup_version = "1".to_owned()),
            ("cgroup", Verdict::Warning, "unified_cgroup_hierarchy", |it| {
                engine_of(it).cgroup_version = "1".to_owned();
                it.kubernetes = (1, 34);
            }),
            ("rootless engine", Verdict::Warning, "delegated", |it| engine_of(it).rootless = true),
            ("containers", Verdict::Failed, "Linux containers", |it| engine_of(it).os = "windows".to_owned()),
            ("kind", Verdict::Failed, "brew upgrade kind", |it| it.kind = Some(Ok((0, 20)))),
            ("kind", Verdict::Failed, "Get it", |it| {
                it.kind = Some(Err("there is no `kind` on PATH. Get it".to_owned()));
            }),
            ("docker command", Verdict::Failed, "install it", |it| it.docker_command = Some(Err("none".to_owned()))),
            ("disk", Verdict::Failed, "docker system prune", |it| it.free_disk_bytes = Some(GIB)),
            ("inotify", Verdict::Warning, "sudo sysctl", |it| it.inotify_instances = Some(128)),
            ("proxy", Verdict::Warning, "NO_PROXY", |it| it.proxies = vec!["HTTPS_PROXY".to_owned()]),
            ("kind", Verdict::Failed, "`kind version` shows", |it| {
                it.kind = Some(Err("`kind version` printed `x`, in which there is no version".to_owned()));
            }),
            ("container engine", Verdict::Failed, "`docker info` shows", |it| {
                let (what, why) = ("say what it is".to_owned(), "it broke".to_owned());
                it.engine = Some(Err(EngineError::Failed { what, why }));
            }),
            ("container engine", Verdict::Failed, "usermod -aG docker", |it| {
                it.engine = Some(Err(EngineError::Refused { host: "unix:///x".to_owned() }));
            }),
            ("container engine", Verdict::Failed, "Start Docker", |it| {
                it.engine = Some(Err(EngineError::None { tried: "unix:///x".to_owned() }));
            }),
        ] {
            match &ill(change)[..] {
                [one] => {
                    assert_eq!((one.0, one.1), (name, verdict));
                    assert!(one.2.contains(part_of_fix), "{}", one.2);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_minikube_lab_asks_for_an_engine_only_where_its_driver_needs_one() {
        type Change = fn(&mut Facts);
        for (why, driver, change, expected) in [
            ("all is well", None, (|_| ()) as Change, &[][..]),
            (
                "an engine is there and too small",
                None,
                |it| engine_of(it).memory_bytes = GIB,
                &[("memory", Verdict::Failed)],
            ),
            (
                "there is none, and minikube may have another driver",
                None,
                |it| it.engine = Some(Err(EngineError::None { tried: "unix:///x".to_owned() })),
                &[],
            ),
            (
                "there is none, and it has to be Docker",
                Some("docker"),
                |it| it.engine = Some(Err(EngineError::None { tried: "unix:///x".to_owned() })),
                &[("container engine", Verdict::Failed)],
            ),
            ("a virtual machine has its own size", Some("kvm2"), |it| engine_of(it).memory_bytes = GIB, &[]),
            (
                "no minikube",
                None,
                |it| it.minikube = Some(Err("there is no `minikube` on PATH. Get it".to_owned())),
                &[("minikube", Verdict::Failed)],
            ),
            ("an old one", None, |it| it.minikube = Some(Ok((1, 25))), &[("minikube", Verdict::Warning)]),
            ("no kind is needed", None, |it| it.kind = Some(Err("none".to_owned())), &[]),
        ] {
            let mut facts = well();
            change(&mut facts);
            let found: Vec<_> = examine_minikube(&facts, driver)
                .into_iter()
                .filter(|it| it.verdict != Verdict::Ok)
                .inspect(|it| assert!(!it.fix.is_empty(), "{}: every shortcoming has a fix", it.name))
                .map(|it| (it.name, it.verdict))
                .collect();
            assert_eq!(found, expected, "{why}");
        }
    }
}
