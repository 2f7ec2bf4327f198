//! Makes labs: wires the stations into three endpoints, and takes them down.
//!
//! In: settings.
//! Out: a Kubernetes API, a Prometheus API, an address for requests.
//! Never: scenarios, views.
