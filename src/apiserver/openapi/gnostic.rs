//! The older document in protobuf, as `gnostic`'s `openapi.v2.Document`: kubectl reads no other form of it.
//!
//! Only what our documents contain is in the tables below; a field that they do not name is left out. Numbers and messages
//! are those of `OpenAPIv2.proto`.

use serde_json::{Map, Value};

/// The media type under which Go clients ask, and the one that was meant.
pub(super) const MEDIA_TYPES: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
];

/// What a field's value becomes.
enum Form {
    Text,
    /// One text or several, each a field of its own.
    Texts,
    Bool,
    Int,
    Double,
    /// Any value: its text, which gnostic calls YAML.
    Any,
    /// Each value of a list as [`Form::Any`].
    Anys,
    One(&'static Message),
    /// One message or a list of them.
    Each(&'static Message),
    /// A map: named messages under this number, each value wrapped into the messages of these numbers.
    Named(u64, &'static [u64], &'static Message),
    /// A schema, or whether anything goes.
    SchemaOrBool,
}

/// A field in JSON, its number, the numbers of the messages around its value (from the outside), and its form.
struct Field(&'static str, u64, &'static [u64], Form);

/// The fields in the order of their numbers, and the number of the list that takes those that begin with `x-`.
struct Message {
    fields: &'static [Field],
    extensions: Option<u64>,
}

static DOCUMENT: Message = Message {
    fields: &[
        Field("swagger", 1, &[], Form::Text),
        Field("info", 2, &[], Form::One(&INFO)),
        Field("paths", 8, &[], Form::Named(2, &[], &PATH)),
        Field("definitions", 9, &[], Form::Named(1, &[], &SCHEMA)),
    ],
    extensions: Some(16),
};

static INFO: Message = Message {
    fields: &[Field("title", 1, &[], Form::Text), Field("version", 2, &[], Form::Text)],
    extensions: Some(7),
};

static PATH: Message = Message {
    fields: &[
        Field("get", 2, &[], Form::One(&OPERATION)),
        Field("put", 3, &[], Form::One(&OPERATION)),
        Field("post", 4, &[], Form::One(&OPERATION)),
        Field("delete", 5, &[], Form::One(&OPERATION)),
        Field("patch", 8, &[], Form::One(&OPERATION)),
    ],
    extensions: Some(10),
};

static OPERATION: Message = Message {
    fields: &[
        Field("description", 3, &[], Form::Text),
        Field("produces", 6, &[], Form::Texts),
        // An item of parameters: a parameter, which is not the body, but of the query.
        Field("parameters", 8, &[1, 2, 3], Form::Each(&PARAMETER)),
        // What stands under a code: an answer, not a reference.
        Field("responses", 9, &[], Form::Named(1, &[1], &RESPONSE)),
    ],
    extensions: Some(13),
};

static PARAMETER: Message = Message {
    fields: &[
        Field("in", 2, &[], Form::Text),
        Field("description", 3, &[], Form::Text),
        Field("name", 4, &[], Form::Text),
        Field("type", 6, &[], Form::Text),
        Field("uniqueItems", 20, &[], Form::Bool),
    ],
    extensions: Some(23),
};

static RESPONSE: Message = Message {
    // The schema: of an object, not of a file.
    fields: &[Field("description", 1, &[], Form::Text), Field("schema", 2, &[1], Form::One(&SCHEMA))],
    extensions: Some(5),
};

static SCHEMA: Message = Message {
    fields: &[
        Field("$ref", 1, &[], Form::Text),
        Field("format", 2, &[], Form::Text),
        Field("title", 3, &[], Form::Text),
        Field("description", 4, &[], Form::Text),
        Field("default", 5, &[], Form::Any),
        Field("multipleOf", 6, &[], Form::Double),
        Field("maximum", 7, &[], Form::Double),
        Field("exclusiveMaximum", 8, &[], Form::Bool),
        Field("minimum", 9, &[], Form::Double),
        Field("exclusiveMinimum", 10, &[], Form::Bool),
        Field("maxLength", 11, &[], Form::Int),
        Field("minLength", 12, &[], Form::Int),
        Field("pattern", 13, &[], Form::Text),
        Field("maxItems", 14, &[], Form::Int),
        Field("minItems", 15, &[], Form::Int),
        Field("uniqueItems", 16, &[], Form::Bool),
        Field("maxProperties", 17, &[], Form::Int),
        Field("minProperties", 18, &[], Form::Int),
        Field("required", 19, &[], Form::Texts),
        Field("enum", 20, &[], Form::Anys),
        Field("additionalProperties", 21, &[], Form::SchemaOrBool),
        Field("type", 22, &[1], Form::Texts),
        Field("items", 23, &[1], Form::Each(&SCHEMA)),
        Field("properties", 25, &[], Form::Named(1, &[], &SCHEMA)),
        Field("example", 30, &[], Form::Any),
    ],
    extensions: Some(31),
};

/// The bytes of a document.
pub(super) fn document(value: &Value) -> Vec<u8> {
    message(&DOCUMENT, value)
}

fn message(of: &Message, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(map) = value.as_object() else { return out };
    for Field(name, number, around, form) in of.fields {
        if let Some(value) = map.get(*name) {
            form.put(&mut out, *number, around, value);
        }
    }
    if let Some(number) = of.extensions {
        for (name, value) in map.iter().filter(|(name, _)| name.starts_with("x-")) {
            put_bytes(&mut out, number, &named(name, &any(value)));
        }
    }
    out
}

impl Form {
    fn put(&self, out: &mut Vec<u8>, number: u64, around: &[u64], value: &Value) {
        let mut put = |bytes: &[u8]| put_bytes(out, number, &wrapped(around, bytes));
        match self {
            Self::Text => {
                value.as_str().filter(|it| !it.is_empty()).into_iter().for_each(|it| put(it.as_bytes()));
            }
            Self::Texts => texts(out, number, around, value),
            Self::Bool => put_number(out, number, u64::from(value.as_bool().unwrap_or_default())),
            // Lengths and counts; what is written is its two's complement.
            Self::Int => put_number(out, number, value.as_i64().unwrap_or_default().cast_unsigned()),
            Self::Double => put_double(out, number, value.as_f64().unwrap_or_default()),
            Self::Any => put(&any(value)),
            Self::Anys => value.as_array().into_iter().flatten().for_each(|it| put(&any(it))),
            Self::One(of) => put(&message(of, value)),
            Self::Each(of) => each(value).iter().for_each(|it| put(&message(of, it))),
            Self::Named(entry, around, of) => put(&map(*entry, around, of, value.as_object())),
            Self::SchemaOrBool => match value.as_bool() {
                // One of two fields, and therefore there even when it is false.
                Some(anything) => put(&[2 << 3, u8::from(anything)]),
                None => put(&wrapped(&[1], &message(&SCHEMA, value))),
            },
        }
    }
}

/// The items of a list; what is no list is its own only item.
fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Without a message around them they are fields of the message itself; else they are all in one.
fn texts(out: &mut Vec<u8>, number: u64, around: &[u64], value: &Value) {
    let texts = each(value).iter().filter_map(Value::as_str);
    let Some(inner) = around.first() else {
        return texts.for_each(|it| put_bytes(out, number, it.as_bytes()));
    };
    let mut list = Vec::new();
    texts.for_each(|it| put_bytes(&mut list, *inner, it.as_bytes()));
    put_bytes(out, number, &list);
}

fn map(entry: u64, around: &[u64], of: &Message, fields: Option<&Map<String, Value>>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields.into_iter().flatten() {
        put_bytes(&mut out, entry, &named(name, &wrapped(around, &message(of, value))));
    }
    out
}

/// `NamedSchema` and its kin.
fn named(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + value.len() + 8);
    put_bytes(&mut out, 1, name.as_bytes());
    put_bytes(&mut out, 2, value);
    out
}

/// `Any`, whose text is YAML; JSON is YAML.
fn any(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 2, format!("{value}\n").as_bytes());
    out
}

/// The bytes within the messages of these numbers, the last one innermost.
fn wrapped(around: &[u64], bytes: &[u8]) -> Vec<u8> {
    around.iter().rev().fold(bytes.to_vec(), |inner, number| {
        let mut out = Vec::with_capacity(inner.len() + 8);
        put_bytes(&mut out, *number, &inner);
        out
    })
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Nothing for zero, which is what a missing number is.
fn put_number(out: &mut Vec<u8>, number: u64, value: u64) {
    if value != 0 {
        put_varint(out, number << 3);
        put_varint(out, value);
    }
}

/// The same for a number with a fraction.
fn put_double(out: &mut Vec<u8>, number: u64, value: f64) {
    if value.to_bits() != 0 {
        put_varint(out, number << 3 | 1);
        out.extend(value.to_le_bytes());
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::protobuf::wire::{Reader, Wire};
    use crate::sys::yaml;
    use base64::{Engine, prelude::BASE64_STANDARD};

    const SAMPLE: &str = r##"{"swagger":"2.0","info":{"title":"Kubernetes","version":"v1.34.3"},
        "paths":{"/api/v1/things/{name}":{"get":{"parameters":[],"responses":{"200":{"description":"OK","schema":{"$ref":"#/definitions/Thing"}}},"produces":["application/json","application/yaml"],"x-kubernetes-action":"get","x-kubernetes-group-version-kind":{"group":"","kind":"Thing","version":"v1"}},
        "patch":{"parameters":[{"name":"force","in":"query","type":"boolean","uniqueItems":true}],"responses":{"200":{"description":"OK"}}}}},
        "definitions":{"Thing":{"description":"A thing","type":"object","required":["a","b"],"properties":{
        "a":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set","maxItems":300,"minItems":0},
        "b":{"type":"object","additionalProperties":{"$ref":"#/definitions/Thing"}},
        "c":{"type":"object","additionalProperties":false},
        "d":{"type":"number","format":"double","minimum":-1.5,"maximum":0,"exclusiveMinimum":true,"exclusiveMaximum":false,"default":{"x":[1,"z"]}},
        "e":{"type":"string","enum":["A","B"],"pattern":"^a$","maxLength":63},
        "f":{}
        },"x-kubernetes-group-version-kind":[{"group":"","kind":"Thing","version":"v1"}]}}}"##;

    /// What gnostic 0.7.1 makes of the sample: `proto.Marshal(openapi_v2.ParseDocument(sample))`.
    const GNOSTICS: &str = "CgMyLjASFQoKS3ViZXJuZXRlcxIHdjEuMzQuM0KLAhKIAgoVL2FwaS92MS90aGluZ3Mve25hbWV9Eu4BErYBMhBhcHBsaWNhdGlvbi9qc29u\
        MhBhcHBsaWNhdGlvbi95YW1sSigKJgoDMjAwEh8KHQoCT0sSFwoVChMjL2RlZmluaXRpb25zL1RoaW5nah0KE3gta3ViZXJuZXRlcy1hY3Rp\
        b24SBhIEZ2V0CmpHCh94LWt1YmVybmV0ZXMtZ3JvdXAtdmVyc2lvbi1raW5kEiQSImdyb3VwOiAiIgpraW5kOiBUaGluZwp2ZXJzaW9uOiB2\
        MQpCM0IgCh4SHBoaEgVxdWVyeSIFZm9yY2UyB2Jvb2xlYW6gAQFKDwoNCgMyMDASBgoECgJPS0rxAgruAgoFVGhpbmcS5AIiB0EgdGhpbmea\
        AQFhmgEBYrIBCAoGb2JqZWN0ygH0AQpFCgFhEkBwrAKyAQcKBWFycmF5ugENCguyAQgKBnN0cmluZ/oBIAoWeC1rdWJlcm5ldGVzLWxpc3Qt\
        dHlwZRIGEgRzZXQKCioKAWISJaoBFwoVChMjL2RlZmluaXRpb25zL1RoaW5nsgEICgZvYmplY3QKFQoBYxIQqgECEACyAQgKBm9iamVjdAo6\
        CgFkEjUSBmRvdWJsZSoVEhN4OgogICAgLSAxCiAgICAtIHoKSQAAAAAAAPi/UAGyAQgKBm51bWJlcgolCgFlEiBYP2oDXmEkogEEEgJBCqIB\
        BBICQgqyAQgKBnN0cmluZwoFCgFmEgD6AU0KH3gta3ViZXJuZXRlcy1ncm91cC12ZXJzaW9uLWtpbmQSKhIoLSBncm91cDogIiIKICBraW5k\
        OiBUaGluZwogIHZlcnNpb246IHYxCg==";

    /// Whether two messages say the same; texts of YAML may say it in different words.
    fn alike(left: &[u8], right: &[u8]) -> bool {
        let read = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok()?;
            Some(yaml::documents(text, yaml::Dialect::Kubernetes).ok()?.first()?.to_json())
        };
        if left == right || read(left).is_some_and(|it| Some(it) == read(right)) {
            return true;
        }
        let (mut left, mut right) = (Reader::new(left), Reader::new(right));
        loop {
            match (left.next(), right.next()) {
                (Ok(None), Ok(None)) => return true,
                (Ok(Some((a, Wire::Bytes(left)))), Ok(Some((b, Wire::Bytes(right)))))
                    if a == b && alike(left, right) => {}
                (Ok(Some(left)), Ok(Some(right))) if left == right => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn a_document_is_written_as_gnostic_writes_it() {
        let ours = document(&serde_json::from_str(SAMPLE).unwrap());
        let gnostics = BASE64_STANDARD.decode(GNOSTICS).unwrap();
        assert!(alike(&ours, &gnostics), "{}", BASE64_STANDARD.encode(ours));
        let other = SAMPLE.replace("\"maxItems\":300", "\"maxItems\":301");
        assert!(!alike(&document(&serde_json::from_str(&other).unwrap()), &gnostics));
    }
}
