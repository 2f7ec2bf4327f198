//! What should happen: scenario files, all their problems at once, the plan, the expectations.
//!
//! In: YAML.
//! Out: a Plan, or problems with places.
//! Never: labs, tokio, terminals.
