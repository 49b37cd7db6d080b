//! oi-decider
