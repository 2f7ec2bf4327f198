//! Tokens of service accounts: JSON Web Tokens that this server signs and believes, as `serviceaccounts/token` gives them.
//!
//! Signed with HS256 and a key that is made from the token of the server's door, so nobody who cannot open the door can
//! make one. The real server signs with RS256, so that others can check its tokens; here only the server itself does.

use super::access::User;
use super::api::Api;
use super::kinds::resource;
use super::meta;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who makes tokens, and for whom if nobody else is named: as kubeadm names a cluster's API.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// What a token is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims<'a> {
    pub namespace: &'a str,
    pub account: &'a str,
    pub uid: &'a str,
    pub audiences: &'a [String],
    /// Seconds since 1970.
    pub issued: i64,
    pub expires: i64,
    pub id: &'a str,
}

/// A signing key.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of a server whose door `secret` opens.
    pub fn of(secret: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"service account tokens ");
        digest.update(secret);
        Self(digest.finalize().into())
    }

    /// HMAC-SHA256, RFC 2104.
    fn sign(&self, text: &str) -> [u8; 32] {
        const BLOCK: usize = 64;
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(self.0).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
        Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
    }

    /// A token that says so.
    pub fn token(&self, claims: &Claims<'_>) -> String {
        let Claims { namespace, account, uid, audiences, issued, expires, id } = claims;
        let body = json!({
            "aud": audiences, "exp": expires, "iat": issued, "iss": ISSUER, "jti": id,
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": account, "uid": uid } },
            "nbf": issued, "sub": format!("system:serviceaccount:{namespace}:{account}")
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&body));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(&text));
        format!("{text}.{signature}")
    }

    /// The claims of a token of this key that has not expired.
    fn claims(&self, token: &str, now: i64) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Digests are compared, so that the time says nothing of the signature.
        if Sha256::digest(signature) != Sha256::digest(self.sign(text)) {
            return None;
        }
        let body = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&body).ok()?;
        (claims["exp"].as_i64()? > now).then_some(claims)
    }
}

/// Whose a token is, and for whom it is meant: the service account must still be the one that it was made for.
pub fn owner(key: &Key, api: &Api, token: &str, now: i64) -> Option<(User, Vec<String>)> {
    let claims = key.claims(token, now)?;
    let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/kubernetes.io/namespace"), text("/kubernetes.io/serviceaccount/name"));
    let account = api.get(resource::SERVICE_ACCOUNTS, namespace, name).ok()?;
    if meta::text(&account, "uid") != text("/kubernetes.io/serviceaccount/uid") {
        return None;
    }
    let audiences = claims["aud"].as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned));
    Some((User::service_account(namespace, name), audiences.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::Server;
    use crate::sys::clock::Clock;
    use crate::sys::rng::Seed;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let hex: String = Key(key).sign("what do ya want for nothing?").iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_its_account_s_until_it_expires_or_the_account_is_another() {
        let server = Server::new(Clock::simulated(), Seed(1));
        let api = server.api();
        let create = || {
            let account = json!({ "metadata": { "name": "robot" } });
            api.create(resource::SERVICE_ACCOUNTS, "default", account).unwrap()
        };
        let account = create();
        let key = Key::of(b"secret");
        let audiences = [ISSUER.to_owned()];
        let claims = Claims {
            namespace: "default",
            account: "robot",
            uid: meta::text(&account, "uid"),
            audiences: &audiences,
            issued: 1000,
            expires: 4600,
            id: "1",
        };
        let token = key.token(&claims);
        let owner = |token: &str, now: i64| owner(&key, &api, token, now).map(|it| it.0.name);
        assert_eq!(owner(&token, 2000).as_deref(), Some("system:serviceaccount:default:robot"));
        assert_eq!(owner(&token, 4600), None, "expired");
        let (head, signature) = token.rsplit_once('.').unwrap();
        for forged in ["", "a.b", "a.b.c", &format!("{head}x.{signature}"), &Key::of(b"other").token(&claims)] {
            assert_eq!(owner(forged, 2000), None, "{forged}");
        }
        api.delete(resource::SERVICE_ACCOUNTS, "default", "robot", &crate::apiserver::DeleteOptions::default())
            .unwrap();
        assert_eq!(owner(&token, 2000), None, "gone");
        create();
        assert_eq!(owner(&token, 2000), None, "another one of that name");
    }
}
