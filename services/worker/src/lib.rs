//! oi-worker
