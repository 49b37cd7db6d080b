//! Who asks, by the client certificate, and what they may do.
//!
//! The certificate's common name is the person or program, and its organizations say what
//! they are: `oi:viewer`, `oi:operator` or `oi:admin`, and for a tenant `oi:tenant:<name>`
//! beside it. Clusters of a tenant are those whose names begin with the tenant's and a
//! hyphen; a tenant sees nothing else. Without TLS whoever reaches the API may do
//! everything.

use crate::rejected::Rejected;
use oi_events::{AskedBy, Code, Command, CommandFacts};
use oi_journal::Submission;
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

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// None without TLS.
    name: Option<String>,
    role: AccessRole,
    tenant: Option<String>,
}

fn forbidden(problem: impl Into<String>) -> Rejected {
    Rejected::new(Code::Forbidden, problem)
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
    /// Where it names nobody, or no role.
    pub fn of<T>(request: &Request<T>) -> Result<Identity, Rejected> {
        let Some(certificates) = request.peer_certs() else {
            return Ok(Identity { name: None, role: AccessRole::Admin, tenant: None });
        };
        let unreadable = || forbidden("the client certificate cannot be read");
        let der = certificates.first().ok_or_else(unreadable)?;
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
        Ok(Identity { name: Some(name), role, tenant: submission.tenant.clone() })
    }

    fn named<'a>(
        name: &str,
        organizations: impl Iterator<Item = &'a str>,
    ) -> Result<Identity, Rejected> {
        let name = crate::convert::actor(name).map_err(|_| {
            forbidden("the client certificate's common name is none that can be recorded")
        })?;
        let (mut role, mut tenant) = (None, None);
        for organization in organizations {
            role = role.max(organization.strip_prefix("oi:").and_then(AccessRole::parse));
            if let Some(name) = organization.strip_prefix("oi:tenant:") {
                tenant = Some(name.to_owned());
            }
        }
        let role = role.ok_or_else(|| {
            forbidden(format!(
                "{name} has no role: the certificate's organization must be oi:viewer, oi:operator or oi:admin"
            ))
        })?;
        Ok(Identity { name: Some(name), role, tenant })
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
            Some(tenant) => Err(forbidden(format!(
                "tenant {tenant} sees and changes clusters named {tenant}-… only"
            ))),
            None => self.needs(role),
        }
    }

    /// Whether it sees a cluster.
    pub fn sees(&self, cluster: &str) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| {
            cluster.strip_prefix(tenant.as_str()).is_some_and(|rest| rest.starts_with('-'))
        })
    }

    /// Whether it may see a cluster and has this role.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where not.
    pub fn needs_on(&self, role: AccessRole, cluster: &str) -> Result<(), Rejected> {
        if self.sees(cluster) { self.needs(role) } else { self.needs_all(role) }
    }

    /// Whether it may ask for a command: of what it is about, a tenant must see all.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where not.
    pub fn may(&self, command: &Command) -> Result<(), Rejected> {
        let CommandFacts { about, asked_by, .. } = command.facts();
        let role = match asked_by {
            AskedBy::Operator => AccessRole::Operator,
            AskedBy::Admin => AccessRole::Admin,
            AskedBy::Oi => {
                let kind = command.kind().name;
                return Err(forbidden(format!("{kind} is for oi itself")));
            }
        };
        let mut clusters = about.clusters().peekable();
        if clusters.peek().is_none() {
            return self.needs_all(role);
        }
        clusters.try_for_each(|c| self.needs_on(role, c.as_str()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use oi_events::*;

    fn identity(organizations: &[&str]) -> Result<Identity, Rejected> {
        Identity::named("alice", organizations.iter().copied())
    }

    #[test]
    fn a_certificate_without_a_role_or_a_name_may_nothing() {
        assert!(identity(&[]).is_err());
        assert!(identity(&["admin", "system:masters"]).is_err());
        assert!(Identity::named("", ["oi:admin"].into_iter()).is_err());
        assert!(Identity::named("system:worker", ["oi:admin"].into_iter()).is_err());
    }

    #[test]
    fn a_tenant_touches_only_clusters_of_its_name() {
        let tenant = identity(&["oi:operator", "oi:tenant:acme"]).unwrap();
        let delete = |name: &str| {
            DeleteClusterV2 { name: name.parse().unwrap(), forget_orphans: false }.into()
        };
        assert!(tenant.may(&delete("acme-blue")).is_ok());
        for other in ["acme", "acmeblue", "other", "x-acme-blue"] {
            assert!(tenant.may(&delete(other)).is_err(), "{other}");
        }
        let clone = CloneClusterV1 {
            name: "acme-copy".parse().unwrap(),
            source: "other".parse().unwrap(),
            backup: BackupId(uuid::Uuid::nil()),
        };
        assert!(tenant.may(&clone.into()).is_err());
        for (job, may) in [
            ("node.acme-blue.cp-1.7.etcd", true),
            ("node.other.cp-1.7.etcd", false),
            ("hypervisor.acme-x.7.probe", false),
            ("", false),
        ] {
            let retry = RetryJobV1 { job: JobId(job.to_owned()) }.into();
            assert_eq!(tenant.may(&retry).is_ok(), may, "{job}");
        }
    }

    #[test]
    fn each_role_may_what_it_is_for() {
        let cluster = UndeleteClusterV1 { name: "a".parse().unwrap() }.into();
        let hypervisor = ForgetOrphansV1 { name: "a".parse().unwrap() }.into();
        let oi_only = RetryJobV1 { job: JobId("hypervisor.a.7.probe".to_owned()) }.into();
        for (role, clusters, hypervisors) in
            [("oi:viewer", false, false), ("oi:operator", true, false), ("oi:admin", true, true)]
        {
            let who = identity(&[role]).unwrap();
            assert_eq!(who.may(&cluster).is_ok(), clusters, "{role}");
            assert_eq!(who.may(&hypervisor).is_ok(), hypervisors, "{role}");
            assert_eq!(who.may(&oi_only).is_ok(), hypervisors, "{role}");
        }
        assert_eq!(identity(&["oi:viewer"]).unwrap().actor("bob@host"), "alice:bob@host");
    }

    #[test]
    fn nobody_may_what_is_for_oi_itself() {
        let seen = Observation::HypervisorUnreachable {
            name: "a".parse().unwrap(),
            reason: "x".to_owned(),
        };
        let report = ReportObservationV1 { observation: seen }.into();
        assert!(identity(&["oi:admin"]).unwrap().may(&report).is_err());
    }
}
