//! Held against Go's own encoders: each line of `samples.txt.zst` is a body as apimachinery 0.34 writes it, in base64, and the
//! JSON that it writes of the same object.

use super::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

fn samples() -> String {
    let text = zstd::decode_all(&include_bytes!("samples.txt.zst")[..]).unwrap();
    String::from_utf8(text).unwrap()
}

/// Nulls and empty lists that Go writes of required fields are not on the wire; whoever reads the JSON treats them alike.
fn normal(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(normal);
            map.retain(|_, it| !it.is_null());
        }
        Value::Array(items) => items.iter_mut().for_each(normal),
        _ => {}
    }
}

#[test]
fn every_sample_becomes_the_json_that_go_writes_of_it() {
    let mut kinds = 0;
    for line in samples().lines() {
        let (bytes, json) = line.split_once(' ').unwrap();
        let mut wanted: Value = serde_json::from_str(json).unwrap();
        let mut found = object(&BASE64_STANDARD.decode(bytes).unwrap(), "").unwrap();
        normal(&mut wanted);
        normal(&mut found);
        assert_eq!(found, wanted);
        kinds += 1;
    }
    assert!(kinds > 49, "each kind once empty, and some with all their fields");
}

#[test]
fn what_is_no_message_is_refused_in_words() {
    let samples = samples();
    let sample = samples.lines().next().unwrap();
    let whole = BASE64_STANDARD.decode(sample.split(' ').next().unwrap()).unwrap();
    let refusal = |bytes: &[u8]| object(bytes, "Namespace").unwrap_err().message;
    let cases: [(&[u8], &str); 4] = [
        (b"{}", "does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (&whole[..whole.len() - 1], "unexpected EOF"),
        (b"k8s\0\x0b", "proto: illegal wireType 3"),
        (b"k8s\0\x0a\x0d\x0a\x02v9\x12\x07Nothing", "no kind \"Nothing\" is registered for version \"v9\""),
    ];
    for (bytes, wanted) in cases {
        let found = refusal(bytes);
        assert!(found.contains(wanted), "{found}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = object(&bytes, "Pod");
        let mut body = PREFIX.to_vec();
        body.extend(&bytes);
        let _ = object(&body, "Pod");
        let _ = decode::message(table::message("apps/v1.Deployment").unwrap(), &bytes);
    }
}
