//! The table of messages: which number is which field.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Made by `tools/protobuf-fields.go` from the API types of Kubernetes 1.34.
const FIELDS: &str = include_str!("fields.txt");

static MESSAGES: LazyLock<BTreeMap<&str, Message>> = LazyLock::new(|| FIELDS.lines().map(line).collect());

/// Fields by their numbers.
pub type Message = BTreeMap<u64, Field>;

/// A field of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub place: Place,
    pub many: Many,
    pub kind: Type,
    /// Go writes it in JSON even when it is zero.
    pub keeps_zero: bool,
}

/// Where in the JSON of its message a field stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    Named(&'static str),
    /// Its fields are the message's own.
    Inline,
    /// It is written in place of the message: the message is a choice between its fields.
    Instead,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Many {
    One,
    List,
    /// From strings.
    Map,
}

/// What a field's bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Type {
    Text,
    Bool,
    Int,
    Double,
    /// Base64 in JSON.
    Bytes,
    /// `metav1.Time`: whole seconds in JSON.
    Time,
    /// `metav1.MicroTime`.
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON text as bytes.
    Json,
    /// A message with one list of texts, which in JSON is that list.
    Texts,
    Message(&'static str),
}

/// The message of a kind. The first word of the group names the package, `core` where there is no group; a
/// `DeleteOptions` is the same in every group.
pub fn message_of(api_version: &str, kind: &str) -> Option<&'static Message> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or_default();
    message(&format!("{package}/{version}.{kind}")).or_else(|| message(&format!("meta/v1.{kind}")))
}

/// A message by its name in the table.
pub fn message(name: &str) -> Option<&'static Message> {
    MESSAGES.get(name)
}

fn line(line: &'static str) -> (&'static str, Message) {
    let mut words = line.split(' ');
    (words.next().unwrap_or_default(), words.filter_map(field).collect())
}

fn field(text: &'static str) -> Option<(u64, Field)> {
    let (number, rest) = text.split_once(':')?;
    let (name, kind) = rest.split_once(':')?;
    let place = match name {
        "." => Place::Inline,
        "|" => Place::Instead,
        name => Place::Named(name),
    };
    let (kind, keeps_zero) = kind.strip_suffix('!').map_or((kind, false), |it| (it, true));
    let (many, kind) = match kind.as_bytes().first()? {
        b'*' => (Many::List, &kind[1..]),
        b'%' => (Many::Map, &kind[1..]),
        _ => (Many::One, kind),
    };
    let kind = match kind {
        "string" => Type::Text,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "time" => Type::Time,
        "microtime" => Type::MicroTime,
        "quantity" => Type::Quantity,
        "intstr" => Type::IntOrString,
        "json" => Type::Json,
        "list" => Type::Texts,
        message => Type::Message(message),
    };
    Some((number.parse().ok()?, Field { place, many, kind, keeps_zero }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_every_message_that_a_field_names_is_there() {
        for line in FIELDS.lines() {
            let name = line.split(' ').next().unwrap();
            let message = message(name).unwrap();
            assert_eq!(message.len(), line.split(' ').count() - 1, "{name}");
            for field in message.values() {
                if let Type::Message(named) = field.kind {
                    assert!(super::message(named).is_some(), "{name} names {named}");
                }
            }
        }
    }

    #[test]
    fn a_kind_is_found_by_its_group_and_version() {
        for (api_version, kind) in [
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
            ("v1", "DeleteOptions"),
            ("apps/v1", "DeleteOptions"),
        ] {
            assert!(message_of(api_version, kind).is_some(), "{api_version} {kind}");
        }
        assert!(message_of("flagger.app/v1beta1", "Canary").is_none());
    }
}
