//! `oi-audit key`, `checkpoint` and `prove`.

use super::Context;
use crate::error::Failure;
use oi_audit::verify;
use oi_proof::{
    Checkpoint, ConsistencyProof, Digest, InclusionProof, Prover, Signer, Tree, Verifier, leaf_hash,
};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    let path = path.to_owned();
    move |source| Failure::File { path, source }
}

/// Makes a signer's key.
pub fn make_key(name: &str, into: &Path) -> Result<(), Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(Failure::Random)?;
    let named = |source| Failure::Key(name.to_owned(), source);
    let secret = Signer::secret(name, &seed).map_err(named)?;
    let verifier = Signer::new(name, &seed).map_err(named)?.verifier();
    let mut out =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(into).map_err(
            |source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => Failure::KeyThere(into.to_owned()),
                _ => Failure::File { path: into.to_owned(), source },
            },
        )?;
    writeln!(out, "{secret}").and_then(|()| out.sync_all()).map_err(file(into))?;
    println!("{verifier}");
    Ok(())
}

fn open(path: &Path, verifier: &Verifier) -> Result<(String, Checkpoint), Failure> {
    let note = fs::read_to_string(path).map_err(file(path))?;
    let checkpoint = Checkpoint::open(&note, verifier)
        .map_err(|source| Failure::Checkpoint { path: path.to_owned(), source })?;
    Ok((note, checkpoint))
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(file(dir))? {
        let path = entry.map_err(file(dir))?.path();
        if path.extension().is_some_and(|e| e == "checkpoint") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The checkpoint in a file, or all those in a directory.
pub fn open_all(path: &Path, verifier: &Verifier) -> Result<Vec<Checkpoint>, Failure> {
    let files = if path.is_dir() { files(path)? } else { vec![path.to_owned()] };
    files.iter().map(|path| open(path, verifier).map(|(_, checkpoint)| checkpoint)).collect()
}

/// Signs the log as it is, where it is clean and what older checkpoints attest.
pub async fn checkpoint(c: &mut Context, key_file: &Path, into: &Path) -> Result<bool, Failure> {
    let secret = fs::read_to_string(key_file).map_err(file(key_file))?;
    let signer = Signer::parse(&secret)
        .map_err(|source| Failure::Key(key_file.display().to_string(), source))?;
    let verifier = signer.verifier();
    fs::create_dir_all(into).map_err(file(into))?;
    let older = open_all(into, &verifier)?;
    let report = verify(&c.source, &older, c.progress()).await?;
    c.done();
    if !report.checker.findings().is_empty() {
        return Err(Failure::NotClean("it is not signed"));
    }
    let head = Checkpoint::of(verifier.name(), report.checker.tree());
    let path = into.join(format!("{:020}.checkpoint", head.size));
    if !path.exists() {
        let part = path.with_extension("part");
        let written = fs::File::create(&part).and_then(|mut f| {
            f.write_all(head.sign(&signer).as_bytes())?;
            f.sync_all()
        });
        written.and_then(|()| fs::rename(&part, &path)).map_err(file(&path))?;
    }
    c.results.one(serde_json::json!({
        "checkpoint": path.display().to_string(), "commits": head.size,
        "olderCheckpoints": older.len(),
    }))?;
    Ok(true)
}

/// Lets the hashes of the first `size` commits pass by a prover, and compares the log
/// with the checkpoint on the way.
async fn collect(c: &Context, head: &Checkpoint, prover: Prover) -> Result<Vec<Digest>, Failure> {
    let end = c.source.end().await?;
    if head.size > end {
        return Err(Failure::TooShort { size: head.size, end });
    }
    let mut commits = c.source.commits(head.size).await?;
    let (mut prover, mut tree, mut seen) = (prover, Tree::default(), c.progress());
    while let Some(stored) = commits.next().await? {
        // What cannot be read was not signed: the roots differ.
        if let Ok(hash) = stored.hash() {
            let leaf = leaf_hash(&hash.0);
            tree.push(leaf);
            prover.push(leaf);
        }
        seen(stored.position, head.size);
    }
    c.done();
    if (tree.size(), tree.root()) != (head.size, head.root) {
        return Err(Failure::NotClean("it is not what the checkpoint attests"));
    }
    prover.finish().ok_or(Failure::NotClean("commits are missing"))
}

/// Reads the public key of a signer.
pub fn believed(key: &str) -> Result<Verifier, Failure> {
    Verifier::parse(key).map_err(|source| Failure::Key("--key".to_owned(), source))
}

/// Prints that a commit is in the log.
pub async fn prove_inclusion(
    c: &mut Context,
    position: u64,
    checkpoint: &Path,
    key: &str,
) -> Result<bool, Failure> {
    let (note, head) = open(checkpoint, &believed(key)?)?;
    let index = position.checked_sub(1).ok_or(Failure::NotThere(position))?;
    let prover = Prover::inclusion(index, head.size).ok_or(Failure::NotThere(position))?;
    let hashes = collect(c, &head, prover).await?;
    c.results.text(&InclusionProof { index, hashes, checkpoint: note }.to_string())?;
    Ok(true)
}

/// Prints that the log only grew.
pub async fn prove_consistency(
    c: &mut Context,
    old: &Path,
    new: &Path,
    key: &str,
) -> Result<bool, Failure> {
    let verifier = believed(key)?;
    let (_, old) = open(old, &verifier)?;
    let (note, head) = open(new, &verifier)?;
    let prover = Prover::consistency(old.size, head.size)
        .ok_or(Failure::TooShort { size: old.size, end: head.size })?;
    let hashes = collect(c, &head, prover).await?;
    c.results.text(&ConsistencyProof { old: old.size, hashes, checkpoint: note }.to_string())?;
    Ok(true)
}
