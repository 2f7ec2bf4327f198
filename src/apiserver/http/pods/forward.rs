//! `portforward`, by whichever protocol the client speaks.

use super::channels::{self, Piece};
use super::ports::{PIECES, Pod};
use super::tunnel::{by_spdy, tunnel};
use super::upgrade::{self, Socket, Wanted};
use super::{agent, values};
use crate::apiserver::http::Call;
use crate::apiserver::http::answer::Answer;
use crate::apiserver::server::Server;
use crate::apiserver::status::Status;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// kube-rs: two channels for each port that the query names.
const CHANNELS: &str = "v4.channel.k8s.io";
/// kubectl: SPDY inside the messages of a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// kubectl without WebSockets.
const BARE: &str = "portforward.k8s.io";
/// Most ports in one request: each takes two of 256 channels.
const MAX_PORTS: usize = 127;
/// How many frames may wait for the client.
pub(super) const FRAMES: usize = 64;

pub(super) fn start(
    server: &Server,
    (namespace, name): (&str, &str),
    mut call: Call,
    query: Option<&str>,
) -> Result<Answer, Status> {
    let wanted = Wanted::of(&call)?;
    let pod = Pod { agent: agent(server)?, namespace: namespace.to_owned(), name: name.to_owned() };
    let unknown = |offered: &[String], spoken: &str| {
        let offered = offered.join(" ");
        Err(Status::bad_request(format!(
            "unable to upgrade: requested protocols are [{offered}], supported are [{spoken}]"
        )))
    };
    match wanted {
        Wanted::WebSocket(offered) if offered.iter().any(|it| it == TUNNEL) => {
            upgrade::to_web_socket(server, &mut call, TUNNEL, |socket| tunnel(socket, pod))
        }
        Wanted::WebSocket(offered) if offered.iter().any(|it| it == CHANNELS) => {
            let ports = ports(query)?;
            upgrade::to_web_socket(server, &mut call, CHANNELS, |socket| by_channels(socket, pod, ports))
        }
        Wanted::WebSocket(offered) => unknown(&offered, &format!("{TUNNEL} {CHANNELS}")),
        Wanted::Spdy(offered) if offered.iter().any(|it| it == BARE) => {
            upgrade::to_spdy(server, &mut call, BARE, |wire| by_spdy(wire, pod))
        }
        Wanted::Spdy(offered) => unknown(&offered, BARE),
    }
}

fn ports(query: Option<&str>) -> Result<Vec<u16>, Status> {
    let named: Vec<_> = values(query, "ports").iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
    if named.is_empty() {
        return Err(Status::bad_request("query parameter \"ports\" is required"));
    }
    if named.len() > MAX_PORTS {
        return Err(Status::bad_request(format!("at most {MAX_PORTS} ports can be forwarded at once")));
    }
    let port = |it: &String| it.parse::<u16>().ok().filter(|it| *it > 0);
    named.iter().map(|it| port(it).ok_or_else(|| Status::bad_request(format!("invalid port {it:?}")))).collect()
}

async fn by_channels(socket: Socket, pod: Pod, ports: Vec<u16>) {
    let (mut writer, mut reader) = channels::split(socket);
    let (to_client, mut outgoing) = mpsc::channel::<(u8, Bytes)>(FRAMES);
    let (mut tasks, mut inputs) = (JoinSet::new(), Vec::new());
    for (index, port) in ports.into_iter().enumerate() {
        let channel = u8::try_from(2 * index).unwrap_or(u8::MAX);
        // Each channel begins with the number of its port.
        for channel in [channel, channel + 1] {
            if writer.send(channel, &port.to_le_bytes()).await.is_err() {
                return;
            }
        }
        let (input, from_client) = mpsc::channel(PIECES);
        inputs.push(input);
        let (pod, to_client) = (pod.clone(), to_client.clone());
        tasks.spawn(async move {
            let send = |data| {
                let to_client = to_client.clone();
                async move { to_client.send((channel, data)).await.is_ok() }
            };
            if let Err(why) = pod.join(port, from_client, send).await {
                let _ = to_client.send((channel + 1, Bytes::from(told(&pod, port, &why)))).await;
            }
        });
    }
    drop(to_client);
    let incoming = async {
        while let Some(piece) = reader.next().await {
            // A port that has ended takes nothing more.
            if let Piece::Data(channel, data) = piece
                && channel % 2 == 0
                && let Some(input) = inputs.get(usize::from(channel / 2))
                && !data.is_empty()
            {
                let _ = input.send(data).await;
            }
        }
    };
    let outgoing = async {
        while let Some((channel, data)) = outgoing.recv().await {
            if writer.send(channel, &data).await.is_err() {
                return;
            }
        }
        writer.close().await;
    };
    tokio::select! {
        biased;
        () = outgoing => {}
        () = incoming => {}
    }
}

/// How a kubelet tells that a port could not be reached.
pub(super) fn told(pod: &Pod, port: u16, why: &str) -> String {
    format!("error forwarding port {port} to pod {}, uid : {why}", pod.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_named_once_or_more() {
        assert_eq!(ports(Some("ports=80&ports=81,82")).unwrap(), [80, 81, 82]);
        for bad in [None, Some("ports="), Some("ports=0"), Some("ports=x"), Some("ports=70000")] {
            assert!(ports(bad).is_err(), "{bad:?}");
        }
    }
}
