//! The public API of `oi`: the gRPC messages generated from `oi/v1/oi.proto`, and
//! the YAML documents that `oi` reads and writes ([`manifest`]).

pub mod authentication;
pub mod manifest;

include!(concat!(env!("OUT_DIR"), "/commands.rs"));

/// Version 1 of the API.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("oi.v1");

    /// The compiled descriptors, for server reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/oi.v1.bin"));
}

macro_rules! command_from {
    ($($name:ident),*) => { $(
        impl From<v1::$name> for v1::submit_request::Command {
            fn from(command: v1::$name) -> Self {
                v1::submit_request::Command::$name(command)
            }
        }
    )* };
}
each_command!(command_from);
