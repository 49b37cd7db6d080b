//! oi-cli
