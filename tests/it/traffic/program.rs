//! A real program on a loopback port, and a plain HTTP client for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a program may take to listen.
const START: Duration = Duration::from_secs(20);

/// A running program. Killed when dropped.
pub struct Program {
    child: std::process::Child,
    pub port: u16,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program and waits until it listens on `port`.
pub async fn start(program: &PathBuf, args: &[String], port: u16) -> Program {
    let child =
        std::process::Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = Program { child, port };
    let listening = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START, listening).await.expect("the program listens");
    running
}

/// An answer, or none when the connection broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Lower case names; without those that belong to the connection or differ by nature.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// Headers that are compared: not those of the connection, the date, and the lab's own.
pub fn comparable(name: &str) -> bool {
    !matches!(name, "date" | "content-length" | "transfer-encoding" | "connection") && !name.starts_with("x-coalmine-")
}

pub async fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\nContent-Length: {length}\r\n{extra}\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()?;
    let mut raw = Vec::new();
    // A reset after the answer is as good as its end.
    let _ = stream.read_to_end(&mut raw).await;
    parse(&String::from_utf8_lossy(&raw))
}

fn parse(raw: &str) -> Option<Answer> {
    let (head, body) = raw.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let all: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let chunked = all.get("transfer-encoding").is_some_and(|it| it == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    let headers = all.into_iter().filter(|(name, _)| comparable(name)).collect();
    Some(Answer { status, headers, body })
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    body
}
