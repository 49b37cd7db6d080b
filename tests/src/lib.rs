//! Tests of the whole: the architecture here, end-to-end tests in `e2e`, benchmarks in
//! `bench`.
