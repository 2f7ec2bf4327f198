//! Tests of this name's station; see docs/ARCHITECTURE.md.
