use super::command::{Command, Refusal, Until, parse};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// A cluster with one app, `podinfo-canary.test`, which answers its tokens and counts.
#[derive(Default)]
struct Cluster {
    asked: AtomicU64,
    status: AtomicU16,
    last: Mutex<Option<Request>>,
}

impl crate::sys::http::Http for Cluster {
    fn send(&self, request: Request, timeout: Duration) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.asked.fetch_add(1, Ordering::AcqRel);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let status = self.status.load(Ordering::Acquire);
        *self.last.lock().unwrap() = Some(request);
        Box::pin(async move {
            match host.as_str() {
                "podinfo-canary.test" => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let status = if status == 0 { 200 } else { status };
                    let body = "{\n  \"token\": \"abc\",\n  \"expires_at\": \"soon\"\n}";
                    Ok(http::Response::builder().status(status).body(Bytes::from(body)).unwrap())
                }
                "hanging.test" => {
                    tokio::time::sleep(timeout).await;
                    Err(HttpError::Timeout)
                }
                "refusing.test" => Err(HttpError::Refused { address: host }),
                "resetting.test" => Err(HttpError::Closed),
                _ => Err(HttpError::NoSuchHost { host }),
            }
        })
    }
}

fn start(args: &[&str]) -> (Arc<Cluster>, LoadTester) {
    let cluster = Arc::new(Cluster::default());
    let mut args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    args.push("-port=8080".to_owned());
    let spec = LoadTesterSpec { args, pod: "loadtester-1".to_owned(), ..LoadTesterSpec::default() };
    (cluster.clone(), LoadTester::start(spec, cluster, Clock::simulated()).unwrap())
}

async fn post(tester: &LoadTester, path: &str, body: &str) -> Result<(u16, String), HttpError> {
    let request = http::Request::post(path).body(Bytes::from(body.to_owned())).unwrap();
    let response = tester.handle(8080, request).await?;
    Ok((response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap()))
}

fn payload(metadata: Value) -> String {
    json!({"name": "podinfo", "namespace": "test", "phase": "Progressing", "metadata": metadata}).to_string()
}

const PODINFO: &str = r#"{"name": "podinfo", "namespace": "test"}"#;

#[tokio::test(start_paused = true)]
async fn paths_answer_as_flaggers_load_tester_does() {
    let (_, tester) = start(&[]);
    let other = r#"{"name": "other", "namespace": "test"}"#;
    #[rustfmt::skip]
    let cases = [
        ("/healthz", "", 200, "OK"),
        ("/gate/approve", "", 200, "OK"),
        ("/gate/halt", "", 403, "Forbidden"),
        ("/gate/check", PODINFO, 403, "Forbidden"),
        ("/gate/open", PODINFO, 202, ""),
        ("/gate/check", PODINFO, 200, "Approved"),
        ("/gate/check", other, 403, "Forbidden"),
        ("/rollback/check", PODINFO, 403, "Forbidden"),
        ("/rollback/open", PODINFO, 202, ""),
        ("/rollback/check", PODINFO, 200, "Approved"),
        ("/gate/close", PODINFO, 202, ""),
        ("/gate/check", PODINFO, 403, "Forbidden"),
        ("/rollback/check", PODINFO, 200, "Approved"),
        ("/rollback/close", PODINFO, 202, ""),
        ("/rollback/check", PODINFO, 403, "Forbidden"),
        ("/gate/check", "", 400, ""),
        ("/gate/open", "{", 400, ""),
        ("/", "not json", 400, ""),
        ("/", r#"{"metadata": {"cmd": 7}}"#, 400, ""),
        ("/", PODINFO, 400, "metadata not found in payload"),
        ("/any/path", PODINFO, 400, "metadata not found in payload"),
    ];
    for (path, body, status, answer) in cases {
        assert_eq!(post(&tester, path, body).await, Ok((status, answer.to_owned())), "{path} {body}");
    }
    #[rustfmt::skip]
    let tasks = [
        (json!({"type": "cmd"}), 400, "cmd not found in metadata"),
        (json!({"other": "x"}), 400, "cmd not found in metadata"),
        (json!({"type": "ngrinder", "server": "x"}), 400, "server, clone, username and passwd are required metadata"),
        (json!({"type": "helm", "cmd": "test x"}), 500, "command test x failed: : exec: \"helm\": executable file not found in $PATH"),
    ];
    for (metadata, status, answer) in tasks {
        assert_eq!(post(&tester, "/", &payload(metadata.clone())).await, Ok((status, answer.to_owned())), "{metadata}");
    }
    assert_eq!(
        post(&tester, "/", &payload(json!({"type": "nope"}))).await,
        Err(HttpError::Closed),
        "as the real one panics"
    );
    assert!(post(&tester, "/metrics", "").await.unwrap().1.contains("process_start_time_seconds"));
    let refused = tester.handle(9090, http::Request::get("/healthz").body(Bytes::new()).unwrap()).await;
    assert_eq!(refused.map(drop), Err(HttpError::Refused { address: "loadtester-1:9090".to_owned() }));
}

#[tokio::test(start_paused = true)]
async fn only_matching_namespaces_may_use_it() {
    let (_, tester) = start(&["-namespace-regexp", "^prod-"]);
    assert_eq!(post(&tester, "/gate/open", PODINFO).await, Ok((403, "Forbidden".to_owned())));
    let prod = r#"{"name": "podinfo", "namespace": "prod-1"}"#;
    assert_eq!(post(&tester, "/gate/open", prod).await, Ok((202, String::new())));
}

#[test]
fn flags_are_read_as_go_reads_them() {
    let read = |args: &[&str]| Options::read(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
    let options =
        read(&["-port=8080", "--timeout", "10m", "-log-level=info", "-zap-replace-globals", "rest", "-x"]).unwrap();
    assert_eq!((options.port, options.timeout), (8080, Duration::from_secs(600)));
    assert_eq!(read(&[]).unwrap().port, 9090);
    for (args, code, message) in [
        (&["-nope"][..], 2, "flag provided but not defined: -nope"),
        (&["-port"], 2, "flag needs an argument: -port"),
        (&["-timeout=x"], 2, "invalid value \"x\" for flag -timeout: parse error"),
        (&["-port=x"], 1, "HTTP server crashed"),
        (&["-h"], 0, "Usage of loadtester:"),
    ] {
        let refused = read(args).unwrap_err();
        assert!(refused.exit_code == code && refused.message.starts_with(message), "{args:?}: {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn bash_waits_and_says_what_failed() {
    let (cluster, tester) = start(&["-timeout=1m"]);
    let bash = async |cmd: &str| post(&tester, "/", &payload(json!({"type": "bash", "cmd": cmd}))).await.unwrap();
    let ok = (200, String::new());
    let app = "http://podinfo-canary.test:9898";
    assert_eq!(bash(&format!("curl -sd 'test' {app}/token | grep token")).await, ok, "Flagger's acceptance test");
    let last = cluster.last.lock().unwrap().take().unwrap();
    assert_eq!((last.method().as_str(), last.body().as_ref(), last.uri().path()), ("POST", &b"test"[..], "/token"));
    let cmd = format!("curl -s {app}/ | grep nothing");
    assert_eq!(bash(&cmd).await, (500, format!("command {cmd} failed: : exit status 1")));
    for (cmd, output) in [
        ("curl -f http://podinfo-canary.test/", "curl: (22) The requested URL returned error: 500\n: exit status 22"),
        ("curl -sf http://podinfo-canary.test/", ": exit status 22"),
        (
            "curl http://refusing.test:81",
            "curl: (7) Failed to connect to refusing.test port 81: Connection refused\n: exit status 7",
        ),
        ("curl http://nowhere.test", "curl: (6) Could not resolve host: nowhere.test\n: exit status 6"),
        ("curl -m 2 http://hanging.test", "curl: (28) Operation timed out\n: exit status 28"),
        ("curl http://resetting.test", "curl: (52) Empty reply from server\n: exit status 52"),
        ("curl http://hanging.test", ": signal: killed"),
    ] {
        cluster.status.store(500, Ordering::Release);
        assert_eq!(bash(cmd).await, (500, format!("command {cmd} failed: {output}")), "{cmd}");
    }
    assert_eq!(bash("curl http://podinfo-canary.test/").await, ok, "without -f any answer is a success");
    let body = json!({"type": "bash", "cmd": "curl -so /dev/null -w '%{http_code}' http://podinfo-canary.test", "returnCmdOutput": "true"});
    assert_eq!(post(&tester, "/", &payload(body)).await, Ok((200, "500".to_owned())));
    assert!(tester.take_notes().is_empty());
    let (status, text) = bash("kubectl get pods").await;
    assert_eq!(status, 500);
    assert!(
        text.starts_with("command kubectl get pods failed: `kubectl` is not here") && text.ends_with("exit status 127"),
        "{text}"
    );
    assert_eq!(tester.take_notes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cmd_runs_in_the_background_once_at_a_time() {
    let (cluster, tester) = start(&[]);
    let hey = json!({"cmd": "hey -z 10s -q 10 -c 2 http://podinfo-canary.test:9898/"});
    for _ in 0..3 {
        assert_eq!(post(&tester, "/", &payload(hey.clone())).await, Ok((202, String::new())));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(cluster.asked.load(Ordering::Acquire), 0, "the runner looks every 100 ms");
    tokio::time::sleep(Duration::from_secs(5)).await;
    post(&tester, "/", &payload(hey.clone())).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = cluster.asked.load(Ordering::Acquire);
    assert!((195..=202).contains(&asked), "2 workers at 10 per second for 10 s, once: {asked}");
    post(&tester, "/", &payload(hey)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(cluster.asked.load(Ordering::Acquire) > asked + 190, "and again when it has ended");
    assert!(tester.take_notes().is_empty());
    for (cmd, expected) in [
        ("hey -z 1m http://a.test && echo done", "it needs a shell for `&` or `&&`"),
        ("curl -f http://refusing.test", "command failed curl -f http://refusing.test exit status 7"),
    ] {
        assert_eq!(post(&tester, "/", &payload(json!({"type": "cmd", "cmd": cmd}))).await, Ok((202, String::new())));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let notes = tester.take_notes();
        assert!(notes.len() == 1 && notes[0].contains(expected), "{notes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_without_a_rate_lets_time_pass_even_when_nobody_answers() {
    let (cluster, tester) = start(&[]);
    post(&tester, "/", &payload(json!({"cmd": "hey -z 1s -c 1 http://refusing.test/"}))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.asked.load(Ordering::Acquire), 1000, "one per millisecond");
    post(&tester, "/", &payload(json!({"cmd": "hey -n 10 -c 4 http://podinfo-canary.test/"}))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.asked.load(Ordering::Acquire), 1008, "hey divides by workers, and drops the rest");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_ends_its_commands() {
    let (cluster, tester) = start(&[]);
    post(&tester, "/", &payload(json!({"cmd": "hey -z 1h -q 10 -c 1 http://podinfo-canary.test/"}))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    tester.terminate();
    assert_eq!(tester.exited().await, 0);
    let asked = cluster.asked.load(Ordering::Acquire);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(cluster.asked.load(Ordering::Acquire), asked);
    assert!(post(&tester, "/healthz", "").await.is_err());
    let (_, tester) = start(&[]);
    tester.kill();
    assert_eq!(tester.exited().await, 137);
}

#[test]
fn load_commands_are_understood() {
    let seconds = Duration::from_secs;
    #[rustfmt::skip]
    let cases = [
        ("hey -z 1m -q 10 -c 2 http://a.test:9898/", 2, Some(10.0), Until::After(seconds(60)), 20),
        ("hey http://a.test", 50, None, Until::PerWorker(4), 20),
        ("/usr/local/bin/hey -n 10 -c 5 -t 3 http://a.test", 5, None, Until::PerWorker(2), 3),
        ("hey --z=30s -disable-keepalive -host app.test -m POST -d 'a b' http://a.test -q 7", 50, None, Until::After(seconds(30)), 20),
        ("wrk -t2 -c10 -d30s --latency http://a.test", 10, None, Until::After(seconds(30)), 2),
        ("wrk --threads 2 --connections=4 -d 1m --timeout 5 http://a.test", 4, None, Until::After(seconds(60)), 5),
        ("wrk2 -R 100 -c 4 http://a.test", 4, Some(25.0), Until::After(seconds(10)), 2),
    ];
    for (line, workers, rate, until, timeout) in cases {
        let Ok(Command::Load(load)) = parse(line) else { panic!("{line}: {:?}", parse(line)) };
        assert_eq!(
            (load.workers, load.per_worker, load.until, load.timeout),
            (workers, rate, until, seconds(timeout)),
            "{line}"
        );
        assert_eq!(load.call.url.host(), Some("a.test"), "{line}");
    }
    let line = "hey -host app.test -m post -H 'x-user: a \"b\"' -T text/plain -a u:p -d \"it's\" http://a.test";
    let Ok(Command::Load(load)) = parse(line) else { panic!() };
    let header =
        |name: &str| load.call.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.to_str().unwrap());
    assert_eq!((load.call.method.as_str(), load.call.body.as_str()), ("POST", "it's"));
    assert_eq!(
        (header("host"), header("x-user"), header("content-type")),
        (Some("app.test"), Some("a \"b\""), Some("text/plain"))
    );
    assert_eq!(header("authorization"), Some("Basic dTpw"));
}

#[test]
fn curl_and_grep_are_understood() {
    let curl = |line: &str| match parse(line) {
        Ok(Command::Curl(curl)) => curl,
        other => panic!("{line}: {other:?}"),
    };
    let it = curl("curl -sSfXPUT -H 'A: b' --data-raw @x -d y a.test/p?q=1");
    assert_eq!((it.call.method.as_str(), it.call.body.as_str(), it.fail, it.quiet), ("PUT", "@x&y", true, false));
    assert_eq!(it.call.url.to_string(), "http://a.test/p?q=1");
    assert_eq!(curl("curl --json '{\"a\":1}' http://a.test").call.body, "{\"a\":1}");
    assert_eq!(curl("curl -I a.test").call.method, "HEAD");
    for (filter, line, expected) in [
        ("grep token", "my token", true),
        ("grep -i TOKEN", "my token", true),
        ("grep -qv token", "other", true),
        ("grep 'a+b'", "a+b", true),
        ("grep 'a+b'", "aab", false),
        ("grep 'a\\+b'", "aab", true),
        ("grep -E 'a+b'", "aab", true),
        ("grep -F 'a.b'", "axb", false),
        ("grep '^x$'", "x", true),
    ] {
        let grep = curl(&format!("curl a.test | {filter}")).grep.unwrap();
        assert_eq!(grep.pattern.is_match(line) != grep.invert, expected, "{filter}");
    }
}

#[test]
fn everything_else_is_refused_with_the_way_out() {
    for (line, expected) in [
        ("", "there is no command in it"),
        ("   ", "there is no command in it"),
        ("sleep 5", "`sleep` is not here"),
        ("hey -z 1m http://a.test; rm -rf /", "it needs a shell for `;`"),
        ("hey http://a.test &", "`&` or `&&`"),
        ("hey http://a.test || true", "`||`"),
        ("hey http://$HOST", "a variable or `$(...)`"),
        ("hey \"http://$HOST\"", "a variable or a command substitution"),
        ("curl http://a.test > file", "a redirection"),
        ("hey http://a.test\nhey http://b.test", "several lines"),
        ("hey 'http://a.test", "a quote that does not end"),
        ("curl a.test | jq .", "`jq` is not here"),
        ("curl a.test | grep a | grep b", "a second pipe"),
        ("hey http://a.test | grep 200", "a pipe"),
        ("hey", "hey: there is no URL"),
        ("hey -c 0 http://a.test", "-c is 0; it must be from 1 to 1000"),
        ("hey -n 1 -c 2 http://a.test", "-n cannot be less than -c."),
        ("hey -q x http://a.test", "-q is `x`"),
        ("hey -D file http://a.test", "hey: -D is not known here"),
        ("hey -x proxy:3128 http://a.test", "hey: -x is not known here"),
        ("wrk -s script.lua http://a.test", "wrk: -s is not known here"),
        ("wrk -c 5000 http://a.test", "connections must be from 1 to 1000"),
        ("curl -L http://a.test", "curl: -L is not known here"),
        ("curl -o out http://a.test", "-o can only be /dev/null"),
        ("curl -d @file http://a.test", "reads a file"),
        ("curl http://a.test http://b.test", "one URL at a time"),
        ("curl https://a.test", "nothing here speaks TLS"),
        ("curl a.test | grep '('", ""),
        ("curl a.test | grep -E '('", "the pattern cannot be used"),
        ("curl a.test | grep", "there is no pattern"),
    ] {
        match parse(line) {
            Err(refusal) => {
                assert!(!expected.is_empty() && refusal.to_string().contains(expected), "{line}: {refusal}");
            }
            Ok(_) => assert!(expected.is_empty(), "{line} should be refused: {expected}"),
        }
    }
    assert_eq!(parse(&"x".repeat(20_000)).unwrap_err(), Refusal::TooLong);
}

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(
        program in prop::sample::select(vec!["hey", "wrk", "curl", "curl -s a.test | grep", ""]),
        rest in "[ -~é\\n]{0,60}",
        words in prop::collection::vec("(-{1,2}[a-zA-Z]{1,8}(=[0-9a-z.é]*)?)|[0-9é.]{1,5}|http://a\\.test", 0..8),
    ) {
        let _ = parse(&format!("{program} {rest}"));
        let _ = parse(&format!("{program} {}", words.join(" ")));
    }
}
