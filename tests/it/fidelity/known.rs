//! Differences that stay, each with its reason.

/// One of them.
pub struct Known {
    pub policy: &'static str,
    /// One of [`crate::fidelity::normal::ASPECTS`].
    pub aspect: &'static str,
    pub reason: &'static str,
}

pub const KNOWN: [Known; 0] = [];
