//! Who asks, by the client certificate, and what they may do.
//!
//! The certificate's common name is the person or program, and its organizations say what
//! they are: `oi:viewer`, `oi:operator` or `oi:admin`, and for a tenant `oi:tenant:<name>`
//! beside it. Clusters of a tenant are those whose names begin with the tenant's and a
//! hyphen; a tenant sees nothing else. Without TLS whoever reaches the API may do
//! everything.

use crate::rejected::Rejected;
use oi_domain::JobTarget;
use oi_events::Code;
use oi_events::JobId;
use oi_proto::v1::{self, submit_request::Command as Asked};
use tonic::Request;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What somebody may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Change clusters, and get credentials for them.
    Operator,
    /// Change hypervisors, and see what was refused.
    Admin,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// None without TLS.
    name: Option<String>,
    role: Role,
    tenant: Option<String>,
}

fn forbidden(problem: impl Into<String>) -> Rejected {
    Rejected::new(Code::Forbidden, problem)
}

/// The clusters that a command is about; none where it is about hypervisors, or all.
fn clusters(asked: &Asked) -> Option<Vec<&str>> {
    Some(match asked {
        Asked::RegisterHypervisor(_)
        | Asked::CordonHypervisor(_)
        | Asked::SharePorts(_)
        | Asked::UnregisterHypervisor(_)
        | Asked::ForgetOrphans(_)
        | Asked::RaiseFeatureLevel(_) => return None,
        Asked::CreateCluster(c) => vec![&c.name],
        Asked::DeleteCluster(c) => vec![&c.name],
        Asked::ScaleCluster(c) => vec![&c.name],
        Asked::AddNode(c) => vec![&c.cluster],
        Asked::RemoveNode(c) => vec![&c.cluster],
        Asked::ReplaceNode(c) => vec![&c.cluster],
        Asked::RetryJob(v1::RetryJob { job }) | Asked::CancelJob(v1::CancelJob { job }) => {
            match JobTarget::parse(&JobId(job.clone())) {
                Some(target) if target.cluster().is_none() => return None,
                // The second part of such an id.
                Some(_) => vec![job.split('.').nth(1).unwrap_or_default()],
                // No tenant's.
                None => vec![""],
            }
        }
        Asked::UpgradeCluster(c) => vec![&c.name],
        Asked::ChangeUpgrade(c) => vec![&c.name],
        Asked::HibernateCluster(c) => vec![&c.name],
        Asked::ScheduleDeletion(c) => vec![&c.name],
        Asked::UndeleteCluster(c) => vec![&c.name],
        Asked::BackupCluster(c) => vec![&c.name],
        Asked::ScheduleBackups(c) => vec![&c.name],
        Asked::DeleteBackup(c) => vec![&c.cluster],
        Asked::RestoreCluster(c) => vec![&c.name],
        Asked::CloneCluster(c) => vec![&c.name, &c.source],
        Asked::RotateCa(c) => vec![&c.name],
        Asked::SetAddons(c) => vec![&c.cluster],
        Asked::CreateJoinToken(c) => vec![&c.cluster],
        Asked::RevokeJoinToken(c) => vec![&c.cluster],
        Asked::EnableTunnel(c) => vec![&c.cluster],
        Asked::SetEndpoint(c) => vec![&c.cluster],
        Asked::SetAuthentication(c) => vec![&c.cluster],
    })
}

impl Identity {
    /// Reads the certificate of a request's connection.
    ///
    /// # Errors
    /// Where it names nobody, or no role.
    pub fn of<T>(request: &Request<T>) -> Result<Identity, Rejected> {
        let Some(certificates) = request.peer_certs() else {
            return Ok(Identity { name: None, role: Role::Admin, tenant: None });
        };
        let unreadable = || forbidden("the client certificate cannot be read");
        let der = certificates.first().ok_or_else(unreadable)?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
        let subject = certificate.subject();
        let name = subject.iter_common_name().next().and_then(|cn| cn.as_str().ok());
        let organizations = subject.iter_organization().filter_map(|o| o.as_str().ok());
        Identity::named(name.unwrap_or_default(), organizations)
    }

    fn named<'a>(
        name: &str,
        organizations: impl Iterator<Item = &'a str>,
    ) -> Result<Identity, Rejected> {
        let name = crate::command::actor(name).map_err(|_| {
            forbidden("the client certificate's common name is none that can be recorded")
        })?;
        let (mut role, mut tenant) = (None, None);
        for organization in organizations {
            let more = match organization {
                "oi:viewer" => Some(Role::Viewer),
                "oi:operator" => Some(Role::Operator),
                "oi:admin" => Some(Role::Admin),
                _ => None,
            };
            role = role.max(more);
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
    pub fn needs(&self, role: Role) -> Result<(), Rejected> {
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
    pub fn needs_all(&self, role: Role) -> Result<(), Rejected> {
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
    pub fn needs_on(&self, role: Role, cluster: &str) -> Result<(), Rejected> {
        if self.sees(cluster) { self.needs(role) } else { self.needs_all(role) }
    }

    /// Whether it may ask for a command.
    ///
    /// # Errors
    /// [`Code::Forbidden`] where not.
    pub fn may(&self, request: &v1::SubmitRequest) -> Result<(), Rejected> {
        match request.command.as_ref().map(clusters) {
            // What it is about will be missed when it is read.
            None => self.needs(Role::Operator),
            Some(None) => self.needs_all(Role::Admin),
            Some(Some(clusters)) => {
                clusters.into_iter().try_for_each(|c| self.needs_on(Role::Operator, c))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn identity(organizations: &[&str]) -> Result<Identity, Rejected> {
        Identity::named("alice", organizations.iter().copied())
    }

    fn request(command: Asked) -> v1::SubmitRequest {
        v1::SubmitRequest { command: Some(command), ..v1::SubmitRequest::default() }
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
            request(Asked::DeleteCluster(v1::DeleteCluster {
                name: name.to_owned(),
                forget_orphans: false,
            }))
        };
        assert!(tenant.may(&delete("acme-blue")).is_ok());
        for other in ["acme", "acmeblue", "other", "", "x-acme-blue"] {
            assert!(tenant.may(&delete(other)).is_err(), "{other}");
        }
        let clone = v1::CloneCluster {
            name: "acme-copy".to_owned(),
            source: "other".to_owned(),
            backup: String::new(),
        };
        assert!(tenant.may(&request(Asked::CloneCluster(clone))).is_err());
        for (job, may) in [
            ("node.acme-blue.cp-1.7.etcd", true),
            ("node.other.cp-1.7.etcd", false),
            ("hypervisor.acme-x.7.probe", false),
            ("", false),
        ] {
            let retry = request(Asked::RetryJob(v1::RetryJob { job: job.to_owned() }));
            assert_eq!(tenant.may(&retry).is_ok(), may, "{job}");
        }
    }

    #[test]
    fn each_role_may_what_it_is_for() {
        let cluster = request(Asked::UndeleteCluster(v1::UndeleteCluster { name: "a".to_owned() }));
        let hypervisor = request(Asked::ForgetOrphans(v1::ForgetOrphans { name: "a".to_owned() }));
        for (role, clusters, hypervisors) in
            [("oi:viewer", false, false), ("oi:operator", true, false), ("oi:admin", true, true)]
        {
            let who = identity(&[role]).unwrap();
            assert_eq!(who.may(&cluster).is_ok(), clusters, "{role}");
            assert_eq!(who.may(&hypervisor).is_ok(), hypervisors, "{role}");
        }
        assert_eq!(identity(&["oi:viewer"]).unwrap().actor("bob@host"), "alice:bob@host");
    }
}
