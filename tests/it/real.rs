//! The real programs that our own are held against, where they are on PATH.
//!
//! Whoever needs one says so loudly when it is missing (`find` prints `SKIPPED`) and passes: the comparison is not made.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long kube-apiserver may take to become ready, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a starting server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Where a program lies; says loudly when it is not there, because then a comparison is not made.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: no `{program}` on PATH, so nothing is held against it here");
    }
    found
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A running program. Killed and waited for when dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts `program` in `folder`; what it prints goes to `folder/{program}.log`.
    pub fn start(program: &Path, folder: &Path, args: &[String]) -> Self {
        Self::start_with(program, folder, args, &[])
    }

    /// As [`Process::start`], with these variables in its environment.
    pub fn start_with(program: &Path, folder: &Path, args: &[String], environment: &[(&str, &OsStr)]) -> Self {
        let name = program.file_name().unwrap().display();
        let log = File::create(folder.join(format!("{name}.log"))).unwrap();
        let copy = log.try_clone().unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(copy)
            .stderr(log);
        Self(command.spawn().unwrap())
    }

    /// The process's number, for reading its memory.
    #[allow(dead_code, reason = "for those who measure")]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

/// A kube-apiserver with its etcd and nothing else: no controllers, no kubelet. Gone when dropped.
pub struct KubeApi {
    server: Process,
    etcd: Process,
    pub url: String,
    pub folder: TempDir,
}

impl KubeApi {
    /// The bearer token of its administrator.
    pub const TOKEN: &str = "tok";

    /// None, loudly, where one of the programs is missing.
    pub fn start() -> Option<Self> {
        Self::start_with("AlwaysAllow")
    }

    /// The same with an authorization mode: `RBAC` also lets anonymous requests as far as authorization.
    pub fn start_with(authorization: &str) -> Option<Self> {
        let (etcd, server, openssl) = (find("etcd")?, find("kube-apiserver")?, find("openssl")?);
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("sa.key");
        let made = Command::new(openssl).args(["genrsa", "-out"]).arg(&key).arg("2048").stderr(Stdio::null()).status();
        assert!(made.unwrap().success(), "openssl makes a key");
        std::fs::write(folder.path().join("tokens.csv"), format!("{},kubernetes-admin,,system:masters\n", Self::TOKEN))
            .unwrap();
        let (client, peer, port) = (local(free_port()), local(free_port()), free_port());
        let etcd = Process::start(&etcd, folder.path(), &etcd_args(&client, &peer));
        let server = Process::start(&server, folder.path(), &server_args(&client, port, authorization));
        Some(Self { server, etcd, url: format!("https://127.0.0.1:{port}"), folder })
    }

    /// Waits until it is ready and has made its `default` namespace.
    pub async fn ready(&self, client: &reqwest::Client) {
        let ok = async |path: &str| {
            let answer = client.get(format!("{}{path}", self.url)).bearer_auth(Self::TOKEN).send().await;
            answer.is_ok_and(|it| it.status() == 200)
        };
        let ready = async {
            while !(ok("/readyz").await && ok("/api/v1/namespaces/default").await) {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("kube-apiserver becomes ready");
    }

    /// Starts `kube-controller-manager` with these of its controllers. The server must be ready.
    pub fn start_controllers(&self, program: &Path, names: &[&str]) -> Process {
        let mut args = [
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--cert-dir=controllers",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]
        .map(str::to_owned)
        .to_vec();
        args.push(format!("--kubeconfig={}", self.kubeconfig().display()));
        args.push(format!("--secure-port={}", free_port()));
        args.push(format!("--controllers={}", names.join(",")));
        Process::start(program, self.folder.path(), &args)
    }

    /// The server's process number, for reading its memory.
    #[allow(dead_code, reason = "for those who measure")]
    pub fn server_id(&self) -> u32 {
        self.server.id()
    }

    /// The process number of its etcd.
    #[allow(dead_code, reason = "for those who measure")]
    pub fn etcd_id(&self) -> u32 {
        self.etcd.id()
    }

    /// A kubeconfig of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        let file = self.folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
            clusters: [{{name: real, cluster: {{server: '{}', insecure-skip-tls-verify: true}}}}]\n\
            users: [{{name: admin, user: {{token: {}}}}}]\n\
            contexts: [{{name: real, context: {{cluster: real, user: admin}}}}]\n",
            self.url,
            Self::TOKEN
        );
        std::fs::write(&file, text).unwrap();
        file
    }
}

fn local(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn etcd_args(client: &str, peer: &str) -> Vec<String> {
    vec![
        "--data-dir=data".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]
}

fn server_args(etcd: &str, port: u16, authorization: &str) -> Vec<String> {
    let fixed = [
        "--bind-address=127.0.0.1",
        "--cert-dir=certs",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--token-auth-file=tokens.csv",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=sa.key",
        "--service-account-signing-key-file=sa.key",
        "--disable-admission-plugins=ServiceAccount",
    ];
    let mut args: Vec<String> = fixed.map(str::to_owned).into();
    args.push(format!("--authorization-mode={authorization}"));
    args.push(format!("--etcd-servers={etcd}"));
    args.push(format!("--secure-port={port}"));
    args
}
