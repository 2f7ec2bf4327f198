//! Generated name suffixes, as `k8s.io/apimachinery/pkg/util/rand` makes them.

use rand::{Rng, RngExt};

/// Letters and digits without vowels and look-alikes, so that no word comes out.
pub(super) const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five letters from the seeded stream.
pub(super) fn suffix(rng: &mut impl Rng) -> String {
    (0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}
