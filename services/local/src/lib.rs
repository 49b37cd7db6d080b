//! oi-local
