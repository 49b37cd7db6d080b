//! Names the layout of the state and the rules that fold it by a digest over their sources.

use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).path();
        let name = path.file_name().unwrap_or_default();
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn main() {
    let mut found = Vec::new();
    for dir in ["src", "../../../events/src"] {
        println!("cargo::rerun-if-changed={dir}");
        sources(Path::new(dir), &mut found);
    }
    found.sort();
    let mut digest = Sha256::new();
    for path in found {
        digest.update(fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())));
    }
    let name: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=OI_STATE_SCHEMA=oi-state-{name}");
}
