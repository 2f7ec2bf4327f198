//! `coalmine up`, `down`, `status` and `env`: the binary, as a person or a script types it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A user of their own: an own state directory, whose labs end with it.
pub(super) struct User(TempDir);

/// What a command came to.
#[derive(Debug)]
pub(super) struct Came {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl User {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coalmine"));
        command.args(line.split(' ')).env("XDG_STATE_HOME", self.0.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn types(&self, line: &str) -> Came {
        let Output { status, stdout, stderr } = self.command(line).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Came { exit: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// The lab as `status -o json` shows it; null where it is not written down.
    pub(super) fn lab(&self, name: &str) -> Value {
        let came = self.types("status -o json");
        assert_eq!(came.exit, 0, "{came:?}");
        let all: Value = serde_json::from_str(&came.out).unwrap();
        all["labs"].as_array().unwrap().iter().find(|it| it["name"] == name).cloned().unwrap_or_default()
    }

    /// The state directory.
    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// What is left of a lab on disk.
    pub(super) fn left(&self, name: &str) -> bool {
        self.0.path().join("coalmine/labs").join(name).exists()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let Ok(labs) = fs::read_dir(self.0.path().join("coalmine/labs")) else { return };
        let names = labs.filter_map(|it| it.ok()?.file_name().into_string().ok()).filter(|it| it != ".gate");
        names.for_each(|it| drop(self.command(&format!("down --name {it}")).output()));
    }
}

pub(super) fn signal(pid: u64, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// Waits until a process has ended, with all its threads: only then are its locks free. It may still be listed, as a
/// zombie, until somebody asks how it ended.
pub(super) fn wait_for_end(pid: u64) {
    let threads = || fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let is_zombie = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| it.contains(") Z "));
    while threads() > 1 || (threads() == 1 && !is_zombie()) {
        std::thread::yield_now();
    }
}

/// The addresses on which a process listens, as /proc has them: `0100007F:1F90` is 127.0.0.1:8080.
fn listening(pid: u64) -> Vec<String> {
    let own: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|it| fs::read_link(it.unwrap().path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|it| Some(it.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = |kind: &str| fs::read_to_string(format!("/proc/{pid}/net/{kind}")).unwrap_or_default();
    let lines = table("tcp") + &table("tcp6") + &table("udp") + &table("udp6");
    let fields = lines.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
    let listens = fields.filter(|it| it.len() > 9 && matches!(it[3], "0A" | "07") && own.contains(it[9]));
    listens.map(|it| it[1].to_owned()).collect()
}

#[test]
fn a_detached_lab_lives_until_down() {
    let user = User::new();
    let came = user.types("up --detach");
    assert_eq!((came.exit, came.err.as_str()), (0, ""), "{came:?}");
    let lab = user.lab("embedded");
    let (pid, endpoints) = (lab["pid"].as_u64().unwrap(), &lab["endpoints"]);
    assert_eq!(
        (&lab["state"], &lab["kind"], &lab["controller"]),
        (&"Ready".into(), &"embedded".into(), &"builtin".into())
    );
    for address in
        [&endpoints["kubernetes"]["server"], &endpoints["prometheus"], &endpoints["entry"], &endpoints["metrics"]]
    {
        assert!(came.out.contains(address.as_str().unwrap()), "{address} {}", came.out);
    }

    let table = user.types("status");
    let mut lines = table.out.lines();
    assert!(lines.next().unwrap().starts_with("NAME       STATE   KIND       CONTROLLER   AGE"), "{}", table.out);
    assert!(lines.next().unwrap().starts_with("embedded   Ready   embedded   builtin      "), "{}", table.out);

    let script =
        "eval \"$($0 env)\" && cat \"$KUBECONFIG\" && echo $COALMINE_LAB $COALMINE_PROMETHEUS $COALMINE_METRICS";
    let shell = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_coalmine")])
        .env("XDG_STATE_HOME", user.0.path())
        .output()
        .unwrap();
    let said = String::from_utf8(shell.stdout).unwrap();
    assert!(said.contains(&format!("server: {}", endpoints["kubernetes"]["server"].as_str().unwrap())), "{said}");
    let last =
        format!("embedded {} {}\n", endpoints["prometheus"].as_str().unwrap(), endpoints["metrics"].as_str().unwrap());
    assert!(said.ends_with(&last), "{said}");

    for line in ["up", "up --detach", "up --controller builtin"] {
        let again = user.types(line);
        assert_eq!((again.exit, again.err.as_str()), (0, ""), "{line}: {again:?}");
        assert!(again.out.starts_with("the lab `embedded` is up already"), "{line}: {again:?}");
        assert_eq!(user.lab("embedded")["pid"], pid, "the same process");
    }
    for (line, why) in [
        ("up --controller external", "its controller is builtin, not external"),
        ("up --prometheus-port 1", "its Prometheus API is at http://127.0.0.1:"),
    ] {
        let other = user.types(line);
        assert!(other.exit == 2 && other.err.contains(why), "{line}: {other:?}");
    }

    let sockets = listening(pid);
    assert_eq!(sockets.len(), 4, "{sockets:?}");
    assert!(sockets.iter().all(|it| it.starts_with("0100007F:")), "not only loopback: {sockets:?}");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));

    for file in ["kubeconfig", "token", "ca.crt", "lab.json", "lock"] {
        let path = user.0.path().join("coalmine/labs/embedded").join(file);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }

    let down = user.types("down");
    assert_eq!((down.exit, down.out.as_str()), (0, "the lab `embedded` is gone\n"), "{down:?}");
    assert!(!user.left("embedded"));
    wait_for_end(pid);
    let down = user.types("down");
    assert_eq!((down.exit, down.out.as_str()), (0, "the lab `embedded` is not there\n"), "{down:?}");
}

#[test]
fn labs_stand_beside_each_other_and_a_killed_one_stops_nobody() {
    let user = User::new();
    let one = user.command("up --detach --name one --controller external").stdout(Stdio::null()).spawn();
    let two = user.types("up --detach --name two");
    assert!(one.unwrap().wait().unwrap().success() && two.exit == 0, "{two:?}");
    let pid = |name: &str| user.lab(name)["pid"].as_u64().unwrap();
    let (first, second) = (pid("one"), pid("two"));
    assert_eq!((user.lab("one")["state"].as_str(), user.lab("two")["state"].as_str()), (Some("Ready"), Some("Ready")));
    let env = user.types("env --name one");
    assert!(env.exit == 0 && env.out.contains("\nunset COALMINE_METRICS\n"), "{env:?}");

    signal(first, "KILL");
    wait_for_end(first);
    assert_eq!(user.lab("one")["state"], "Stale");
    let env = user.types("env --name one");
    assert!(env.exit == 3 && env.out.is_empty() && env.err.contains("its process was killed"), "{env:?}");
    assert_eq!(user.types("status --name one").exit, 3);
    assert_eq!(user.types("status --name two").exit, 0);

    let again = user.types("up --detach --name one");
    assert_eq!(again.exit, 0, "{again:?}");
    assert_ne!(pid("one"), first);
    assert_eq!(pid("two"), second, "the other one lives on");

    signal(pid("one"), "KILL");
    assert_eq!(user.types("down --name one").exit, 0, "down removes what a kill left");
    assert!(!user.left("one"));
    assert_eq!(user.types("down --name two").exit, 0);
}

/// A lab in the foreground, once it has said `what`.
pub(super) fn foreground(user: &User, line: &str, what: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = user.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(what) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended before it said `{what}`");
    }
    (child, said)
}

#[test]
fn ctrl_c_and_sigterm_end_a_lab_in_order() {
    let user = User::new();
    for (name, signal_name) in [("int", "INT"), ("term", "TERM"), ("hup", "HUP")] {
        let (mut child, mut rest) = foreground(&user, &format!("up --name {name}"), "wait until they are available\n");
        let mut first = [0; 8];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        assert_eq!(&first, b"the lab ");
        signal(child.id().into(), signal_name);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal_name}");
        let mut said = String::new();
        rest.read_to_string(&mut said).unwrap();
        assert!(said.ends_with(&format!("the lab `{name}` ends\n")), "{said}");
        assert!(!user.left(name));
    }
    // While it is being made it has not done what was asked.
    let (mut child, _rest) = foreground(&user, "up --name early", "wait until they are available …");
    assert_eq!(user.lab("early")["state"], "Starting");
    let env = user.types("env --name early");
    assert!(env.exit == 3 && env.err.contains("still being made"), "{env:?}");
    signal(child.id().into(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!user.left("early"));
}

#[test]
fn a_lab_that_cannot_be_made_says_why_and_leaves_nothing() {
    let user = User::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for line in [format!("up --prometheus-port {port}"), format!("up --detach --prometheus-port {port}")] {
        let came = user.types(&line);
        let why = format!("the Prometheus API cannot listen on 127.0.0.1:{port}: Address already in use");
        assert!(came.exit == 3 && came.out.is_empty(), "{line}: {came:?}");
        assert!(came.err.contains(&why) && came.err.contains("hint: choose another port"), "{line}: {came:?}");
        assert!(!user.left("embedded"), "{line}");
    }
    for line in ["up --name Not_A_Label", "up --kubernetes-port 70000", "up --controller mine", "down --name a.b"] {
        assert_eq!(user.types(line).exit, 2, "{line}");
    }
    let none = user.types("env --name nobody");
    assert!(none.exit == 3 && none.out.is_empty(), "{none:?}");
    assert!(none.err.contains("there is no lab `nobody`: `coalmine up --name nobody` makes it"), "{none:?}");
    let none = user.types("status");
    assert_eq!((none.exit, none.out.as_str(), none.err.as_str()), (0, "", "no labs: `coalmine up` makes one\n"));
    assert_eq!(user.types("status --name nobody").exit, 3);
}

#[test]
fn a_state_directory_that_cannot_be_written_to_is_named() {
    let user = User::new();
    let file = user.0.path().join("file");
    fs::write(&file, "").unwrap();
    for line in ["up", "up --detach"] {
        let output = user.command(line).env("XDG_STATE_HOME", &file).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{line}: {said}");
        assert!(said.contains(file.to_str().unwrap()) && said.contains("XDG_STATE_HOME"), "{line}: {said}");
    }
    let output = user.command("up").env_remove("XDG_STATE_HOME").env("HOME", "relative").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("set XDG_STATE_HOME to an absolute path, or HOME"), "{said}");
}
