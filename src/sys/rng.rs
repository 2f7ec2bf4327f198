//! Seeded randomness. Each user takes a stream of its own by name, so that one more user changes no one else's numbers.

use rand::rngs::{ChaCha8Rng, SysError, SysRng};
use rand::{SeedableRng, TryRng};
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

/// 256 bits that nobody can guess, in hexadecimal: from the machine, never from a seed. Credentials only.
pub fn secret() -> Result<String, SysError> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes.iter().map(|it| format!("{it:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_are_alike() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
    }
}
