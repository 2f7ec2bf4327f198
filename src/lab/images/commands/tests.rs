//! Commands of containers, as tables of what is said.

use super::*;
use crate::sys::stdio::pair;
use std::collections::BTreeMap;

/// Answers `/ok` with 200 and its host, `/bad` with 500; nobody listens on port 1, nobody is called `nobody`.
struct Fake;

impl crate::sys::http::Http for Fake {
    fn send(&self, request: Request, _: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        let (uri, mut response) = (request.uri().clone(), Response::new(Bytes::new()));
        *response.body_mut() = Bytes::from(format!("from {}\n", uri.host().unwrap_or_default()));
        if uri.path() == "/bad" {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        let answer = match (uri.host(), uri.port_u16()) {
            (Some("nobody"), _) => Err(HttpError::NoSuchHost { host: "nobody".to_owned() }),
            (_, Some(1)) => Err(HttpError::Refused { address: "10.244.0.7:1".to_owned() }),
            _ => Ok(response),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn inside(flavour: Flavour) -> Inside {
    let files = [("app.yaml", "a: 1\n"), ("b.yaml", "b: 2\n")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let container = ContainerSpec {
        namespace: "test".to_owned(),
        pod: "podinfo-1".to_owned(),
        pod_ip: "10.244.0.7".to_owned(),
        image: "ghcr.io/stefanprodan/podinfo:6.9.2".to_owned(),
        env: BTreeMap::from([("A".to_owned(), "b c".to_owned())]),
        files: BTreeMap::from([("/etc/config".to_owned(), BTreeMap::from(files))]),
        ..ContainerSpec::default()
    };
    let kubernetes = Client::in_process(axum::Router::new());
    Inside { container, http: Arc::new(Fake), kubernetes, clock: Clock::simulated(), flavour }
}

/// Exit code, standard output, standard error; or the refusal.
async fn run(flavour: Flavour, words: &[&str], input: &str) -> Result<(i32, String, String), String> {
    let (stdio, mut peer) = pair(false);
    peer.stdin.send(Bytes::from(input.to_owned())).await.unwrap();
    drop(peer.stdin);
    let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
    let inside = inside(flavour);
    let listen = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(piece) = peer.stdout.recv().await {
            out.extend(piece);
        }
        while let Some(piece) = peer.stderr.recv().await {
            err.extend(piece);
        }
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let (code, (out, err)) = tokio::join!(inside.run(&words, stdio), listen);
    code.map(|code| (code, out, err))
}

#[tokio::test(start_paused = true)]
async fn commands_say_what_alpines_say() {
    for (line, code, out, err) in [
        ("true", 0, "", ""),
        ("false", 1, "", ""),
        ("echo a b", 0, "a b\n", ""),
        ("echo -n a", 0, "a", ""),
        ("cat", 0, "typed", ""),
        ("cat /etc/config/app.yaml /etc/hostname", 0, "a: 1\npodinfo-1\n", ""),
        ("cat /no", 1, "", "cat: can't open '/no': No such file or directory\n"),
        ("cat /etc/config", 1, "", "cat: read error: Is a directory\n"),
        ("head -n 1 /etc/config/app.yaml", 0, "a: 1\n", ""),
        ("ls /etc", 0, "config\nhostname\nhosts\nresolv.conf\n", ""),
        ("ls -l /etc/config/", 0, "app.yaml\nb.yaml\n", ""),
        ("ls /no", 1, "", "ls: /no: No such file or directory\n"),
        ("printenv A", 0, "b c\n", ""),
        ("printenv B", 1, "", ""),
        ("/bin/hostname", 0, "podinfo-1\n", ""),
        ("sleep 3600", 0, "", ""),
        ("sleep soon", 1, "", "sleep: invalid number 'soon'\n"),
        ("wget -qO- http://other/ok", 0, "from other\n", ""),
        ("wget -q -O - localhost:9898/ok", 0, "from 10.244.0.7\n", ""),
        ("wget -qO- http://other/bad", 1, "", "wget: server returned error: HTTP/1.1 500 Internal Server Error\n"),
        ("wget -qO- http://nobody/", 1, "", "wget: bad address 'nobody'\n"),
        ("curl -s http://localhost:9898/ok", 0, "from 10.244.0.7\n", ""),
        ("curl -sf http://other/bad", 22, "", ""),
        ("podcli version", 0, "6.9.2\n", ""),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let expected = Ok((code, out.to_owned(), err.to_owned()));
        assert_eq!(run(PODINFO, &words, "typed").await, expected, "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_succeed_or_fail_with_their_exit_code() {
    for (line, expected) in [
        ("podcli check http localhost:9898/ok", 0),
        ("podcli check http http://other/bad", 1),
        ("podcli check http localhost:1/ok", 1),
        ("podcli check tcp localhost:9898", 0),
        ("podcli check tcp localhost:1", 1),
        ("podcli check grpc localhost:9999", 1),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(run(PODINFO, &words, "").await.map(|it| it.0), Ok(expected), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_image_does_not_have_is_refused_by_the_runtime() {
    for (flavour, line, why) in [
        (PODINFO, "sh -c ls", "exec: \"sh\": executable file not found in $PATH: unknown"),
        (PODINFO, "hey http://other/ok", "exec: \"hey\": executable file not found in $PATH: unknown"),
        (PLAIN, "curl http://other/ok", "exec: \"curl\": executable file not found in $PATH: unknown"),
        (PODINFO, "/home/cat x", "exec: \"/home/cat\": stat /home/cat: no such file or directory: unknown"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let refused = run(flavour, &words, "").await.unwrap_err();
        assert!(refused.ends_with(why), "{line}: {refused}");
    }
}

#[test]
fn names_are_services_as_cluster_dns_has_them() {
    for (name, expected) in [
        ("podinfo", Some(("test", "podinfo"))),
        ("podinfo.prod", Some(("prod", "podinfo"))),
        ("podinfo.prod.svc.cluster.local.", Some(("prod", "podinfo"))),
        ("example.com.example.com", None),
    ] {
        assert_eq!(service_of(name, "test"), expected, "{name}");
    }
}
