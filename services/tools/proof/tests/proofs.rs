//! Proofs about logs of all small sizes; the vectors are those that Certificate
//! Transparency implementations share.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_proof::*;

fn leaves(count: u64) -> Vec<Digest> {
    (0..count).map(|n| leaf_hash(&n.to_le_bytes())).collect()
}

fn tree(leaves: &[Digest]) -> Tree {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

fn collect(mut prover: Prover, leaves: &[Digest]) -> Vec<Digest> {
    leaves.iter().for_each(|leaf| prover.push(*leaf));
    prover.finish().unwrap()
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let entries: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(hex::encode(tree.root()), roots[0]);
    for (entry, root) in entries.iter().zip(&roots[1..]) {
        tree.push(leaf_hash(entry));
        assert_eq!(hex::encode(tree.root()), *root);
    }
}

#[test]
fn each_entry_of_each_log_is_proved_and_no_other() {
    for size in 1..=40 {
        let all = leaves(size);
        let root = tree(&all).root();
        for index in 0..size {
            let proof = collect(Prover::inclusion(index, size).unwrap(), &all);
            let leaf = all[usize::try_from(index).unwrap()];
            assert_eq!(inclusion_root(index, size, leaf, &proof), Some(root));
            let other = leaf_hash(b"another");
            assert_ne!(inclusion_root(index, size, other, &proof), Some(root));
            let wrong = (index + 1) % size;
            if wrong != index {
                assert_ne!(inclusion_root(wrong, size, leaf, &proof), Some(root));
            }
            let longer = [proof.as_slice(), &[root]].concat();
            assert_eq!(inclusion_root(index, size, leaf, &longer), None);
        }
        assert!(Prover::inclusion(size, size).is_none());
    }
}

#[test]
fn each_log_is_proved_to_begin_with_each_older_one_and_no_other() {
    for new in 1..=40 {
        let all = leaves(new);
        let root = tree(&all).root();
        for old in 1..=new {
            let old_root = tree(&all[..usize::try_from(old).unwrap()]).root();
            let proof = collect(Prover::consistency(old, new).unwrap(), &all);
            let roots = consistency_roots(old, new, old_root, &proof);
            assert_eq!(roots, Some((old_root, root)), "{old} to {new}");
            let mut forged = all.clone();
            forged[0] = leaf_hash(b"another");
            let forged_root = tree(&forged[..usize::try_from(old).unwrap()]).root();
            let roots = consistency_roots(old, new, forged_root, &proof);
            assert_ne!(roots, Some((forged_root, root)), "{old} to {new}");
        }
    }
    assert!(Prover::consistency(0, 5).is_none() && Prover::consistency(6, 5).is_none());
}

/// The example of c2sp.org/signed-note, made with Go's implementation.
#[test]
fn keys_and_notes_are_those_of_other_implementations() {
    const SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let signer = Signer::parse(SECRET).unwrap();
    assert_eq!(signer.verifier().to_string(), PUBLIC);
    let note = signer.sign(text);
    assert_eq!(
        note,
        format!(
            "{text}\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        )
    );
    let verifier = Verifier::parse(PUBLIC).unwrap();
    assert_eq!(verifier.open(&note).unwrap(), text);
    let changed = note.replace("answer", "reason");
    assert!(matches!(verifier.open(&changed), Err(NoteError::Forged(_))));
    let other = Signer::new("other", &[7; 32]).unwrap().verifier();
    assert!(matches!(other.open(&note), Err(NoteError::Unsigned(_))));
    assert!(Verifier::parse(&PUBLIC.replace("c74f", "c74e")).is_err());
}

#[test]
fn proofs_survive_their_files_and_forgeries_do_not() {
    let signer = Signer::new("log.example", &[1; 32]).unwrap();
    let verifier = signer.verifier();
    let all = leaves(21);
    let old = Checkpoint::of("log.example", &tree(&all[..8]));
    let new = Checkpoint::of("log.example", &tree(&all));
    let note = new.sign(&signer);
    assert_eq!(Checkpoint::open(&note, &verifier).unwrap(), new);

    let hashes = collect(Prover::inclusion(5, 21).unwrap(), &all);
    let proof = InclusionProof { index: 5, hashes, checkpoint: note.clone() };
    let read = InclusionProof::parse(&proof.to_string()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.check(&5_u64.to_le_bytes(), &verifier).unwrap(), new);
    assert!(matches!(
        read.check(&6_u64.to_le_bytes(), &verifier),
        Err(FileError::NotIncluded { index: 5, size: 21 })
    ));
    let moved = InclusionProof { index: 6, ..proof };
    assert!(moved.check(&5_u64.to_le_bytes(), &verifier).is_err());

    let hashes = collect(Prover::consistency(8, 21).unwrap(), &all);
    let proof = ConsistencyProof { old: 8, hashes, checkpoint: note };
    let read = ConsistencyProof::parse(&proof.to_string()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(read.check(&old, &verifier).unwrap(), new);
    let other = Checkpoint { root: [9; 32], ..old };
    assert!(matches!(read.check(&other, &verifier), Err(FileError::NotConsistent { .. })));
    for nonsense in ["", "\n\n", "old x\n\n", "c2sp.org/tlog-proof@v1\nindex 1\n?\n\nx"] {
        assert!(InclusionProof::parse(nonsense).is_err());
        assert!(ConsistencyProof::parse(nonsense).is_err());
    }
}
