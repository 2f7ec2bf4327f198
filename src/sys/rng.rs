//! Seeded randomness. Each user takes a stream of its own by name, so that one more user changes no one else's numbers.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The random numbers of one named user, the same for one seed and name on every machine.
    #[must_use]
    pub fn stream(self, name: &str) -> ChaCha8Rng {
        let digest = Sha256::new().chain_update(self.0.to_be_bytes()).chain_update(name).finalize();
        ChaCha8Rng::from_seed(digest.into())
    }
}
