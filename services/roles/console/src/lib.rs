//! The web page of a server: what is there, what happened, and the state at any moment.
//! It only reads, shows no key material, and needs nothing from elsewhere.

mod history;
mod routes;
mod serve;
mod visitors;

pub use history::{History, HistoryError};
pub use serve::{PageError, listen, serve, serve_to};
pub use visitors::Visitors;
