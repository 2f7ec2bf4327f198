//! `coalmine forward`: a port of this machine that leads to a Service of a lab, until Ctrl-C: to open its Prometheus or Grafana
//! in a browser.

use super::args::ForwardArgs;
use super::interrupt::Interrupts;
use super::terminal::{complain, failure, say};
use super::{Exit, place};
use crate::lab::{Address, Reach};

pub(crate) fn forward(args: &ForwardArgs) -> Exit {
    let asked = place::reach(&args.name).and_then(|reach| Ok((address(&args.what, &reach)?, reach)));
    let (address, reach) = match asked {
        Ok(both) => both,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&failure("no runtime", &error));
            return Exit::Lab;
        }
    };
    let done = runtime.block_on(keep(args, &address, &reach));
    // Connections of others may be open.
    runtime.shutdown_background();
    match done {
        Ok(()) => Exit::AsExpected,
        Err(error) => {
            complain(&failure("nothing is forwarded", error.as_ref()));
            Exit::Lab
        }
    }
}

fn address(what: &str, reach: &Reach) -> Result<Address, String> {
    let of_lab = match what {
        "prometheus" => reach.prometheus.clone(),
        "entry" => reach.entry.clone(),
        other => return other.parse().map_err(|why| format!("coalmine: {why}\n")),
    };
    of_lab.ok_or_else(|| format!("coalmine: the lab `{}` has no {what}\n", reach.name))
}

async fn keep(args: &ForwardArgs, address: &Address, reach: &Reach) -> Result<(), Box<dyn std::error::Error>> {
    let Address::Service { namespace, name, port } = address else {
        say(&format!("{address}\n"));
        complain("it can be reached from here, and needs no forward\n");
        return Ok(());
    };
    let mut interrupts = Interrupts::new()?;
    let cluster = reach.kubernetes().await?;
    let forward = cluster.forward_from(args.port, namespace, name, *port).await?;
    say(&format!("http://{}\n", forward.address()));
    complain(&format!("it leads to {address}; Ctrl-C ends it\n"));
    interrupts.next().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forwarded_has_a_name_or_is_any_service() {
        let service = |name: &str, port| Address::Service { namespace: "n".to_owned(), name: name.to_owned(), port };
        let reach = Reach { prometheus: Some(service("prometheus", 9090)), ..Reach::default() };
        assert_eq!(address("prometheus", &reach), Ok(service("prometheus", 9090)));
        assert_eq!(address("n/grafana:3000", &reach), Ok(service("grafana", 3000)));
        assert!(address("entry", &reach).unwrap_err().contains("has no entry"));
        assert!(address("grafana", &reach).unwrap_err().contains("NAMESPACE/SERVICE:PORT"));
    }
}
