//! The certificates of one lab: a CA of its own that lives as long as the lab, and the server certificate it signed.

use crate::sys::clock::Clock;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use std::sync::Arc;
use std::time::Duration;

/// The names of an API server: those of its Service, and of this machine.
const NAMES: [&str; 7] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];
/// Certificates are valid from a day before (clocks differ between a machine and its containers) …
const VALID_BEFORE: Duration = Duration::from_hours(24);
/// … for a year, as kubeadm's are. A lab that is older has to be made again.
const VALID_FOR: Duration = Duration::from_hours(24 * 365);

/// What a server needs, and what its clients need. The CA's key is gone by the time this is there: nobody can sign more.
pub(super) struct Tls {
    pub config: Arc<ServerConfig>,
    /// The CA's certificate, PEM.
    pub ca: String,
}

/// Why there are no certificates: a defect of the machine's randomness, or of ours.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("certificates could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl Tls {
    pub(super) fn new(clock: Clock) -> Result<Self, TlsError> {
        let ca = CertifiedIssuer::self_signed(authority(clock)?, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf = server(clock)?.signed_by(&key, &ca)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone(), ca.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), ca: ca.pem() })
    }
}

fn authority(clock: Clock) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new(Vec::new())?, clock);
    params.distinguished_name.push(DnType::CommonName, "coalmine-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn server(clock: Clock) -> Result<CertificateParams, rcgen::Error> {
    let mut params = dated(CertificateParams::new(NAMES.map(str::to_owned))?, clock);
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn dated(mut params: CertificateParams, clock: Clock) -> CertificateParams {
    let day = |it: jiff::Timestamp| {
        let date = it.to_zoned(TimeZone::UTC).date();
        // Months and days of a date are never negative.
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    let now = clock.now();
    params.not_before = day(now.checked_sub(VALID_BEFORE).unwrap_or(now));
    params.not_after = day(now.checked_add(VALID_FOR).unwrap_or(now));
    params
}
