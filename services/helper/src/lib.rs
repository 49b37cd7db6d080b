//! oi-helper
