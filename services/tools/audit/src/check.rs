//! What must hold between the commits of a log. No I/O except the temporary file of
//! [`Duplicates`].

use crate::duplicates::Duplicates;
use crate::problem::{Finding, Problem};
use oi_domain::{State, apply, recheck};
use oi_events::{CommandId, Commit, Hash, RecordedCommit};
use oi_journal::{MessageError, StoredCommit, kinds};
use oi_proof::{Checkpoint, Digest, Tree, leaf_hash};
use std::io;

/// Follows a log from its first position, commit by commit.
#[derive(Debug, Default)]
pub struct Checker {
    position: u64,
    head: Hash,
    commands: Duplicates,
    tree: Tree,
    /// The sizes and roots that are attested and not reached yet, the largest first.
    attested: Vec<(u64, Digest)>,
    /// Up to where the log is what checkpoints attest.
    confirmed: u64,
    forked: bool,
    /// The folded state; none once commits are missing, for nothing follows then.
    state: Option<State>,
    ruled: u64,
    findings: Vec<Finding>,
}

impl Checker {
    /// Nothing read yet. The checkpoints must be believed already.
    pub fn new(checkpoints: &[Checkpoint]) -> Checker {
        // An empty log needs no proof.
        let some = checkpoints.iter().filter(|c| c.size > 0);
        let mut attested: Vec<_> = some.map(|c| (c.size, c.root)).collect();
        attested.sort_by(|a, b| b.cmp(a));
        attested.dedup();
        Checker { attested, state: Some(State::default()), ..Checker::default() }
    }

    /// Takes the next commit; what is wrong with it is kept as findings. Returns the
    /// hash of what is stored, where that can be told.
    ///
    /// # Errors
    /// Where there is no room for temporary files.
    pub fn take(&mut self, stored: &StoredCommit) -> io::Result<Option<Hash>> {
        let position = stored.position;
        if position != self.position + 1 {
            let from = self.position + 1;
            self.find(from, Problem::Gap { from, to: position - 1 });
            self.state = None;
        }
        self.position = position;
        match self.inspect(stored) {
            Ok((hash, command, problems)) => {
                problems.into_iter().for_each(|p| self.find(position, p));
                if let Some(first) = self.commands.take(command, position)? {
                    self.find(position, Problem::Duplicate { first });
                }
                self.tree.push(leaf_hash(&hash.0));
                self.compare();
                Ok(Some(hash))
            }
            Err(error) => {
                // The chain cannot be followed over it; the next commit shows that.
                self.head = Hash::ZERO;
                self.state = None;
                self.find(position, error.into());
                Ok(None)
            }
        }
    }

    fn inspect(
        &mut self,
        stored: &StoredCommit,
    ) -> Result<(Hash, CommandId, Vec<Problem>), MessageError> {
        let mut problems = Vec::new();
        let header = stored.header()?;
        let command = header.command_id;
        let (hash, noted) = (header.hash(&stored.subject, &stored.body), stored.claimed_hash()?);
        if hash != noted {
            problems.push(Problem::Changed { found: hash, noted });
        }
        if header.previous != self.head {
            problems.push(Problem::Unchained { named: header.previous, found: self.head });
        }
        self.head = hash;
        let commit = Commit::decode(header, &stored.body)?;
        if let Some(listed) = stored.claimed_kinds() {
            let held = kinds(&commit);
            if listed != held {
                problems.push(Problem::Kinds { listed: listed.to_owned(), held });
            }
        }
        if let Some(state) = &mut self.state {
            let recorded = RecordedCommit { position: stored.position, commit, hash };
            if let Err(differs) = recheck(state, &recorded) {
                problems.push(Problem::Unruled(differs));
            }
            apply(state, &recorded);
            self.ruled = stored.position;
        }
        Ok((hash, command, problems))
    }

    /// Compares with the checkpoints of this size. Once one differs, so do all later.
    fn compare(&mut self) {
        while let Some((size, root)) = self.attested.last().copied() {
            if size > self.tree.size() {
                return;
            }
            self.attested.pop();
            if self.forked {
                continue;
            }
            if root == self.tree.root() {
                self.confirmed = size;
            } else {
                self.forked = true;
                self.find(size, Problem::Rewritten { from: self.confirmed + 1, to: size });
            }
        }
    }

    /// Ends at `end`, where the source says that the log does.
    ///
    /// # Errors
    /// Where temporary files cannot be read.
    pub fn finish(&mut self, end: u64) -> io::Result<()> {
        for (position, first) in self.commands.finish()? {
            self.find(position, Problem::Duplicate { first });
        }
        if self.position < end {
            let from = self.position + 1;
            self.find(from, Problem::Gap { from, to: end });
        }
        if let Some((attested, _)) = self.attested.first().copied()
            && attested > self.position.max(end)
        {
            self.find(self.position, Problem::Truncated { attested });
        }
        self.findings.sort_by_key(|finding| finding.position);
        Ok(())
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

    /// The Merkle tree over the hashes of the commits taken.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Up to where each decision was compared with the rules.
    pub fn ruled(&self) -> u64 {
        self.ruled
    }

    /// Up to where signed checkpoints attest the log.
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
