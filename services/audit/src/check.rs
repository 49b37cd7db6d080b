//! What must hold between the commits of a log. No I/O.

use oi_events::Hash;
use oi_journal::{MessageError, StoredCommit};

/// Something that a log must not show.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Positions are missing.
    #[error("positions {from} to {to} are missing")]
    Gap {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The bytes stored are not those that were written.
    #[error("its content was changed: it hashes to {found}, but its writer noted {noted}")]
    Changed {
        /// The hash of what is stored.
        found: Hash,
        /// The hash that the writer put beside it.
        noted: Hash,
    },
    /// The commit before is another one than its writer saw.
    #[error(
        "the commit before it was changed or replaced: it follows {named}, but {found} stands there"
    )]
    Unchained {
        /// The hash that this commit names.
        named: Hash,
        /// The hash of the commit before.
        found: Hash,
    },
    /// The kinds in the header are not those of the records.
    #[error("its header lists {listed}, but it holds {held}")]
    Kinds {
        /// What the header says.
        listed: String,
        /// What the body says.
        held: String,
    },
    /// The message id is not the command's: the broker could not tell a doubled append.
    #[error("the same command was decided at position {first} already")]
    Doubled {
        /// Where it stands first.
        first: u64,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] MessageError),
}

/// A problem with its place.
#[derive(Debug, thiserror::Error)]
#[error("position {position}")]
pub struct Finding {
    /// Where.
    pub position: u64,
    /// What.
    #[source]
    pub problem: Problem,
}

/// Follows a log from its first position, commit by commit.
#[derive(Debug, Default)]
pub struct Checker {
    position: u64,
    head: Hash,
    commands: std::collections::BTreeMap<oi_events::CommandId, u64>,
    findings: Vec<Finding>,
}

impl Checker {
    /// Nothing read yet.
    pub fn new() -> Checker {
        Checker::default()
    }

    /// Takes the next commit; what is wrong with it is kept as findings.
    pub fn take(&mut self, stored: &StoredCommit) {
        let position = stored.position;
        if position != self.position + 1 {
            self.find(position, Problem::Gap { from: self.position + 1, to: position - 1 });
        }
        self.position = position;
        match self.inspect(stored) {
            Ok(problems) => problems.into_iter().for_each(|p| self.find(position, p)),
            Err(error) => {
                // The chain cannot be followed over it; the next commit shows that.
                self.head = Hash::ZERO;
                self.find(position, error.into());
            }
        }
    }

    fn inspect(&mut self, stored: &StoredCommit) -> Result<Vec<Problem>, MessageError> {
        let mut problems = Vec::new();
        let header = stored.header()?;
        let (found, noted) = (header.hash(&stored.subject, &stored.body), stored.claimed_hash()?);
        if found != noted {
            problems.push(Problem::Changed { found, noted });
        }
        if header.previous != self.head {
            problems.push(Problem::Unchained { named: header.previous, found: self.head });
        }
        self.head = found;
        if let Some(first) = self.commands.insert(header.command_id, stored.position) {
            problems.push(Problem::Doubled { first });
        }
        let commit = stored.decode()?.commit;
        let events = commit.events.iter().map(|e| e.kind().name);
        let held: Vec<_> = std::iter::once(commit.command.kind().name).chain(events).collect();
        if stored.claimed_kinds() != held {
            let listed = stored.claimed_kinds().join(",");
            problems.push(Problem::Kinds { listed, held: held.join(",") });
        }
        Ok(problems)
    }

    fn find(&mut self, position: u64, problem: Problem) {
        self.findings.push(Finding { position, problem });
    }

    /// The last position taken.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The hash of the last commit taken.
    pub fn head(&self) -> Hash {
        self.head
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
