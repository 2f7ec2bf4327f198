//! Processes and the processor time that they took.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Linux counts processor time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;
const TRIES: usize = 100;

/// This program again, with other arguments. Killed when dropped.
pub struct Child {
    process: std::process::Child,
    port: u16,
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn again(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(args);
    command
}

impl Child {
    /// Starts this program; its second argument is its port.
    pub fn own(args: &[&str]) -> Self {
        let process = again(args).stdin(Stdio::null()).spawn().expect("this program starts");
        Self { process, port: args[1].parse().expect("a port") }
    }

    /// What this program prints with these arguments.
    pub fn told(args: &[&str]) -> String {
        let mut process = again(args).stdout(Stdio::piped()).spawn().expect("this program starts");
        let mut told = String::new();
        process.stdout.take().expect("it is piped").read_to_string(&mut told).expect("it is text");
        assert!(process.wait().expect("it ends").success());
        told
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Waits until somebody listens.
pub fn wait_for(port: u16) {
    for _ in 0..TRIES {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "another program takes its real time")]
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nobody listens on {port}");
}

/// The fields of `/proc/PID/stat` behind the program's name.
fn stat(process: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    let (_, fields) = text.rsplit_once(')').expect("the name is in parentheses");
    fields.split_whitespace().map(str::to_owned).collect()
}

fn ticks(fields: &[String], places: [usize; 2]) -> Duration {
    let sum: f64 = places.iter().map(|place| fields[*place].parse::<f64>().expect("a number")).sum();
    Duration::from_secs_f64(sum / TICKS_PER_SECOND)
}

/// Processor time of a process so far, its own and the kernel's for it.
pub fn cpu(process: u32) -> Duration {
    ticks(&stat(&process.to_string()), [11, 12])
}

/// The same of all children that have ended.
pub fn children_cpu() -> Duration {
    ticks(&stat("self"), [13, 14])
}

/// The same of this process.
pub fn own_cpu() -> Duration {
    ticks(&stat("self"), [11, 12])
}
