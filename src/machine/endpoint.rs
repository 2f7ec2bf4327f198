//! Where the container engine is: the docker command's own rules, then the places where other engines put their socket.
//!
//! kind runs the docker command, which follows docker contexts; bollard does not. Whoever asks here and hands the answer on
//! as `DOCKER_HOST` talks to the same engine as kind.

use super::Environment;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// The docker command's default.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// Context files that are looked at; nobody has as many.
const MAX_CONTEXTS: usize = 1000;

/// One place to look for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As `DOCKER_HOST` has it: `unix:///var/run/docker.sock`, `tcp://10.0.0.2:2375`
    pub host: String,
    /// Who says so.
    pub source: Source,
}

impl Endpoint {
    /// It is reached through a socket of this machine, so its files are this machine's, or what runs it shares this machine's.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }
}

/// Who named an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The variable `DOCKER_HOST`.
    Variable,
    /// A docker context: `DOCKER_CONTEXT`, or `currentContext` of docker's `config.json`.
    Context(String),
    /// The docker command's default socket.
    Default,
    /// A socket file where this engine puts it.
    Found(&'static str),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => f.write_str("DOCKER_HOST"),
            Self::Context(name) => write!(f, "docker context {name}"),
            Self::Default => f.write_str("docker's default"),
            Self::Found(engine) => write!(f, "the socket of {engine}"),
        }
    }
}

/// Why the configuration names no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{file} cannot be read: {why}")]
    Unreadable { file: PathBuf, why: io::Error },
    #[error("{file} is not JSON: {why}. Mend or remove it, or set DOCKER_HOST")]
    Broken { file: PathBuf, why: serde_json::Error },
    #[error(
        "the docker context {name} does not exist. `docker context ls` lists those that do; `docker context use default` leaves it"
    )]
    NoContext { name: String },
    #[error("the docker context {name} names no docker endpoint")]
    NoHost { name: String },
}

/// Where to look, best first. What is configured is the only place; else docker's default and every socket that is there.
pub fn candidates(environment: &Environment) -> Result<Vec<Endpoint>, EndpointError> {
    if let Some(host) = environment.get("DOCKER_HOST") {
        return Ok(vec![Endpoint { host: host.to_owned(), source: Source::Variable }]);
    }
    let folder = environment.path("DOCKER_CONFIG").or_else(|| Some(environment.home()?.join(".docker")));
    let name = match environment.get("DOCKER_CONTEXT") {
        Some(name) => Some(name.to_owned()),
        None => folder.as_deref().map(current_context).transpose()?.flatten(),
    };
    if let Some(name) = name.filter(|it| it != "default") {
        let folder = folder.ok_or_else(|| EndpointError::NoContext { name: name.clone() })?;
        let host = host_of(&folder, &name)?;
        return Ok(vec![Endpoint { host, source: Source::Context(name) }]);
    }
    let found = sockets(environment).into_iter().filter(|(_, socket)| socket.exists());
    let found = found.map(|(engine, socket)| Endpoint { host: unix(&socket), source: Source::Found(engine) });
    let default = Endpoint { host: unix(Path::new(DEFAULT_SOCKET)), source: Source::Default };
    Ok(std::iter::once(default).chain(found).collect())
}

fn unix(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

fn current_context(folder: &Path) -> Result<Option<String>, EndpointError> {
    let config: Option<Config> = read(&folder.join("config.json"))?;
    Ok(config.and_then(|it| it.current_context).filter(|it| !it.is_empty()))
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<Host>,
}

#[derive(Deserialize)]
struct Host {
    #[serde(rename = "Host", default)]
    host: String,
}

/// Contexts lie in folders named by a digest of their name; each file says the name, so no digest is made here.
fn host_of(folder: &Path, name: &str) -> Result<String, EndpointError> {
    let contexts = folder.join("contexts/meta");
    let folders = std::fs::read_dir(&contexts).map_err(|_| EndpointError::NoContext { name: name.to_owned() })?;
    for folder in folders.flatten().take(MAX_CONTEXTS) {
        let meta: Option<Meta> = read(&folder.path().join("meta.json"))?;
        if let Some(meta) = meta.filter(|it| it.name == name) {
            let host = meta.endpoints.docker.map(|it| it.host).filter(|it| !it.is_empty());
            return host.ok_or_else(|| EndpointError::NoHost { name: name.to_owned() });
        }
    }
    Err(EndpointError::NoContext { name: name.to_owned() })
}

/// None where there is no such file.
fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> Result<Option<T>, EndpointError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(EndpointError::Unreadable { file: file.to_owned(), why }),
    };
    serde_json::from_str(&text).map(Some).map_err(|why| EndpointError::Broken { file: file.to_owned(), why })
}

/// Where engines put their socket when no context says so.
fn sockets(environment: &Environment) -> Vec<(&'static str, PathBuf)> {
    let home = environment.home().unwrap_or_default();
    let colima = environment
        .path("COLIMA_HOME")
        .or_else(|| Some(environment.path("XDG_CONFIG_HOME")?.join("colima")).filter(|it| it.is_dir()))
        .unwrap_or_else(|| home.join(".colima"));
    let mut sockets = vec![
        ("Docker Desktop", home.join(".docker/run/docker.sock")),
        ("Docker Desktop", home.join(".docker/desktop/docker.sock")),
        ("OrbStack", home.join(".orbstack/run/docker.sock")),
        ("Colima", colima.join("default/docker.sock")),
        ("Colima", home.join(".config/colima/default/docker.sock")),
        ("Rancher Desktop", home.join(".rd/docker.sock")),
    ];
    if let Some(runtime) = environment.path("XDG_RUNTIME_DIR") {
        sockets.push(("rootless Docker", runtime.join("docker.sock")));
        sockets.push(("Podman", runtime.join("podman/podman.sock")));
    }
    sockets.push(("Podman", PathBuf::from("/run/podman/podman.sock")));
    sockets.push(("Podman", home.join(".local/share/containers/podman/machine/podman.sock")));
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn home_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = home.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        home
    }

    const CONFIG: (&str, &str) = (".docker/config.json", r#"{"currentContext": "colima"}"#);
    const COLIMA: (&str, &str) = (
        ".docker/contexts/meta/f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16/meta.json",
        r#"{"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///c.sock", "SkipTLSVerify": false}}}"#,
    );

    fn look(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let home = home_with(files);
        let home_text = home.path().display().to_string();
        let mut pairs = vec![("HOME", home_text.as_str())];
        pairs.extend(variables);
        match candidates(&Environment::of(&pairs)) {
            Ok(all) => {
                let short = |host: String| host.replace(&home_text, "~");
                // What lies outside the home folder depends on the machine that runs this.
                let ours = all.into_iter().filter(|it| it.source != Source::Found("Podman"));
                Ok(ours.map(|it| (short(it.host), it.source.to_string())).collect())
            }
            Err(error) => Err(error.to_string().replace(&home_text, "~")),
        }
    }

    #[test]
    fn the_engine_is_where_the_docker_command_would_find_it() {
        let only = |host: &str, source: &str| Ok(vec![(host.to_owned(), source.to_owned())]);
        for (why, files, variables, expected) in [
            ("nothing is configured", &[][..], &[][..], only("unix:///var/run/docker.sock", "docker's default")),
            (
                "the variable is first",
                &[CONFIG, COLIMA],
                &[("DOCKER_HOST", "tcp://h:1"), ("DOCKER_CONTEXT", "x")],
                only("tcp://h:1", "DOCKER_HOST"),
            ),
            ("then the current context", &[CONFIG, COLIMA], &[], only("unix:///c.sock", "docker context colima")),
            (
                "which the other variable overrides",
                &[CONFIG, COLIMA],
                &[("DOCKER_CONTEXT", "default")],
                only("unix:///var/run/docker.sock", "docker's default"),
            ),
            (
                "an empty variable is none",
                &[],
                &[("DOCKER_HOST", "")],
                only("unix:///var/run/docker.sock", "docker's default"),
            ),
        ] {
            assert_eq!(look(files, variables), expected, "{why}");
        }
    }

    #[test]
    fn a_socket_that_lies_where_an_engine_puts_it_is_a_candidate_after_the_default() {
        let all = look(&[(".orbstack/run/docker.sock", "")], &[]).unwrap();
        assert_eq!(all[1], ("unix://~/.orbstack/run/docker.sock".to_owned(), "the socket of OrbStack".to_owned()));
    }

    #[test]
    fn what_is_configured_wrongly_is_said() {
        for (files, variables, expected) in [
            (&[CONFIG][..], &[][..], "the docker context colima does not exist"),
            (&[], &[("DOCKER_CONTEXT", "nope")], "the docker context nope does not exist"),
            (&[(".docker/config.json", "{")], &[], "~/.docker/config.json is not JSON: EOF"),
            (
                &[CONFIG, (".docker/contexts/meta/x/meta.json", r#"{"Name": "colima"}"#)],
                &[],
                "names no docker endpoint",
            ),
        ] {
            let error = look(files, variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
