//! What `etcdctl member …` says in a fake runtime: one membership for all members.

use serde_json::json;

#[derive(Default)]
pub struct Members {
    next: u64,
    members: Vec<Member>,
    /// How often they were listed.
    pub lists: u64,
}

struct Member {
    id: u64,
    name: String,
    url: String,
    learner: bool,
}

/// The value of a flag.
fn flag<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    args.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='))
}

impl Members {
    /// Answers a command that was started in a member with the command `own`.
    ///
    /// # Errors
    /// What it says where it fails.
    pub fn run(&mut self, cmd: &[String], own: &[String]) -> Result<String, String> {
        if self.members.is_empty()
            && let (Some(name), Some(url)) =
                (flag(own, "--name"), flag(own, "--initial-advertise-peer-urls"))
        {
            self.add(name, url, false);
        }
        let words: Vec<&str> =
            cmd.iter().map(String::as_str).filter(|a| !a.starts_with("--")).collect();
        match words.as_slice() {
            ["etcdctl", "member", "list", ..] => {
                self.lists += 1;
                Ok(self.list())
            }
            ["etcdctl", "member", "add", name] => {
                let url = flag(cmd, "--peer-urls").ok_or("no --peer-urls")?;
                self.add(name, url, true);
                Ok(String::new())
            }
            ["etcdctl", "member", "promote", id] => {
                let member = self.members.iter_mut().find(|m| format!("{:x}", m.id) == *id);
                member.ok_or("no such member")?.learner = false;
                Ok(String::new())
            }
            ["etcdctl", "member", "remove", id] => {
                self.members.retain(|m| format!("{:x}", m.id) != *id);
                Ok(String::new())
            }
            _ => Err(format!("not faked: {}", words.join(" "))),
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|m| m.name.clone()).collect()
    }

    pub fn renew(&mut self, name: &str) -> bool {
        self.next += 1;
        let member = self.members.iter_mut().find(|m| m.name == name);
        member.map(|m| m.id = self.next).is_some()
    }

    fn add(&mut self, name: &str, url: &str, learner: bool) {
        self.next += 1;
        let (id, name, url) = (self.next, name.to_owned(), url.to_owned());
        self.members.push(Member { id, name, url, learner });
    }

    fn list(&self) -> String {
        let member = |m: &Member| json!({"ID": m.id, "name": m.name, "peerURLs": [m.url], "isLearner": m.learner});
        json!({"members": self.members.iter().map(member).collect::<Vec<_>>()}).to_string()
    }
}
