//! The server: one state behind one lock, shared by everyone who asks.

use super::addresses::Addresses;
use super::api::Api;
use super::gc::Place;
use super::kinds::{Kind, Kinds, resource};
use super::node::SharedNodeAgent;
use super::openapi;
use super::status::Status;
use super::store::{Footprint, Store};
use super::token::Key;
use crate::sys::clock::{Clock, rfc3339};
use crate::sys::http::SharedHttp;
use crate::sys::rng::Seed;
use jiff::Timestamp;
use rand::Rng;
use rand::rngs::ChaCha8Rng;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio_util::sync::CancellationToken;

/// Namespaces that are always there.
pub const BOOTSTRAP_NAMESPACES: [&str; 2] = ["default", "kube-system"];
/// Others, which nothing lives in; their uids come from a stream of their own, so that they change no other name.
const EMPTY_NAMESPACES: [&str; 2] = ["kube-node-lease", "kube-public"];

/// What the lock guards.
#[derive(Debug)]
pub struct State {
    pub store: Store,
    pub kinds: Kinds,
    pub rng: ChaCha8Rng,
    pub clock: Clock,
    pub addresses: Addresses,
    /// Where the object with a uid is.
    pub by_uid: BTreeMap<String, Place>,
    /// Who names a uid as its owner.
    pub by_owner: BTreeMap<String, BTreeSet<Place>>,
}

impl State {
    /// Now, as `metav1.Time`.
    pub fn now(&self) -> String {
        rfc3339(self.clock.now())
    }

    /// A new uid: a UUID of version 4 from the seed.
    pub fn uid(&mut self) -> String {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        let version = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
        let variant = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            version >> 32,
            (version >> 16) & 0xffff,
            version & 0xffff,
            variant >> 48,
            variant & 0xffff_ffff_ffff
        )
    }

    /// Five characters for `generateName`, from the alphabet that cannot spell words.
    pub fn suffix(&mut self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5).map(|_| char::from(ALPHABET[(self.rng.next_u32() as usize) % ALPHABET.len()])).collect()
    }
}

pub struct Inner {
    state: Mutex<State>,
    proxy: Mutex<Option<SharedHttp>>,
    shut: AtomicBool,
    /// Events that watches hold, see [`Footprint`].
    pub buffered: AtomicUsize,
    /// Ends what outlives its request: commands, forwarded ports.
    stopped: CancellationToken,
    node: Mutex<Option<SharedNodeAgent>>,
    /// The digest of the token that opens the door, once there is a door.
    pub door: OnceLock<[u8; 32]>,
    /// What tokens of service accounts are signed with.
    key: OnceLock<Key>,
    openapi: openapi::Cache,
}

impl Inner {
    /// Nobody panics while holding the lock on purpose; if one did, the state is still whole objects.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }
}

/// An embedded Kubernetes API server. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(super) inner: Arc<Inner>,
}

impl Server {
    /// A server with the built-in kinds and the namespaces that every cluster begins with. Names and uids come from the seed,
    /// times from the clock.
    #[must_use]
    pub fn new(clock: Clock, seed: Seed) -> Self {
        let kinds = Kinds::default();
        let state = State {
            store: Store::new(&kinds),
            kinds,
            rng: seed.stream("apiserver"),
            clock,
            addresses: Addresses::default(),
            by_uid: BTreeMap::new(),
            by_owner: BTreeMap::new(),
        };
        let inner = Inner {
            state: Mutex::new(state),
            proxy: Mutex::new(None),
            shut: AtomicBool::new(false),
            buffered: AtomicUsize::new(0),
            stopped: CancellationToken::new(),
            node: Mutex::new(None),
            door: OnceLock::new(),
            key: OnceLock::new(),
            openapi: openapi::Cache::default(),
        };
        let server = Self { inner: Arc::new(inner) };
        BOOTSTRAP_NAMESPACES.into_iter().for_each(|it| server.make_namespace(it));
        let names = std::mem::replace(&mut server.inner.lock().rng, seed.stream("apiserver/empty-namespaces"));
        EMPTY_NAMESPACES.into_iter().for_each(|it| server.make_namespace(it));
        server.inner.lock().rng = names;
        server
    }

    fn make_namespace(&self, name: &str) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.api().create(resource::NAMESPACES, "", namespace).expect("an empty server takes a namespace");
    }

    /// The verbs in process, under the field manager `coalmine`.
    #[must_use]
    pub fn api(&self) -> Api {
        self.api_as("coalmine")
    }

    /// The verbs in process, under a field manager of the caller's name.
    #[must_use]
    pub fn api_as(&self, manager: &str) -> Api {
        Api::new(Arc::clone(&self.inner), manager)
    }

    /// Who carries requests of the `proxy` subresource to pods and services. Without it they answer 503.
    pub fn set_proxy(&self, sender: SharedHttp) {
        *self.inner.proxy.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }

    /// Who runs the pods: logs, commands, ports and their use of resources come from there.
    pub fn set_node_agent(&self, agent: SharedNodeAgent) {
        *self.inner.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent);
    }

    pub(super) fn node_agent(&self) -> Option<SharedNodeAgent> {
        self.inner.node.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cancelled when the server shuts down.
    pub(super) fn stopped(&self) -> CancellationToken {
        self.inner.stopped.clone()
    }

    /// What tokens of service accounts are signed with: a key made from `secret` where it comes first, else from the seed,
    /// which is enough for a server that nobody outside can reach.
    pub(super) fn token_key(&self, secret: Option<&str>) -> &Key {
        self.inner.key.get_or_init(|| Key::of(secret.map_or_else(|| self.new_uid(), str::to_owned).as_bytes()))
    }

    pub(super) fn new_uid(&self) -> String {
        self.inner.lock().uid()
    }

    /// The OpenAPI documents made so far.
    pub(super) fn openapi(&self) -> &openapi::Cache {
        &self.inner.openapi
    }

    pub(super) fn proxy(&self) -> Option<SharedHttp> {
        self.inner.proxy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kind at an address; which is text for a group or version that does not exist, as on the real server.
    pub(super) fn kind_at(&self, group: &str, version: &str, plural: &str) -> Result<Arc<Kind>, Status> {
        let state = self.inner.lock();
        if let Some(kind) = state.kinds.at_path(group, version, plural) {
            return Ok(Arc::clone(kind));
        }
        let known = state.kinds.iter().any(|it| it.group == group && (!it.custom || it.version(version).is_some()));
        Err(if known { Status::no_such_resource() } else { Status::no_such_page() })
    }

    /// All kinds of now, by resource.
    pub(super) fn kinds(&self) -> Vec<Arc<Kind>> {
        self.inner.lock().kinds.iter().cloned().collect()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.lock().clock.now()
    }

    /// Forgets the history of changes, as etcd's compaction does: watches that lag get 410.
    pub fn compact(&self) {
        self.inner.lock().store.compact();
    }

    /// How many changes per kind are kept, see [`super::store::WATCH_HISTORY`].
    pub fn set_history_limit(&self, limit: usize) {
        self.inner.lock().store.set_history_limit(limit);
    }

    /// What is kept, counted.
    pub fn footprint(&self) -> Footprint {
        let buffered = self.inner.buffered.load(Ordering::Relaxed);
        Footprint { buffered, ..self.inner.lock().store.footprint() }
    }

    /// Ends every watch, command and forwarded port. The server itself goes with its last clone.
    pub fn shut_down(&self) {
        self.inner.shut.store(true, Ordering::Relaxed);
        self.inner.stopped.cancel();
        self.inner.lock().store.wake_all();
    }
}
