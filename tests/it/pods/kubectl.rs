//! kubectl, unchanged, against a whole embedded lab on the wall clock: what leads into pods.

use crate::real::find;
use coalmine::cluster::Client;
use coalmine::home::{Home, LabName};
use coalmine::lab::{Up, UpOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// How long one command may take on a machine that is busy with other tests.
const PATIENCE: &str = "--request-timeout=60s";
const WITHIN: Duration = Duration::from_secs(60);

/// A command and what is to come of it: input, exit code, and parts of what it prints (both streams together).
struct Case(&'static str, &'static str, i32, &'static [&'static str]);

const STARTING: &str = r#""caller":"podinfo/main.go:153","msg":"Starting podinfo","version":"6.9.2""#;

const CASES: &[Case] = &[
    // What the API says of itself.
    Case("explain deployment.spec.replicas", "", 0, &["FIELD: replicas <integer>", "Number of desired pods."]),
    Case(
        "explain pods --recursive",
        "",
        0,
        &["containers\t<[]Container> -required-", "enum: Always, IfNotPresent, Never"],
    ),
    Case(
        "explain canary.spec.analysis --api-version=flagger.app/v1beta1",
        "",
        0,
        &["KIND:       Canary", "interval\t<string>"],
    ),
    Case("explain pod.spec.nothing", "", 1, &["error: field \"nothing\" does not exist"]),
    // Logs.
    Case("logs -n test deploy/podinfo", "", 0, &[STARTING, "Starting HTTP Server."]),
    Case(
        "logs -n test deploy/podinfo --tail=1 --timestamps",
        "",
        0,
        &["Z {\"level\":\"info\"", "Starting HTTP Server."],
    ),
    Case("logs -n test -l app=podinfo --prefix --all-containers --tail=5", "", 0, &["[pod/podinfo-", "/podinfod] {"]),
    Case("logs -n test deploy/podinfo --limit-bytes=9", "", 0, &["{\"level\":"]),
    Case(
        "logs -n test deploy/podinfo -p",
        "",
        1,
        &["previous terminated container \"podinfod\" in pod \"podinfo-", "not found"],
    ),
    Case("logs -n test deploy/podinfo -c nobody", "", 1, &["container nobody is not valid for pod podinfo-"]),
    Case("logs -n test missing", "", 1, &["is waiting to start: trying and failing to pull image"]),
    Case(
        "logs -n flagger-system deploy/prometheus",
        "",
        0,
        &["level=INFO", "Server is ready to receive web requests."],
    ),
    // Commands.
    Case("exec -n test deploy/podinfo -- env", "", 0, &["PODINFO_UI_LOGO=data:,", "HOSTNAME=podinfo-"]),
    Case("exec -n test deploy/podinfo -- curl -s localhost:9898/version", "", 0, &["\"version\": \"6.9.2\""]),
    Case("exec -n test deploy/podinfo -- podcli check http localhost:9898/readyz", "", 0, &["check succeed"]),
    Case(
        "exec -n test deploy/podinfo -- podcli check http localhost:1/readyz",
        "",
        1,
        &["check failed", "exit code 1"],
    ),
    Case("exec -n test -i deploy/podinfo -- cat", "what is said comes back\n", 0, &["what is said comes back"]),
    Case(
        "exec -n test deploy/podinfo -- cat /etc/hostname /no",
        "",
        1,
        &["podinfo-", "can't open '/no'", "exit code 1"],
    ),
    Case("exec -n test deploy/podinfo -- nslookup podinfo-svc", "", 0, &["Name:\tpodinfo-svc", "Address: 10."]),
    Case("exec -n test deploy/podinfo -- wget -qO- http://podinfo-svc.test:9898/healthz", "", 0, &["OK"]),
    Case("exec -n test deploy/podinfo -- sh", "", 1, &["exec: \"sh\": executable file not found in $PATH: unknown"]),
    Case("exec -n test deploy/podinfo -c nobody -- env", "", 1, &["container nobody is not valid for pod podinfo-"]),
    Case("exec -n test missing -- env", "", 1, &["unable to upgrade connection: container not found (\"main\")"]),
    Case("cp -n test PODINFO:/etc/hostname /dev/null", "", 1, &["exec: \"tar\": executable file not found in $PATH"]),
    // What is used.
    Case("top pods -n test", "", 0, &["CPU(cores)", "MEMORY(bytes)", "podinfo-"]),
    Case("top pods -n test -l app=podinfo --containers", "", 0, &["podinfod", "20Mi"]),
    Case("top nodes", "", 0, &["coalmine", "%"]),
    // Access.
    Case("auth can-i delete nodes", "", 0, &["yes"]),
    Case("auth can-i --list", "", 0, &["*.*", "selfsubjectaccessreviews.authorization.k8s.io"]),
    Case("auth can-i get pods --as bob -n test", "", 1, &["no"]),
    Case("create role reader --verb=get,list --resource=pods -n test", "", 0, &["created"]),
    Case("create rolebinding bob --role=reader --user=bob -n test", "", 0, &["created"]),
    Case("auth can-i get pods --as bob -n test", "", 0, &["yes"]),
    Case("get pods --as bob -n test", "", 0, &["podinfo-"]),
    Case("get pods --as bob -n flagger-system", "", 1, &["User \"bob\" cannot list resource \"pods\""]),
    Case("auth whoami", "", 0, &["kubernetes-admin", "system:masters"]),
    // Strict writes.
    Case(
        "create -n test --validate=strict -f -",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, dat: {}}",
        1,
        &["strict decoding error: unknown field \"dat\""],
    ),
    Case(
        "apply -n test --server-side -f -",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, dat: {}}",
        1,
        &[".dat: field not declared in schema"],
    ),
];

struct Lab {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    folder: tempfile::TempDir,
    up: Up,
}

impl Lab {
    /// A lab with a ready podinfo and a pod whose image is not there; None, loudly, without kubectl.
    async fn start() -> Option<Self> {
        let kubectl = find("kubectl")?;
        let folder = tempfile::tempdir().unwrap();
        let (home, name): (_, LabName) = (Home::at(folder.path()), "pods".parse().unwrap());
        let up = Up::start(&home, &name, UpOptions::default(), Arc::new(|_| ())).await.unwrap();
        let (_, endpoints) = home.ready(&name).unwrap();
        let lab = Self { kubectl, kubeconfig: endpoints.kubernetes.kubeconfig, folder, up };
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/podinfo");
        for file in ["namespace.yaml", "deployment.yaml"] {
            let (code, text) = lab.kubectl(&format!("apply -f {}", manifests.join(file).display()), "").await;
            assert_eq!(code, 0, "{text}");
        }
        let missing = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"missing","namespace":"test"},
            "spec":{"containers":[{"name":"main","image":"nowhere.example.com/nothing:1.0.0"}]}}"#;
        for (args, input) in [
            ("apply -f -", missing),
            ("expose -n test deploy/podinfo --name podinfo-svc --port 9898", ""),
            ("rollout status -n test deploy/podinfo --timeout=60s", ""),
            (
                "wait -n test pod/missing --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff",
                "",
            ),
        ] {
            let (code, text) = lab.kubectl(args, input).await;
            assert_eq!(code, 0, "{args}: {text}");
        }
        Some(lab)
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .args(args.split(' ').filter(|it| !it.is_empty()));
        command
    }

    async fn kubectl(&self, args: &str, input: &str) -> (i32, String) {
        self.kubectl_with(self.command(args), args, input).await
    }

    async fn kubectl_with(&self, mut command: Command, args: &str, input: &str) -> (i32, String) {
        let input = input.to_owned();
        if !args.starts_with("exec") && !args.starts_with("logs") {
            command.arg(PATIENCE);
        }
        tokio::task::spawn_blocking(move || {
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
        })
        .await
        .unwrap()
    }

    async fn pod(&self) -> String {
        let (_, name) = self.kubectl("get pods -n test -l app=podinfo -o jsonpath={.items[0].metadata.name}", "").await;
        name
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reaches_into_pods() {
    let Some(lab) = Lab::start().await else { return };
    let pod = lab.pod().await;
    let mut wrong = Vec::new();
    for Case(args, input, code, parts) in CASES {
        let args = args.replace("PODINFO", &pod);
        // Use of resources is known once Prometheus has looked at the pod.
        let (found, text) = lab.kubectl(&args, input).await;
        let missing: Vec<_> = parts.iter().filter(|it| !text.contains(**it)).collect();
        if found != *code || !missing.is_empty() {
            wrong.push(format!("kubectl {args}: exit code {found}, wanted {code}; without {missing:?}\n{text}"));
        }
    }
    older(&lab).await;
    account(&lab).await;
    ports(&lab).await;
    following(&lab).await;
    evictions(&lab, &pod).await;
    let Lab { up, .. } = lab;
    up.down().await.unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

/// Commands as kubectl runs them without WebSockets: over SPDY.
async fn older(lab: &Lab) {
    for Case(args, input, code, parts) in [
        Case("exec -n test deploy/podinfo -- env", "", 0, &["PODINFO_UI_LOGO=data:,"]),
        Case("exec -n test -i deploy/podinfo -- cat", "what is said comes back\n", 0, &["what is said comes back"]),
        Case("exec -n test deploy/podinfo -- cat /no", "", 1, &["can't open '/no'", "exit code 1"]),
        Case("exec -n test deploy/podinfo -- sh", "", 1, &["executable file not found in $PATH: unknown"]),
    ] {
        let mut command = lab.command(args);
        command.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false");
        let (found, text) = lab.kubectl_with(command, args, input).await;
        assert!(found == code && parts.iter().all(|it| text.contains(it)), "{args}: {found} {text}");
    }
}

/// A service account's token opens the door for what its roles allow.
async fn account(lab: &Lab) {
    for args in [
        "create serviceaccount robot -n test",
        "create rolebinding robot --role=reader --serviceaccount=test:robot -n test",
    ] {
        let (code, text) = lab.kubectl(args, "").await;
        assert_eq!(code, 0, "{args}: {text}");
    }
    let (code, token) = lab.kubectl("create token robot -n test", "").await;
    assert_eq!(code, 0, "{token}");
    for (args, code, part) in [
        ("get pods -n test", 0, "podinfo-"),
        ("get pods -n flagger-system", 1, "User \"system:serviceaccount:test:robot\" cannot list resource \"pods\""),
        ("auth whoami", 0, "system:serviceaccounts:test"),
    ] {
        let args = format!("{args} --token={}", token.trim());
        let (found, text) = lab.kubectl(&args, "").await;
        assert!(found == code && text.contains(part), "{found}: {text}");
    }
}

/// A running kubectl, its output, and its port on this machine.
struct Forwarding {
    child: tokio::process::Child,
    port: u16,
}

async fn forward(lab: &Lab, args: &str, web_sockets: bool) -> Forwarding {
    let mut command = tokio::process::Command::from(lab.command(args));
    command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", web_sockets.to_string()).kill_on_drop(true);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap_or_default();
    // Read on, or kubectl would stop at a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let port = first.strip_prefix("Forwarding from 127.0.0.1:").and_then(|it| it.split(' ').next());
    Forwarding { port: port.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{args}: {first:?}")), child }
}

async fn ports(lab: &Lab) {
    let client = reqwest::Client::builder().no_proxy().timeout(WITHIN).build().unwrap();
    let get = async |port: u16, path: &str| client.get(format!("http://127.0.0.1:{port}{path}")).send().await;
    // kubectl's two ways, and kube-rs' own.
    for web_sockets in [true, false] {
        let forwarding = forward(lab, "port-forward -n test deploy/podinfo :9898", web_sockets).await;
        for _ in 0..3 {
            let answer = get(forwarding.port, "/version").await.unwrap().text().await.unwrap();
            assert!(answer.contains("6.9.2"), "{answer}");
        }
        let many = (0..20).map(|_| get(forwarding.port, "/healthz"));
        let all = futures_util::future::join_all(many).await;
        assert!(all.into_iter().all(|it| it.unwrap().status() == 200), "twenty at once");
    }
    let kubernetes = Client::connect_context(Some(&lab.kubeconfig), None).await.unwrap();
    let forwarded = kubernetes.forward("test", "podinfo-svc", 9898).await.unwrap();
    let answer = get(forwarded.address().port(), "/version").await.unwrap().text().await.unwrap();
    assert!(answer.contains("6.9.2"), "{answer}");

    let mut closed = forward(lab, "port-forward -n test deploy/podinfo :1234", true).await;
    assert!(get(closed.port, "/").await.is_err());
    let mut said = String::new();
    let read = tokio::time::timeout(WITHIN, closed.child.stderr.take().unwrap().read_to_string(&mut said)).await;
    read.unwrap().unwrap();
    assert!(said.contains("error forwarding port 1234 to pod") && said.contains("connection refused"), "{said}");
}

/// `logs -f` goes on until its pod is gone.
async fn following(lab: &Lab) {
    let mut command = tokio::process::Command::from(lab.command("logs -n test deploy/podinfo -f --tail=1"));
    let mut child = command.kill_on_drop(true).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let next = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(next.contains("Starting HTTP Server."), "{next}");
    let (code, text) = lab.kubectl("rollout restart -n test deploy/podinfo", "").await;
    assert_eq!(code, 0, "{text}");
    let next = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(next.contains("Shutting down HTTP/HTTPS server"), "{next}");
    let end = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap();
    assert_eq!(end, None);
}

/// `kubectl drain` evicts.
async fn evictions(lab: &Lab, before: &str) {
    let (code, text) =
        lab.kubectl("drain coalmine --force --ignore-daemonsets --pod-selector=app=podinfo --timeout=60s", "").await;
    assert!(code == 0 && text.contains("evicting pod test/podinfo-"), "{text}");
    assert!(!text.contains(before), "{text}");
}
