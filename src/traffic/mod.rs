//! The data plane: router, demo app, faults, load generator, load tester.
//!
//! In: requests, routes, faults.
//! Out: answers, samples, exposition text.
//! Never: canaries' decisions, the Kubernetes API.
