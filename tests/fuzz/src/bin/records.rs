//! What is stored: commands, events, jobs, outcomes, commits, batches, states. The first
//! four bytes choose; what can be read must come back the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_events::{Command, Event, Job, Outcome, from_bytes_strict, to_bytes};

fuzz_target!(|data: &[u8]| {
    let [a, b, c, d, body @ ..] = data else { return };
    let (kind, version) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    if let Ok(command) = Command::decode(kind, version, body) {
        let now = command.kind();
        let bytes = command.encode().expect("it was read");
        assert_eq!(Command::decode(now.kind, now.version, &bytes).expect("just written"), command);
    }
    if let Ok(event) = Event::decode(kind, version, body) {
        let now = event.kind();
        let bytes = event.encode().expect("it was read");
        assert_eq!(Event::decode(now.kind, now.version, &bytes).expect("just written"), event);
    }
    if let Ok(job) = from_bytes_strict::<Job>(body) {
        let _ = oi_events::JobTarget::parse(&job.id);
        let bytes = to_bytes(&job).expect("it was read");
        assert_eq!(from_bytes_strict::<Job>(&bytes).expect("just written"), job);
    }
    if let Ok(outcome) = from_bytes_strict::<Outcome>(body) {
        let bytes = to_bytes(&outcome).expect("it was read");
        assert_eq!(from_bytes_strict::<Outcome>(&bytes).expect("just written"), outcome);
    }
    let _ = oi_events::read_frames(body);
    let _ = oi_events::read_batch(body);
    let _ = from_bytes_strict::<oi_domain::State>(body);
});
