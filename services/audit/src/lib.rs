//! oi-audit
