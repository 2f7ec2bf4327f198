//! The router: carries requests to the backends that the routes choose.

mod backends;

pub use backends::{Backends, Endpoint, ServicePort};
