//! Services: EndpointSlices, Endpoints, and the data plane's fast view of them.

mod view;

pub use view::{Endpoint, Endpoints, PortEndpoints};
