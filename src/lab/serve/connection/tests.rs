use super::super::impatient::BODY_STALLS_FOR;
use super::super::tls::Tls;
use super::*;
use crate::sys::clock::Clock;
use axum::http::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::DuplexStream;
use tokio::sync::Barrier;
use tokio::time::Instant;

const SLOW: Duration = Duration::from_secs(1);

/// `/slow` answers after [`SLOW`]; everything else reads its body and says how long it was.
fn client(stop: &CancellationToken) -> DuplexStream {
    let router =
        Router::new().route("/slow", axum::routing::get(async || sleep(SLOW).await)).fallback(async |body: Body| {
            match axum::body::to_bytes(body, usize::MAX).await {
                Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
                Err(_) => (StatusCode::REQUEST_TIMEOUT, String::new()),
            }
        });
    let (client, server) = tokio::io::duplex(1 << 10);
    tokio::spawn(answer(HEAD_WITHIN, server, router, stop.clone()));
    client
}

/// Sends bytes; what came back until the connection was closed, and after how many seconds that was.
async fn exchange(client: &mut DuplexStream, bytes: &str) -> (String, u64) {
    let began = Instant::now();
    client.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    (answer, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn who_stops_in_the_middle_is_not_waited_for() {
    let stop = CancellationToken::new();
    let (_, after) = exchange(&mut client(&stop), "GET / HTTP/1.1\r\nHost: a\r\n").await;
    assert_eq!(after, HEAD_WITHIN.as_secs(), "a head");
    let (answer, after) = exchange(&mut client(&stop), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(after, HEAD_WITHIN.as_secs(), "a connection without a next request");
    let stalled = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc";
    let (answer, after) = exchange(&mut client(&stop), stalled).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(after, BODY_STALLS_FOR.as_secs(), "a body");
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_an_answer_finish_and_closes_who_is_idle() {
    let stop = CancellationToken::new();
    let (mut idle, mut busy) = (client(&stop), client(&stop));
    let stopping = stop.clone();
    tokio::spawn(async move {
        sleep(SLOW / 2).await;
        stopping.cancel();
    });
    let (answer, after) = exchange(&mut busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(after, SLOW.as_secs());
    assert_eq!(exchange(&mut idle, "").await, (String::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let (mut client, began) = (client(&CancellationToken::new()), Instant::now());
    while client.write_all(b"G").await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
    let after = began.elapsed();
    assert!((HEAD_WITHIN..=HEAD_WITHIN + Duration::from_secs(1)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_without_an_end_is_refused_before_it_fills_the_memory() {
    let (mut client, mut sent) = (client(&CancellationToken::new()), 0);
    let _ = client.write_all(b"GET / HTTP/1.1\r\nX: ").await;
    while client.write_all(&[b'a'; 1 << 10]).await.is_ok() {
        sent += 1 << 10;
        assert!(sent <= 4 * MAX_HEAD_BYTES, "{sent} bytes of a head were taken");
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// A server on a port of its own; gone with the test's runtime.
async fn listening(limits: Limits, tls: Option<TlsAcceptor>, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_within(limits, listener, tls, router, CancellationToken::new()));
    address
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn ask(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> String {
    socket.write_all(ASK).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn no_more_are_let_in_than_there_is_room_for_and_everybody_has_a_turn() {
    const MOST: usize = 3;
    let (inside, most, all_in) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default(), Barrier::new(MOST));
    let (all_in, seen) = (Arc::new(all_in), Arc::clone(&most));
    let router = Router::new().fallback(move || {
        let (inside, most, all_in) = (Arc::clone(&inside), Arc::clone(&most), Arc::clone(&all_in));
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            all_in.wait().await;
            inside.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let address = listening(Limits { connections: MOST, ..LIMITS }, None, router).await;
    let mut clients = JoinSet::new();
    for _ in 0..4 * MOST {
        clients.spawn(async move { ask(TcpStream::connect(address).await.unwrap()).await });
    }
    for answer in clients.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), MOST);
}

#[tokio::test]
async fn those_who_are_idle_make_room_in_the_end() {
    let soon = Duration::from_millis(50);
    let limits = Limits { connections: 3, handshake: soon, head: soon };
    for tls in [None, Some(acceptor().0)] {
        let address = listening(limits, tls.clone(), Router::new().fallback(|| async {})).await;
        let mut idle = Vec::new();
        for _ in 0..3 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        // Whom the machine makes slow is himself taken for idle, and comes again.
        let answer = loop {
            let mut late = TcpStream::connect(address).await.unwrap();
            late.write_all(ASK).await.unwrap();
            if tls.is_some() {
                // Plain HTTP is told so, once all of it is there.
                late.shutdown().await.unwrap();
            }
            let mut answer = String::new();
            if late.read_to_string(&mut answer).await.is_ok_and(|it| it > 0) {
                break answer;
            }
        };
        assert!(answer.starts_with(if tls.is_some() { "HTTP/1.0 400 " } else { "HTTP/1.1 200 " }), "{answer}");
    }
}

/// What a server takes, and what its clients know.
fn acceptor() -> (TlsAcceptor, Arc<ClientConfig>) {
    let tls = Tls::new(Clock::wall()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(tls.ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (TlsAcceptor::from(tls.config), Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// A handshake with some of its bytes changed, and cut off somewhere; or bytes that never were one.
fn broken_handshake(hello: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let changed = (changes, any::<prop::sample::Index>()).prop_map(move |(changes, end)| {
        let mut bytes = hello.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        bytes.truncate(1 + end.index(bytes.len()));
        bytes
    });
    prop_oneof![3 => changed, 1 => prop::collection::vec(any::<u8>(), 1..2_000)]
}

/// Every client here ends its side, so the server ends the connection by itself, without an HTTP answer but for plain HTTP.
#[test]
fn broken_handshakes_end_and_disturb_nobody() {
    let (acceptor, client) = acceptor();
    let mut hello = Vec::new();
    ClientConnection::new(Arc::clone(&client), localhost()).unwrap().write_tls(&mut hello).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = runtime.block_on(listening(LIMITS, Some(acceptor), Router::new().fallback(|| async {})));
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&broken_handshake(hello), |bytes| {
            let answer = runtime.block_on(async {
                let mut socket = TcpStream::connect(address).await.unwrap();
                let mut answer = Vec::new();
                // A server that has seen enough may close before everything is sent.
                let _ = socket.write_all(&bytes).await;
                let _ = socket.shutdown().await;
                let _ = socket.read_to_end(&mut answer).await;
                answer
            });
            prop_assert!(bytes[0].is_ascii_uppercase() || !answer.starts_with(b"HTTP"));
            Ok(())
        })
        .unwrap();
    let answer = runtime.block_on(async {
        let socket = TcpStream::connect(address).await.unwrap();
        ask(tokio_rustls::TlsConnector::from(client).connect(localhost(), socket).await.unwrap()).await
    });
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}
