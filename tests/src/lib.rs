//! Tests of the whole: the architecture and the golden logs in `tests`, end-to-end tests
//! in `e2e`, benchmarks in `bench`. Here is what they share: [`Workload`].

mod workload;

pub use workload::Workload;
