//! Generates the gRPC code, and a list of all commands; protox stands in for protoc.

use prost::Message;
use prost_types::FileDescriptorSet;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=oi/v1/oi.proto");
    let descriptors = protox::compile(["oi/v1/oi.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("oi.v1.bin"), descriptors.encode_to_vec())?;
    std::fs::write(out.join("commands.rs"), commands(&descriptors)?)?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

/// A macro that hands the names of all commands of a `SubmitRequest` to another one. Who
/// converts commands cannot forget one.
fn commands(descriptors: &FileDescriptorSet) -> Result<String, &'static str> {
    let mut messages = descriptors.file.iter().flat_map(|file| &file.message_type);
    let request = messages.find(|m| m.name() == "SubmitRequest").ok_or("no SubmitRequest")?;
    let of_command = request.field.iter().filter(|f| f.oneof_index.is_some());
    let names: Vec<&str> = of_command.filter_map(|f| f.type_name().rsplit('.').next()).collect();
    Ok(format!(
        "/// Calls `$with!` with the names of all commands.\n#[macro_export]\n\
         macro_rules! each_command {{ ($with:ident) => {{ $with! {{ {} }} }}; }}\n",
        names.join(", ")
    ))
}
