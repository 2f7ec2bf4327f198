//! wrk, and what it tells.

use crate::ours::HOST;
use std::path::Path;
use std::process::Command;

pub struct Told {
    pub requests: f64,
    pub p99_micros: f64,
}

/// One thread, 32 connections.
pub fn run(wrk: &Path, port: u16, seconds: u64) -> Told {
    let url = format!("http://127.0.0.1:{port}/");
    let args = ["-t1", "-c32", &format!("-d{seconds}s"), "--latency", "-H", &format!("Host: {HOST}"), &url];
    let output = Command::new(wrk).args(args).output().expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !text.contains("Non-2xx"), "{text}");
    let line = |word: &str| text.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{text}")).trim();
    let requests = line("requests in").split(' ').next().and_then(|it| it.parse().ok()).expect("a number");
    let p99 = line("99%").split_whitespace().last().expect("a time").to_owned();
    Told { requests, p99_micros: micros(&p99) }
}

/// `1.23ms` and the like.
fn micros(text: &str) -> f64 {
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).expect("a unit");
    let factor = match &text[digits..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        other => panic!("{other}"),
    };
    text[..digits].parse::<f64>().expect("a number") * factor
}
