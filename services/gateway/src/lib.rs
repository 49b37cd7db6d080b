//! oi-gateway
