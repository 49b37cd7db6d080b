//! A command as a client or a producer sends it: protobuf, then every field's own rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_proto::v1::SubmitRequest;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let Ok(request) = SubmitRequest::decode(data) else { return };
    if let Ok(envelope) = oi_gateway::envelope(request) {
        let bytes = envelope.command.encode().expect("what is accepted can be stored");
        let kind = envelope.command.kind();
        let read = oi_events::Command::decode(kind.kind, kind.version, &bytes);
        assert_eq!(read.expect("just written"), envelope.command);
    }
});
