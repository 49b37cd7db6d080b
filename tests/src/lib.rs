//! oi-tests
