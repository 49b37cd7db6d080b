//! `oi-proof`: checks proofs about a log, without the log, a broker or a network.

use clap::{Args, Parser, Subcommand};
use oi_proof::{
    Checkpoint, CheckpointError, ConsistencyProof, FileError, InclusionProof, KeyError, Verifier,
};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks proofs about an event log of oi. Needs the files that are named and the
/// signer's public key; nothing else is asked.
///
/// Exit codes: 0 it is proved, 1 it is not, 2 wrong input.
#[derive(Parser)]
#[command(name = "oi-proof", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Key {
    /// The signer's public key, as `oi-audit key` prints it: NAME+ID+KEY.
    #[arg(long)]
    key: String,
}

#[derive(Subcommand)]
enum Command {
    /// A checkpoint is signed by this key.
    Checkpoint {
        #[command(flatten)]
        key: Key,
        file: PathBuf,
    },
    /// A commit stands in the log, at the position that the proof names.
    Inclusion {
        #[command(flatten)]
        key: Key,
        /// The commit's hash, as `oi-audit log -o json` prints it: 64 hexadecimal digits.
        #[arg(long)]
        commit: String,
        file: PathBuf,
    },
    /// The log only grew since an older checkpoint.
    Consistency {
        #[command(flatten)]
        key: Key,
        /// The older checkpoint.
        #[arg(long)]
        old: PathBuf,
        file: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("--key: {0}")]
    Key(#[from] KeyError),
    #[error("--commit: {0:?} is not a hash of 64 hexadecimal digits")]
    Commit(String),
    #[error("{path}: {source}")]
    Checkpoint { path: PathBuf, source: CheckpointError },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: FileError },
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_owned(), source })
}

fn run(command: Command) -> Result<String, Failure> {
    let checkpoint = |path: &Path, verifier: &Verifier| {
        Checkpoint::open(&read(path)?, verifier)
            .map_err(|source| Failure::Checkpoint { path: path.to_owned(), source })
    };
    match command {
        Command::Checkpoint { key, file } => {
            let head = checkpoint(&file, &Verifier::parse(&key.key)?)?;
            let root = hex::encode(head.root);
            Ok(format!("{} had {} commits, with the root {root}", head.origin, head.size))
        }
        Command::Inclusion { key, commit, file } => {
            let verifier = Verifier::parse(&key.key)?;
            let hash = match hex::decode(&commit) {
                Ok(hash) if hash.len() == 32 => hash,
                Ok(_) | Err(_) => return Err(Failure::Commit(commit)),
            };
            let failed = |source| Failure::File { path: file.clone(), source };
            let proof = InclusionProof::parse(&read(&file)?).map_err(failed)?;
            let head = proof.check(&hash, &verifier).map_err(failed)?;
            let position = proof.index + 1;
            Ok(format!(
                "the commit stands at position {position} of {} of {}",
                head.size, head.origin
            ))
        }
        Command::Consistency { key, old, file } => {
            let verifier = Verifier::parse(&key.key)?;
            let old = checkpoint(&old, &verifier)?;
            let failed = |source| Failure::File { path: file.clone(), source };
            let proof = ConsistencyProof::parse(&read(&file)?).map_err(failed)?;
            let new = proof.check(&old, &verifier).map_err(failed)?;
            Ok(format!("{} grew from {} to {} commits", new.origin, old.size, new.size))
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(proved) => {
            println!("{proved}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            let wrong_input =
                matches!(failure, Failure::Read { .. } | Failure::Key(_) | Failure::Commit(_));
            ExitCode::from(if wrong_input { 2 } else { 1 })
        }
    }
}
