//! What was measured: a bounded store of samples, PromQL over it, rules, and the Prometheus HTTP API.
//!
//! In: exposition text with its time.
//! Out: values, series, alerts; the API that Prometheus has.
//! Never: canaries, sockets, the clock (times are given).
