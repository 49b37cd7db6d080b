use oi_events::{About, AskedBy, CommandFacts, Keys, HypervisorName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaintHypervisorV1 {
    name: HypervisorName,
}
oi_events::records! {
    PaintCommand in Painting::Paint, CommandFacts {
        PaintHypervisor(c) = 1 [; 1 => PaintHypervisorV1] {
            about: About::hypervisor(&c.name),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
    }
}
oi_events::features! { Painting, CommandFacts { Paint(PaintCommand) } }
