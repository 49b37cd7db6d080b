//! Proofs, checkpoints and keys as text, from whoever says that a log is theirs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oi_proof::{Checkpoint, ConsistencyProof, InclusionProof, Signer, Verifier};

fuzz_target!(|text: &str| {
    let signer = Signer::new("fuzz", &[7; 32]).expect("a name and a seed");
    let verifier = signer.verifier();
    let _ = Verifier::parse(text);
    let _ = Signer::parse(text);
    let _ = Checkpoint::open(text, &verifier);
    let _ = Checkpoint::open(&signer.sign(text), &verifier);
    if let Ok(proof) = InclusionProof::parse(text) {
        let _ = proof.check(b"entry", &verifier);
    }
    let _ = ConsistencyProof::parse(text);
});
