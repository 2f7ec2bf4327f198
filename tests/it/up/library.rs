//! `lab::Up` as a library call: what tests of other programs build on.

use crate::real::find;
use coalmine::home::{Controller, Home, LabName, State};
use coalmine::lab::{Up, UpError, UpOptions};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

fn name() -> LabName {
    "test".parse().unwrap()
}

/// A client that trusts the lab's CA and brings its token.
fn client(folder: &Path) -> (reqwest::Client, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = |name: &str| std::fs::read_to_string(folder.join("labs/test").join(name)).unwrap();
    let ca = reqwest::Certificate::from_pem(file("ca.crt").as_bytes()).unwrap();
    (reqwest::Client::builder().tls_certs_only([ca]).build().unwrap(), file("token"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lab_is_up_for_others_until_it_is_taken_down() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let up = Up::start(&home, &name(), UpOptions::default(), Arc::new(|_| ())).await.unwrap();
    let (record, endpoints) = home.ready(&name()).unwrap();
    assert_eq!((record.controller, record.pid), (Controller::Builtin, Some(std::process::id())));
    let again = Up::start(&home, &name(), UpOptions::default(), Arc::new(|_| ())).await;
    assert!(matches!(again, Err(UpError::Taken(it)) if it.state == State::Ready));

    let (client, token) = client(folder.path());
    let server = &endpoints.kubernetes.server;
    let get = async |url: String| {
        let answer = client.get(url).bearer_auth(&token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for host in [server.clone(), server.replace("127.0.0.1", "localhost")] {
        let (code, pods) = get(format!("{host}/api/v1/pods")).await;
        let pods: Value = serde_json::from_str(&pods).unwrap();
        assert_eq!((code, pods["items"].as_array().unwrap().len()), (200, 3), "{pods}");
    }
    let (code, answer) = get(format!("{}/api/v1/query?query=up", endpoints.prometheus)).await;
    assert!(code == 200 && answer.contains("\"status\":\"success\""), "{answer}");
    assert_eq!(get(format!("{}/", endpoints.entry)).await.0, 404, "no Ingress yet");
    let (code, metrics) = get(endpoints.metrics.unwrap()).await;
    assert!(code == 200 && metrics.contains("flagger_"), "{metrics}");

    up.down().await.unwrap();
    assert!(home.find(&name()).unwrap().is_none());
    let gone = client.get(format!("{server}/version")).send().await.unwrap_err();
    assert!(gone.is_connect(), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_controller_finds_its_kinds_and_nobody_else_there() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let options = UpOptions { controller: Controller::External, ..UpOptions::default() };
    let up = Up::start(&home, &name(), options, Arc::new(|_| ())).await.unwrap();
    let (record, endpoints) = home.ready(&name()).unwrap();
    assert_eq!((record.controller, endpoints.metrics), (Controller::External, None));
    let kubernetes = up.lab().kubernetes;
    let deployments = kubernetes.list("apps/v1", "Deployment", None, None).await.unwrap();
    let mut names: Vec<_> = deployments.iter().map(|it| it["metadata"]["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ingress-nginx-controller", "prometheus"]);
    assert!(kubernetes.list("flagger.app/v1beta1", "Canary", None, None).await.unwrap().is_empty());
    up.down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_sees_the_lab_through_the_kubeconfig() {
    let Some(kubectl) = find("kubectl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path());
    let up = Up::start(&home, &name(), UpOptions::default(), Arc::new(|_| ())).await.unwrap();
    let kubeconfig = home.ready(&name()).unwrap().1.kubernetes.kubeconfig;
    let run = async |args: &'static str| {
        let mut command = Command::new(&kubectl);
        command.env("KUBECONFIG", &kubeconfig).env("HOME", folder.path()).args(args.split(' '));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run("get pods -A").await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(out.lines().filter(|it| it.contains("1/1     Running")).count(), 3, "{out}");
    let (code, _, err) = run("get pods -A --token=wrong").await;
    let asks = "error: You must be logged in to the server (Unauthorized)\n";
    assert_eq!((code, err.as_str()), (1, asks));
    let (code, _, err) = run("get pods -A --as=jane").await;
    let refused = "Error from server (Forbidden): pods is forbidden: User \"jane\" cannot list resource \"pods\" in API \
        group \"\" at the cluster scope\n";
    assert_eq!((code, err.as_str()), (1, refused));
    up.down().await.unwrap();
}
