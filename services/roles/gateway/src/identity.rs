//! Who asks, by the client certificate, and what they may do.
//!
//! The certificate's common name is the person or program, and its organizations say what
//! they are: `oi:viewer`, `oi:operator` or `oi:admin`, and for a tenant `oi:tenant:<name>`
//! beside it. Whose a cluster is, is recorded; a tenant sees no others. What a tenant creates is
//! its own, and its name begins with the tenant's and a hyphen. Without TLS whoever reaches the
//! API may do everything.

use crate::operation::unknown;
use crate::rejected::Rejected;
use crate::tls::Connection;
use oi_domain::State;
use oi_events::{
    AskedBy, BackupCommand, ClusterCommand, ClusterName, Code, Command, CommandEnvelope,
    CommandFacts, CreateClusterForTenantV1, Keys, NodeCommand, TenantCommand, TenantName, parsed,
};
use oi_journal::Submission;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use tonic::Request;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What somebody may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessRole {
    /// Look.
    Viewer,
    /// Change clusters, and get credentials for them.
    Operator,
    /// Change hypervisors, and see what was refused.
    Admin,
}

impl AccessRole {
    fn parse(word: &str) -> Option<AccessRole> {
        match word {
            "viewer" => Some(AccessRole::Viewer),
            "operator" => Some(AccessRole::Operator),
            "admin" => Some(AccessRole::Admin),
            _ => None,
        }
    }
}

/// Whether those who connect are asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// By mutual TLS.
    ForCertificates,
    /// Whoever reaches the API may do everything.
    Nobody,
}

/// Who counts as one where somebody may take a share only: the same name in two tenants is two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    tenant: Option<TenantName>,
    name: Option<String>,
}

impl Display for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.tenant) {
            (None, _) => write!(f, "everybody together"),
            (Some(name), None) => write!(f, "{name}"),
            (Some(name), Some(tenant)) => write!(f, "{name} of tenant {tenant}"),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// None without TLS.
    name: Option<String>,
    role: AccessRole,
    tenant: Option<TenantName>,
}

fn forbidden(problem: impl Into<String>) -> Rejected {
    Rejected::new(Code::Forbidden, problem)
}

fn tenant(name: &str) -> Result<TenantName, Rejected> {
    name.parse().map_err(|e: oi_events::IdError| forbidden(e.to_string()))
}

/// A producer as it is recorded; the same name in two tenants is two producers.
pub fn actor_of(submission: &Submission) -> String {
    match &submission.tenant {
        None => format!("producer:{}", submission.producer),
        Some(tenant) => format!("producer:{tenant}:{}", submission.producer),
    }
}

impl Identity {
    /// Reads the certificate of a request's connection.
    ///
    /// # Errors
    /// Where it names nobody, or no role; and where there is none, unless everybody may ask.
    pub fn of<T>(request: &Request<T>, asks: Asks) -> Result<Identity, Rejected> {
        let certificates = request.peer_certs();
        match (certificates.as_ref().and_then(|all| all.first()), asks) {
            (Some(certificate), _) => Identity::of_certificate(certificate),
            (None, Asks::Nobody) => {
                Ok(Identity { name: None, role: AccessRole::Admin, tenant: None })
            }
            (None, Asks::ForCertificates) => Err(forbidden("there is no client certificate")),
        }
    }

    /// Reads a certificate.
    ///
    /// # Errors
    /// Where it names nobody, or no role.
    pub fn of_certificate(der: &[u8]) -> Result<Identity, Rejected> {
        let unreadable = || forbidden("the client certificate cannot be read");
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next().map(|cn| cn.as_str());
        let name = name.transpose().map_err(|_| unreadable())?;
        // One that is left out might be the one that says whose tenant it is.
        let organizations: Result<Vec<&str>, _> =
            subject.iter_organization().map(|o| o.as_str()).collect();
        let organizations = organizations.map_err(|_| unreadable())?;
        Identity::named(name.unwrap_or_default(), organizations.into_iter())
    }

    /// Who publishes on `oi.submit.<role>.<producer>` or `oi.submit.<role>.<tenant>.<producer>`:
    /// the broker's permissions say who may.
    ///
    /// # Errors
    /// Where the subject names no role.
    pub fn of_producer(submission: &Submission) -> Result<Identity, Rejected> {
        let name = actor_of(submission);
        let role = AccessRole::parse(&submission.role).ok_or_else(|| {
            forbidden(format!(
                "{name} publishes as {:?}, which is no role: use operator or admin",
                submission.role
            ))
        })?;
        let tenant = submission.tenant.as_deref().map(tenant).transpose()?;
        Ok(Identity { name: Some(name), role, tenant })
    }

    /// Who has a name and organizations.
    ///
    /// # Errors
    /// Where they name nobody, or no role.
    pub(crate) fn named<'a>(
        name: &str,
        organizations: impl Iterator<Item = &'a str>,
    ) -> Result<Identity, Rejected> {
        let name = crate::convert::actor(name).map_err(|_| {
            forbidden("the client certificate's common name is none that can be recorded")
        })?;
        let (mut role, mut whose) = (None, None);
        for organization in organizations {
            role = role.max(organization.strip_prefix("oi:").and_then(AccessRole::parse));
            if let Some(name) = organization.strip_prefix("oi:tenant:") {
                let other = whose.replace(tenant(name)?);
                if other.is_some_and(|other| Some(other) != whose) {
                    return Err(forbidden("the client certificate names two tenants"));
                }
            }
        }
        let role = role.ok_or_else(|| {
            forbidden(format!(
                "{name} has no role: the certificate's organization must be oi:viewer, oi:operator or oi:admin"
            ))
        })?;
        Ok(Identity { name: Some(name), role, tenant: whose })
    }

    /// As whom it takes its share.
    pub fn account(&self) -> Account {
        Account { tenant: self.tenant.clone(), name: self.name.clone() }
    }

    /// Whether it is a tenant's.
    pub fn is_tenant(&self) -> bool {
        self.tenant.is_some()
    }

    /// What is recorded as the actor, where the request says `said`.
    pub fn actor(&self, said: &str) -> String {
        match &self.name {
            None => said.to_owned(),
            Some(name) if said.is_empty() || said == name => name.clone(),
            Some(name) => format!("{name}:{said}"),
        }
    }

    /// Whether it has this role.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where it has not.
    pub fn needs(&self, role: AccessRole) -> Result<(), Rejected> {
        if self.role >= role {
            return Ok(());
        }
        let name = self.name.as_deref().unwrap_or_default();
        Err(forbidden(format!("{name} is {:?}, and this needs {role:?}", self.role).to_lowercase()))
    }

    /// Whether it is nobody's tenant, and has this role.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where it is.
    pub fn needs_all(&self, role: AccessRole) -> Result<(), Rejected> {
        match &self.tenant {
            Some(tenant) => {
                Err(forbidden(format!("tenant {tenant} sees and changes its own clusters only")))
            }
            None => self.needs(role),
        }
    }

    /// Whether it sees the cluster of that name.
    pub fn sees(&self, state: &State, cluster: &str) -> bool {
        self.tenant.as_ref().is_none_or(|own| {
            parsed(cluster).is_some_and(|c: ClusterName| state.tenants.of(&c) == Some(own))
        })
    }

    /// Whether it sees what happened to the cluster of that name at a position: the name may be
    /// another one's since.
    pub fn saw(&self, state: &State, cluster: &str, position: u64) -> bool {
        self.tenant.as_ref().is_none_or(|own| {
            parsed(cluster)
                .is_some_and(|c: ClusterName| state.tenants.at(&c, position) == Some(own))
        })
    }

    /// Whether it may see a cluster and has this role.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where not.
    pub fn needs_on(&self, state: &State, role: AccessRole, cluster: &str) -> Result<(), Rejected> {
        if self.sees(state, cluster) { self.needs(role) } else { self.needs_all(role) }
    }

    /// What is asked in its name: what a tenant creates is its own.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where it may not ask for that.
    pub fn asks(
        &self,
        state: &State,
        envelope: CommandEnvelope,
    ) -> Result<CommandEnvelope, Rejected> {
        self.asks_beside(state, &BTreeSet::new(), envelope)
    }

    /// The same, where it has just created clusters.
    fn asks_beside(
        &self,
        state: &State,
        created: &BTreeSet<ClusterName>,
        envelope: CommandEnvelope,
    ) -> Result<CommandEnvelope, Rejected> {
        let command = match (&self.tenant, envelope.command) {
            (Some(own), Command::Cluster(ClusterCommand::CreateCluster(c))) => {
                let tenant = own.clone();
                CreateClusterForTenantV1 { tenant, name: c.name, spec: c.spec }.into()
            }
            (_, command) => command,
        };
        self.may(state, created, &command)?;
        Ok(CommandEnvelope { command, ..envelope })
    }

    /// The same of commands one after the other: what one creates, the next ones may change.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where it may not ask for one of them.
    pub fn asks_all(
        &self,
        state: &State,
        commands: Vec<CommandEnvelope>,
    ) -> Result<Vec<CommandEnvelope>, Rejected> {
        let mut created = BTreeSet::new();
        let mut asked = Vec::new();
        for envelope in commands {
            let CommandFacts { about, keys, .. } = envelope.command.facts();
            let cluster = about.cluster.clone();
            asked.push(self.asks_beside(state, &created, envelope)?);
            created.extend(cluster.filter(|_| keys == Keys::New));
        }
        Ok(asked)
    }

    /// Whether it may ask for a command: of what it is about, a tenant must see all, or have created
    /// it just now.
    fn may(
        &self,
        state: &State,
        created: &BTreeSet<ClusterName>,
        command: &Command,
    ) -> Result<(), Rejected> {
        let CommandFacts { about, asked_by, keys, .. } = command.facts();
        let role = match asked_by {
            AskedBy::Operator => AccessRole::Operator,
            AskedBy::Admin => AccessRole::Admin,
            AskedBy::Oi => {
                let kind = command.kind().name;
                return Err(forbidden(format!("{kind} is for oi itself")));
            }
        };
        if let Some(own) = &self.tenant {
            self.may_as_tenant(own, command)?;
        }
        let mut clusters = about.clusters().peekable();
        if clusters.peek().is_none() {
            return self.needs_all(role);
        }
        let new = about.cluster.as_ref().filter(|_| keys == Keys::New);
        clusters.try_for_each(|c| {
            if Some(c) == new {
                self.may_name(c)?;
            } else if created.contains(c) {
                return self.needs(role);
            } else if !state.clusters.contains_key(c) && self.tenant.is_some() {
                // It is told here: by the time of a decision it may be somebody else's.
                self.may_name(c)?;
                self.needs(role)?;
                return Err(unknown(c));
            } else if !self.sees(state, c.as_str()) {
                return self.needs_all(role);
            }
            self.needs(role)
        })
    }

    /// What no tenant may, of clusters of its own either.
    fn may_as_tenant(&self, own: &TenantName, command: &Command) -> Result<(), Rejected> {
        match command {
            Command::Node(NodeCommand::AddNode(c)) if c.hypervisor.is_some() => {
                Err(forbidden(format!("tenant {own} does not choose hypervisors: leave it out")))
            }
            Command::Tenant(TenantCommand::SetTenant(_)) => {
                Err(forbidden(format!("tenant {own} does not say whose a cluster is")))
            }
            Command::Backup(BackupCommand::ImportCluster(_)) => {
                Err(forbidden(format!("tenant {own} takes in no snapshots: ask an administrator")))
            }
            Command::Tenant(TenantCommand::CreateClusterForTenant(c)) if c.tenant != *own => {
                Err(forbidden(format!("tenant {own} creates clusters of its own only")))
            }
            _ => Ok(()),
        }
    }

    /// Whether it may give a new cluster this name.
    fn may_name(&self, cluster: &ClusterName) -> Result<(), Rejected> {
        let Some(own) = &self.tenant else { return Ok(()) };
        let rest = cluster.as_str().strip_prefix(own.as_str());
        if rest.is_some_and(|rest| rest.starts_with('-')) {
            return Ok(());
        }
        Err(forbidden(format!("tenant {own} creates clusters named {own}-… only, not {cluster}")))
    }
}

impl Connection {
    /// Whether its client may see all that there is, as the page shows it.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where not.
    pub fn sees_all(&self) -> Result<(), Rejected> {
        let der = self.certificate();
        let der = der.ok_or_else(|| forbidden("a client certificate is needed"))?;
        Identity::of_certificate(&der)?.needs_all(AccessRole::Viewer)
    }
}

#[cfg(test)]
pub(crate) mod tests;
