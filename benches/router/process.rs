//! Other programs: this one again, and servers that are waited for.

use crate::ours::HOST;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

const TRIES: usize = 100;

/// What this program prints when it is started again with these arguments.
pub fn told(args: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(args).stderr(Stdio::inherit()).output().expect("this program starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("it is text")
}

/// Waits until a server answers 200.
pub fn wait_for(port: u16) {
    for _ in 0..TRIES {
        if ask(port).is_ok_and(|it| it.starts_with("HTTP/1.1 200")) {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "another program takes its real time")]
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("port {port} does not answer 200");
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    write!(socket, "GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}
