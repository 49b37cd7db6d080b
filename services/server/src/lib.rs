//! oi-server
