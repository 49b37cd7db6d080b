//! YAML that is exchanged with other programs: text in the encodings that YAML 1.2 has, streams
//! of documents with each kind of marker, and values that readers of YAML 1.1 understand alike.

mod stream;
mod text;
mod write;

pub use serde_yaml_ng::Error;
pub use stream::documents;
pub use text::{TextError, text};
pub use write::to_string;
