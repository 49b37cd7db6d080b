//! The limits of what a command can ask for. Each stands here once, with what people are told.

macro_rules! limits {
    ($( $(#[$doc:meta])* $name:ident = $bound:literal: $before:literal, $after:literal; )*) => {
        /// A limit. `tests/abuse` asks for the most that each allows, and for one more.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Limit { $( $(#[$doc])* $name, )* }

        impl Limit {
            /// All of them.
            pub const ALL: &'static [Limit] = &[ $( Limit::$name, )* ];

            /// The most that is taken; of [`Limit::BackupInterval`] the least.
            pub const fn bound(self) -> usize {
                match self { $( Limit::$name => $bound, )* }
            }

            /// What is wrong with more, and what to do. It names the bound.
            pub const fn problem(self) -> &'static str {
                match self { $( Limit::$name => concat!($before, $bound, $after), )* }
            }
        }
    };
}

limits! {
    /// KiB of a request.
    Request = 256: "the message is longer than ", " KiB, as no command is";
    /// Bytes of who asks.
    Actor = 200: "say who asks, in 1 to ", " characters without line breaks; system: is reserved";
    /// Seconds by which a sender's clock may be ahead.
    ClockAhead = 300: "it may be ahead by ", " s: set it right";
    /// Bytes of a name. They are joined into host names, job ids and sandbox names.
    Name = 40: "use 1 to ", " of a-z, 0-9 and '-', starting and ending with a letter or digit";
    /// Nodes of a cluster: one decision can change all of them.
    Nodes = 50: "a cluster has at most ", ": remove some first";
    /// API servers that a cluster is scaled to. More is a slip of the pen.
    ApiServers = 20: "it must be 1 to ", "";
    /// Bytes of a DNS domain: names of Services are longer, and end at 253.
    DnsDomain = 200: "it is not a DNS name of at most ", " characters, for example cluster.local";
    /// Bytes of a host's name.
    HostName = 253:
        "it is neither a DNS name in small letters, of at most ",
        " characters, nor an IP address";
    /// Further names in the certificates of a cluster's API servers.
    ExtraSans = 100: "use at most ", "";
    /// Bytes of them together: the certificates of all nodes fit into one decision.
    ExtraSansText = 4000: "use at most ", " characters altogether";
    /// Join tokens of a cluster at a time.
    JoinTokens = 100: "there are ", " of them already: revoke some";
    /// Characters of what a token is for.
    TokenDescription = 200: "use at most ", " characters without line breaks";
    /// Days that a token lives: whoever finds it later is a stranger.
    TokenLife = 30: "it must lie ahead, and no more than ", " days";
    /// Issuers of a cluster's users: as many as an API server takes.
    Issuers = 64: "use at most ", "";
    /// Audiences of an issuer.
    Audiences = 64: "name 1 to ", " of them";
    /// Claims that an issuer's tokens must have.
    RequiredClaims = 64: "use at most ", "";
    /// Bytes of an issuer's URL.
    Url = 2048:
        "use a URL that begins with https://, of at most ",
        " characters, without query, fragment and escapes";
    /// Bytes of an audience, a claim or its value.
    ClaimText = 2048: "use 1 to ", " printable characters";
    /// Bytes before a user's or group's name.
    Prefix = 2048: "use at most ", " printable characters";
    /// Ports of a hypervisor for clusters to share.
    SharedPorts = 64: "name at most ", " ports from 1 to 65535, each once";
    /// The fewest seconds from one backup to the next: more often makes a cluster busy with
    /// nothing else.
    BackupInterval = 10: "it must be ", " s at least, or 0 for never";
    /// Bytes of the name of a snapshot's file.
    SnapshotFile = 100: "name a file with at most ", " of a-z, A-Z, 0-9, '.', '-' and '_'";
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn what_people_are_told_names_the_bound() {
        for limit in Limit::ALL {
            assert!(limit.problem().contains(&limit.bound().to_string()), "{limit:?}");
        }
        assert_eq!(Limit::Nodes.problem(), "a cluster has at most 50: remove some first");
    }
}
