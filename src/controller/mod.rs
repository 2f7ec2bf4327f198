//! Carries out what the judge asks, against three endpoints: Kubernetes, Prometheus, webhooks.
//!
//! In: Canary objects.
//! Out: effects in the cluster, Kubernetes Events, alerts, Flagger's own metrics.
//! Never: decisions of its own.
