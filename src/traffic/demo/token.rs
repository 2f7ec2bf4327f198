//! podinfo's tokens: JSON Web Tokens, HS256, valid for one minute.

use super::digest::hmac_sha256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How long a token is valid, in seconds.
const LIFETIME_SECONDS: i64 = 60;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// `POST /token`: a token for `user`.
pub(super) fn generate(user: &str, secret: &str, now: Timestamp) -> Value {
    let expires = now.as_second().saturating_add(LIFETIME_SECONDS);
    let user = if user.is_empty() { "anonymous" } else { user };
    let claims = json!({"name": user, "exp": expires, "iss": "podinfo"}).to_string();
    let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
    let token = format!("{signed}.{}", sign(&signed, secret));
    json!({"token": token, "expires_at": date(expires)})
}

/// `GET /token/validate`: who the token is for, or podinfo's words for what is wrong with it.
pub(super) fn validate(authorization: Option<&str>, secret: &str, now: Timestamp) -> Result<Value, String> {
    const NEEDED: &str = "authorization bearer header required";
    let (scheme, token) = authorization.unwrap_or_default().split_once(' ').ok_or(NEEDED)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.contains(' ') {
        return Err(NEEDED.to_owned());
    }
    let claims = claims(token, secret)?;
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or_default();
    // A token without an expiry date never expires.
    let late = now.as_second() - expires;
    if expires != 0 && late > 0 {
        return Err(format!("token is expired by {late}s"));
    }
    if claims.get("iss").and_then(Value::as_str) != Some("podinfo") {
        return Err("invalid issuer".to_owned());
    }
    let name = claims.get("name").and_then(Value::as_str).unwrap_or_default();
    Ok(json!({"token_name": name, "expires_at": date(expires)}))
}

fn claims(token: &str, secret: &str) -> Result<Value, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("token contains an invalid number of segments".to_owned());
    };
    if decode(header)?.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err("invalid signing method".to_owned());
    }
    let claims_read = decode(claims)?;
    if sign(&format!("{header}.{claims}"), secret) != signature {
        return Err("signature is invalid".to_owned());
    }
    Ok(claims_read)
}

fn decode(part: &str) -> Result<Value, String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|error| format!("illegal base64 data: {error}"))?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

fn sign(text: &str, secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), text.as_bytes()))
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(crate::sys::clock::rfc3339).unwrap_or_default()
}
