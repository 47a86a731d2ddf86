//! Tests of the store, without building.
