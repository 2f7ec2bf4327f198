//! Tells many waiters that something has changed, and wakes them in the order in which they began to wait.
//!
//! Why not `tokio::sync::watch`: it spreads its waiters over eight lists by a random number of the runtime's own, so with two
//! or more receivers the order in which tasks wake differs from run to run, and with it everything that a seed decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The raising end. Clones are one signal.
#[derive(Debug, Clone, Default)]
pub struct Signal {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    raised: AtomicU64,
    notify: Notify,
}

/// The waiting end; remembers what it has seen.
#[derive(Debug)]
pub struct Waiter {
    inner: Arc<Inner>,
    seen: u64,
}

impl Signal {
    /// Wakes all waiters, first come first.
    pub fn raise(&self) {
        self.inner.raised.fetch_add(1, Ordering::AcqRel);
        self.inner.notify.notify_waiters();
    }

    /// A waiter for what happens from now on.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter { inner: Arc::clone(&self.inner), seen: self.inner.raised.load(Ordering::Acquire) }
    }
}

impl Waiter {
    /// What was raised so far counts as seen.
    pub fn mark_seen(&mut self) {
        self.seen = self.inner.raised.load(Ordering::Acquire);
    }

    /// Waits until the signal has been raised since this waiter last saw it.
    pub async fn raised(&mut self) {
        loop {
            let mut notified = std::pin::pin!(self.inner.notify.notified());
            // Registered before the look, so that nothing can slip in between.
            notified.as_mut().enable();
            let now = self.inner.raised.load(Ordering::Acquire);
            if now != self.seen {
                self.seen = now;
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn waiters_wake_in_the_order_in_which_they_began_to_wait() {
        let (signal, woken) = (Signal::default(), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (mut waiter, woken) = (signal.waiter(), Arc::clone(&woken));
            tasks.spawn(async move {
                waiter.raised().await;
                woken.lock().unwrap().push(number);
            });
        }
        tokio::task::yield_now().await;
        signal.raise();
        tasks.join_all().await;
        assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_raised_before_the_wait_counts_unless_it_was_seen() {
        let signal = Signal::default();
        let mut waiter = signal.waiter();
        signal.raise();
        waiter.raised().await;
        signal.raise();
        waiter.mark_seen();
        let again = tokio::time::timeout(std::time::Duration::from_secs(1), waiter.raised()).await;
        assert!(again.is_err());
    }
}
