//! All events of the run so far, for the verdict at its end.

use super::bus::Sink;
use crate::event::Envelope;
use std::sync::{Arc, Mutex, PoisonError};

/// Cheap to clone; clones are one journal. Its limit is the bus's [`super::MAX_EVENTS`].
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Envelope>>>);

impl Journal {
    /// The end that the bus writes to.
    #[must_use]
    pub fn sink(&self) -> Sink {
        let journal = self.clone();
        Box::new(move |envelope| {
            journal.0.lock().unwrap_or_else(PoisonError::into_inner).push(envelope.clone());
        })
    }

    /// Looks at what is there so far.
    pub fn read<T>(&self, look: impl FnOnce(&[Envelope]) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes everything out.
    #[must_use]
    pub fn take(&self) -> Vec<Envelope> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
