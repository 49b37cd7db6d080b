//! Signed notes (c2sp.org/signed-note) with Ed25519, keys in the same text form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Ed25519 among the algorithms of the format.
const ALGORITHM: u8 = 1;
const SECRET: &str = "PRIVATE+KEY+";

/// A key that is not one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not the form of a key.
    #[error("it is not of the form {0}")]
    Form(&'static str),
    /// Its name cannot stand in a note.
    #[error("the name {0:?} is empty, or contains white space or +")]
    Name(String),
    /// Its id is not that of its name and key.
    #[error("its id is {found}, but the name and the key give {expected}")]
    Id {
        /// What it says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// Not an Ed25519 key.
    #[error("it is not an Ed25519 key")]
    Algorithm,
}

/// A note that cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// There are no signatures after an empty line.
    #[error("it is not a signed note: a text, an empty line, and signatures")]
    Form,
    /// Nobody known signed it.
    #[error("it is not signed by {0}")]
    Unsigned(String),
    /// The signature is not over this text.
    #[error("the signature of {0} does not fit the text: it was changed")]
    Forged(String),
}

fn check_name(name: &str) -> Result<(), KeyError> {
    if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
        return Err(KeyError::Name(name.to_owned()));
    }
    Ok(())
}

fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update([b'\n', ALGORITHM]);
    let hash = hash.chain_update(public).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Name, id and key of `NAME+ID+BASE64`.
fn parse(text: &str, form: &'static str) -> Result<(String, String, [u8; 32]), KeyError> {
    let mut parts = text.trim().splitn(3, '+');
    let mut part = || parts.next().ok_or(KeyError::Form(form));
    let (name, id, key) = (part()?, part()?, part()?);
    check_name(name)?;
    let key = BASE64.decode(key).map_err(|_| KeyError::Form(form))?;
    match key.split_first() {
        Some((&ALGORITHM, key)) => {
            let key = key.try_into().map_err(|_| KeyError::Algorithm)?;
            Ok((name.to_owned(), id.to_owned(), key))
        }
        _ => Err(KeyError::Algorithm),
    }
}

/// Believes the notes of one signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    public: [u8; 32],
}

impl Verifier {
    /// Reads `NAME+ID+KEY`, as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Verifier, KeyError> {
        let (name, id, public) = parse(text, "NAME+ID+KEY")?;
        let expected = hex::encode(key_id(&name, &public));
        if id != expected {
            return Err(KeyError::Id { found: id, expected });
        }
        Ok(Verifier { name, public })
    }

    /// The signer's name, which is also the origin of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note that this signer has signed.
    ///
    /// # Errors
    /// Where it has not, or the text was changed.
    pub fn open<'a>(&self, note: &'a str) -> Result<&'a str, NoteError> {
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = &note[..=text.len()];
        if !signatures.ends_with('\n') {
            return Err(NoteError::Form);
        }
        let id = key_id(&self.name, &self.public);
        for line in signatures.lines() {
            let (name, signature) = line
                .strip_prefix("\u{2014} ")
                .and_then(|rest| rest.split_once(' '))
                .ok_or(NoteError::Form)?;
            let bytes = BASE64.decode(signature).map_err(|_| NoteError::Form)?;
            let Some((by, signature)) = bytes.split_first_chunk::<4>() else {
                return Err(NoteError::Form);
            };
            if name == self.name && *by == id {
                return UnparsedPublicKey::new(&ED25519, self.public)
                    .verify(text.as_bytes(), signature)
                    .map(|()| text)
                    .map_err(|_| NoteError::Forged(self.name.clone()));
            }
        }
        Err(NoteError::Unsigned(self.name.clone()))
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = hex::encode(key_id(&self.name, &self.public));
        let key = BASE64.encode([&[ALGORITHM], self.public.as_slice()].concat());
        write!(f, "{}+{id}+{key}", self.name)
    }
}

/// Signs notes.
pub struct Signer {
    name: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// A signer with a key made of 32 random bytes.
    ///
    /// # Errors
    /// Where the name cannot stand in a note.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Signer, KeyError> {
        check_name(name)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Algorithm)?;
        Ok(Signer { name: name.to_owned(), pair })
    }

    /// Reads `PRIVATE+KEY+NAME+ID+SEED`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Signer, KeyError> {
        const FORM: &str = "PRIVATE+KEY+NAME+ID+SEED";
        let rest = text.trim().strip_prefix(SECRET).ok_or(KeyError::Form(FORM))?;
        let (name, id, seed) = parse(rest, FORM)?;
        let signer = Signer::new(&name, &seed)?;
        let expected = hex::encode(key_id(&name, &signer.verifier().public));
        if id != expected {
            return Err(KeyError::Id { found: id, expected });
        }
        Ok(signer)
    }

    /// The secret text form of a signer with this seed, as [`parse`](Self::parse) reads it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn secret(name: &str, seed: &[u8; 32]) -> Result<String, KeyError> {
        let verifier = Signer::new(name, seed)?.verifier();
        let id = hex::encode(key_id(name, &verifier.public));
        let key = BASE64.encode([&[ALGORITHM], seed.as_slice()].concat());
        Ok(format!("{SECRET}{name}+{id}+{key}"))
    }

    /// Who believes what it signs.
    pub fn verifier(&self) -> Verifier {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        Verifier { name: self.name.clone(), public }
    }

    /// A note: the text, which ends with a line break, and the signature.
    pub fn sign(&self, text: &str) -> String {
        let id = key_id(&self.name, self.pair.public_key().as_ref());
        let signature = self.pair.sign(text.as_bytes());
        let signature = BASE64.encode([id.as_slice(), signature.as_ref()].concat());
        format!("{text}\n\u{2014} {} {signature}\n", self.name)
    }
}
