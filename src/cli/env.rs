//! `coalmine env`: how other programs reach a lab, as commands for a shell.

use super::Exit;
use super::args::{EnvArgs, Output};
use super::terminal::{self, complain, say};
use crate::home::{Endpoints, Home, LabName, NotReady};
use serde_json::{Map, Value};

pub(crate) fn env(args: &EnvArgs) -> Exit {
    let ready = Home::of_user().map_err(NotReady::from).and_then(|home| home.ready(&args.name));
    match ready {
        Ok((_, endpoints)) => {
            let variables = variables(&args.name, &endpoints);
            say(&match args.output {
                None => for_sh(&variables),
                Some(Output::Json) => for_programs(&variables),
            });
            Exit::AsExpected
        }
        Err(error) => {
            complain(&terminal::failure("no lab", &error));
            Exit::Lab
        }
    }
}

/// Names and values; none where this lab has no such thing and another one may have left its own.
type Variables = Vec<(&'static str, Option<String>)>;

fn variables(name: &LabName, endpoints: &Endpoints) -> Variables {
    let kubernetes = &endpoints.kubernetes;
    vec![
        ("KUBECONFIG", Some(kubernetes.kubeconfig.display().to_string())),
        ("COALMINE_LAB", Some(name.to_string())),
        ("COALMINE_CONTEXT", Some(kubernetes.context.clone())),
        ("COALMINE_KUBERNETES", Some(kubernetes.server.clone())),
        ("COALMINE_PROMETHEUS", Some(endpoints.prometheus.clone())),
        ("COALMINE_ENTRY", Some(endpoints.entry.clone())),
        ("COALMINE_METRICS", endpoints.metrics.clone()),
        ("COALMINE_NETWORK", endpoints.network.clone()),
    ]
}

fn for_sh(variables: &Variables) -> String {
    let line = |(name, value): &(&str, Option<String>)| match value {
        Some(value) => format!("export {name}={}\n", quoted(value)),
        None => format!("unset {name}\n"),
    };
    variables.iter().map(line).collect()
}

fn for_programs(variables: &Variables) -> String {
    let field = |(name, value): &(&str, Option<String>)| Some(((*name).to_owned(), Value::String(value.clone()?)));
    let object: Map<String, Value> = variables.iter().filter_map(field).collect();
    serde_json::to_string_pretty(&object).unwrap_or_default() + "\n"
}

/// A word of a POSIX shell that stands for exactly this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_exactly_what_was_written() {
        let texts = ["/home/a b/state", "it's", "''", "$HOME `id` $(id) \\ \" ! * ~", "two\nlines", "", "-n", "ä…"];
        for text in texts {
            let variables = vec![("A", Some(text.to_owned())), ("B", None)];
            let script = format!("B=old; {}printf %s \"$A\"; echo \"${{B-unset}}\"", for_sh(&variables));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{text}unset\n"));
        }
    }
}
