//! One connection of HTTP/1.1 to this machine, over TLS or not: as little as a client can do. Shared with `benches/apiserver`, where
//! the server is what is measured.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Where a server is and how to speak to it.
#[derive(Clone)]
pub struct Place {
    pub port: u16,
    pub tls: bool,
    /// Empty: none.
    pub token: String,
}

/// An open connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

pub const JSON: &str = "application/json";

impl Place {
    pub async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let sender = if self.tls {
            let config = rustls::ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Anyone));
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config.with_no_client_auth()));
            shake(connector.connect(ServerName::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST)), stream).await?).await?
        } else {
            shake(stream).await?
        };
        Ok(Connection { sender, token: self.token.clone() })
    }
}

async fn shake<S>(stream: S) -> hyper::Result<SendRequest<Full<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Connection {
    /// Sends and returns as soon as the head of the answer is there.
    pub async fn open(
        &mut self,
        method: &str,
        path: &str,
        (media, accept): (&str, &str),
        body: impl Into<Bytes>,
    ) -> hyper::Result<http::Response<Incoming>> {
        self.sender.ready().await?;
        let mut request = http::Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        request = request.header("content-type", media).header("accept", accept).header("user-agent", "bench/1");
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        self.sender.send_request(request.body(Full::new(body.into())).expect("it is a request")).await
    }

    /// Sends and reads the whole answer.
    pub async fn send(&mut self, method: &str, path: &str, media: &str, body: impl Into<Bytes>) -> (u16, Bytes) {
        self.send_accepting(method, path, (media, JSON), body).await
    }

    pub async fn send_accepting(
        &mut self,
        method: &str,
        path: &str,
        media: (&str, &str),
        body: impl Into<Bytes>,
    ) -> (u16, Bytes) {
        let answer = self.open(method, path, media, body).await.expect("the server answers");
        let code = answer.status().as_u16();
        (code, answer.into_body().collect().await.expect("the answer is whole").to_bytes())
    }
}

/// Tests and benches trust whoever listens on this machine's loopback.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
