//! nginx as backend, and as the router that ours is compared with.

use crate::process::wait_for;
use crate::real::{Process, free_port};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The weight of the canary, in percent, on both sides.
pub const WEIGHT: u32 = 30;

/// A running nginx: one process that does its work itself, so that it ends when it is killed.
pub struct Nginx {
    process: Process,
    _folder: TempDir,
    pub port: u16,
}

impl Nginx {
    fn start(program: &Path, http: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "master_process off;\ndaemon off;\npid {0}/pid;\nerror_log {0}/error.log crit;\n\
            events {{ worker_connections 1024; }}\n\
            http {{\n  access_log off;\n  keepalive_requests 1000000000;\n  client_body_temp_path {0}/a;\n\
              proxy_temp_path {0}/b;\n  fastcgi_temp_path {0}/c;\n  uwsgi_temp_path {0}/d;\n  scgi_temp_path {0}/e;\n\
            {http}\n}}\n",
            folder.path().display()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("the folder can be written");
        let args = ["-c".to_owned(), file.display().to_string(), "-p".to_owned(), folder.path().display().to_string()];
        let process = Process::start(program, folder.path(), &args);
        wait_for(port);
        Self { process, _folder: folder, port }
    }

    /// Answers everything at once.
    pub fn backend(program: &Path) -> Self {
        let port = free_port();
        let http = format!(
            "server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ add_header X-App-Version 6.9.2; \
            default_type text/plain; return 200 'greetings from podinfo v6.9.2\\n'; }} }}"
        );
        Self::start(program, &http, port)
    }

    /// Sends [`WEIGHT`] percent of the requests to one upstream and the rest to the other, both of which are `backend`. What
    /// is set on the way is what ingress-nginx sets.
    pub fn split(program: &Path, backend: u16) -> Self {
        let port = free_port();
        let upstream = |name: &str| {
            format!("upstream {name} {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}\n")
        };
        let http = format!(
            "{}{}split_clients $request_id $chosen {{ {WEIGHT}% canary; * primary; }}\n\
            server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ proxy_pass http://$chosen;\n\
              proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host $host;\n\
              proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr;\n\
              proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $host;\n\
              proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;\n\
              proxy_set_header X-Forwarded-Scheme $scheme;\n\
              proxy_set_header X-Scheme $scheme; }} }}",
            upstream("canary"),
            upstream("primary"),
        );
        Self::start(program, &http, port)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}
