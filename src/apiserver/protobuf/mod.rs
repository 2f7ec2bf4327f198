//! Bodies in protobuf, which Go clients send for the built-in kinds and do not fall back from.
//!
//! In: `k8s\0` and a `runtime.Unknown` around the object, as apimachinery writes it.
//! Out: the JSON that the same client would have sent.
//! Never: answers in protobuf. Clients that send it accept JSON as well (`Accept: application/vnd.kubernetes.protobuf, */*`).
//!
//! What the numbers mean stands in `fields.txt`, which `tools/protobuf-fields.go` reads from the published API types.

pub mod decode;
mod table;
pub mod wire;

use super::status::Status;
use decode::Fault;
use serde_json::{Value, json};
use wire::{Reader, Wire};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What every body begins with.
const PREFIX: &[u8] = b"k8s\0";

/// The object of a body; one that does not say what it is is taken for a `kind`.
pub fn object(bytes: &[u8], kind: &str) -> Result<Value, Status> {
    let refused = |fault: &dyn std::fmt::Display| {
        Status::bad_request(format!("unable to decode a {kind} from protobuf: {fault}"))
    };
    let Some(bytes) = bytes.strip_prefix(PREFIX) else {
        return Err(refused(&"provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"));
    };
    let envelope = Envelope::read(bytes).map_err(|it| refused(&it))?;
    let (api_version, own_kind) = (envelope.api_version, if envelope.kind.is_empty() { kind } else { envelope.kind });
    let message = table::message_of(api_version, own_kind).ok_or_else(|| {
        Status::bad_request(format!("no kind \"{own_kind}\" is registered for version \"{api_version}\" in protobuf"))
    })?;
    let mut object = json!({});
    if !api_version.is_empty() {
        object["apiVersion"] = json!(api_version);
    }
    object["kind"] = json!(own_kind);
    if let (Some(all), Value::Object(fields)) =
        (object.as_object_mut(), decode::message(message, envelope.raw).map_err(|it| refused(&it))?)
    {
        all.extend(fields);
    }
    Ok(object)
}

/// `runtime.Unknown`.
#[derive(Default)]
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut found = Self::default();
        let mut fields = Reader::new(bytes);
        while let Some((number, wire)) = fields.next()? {
            match (number, wire) {
                (1, Wire::Bytes(type_meta)) => found.read_type(type_meta)?,
                (2, Wire::Bytes(raw)) => found.raw = raw,
                _ => {}
            }
        }
        Ok(found)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<(), Fault> {
        let mut fields = Reader::new(bytes);
        while let Some((number, wire)) = fields.next()? {
            match (number, wire) {
                (1, Wire::Bytes(text)) => self.api_version = wire::text(text)?,
                (2, Wire::Bytes(text)) => self.kind = wire::text(text)?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
