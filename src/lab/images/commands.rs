//! The commands that the lab's images have, for `kubectl exec`: a few of Alpine's, and those of the image itself.
//!
//! They see what the container sees: its environment, the files of its volumes, names and addresses of the lab's network.
//! There is no shell, and nothing is written. What is not here is refused as the container runtime refuses it.

use crate::cluster::Client;
use crate::model::object::ObjectRef;
use crate::sys::clock::Clock;
use crate::sys::http::{HttpError, Request, Response, SharedHttp};
use crate::sys::stdio::Stdio;
use crate::traffic::loadtester::command;
use crate::workload::runtime::{ContainerSpec, Process, no_such_executable};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The real `podcli check` gives up after this long, unless told otherwise.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// The exit code of a program that was called wrongly.
const EXIT_USAGE: i32 = 1;
/// What is always there, in BusyBox.
const APPLETS: &[&str] = &[
    "cat", "date", "echo", "env", "false", "head", "hostname", "id", "ls", "nslookup", "printenv", "pwd", "sleep",
    "true", "uname", "wget", "whoami",
];
/// Where programs are.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What an image is, beside BusyBox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flavour {
    /// Its own programs.
    pub programs: &'static [&'static str],
    pub home: &'static str,
    pub user: &'static str,
}

pub(crate) const PODINFO: Flavour = Flavour { programs: &["curl", "podcli"], home: "/home/app", user: "app" };
pub(crate) const LOAD_TESTER: Flavour = Flavour { programs: &["curl", "hey", "wrk"], home: "/home/app", user: "app" };
pub(crate) const PLAIN: Flavour = Flavour { programs: &[], home: "/", user: "nobody" };

/// A process with the commands of its image beside it.
pub(crate) struct WithCommands {
    pub process: Arc<dyn Process>,
    pub inside: Arc<Inside>,
}

/// What a command sees.
pub(crate) struct Inside {
    pub container: ContainerSpec,
    pub http: SharedHttp,
    /// Where names are looked up.
    pub kubernetes: Client,
    pub clock: Clock,
    pub flavour: Flavour,
}

impl Process for WithCommands {
    fn request(&self, port: u16, request: Request) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.process.request(port, request)
    }

    fn exited(&self) -> BoxFuture<'static, i32> {
        self.process.exited()
    }

    fn terminate(&self) {
        self.process.terminate();
    }

    fn kill(&self) {
        self.process.kill();
    }

    /// A command ends with its container at the latest.
    fn exec(&self, command: Vec<String>, stdio: Stdio) -> BoxFuture<'static, Result<i32, String>> {
        let (inside, exited) = (Arc::clone(&self.inside), self.process.exited());
        async move {
            tokio::select! {
                biased;
                code = exited => Ok(code),
                ended = inside.run(&command, stdio) => ended,
            }
        }
        .boxed()
    }
}

/// What a command says and how it ends.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn good(out: impl Into<String>) -> Said {
    Said { code: 0, out: out.into(), err: String::new() }
}

fn bad(code: i32, err: impl Into<String>) -> Said {
    Said { code, out: String::new(), err: err.into() }
}

impl Inside {
    async fn run(&self, command: &[String], mut stdio: Stdio) -> Result<i32, String> {
        let Some((program, args)) = command.split_first() else { return Err(no_such_executable("")) };
        let Some(name) = self.known(program) else { return Err(no_such_executable(program)) };
        if name == "cat" && (args.is_empty() || args == ["-"]) {
            while let Some(piece) = stdio.stdin.recv().await {
                stdio.print(piece).await;
            }
            return Ok(0);
        }
        let said = self.say(name, args, command).await;
        if !said.out.is_empty() {
            stdio.print(terminal(&stdio, said.out)).await;
        }
        if !said.err.is_empty() {
            stdio.complain(terminal(&stdio, said.err)).await;
        }
        Ok(said.code)
    }

    /// The program's name, where the image has it: bare, or with the folder of a program.
    fn known<'a>(&self, program: &'a str) -> Option<&'a str> {
        let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
        let folder_fits = folder.is_empty() && !program.starts_with('/') || PATH.split(':').any(|it| it == folder);
        let known = APPLETS.contains(&name) || self.flavour.programs.contains(&name);
        (folder_fits && known).then_some(name)
    }

    async fn say(&self, name: &str, args: &[String], command: &[String]) -> Said {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match name {
            "true" => good(""),
            "false" => bad(1, ""),
            "echo" => match words.as_slice() {
                ["-n", rest @ ..] => good(rest.join(" ")),
                rest => good(rest.join(" ") + "\n"),
            },
            "pwd" => good(format!("{}\n", self.flavour.home)),
            "hostname" => good(format!("{}\n", self.container.pod)),
            "whoami" => good(format!("{}\n", self.flavour.user)),
            "id" => good(format!("uid=100({0}) gid=101({0}) groups=101({0})\n", self.flavour.user)),
            "uname" => good(if words.contains(&"-a") {
                format!("Linux {} embedded\n", self.container.pod)
            } else {
                "Linux\n".to_owned()
            }),
            "date" => good(format!("{}\n", self.clock.now().strftime("%a %b %e %H:%M:%S UTC %Y"))),
            "env" | "printenv" => self.environment(name, &words),
            "cat" => self.cat(&words),
            "head" => self.head(&words),
            "ls" => self.ls(&words),
            "sleep" => sleep(&words).await,
            "nslookup" => self.nslookup(&words).await,
            "wget" => self.wget(&words).await,
            "podcli" => self.podcli(&words).await,
            _ => self.traffic(command).await,
        }
    }

    fn environment(&self, name: &str, words: &[&str]) -> Said {
        let mut all = self.container.env.clone();
        all.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
        all.entry("HOME".to_owned()).or_insert_with(|| self.flavour.home.to_owned());
        match words {
            [] => good(all.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>()),
            [key] if name == "printenv" => all.get(*key).map_or_else(|| bad(1, ""), |it| good(format!("{it}\n"))),
            [first, ..] => bad(127, format!("env: can't execute '{first}': No such file or directory\n")),
        }
    }

    /// The text of a file: of a volume, or one of those that the kubelet makes.
    fn file(&self, path: &str) -> Option<String> {
        let container = &self.container;
        let path = self.absolute(path);
        match path.as_str() {
            "/etc/hostname" => return Some(format!("{}\n", container.pod)),
            "/etc/hosts" => {
                let own = format!("{}\t{}\n", container.pod_ip, container.pod);
                return Some(format!("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost\n{own}"));
            }
            "/etc/resolv.conf" => {
                let namespace = &container.namespace;
                return Some(format!(
                    "search {namespace}.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
                ));
            }
            _ => {}
        }
        let (folder, name) = path.rsplit_once('/')?;
        self.container.files.get(if folder.is_empty() { "/" } else { folder })?.get(name).cloned()
    }

    fn absolute(&self, path: &str) -> String {
        let joined = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.flavour.home) };
        let parts = joined.split('/').filter(|it| !it.is_empty() && *it != ".");
        format!("/{}", parts.collect::<Vec<_>>().join("/"))
    }

    /// What lies in a folder; None if there is no such folder.
    fn folder(&self, path: &str) -> Option<BTreeSet<String>> {
        let path = self.absolute(path);
        let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let mut names = BTreeSet::new();
        let fixed = [
            "/etc/hostname".to_owned(),
            "/etc/hosts".to_owned(),
            "/etc/resolv.conf".to_owned(),
            format!("{}/.", self.flavour.home),
        ];
        let mounted = self.container.files.iter().flat_map(|(folder, files)| {
            // An empty volume is a folder all the same.
            files.keys().map(move |it| format!("{folder}/{it}")).chain([format!("{folder}/.")])
        });
        let mut found = path == "/";
        for file in fixed.into_iter().chain(mounted) {
            if let Some(rest) = file.strip_prefix(&below) {
                found = true;
                names.extend(rest.split('/').next().filter(|it| *it != ".").map(str::to_owned));
            }
        }
        found.then_some(names)
    }

    fn cat(&self, words: &[&str]) -> Said {
        let mut said = good("");
        for path in words {
            match (self.file(path), self.folder(path)) {
                (Some(text), _) => said.out.push_str(&text),
                (None, Some(_)) => said.fail("cat: read error: Is a directory\n".to_owned()),
                (None, None) => said.fail(format!("cat: can't open '{path}': No such file or directory\n")),
            }
        }
        said
    }

    fn head(&self, words: &[&str]) -> Said {
        let (count, files) = match words {
            ["-n", count, files @ ..] => (count.parse().unwrap_or(10), files),
            files => (10, files),
        };
        let said = self.cat(files);
        let out = said.out.lines().take(count).map(|it| format!("{it}\n")).collect();
        Said { out, err: said.err.replace("cat:", "head:"), ..said }
    }

    fn ls(&self, words: &[&str]) -> Said {
        let mut said = good("");
        let paths: Vec<&str> = words.iter().copied().filter(|it| !it.starts_with('-')).collect();
        for path in if paths.is_empty() { vec!["."] } else { paths } {
            match (self.file(path), self.folder(path)) {
                (Some(_), _) => {
                    let _ = writeln!(said.out, "{path}");
                }
                (None, Some(names)) => names.iter().for_each(|it| {
                    let _ = writeln!(said.out, "{it}");
                }),
                (None, None) => said.fail(format!("ls: {path}: No such file or directory\n")),
            }
        }
        said
    }

    /// The cluster address of a Service; there is no other name here that has one.
    async fn nslookup(&self, words: &[&str]) -> Said {
        let [name] = words else { return bad(EXIT_USAGE, "Usage: nslookup HOST\n") };
        let server = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n";
        let mut address = None;
        if let Some((namespace, service)) = service_of(name, &self.container.namespace) {
            let service = ObjectRef::new("v1", "Service", namespace, service);
            let found = self.kubernetes.get(&service).await.ok().flatten();
            let found = found.as_ref().and_then(|it| it["spec"]["clusterIP"].as_str());
            address = found.filter(|it| it.parse::<Ipv4Addr>().is_ok()).map(str::to_owned);
        }
        match address {
            Some(address) => good(format!("{server}Name:\t{name}\nAddress: {address}\n\n")),
            None => Said { out: format!("{server}** server can't find {name}: NXDOMAIN\n\n"), ..bad(1, "") },
        }
    }

    async fn get(&self, url: &str, timeout: Duration) -> Result<Response, HttpError> {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: http::Uri = url.parse().map_err(|_| HttpError::Other(format!("bad address '{url}'")))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = at_home(&uri, &self.container.pod_ip);
        self.http.send(request, timeout).await
    }

    /// `wget -qO- URL`: BusyBox's, which prints the answer or says what was wrong with it.
    async fn wget(&self, words: &[&str]) -> Said {
        let (options, urls): (Vec<&str>, Vec<&str>) =
            words.iter().copied().partition(|it| it.starts_with('-') && *it != "-");
        let prints = options.iter().any(|it| it.contains('O'))
            && (options.iter().any(|it| it.ends_with("O-")) || urls.contains(&"-"));
        let urls: Vec<&str> = urls.into_iter().filter(|it| *it != "-").collect();
        let ([url], true) = (urls.as_slice(), prints) else {
            return bad(EXIT_USAGE, "wget: nothing can be written here; print the answer with -qO- URL\n");
        };
        match self.get(url, Duration::from_mins(15)).await {
            Ok(answer) if answer.status().is_success() => good(String::from_utf8_lossy(answer.body())),
            Ok(answer) => bad(1, format!("wget: server returned error: HTTP/1.1 {}\n", answer.status())),
            Err(HttpError::NoSuchHost { host }) => bad(1, format!("wget: bad address '{host}'\n")),
            Err(HttpError::Refused { address }) => {
                bad(1, format!("wget: can't connect to remote host ({address}): Connection refused\n"))
            }
            Err(error) => bad(1, format!("wget: {error}\n")),
        }
    }

    /// `podcli check http|tcp ADDRESS`, and its version.
    async fn podcli(&self, words: &[&str]) -> Said {
        let version = || self.container.image.rsplit(':').next().unwrap_or_default().to_owned();
        let (flags, plain): (Vec<&str>, Vec<&str>) = words.iter().copied().partition(|it| it.starts_with('-'));
        let timeout = flags.iter().find_map(|it| it.strip_prefix("--timeout=")).and_then(|it| it.strip_suffix('s'));
        let timeout = timeout.and_then(|it| it.parse().ok()).map_or(CHECK_TIMEOUT, Duration::from_secs);
        match plain.as_slice() {
            ["version"] => good(format!("{}\n", version())),
            ["check", "http", address] => match self.get(address, timeout).await {
                Ok(answer) if answer.status().as_u16() < 400 => good(self.checked(address, &answer)),
                Ok(answer) => bad(1, self.check_failed(address, &format!("status {}", answer.status().as_u16()))),
                Err(error) => bad(1, self.check_failed(address, &error.to_string())),
            },
            ["check", "tcp", address] => match self.get(address, timeout).await {
                Err(error @ (HttpError::Refused { .. } | HttpError::NoSuchHost { .. } | HttpError::Timeout)) => {
                    bad(1, self.check_failed(address, &error.to_string()))
                }
                _ => good(self.line("info", &format!("check TCP connection to {address}"), "")),
            },
            _ => bad(EXIT_USAGE, "Error: here podcli knows `check http ADDRESS`, `check tcp ADDRESS` and `version`\n"),
        }
    }

    fn checked(&self, address: &str, answer: &Response) -> String {
        let fields = format!(",\"address\":{address:?},\"response code\":{}", answer.status().as_u16());
        self.line("info", "check succeed", &fields)
    }

    fn check_failed(&self, address: &str, why: &str) -> String {
        self.line("info", "check failed", &format!(",\"address\":{address:?},\"error\":{why:?}"))
    }

    fn line(&self, level: &str, message: &str, fields: &str) -> String {
        let at = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        format!(
            "{{\"level\":\"{level}\",\"ts\":\"{at}\",\"caller\":\"coalmine/podcli\",\"msg\":{message:?}{fields}}}\n"
        )
    }

    /// `curl`, `hey`, `wrk`: as the load tester understands them.
    async fn traffic(&self, words: &[String]) -> Said {
        match command::parse_words(words) {
            Ok(mut parsed) => {
                parsed.call_mut().url = at_home(&parsed.call_mut().url, &self.container.pod_ip);
                let (code, out) = command::carry_out(parsed, &self.http).await;
                Said { code, out, err: String::new() }
            }
            Err(why) => bad(2, format!("{why}\n")),
        }
    }
}

impl Said {
    fn fail(&mut self, why: String) {
        self.code = 1;
        self.err.push_str(&why);
    }
}

/// A container's own address, where it is called `localhost`.
fn at_home(uri: &http::Uri, ip: &str) -> http::Uri {
    let home = matches!(uri.host(), Some("localhost" | "127.0.0.1"));
    let port = uri.port_u16().unwrap_or(80);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let moved = home.then(|| format!("http://{ip}:{port}{path}").parse().ok()).flatten();
    moved.unwrap_or_else(|| uri.clone())
}

async fn sleep(words: &[&str]) -> Said {
    let seconds = |word: &str| {
        let (number, unit) = word.split_at(word.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(word.len()));
        let factor = match unit {
            "" | "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        number.parse::<f64>().ok().map(|it| it * factor).filter(|it| (0.0..=1e9).contains(it))
    };
    let times: Option<Vec<f64>> = words.iter().map(|it| seconds(it)).collect();
    match times {
        Some(times) if !times.is_empty() => {
            tokio::time::sleep(Duration::from_secs_f64(times.iter().sum())).await;
            good("")
        }
        _ => bad(1, format!("sleep: invalid number '{}'\n", words.join(" "))),
    }
}

/// A terminal goes back to the first column with each line.
fn terminal(stdio: &Stdio, text: String) -> String {
    if stdio.tty { text.replace('\n', "\r\n") } else { text }
}

/// Namespace and name of the Service that a name means to cluster DNS, seen from the namespace `home`.
fn service_of<'a>(name: &'a str, home: &'a str) -> Option<(&'a str, &'a str)> {
    match name.trim_end_matches('.').split('.').collect::<Vec<_>>()[..] {
        [name] => Some((home, name)),
        [name, namespace] | [name, namespace, "svc"] | [name, namespace, "svc", "cluster", "local"] => {
            Some((namespace, name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
