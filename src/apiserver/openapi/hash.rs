//! The digest that stands for a document: SHA-512 in upper-case hexadecimal, as the real server writes it.

use sha2::{Digest, Sha512};
use std::fmt::Write as _;

pub(super) fn digest(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().fold(String::with_capacity(128), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
