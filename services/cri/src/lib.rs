//! oi-cri
