//! Client certificates that are no longer let in, though they have not ended.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Hexadecimal digits of a SHA-256 fingerprint, and of the longest serial number (RFC 5280).
const FINGERPRINT: usize = 64;
const LONGEST_SERIAL: usize = 40;

/// Why a deny list is of no use.
#[derive(Debug, thiserror::Error)]
pub enum DeniedError {
    /// The file.
    #[error("cannot read the deny list {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line.
    #[error(
        "{path}, line {line}: {text:?} is neither a serial number nor a SHA-256 fingerprint, in hexadecimal digits"
    )]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

/// Serial numbers and fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denied(BTreeSet<String>);

/// What a line names; none if it is malformed. `openssl x509 -noout -serial` and `-fingerprint
/// -sha256` print such lines.
fn entry(line: &str) -> Option<String> {
    let (label, value) = match line.rsplit_once('=') {
        Some((label, value)) => (label.trim().to_ascii_lowercase(), value.trim()),
        None => (String::new(), line),
    };
    let digits: String = value.chars().filter(|c| *c != ':').collect();
    let digits = digits.to_ascii_lowercase();
    let hexadecimal = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    match digits.len() {
        FINGERPRINT if hexadecimal && (label.is_empty() || label.starts_with("sha256")) => {
            Some(digits)
        }
        // A SHA-1 fingerprint has as many digits as the longest serial number.
        1..=LONGEST_SERIAL if hexadecimal && (label.is_empty() || label == "serial") => {
            Some(serial(&digits))
        }
        _ => None,
    }
}

/// A serial number without leading zeros, which differ from program to program.
fn serial(digits: &str) -> String {
    digits.trim_start_matches('0').to_owned()
}

impl Denied {
    /// Reads a file: an entry a line, with comments after `#`.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is malformed.
    pub fn read(path: &Path) -> Result<Denied, DeniedError> {
        let mut denied = Denied::default();
        denied.read_again(path)?;
        Ok(denied)
    }

    /// Takes what the file says now. Where some of it makes no sense, the rest is denied, and
    /// what was denied before.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is malformed.
    pub fn read_again(&mut self, path: &Path) -> Result<(), DeniedError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DeniedError::Read { path: path.to_owned(), source })?;
        let (mut entries, mut malformed) = (BTreeSet::new(), None);
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            match entry(text) {
                Some(entry) => drop(entries.insert(entry)),
                None if text.is_empty() => {}
                None => {
                    let (path, text) = (path.to_owned(), text.to_owned());
                    malformed.get_or_insert(DeniedError::Line { path, line, text });
                }
            }
        }
        match malformed {
            None => {
                self.0 = entries;
                Ok(())
            }
            Some(error) => {
                self.0.append(&mut entries);
                Err(error)
            }
        }
    }

    /// Whether a certificate is on the list.
    pub fn has(&self, certificate: &CertificateDer<'_>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        if self.0.contains(&hex::encode(Sha256::digest(certificate))) {
            return true;
        }
        match X509Certificate::from_der(certificate) {
            Ok((_, parsed)) => self.0.contains(&serial(&hex::encode(parsed.raw_serial()))),
            // The handshake refused it.
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_is_a_serial_number_or_a_fingerprint_as_openssl_prints_them() {
        let fingerprint = "AB:".repeat(31) + "CD";
        for (line, read) in [
            ("serial=00AB12", Some("ab12".to_owned())),
            ("ab:12", Some("ab12".to_owned())),
            (
                &format!("sha256 Fingerprint={fingerprint}"),
                Some(fingerprint.replace(':', "").to_lowercase()),
            ),
            ("alice", None),
            (&format!("SHA1 Fingerprint={}", "AB:".repeat(19) + "CD"), None),
            ("serial=", None),
            (&"a".repeat(50), None),
        ] {
            assert_eq!(entry(line), read, "{line}");
        }
    }

    #[test]
    fn a_malformed_line_is_refused_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("denied");
        std::fs::write(&path, "# who left\nserial=12 # bob\n\nalice\n").unwrap();
        let error = Denied::read(&path).unwrap_err();
        assert!(matches!(error, DeniedError::Line { line: 4, .. }), "{error}");
    }
}
