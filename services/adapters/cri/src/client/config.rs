//! Pods and containers in CRI's own types.

use crate::spec::{ContainerSpec, HashError, PodSpec, label};
use k8s_cri::v1 as cri;

fn namespaces(pod: &PodSpec) -> cri::NamespaceOption {
    let (network, pid) = if pod.on_host {
        (cri::NamespaceMode::Node, cri::NamespaceMode::Node)
    } else {
        (cri::NamespaceMode::Pod, cri::NamespaceMode::Container)
    };
    cri::NamespaceOption {
        network: network.into(),
        pid: pid.into(),
        ipc: cri::NamespaceMode::Pod.into(),
        ..Default::default()
    }
}

/// The configuration of a sandbox.
pub fn sandbox_config(pod: &PodSpec) -> Result<cri::PodSandboxConfig, HashError> {
    let mut labels = pod.labels.clone();
    labels.extend(pod.identity.clone());
    labels.insert(label::GENERATION.to_owned(), pod.generation.to_string());
    Ok(cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            namespace: pod.namespace.clone(),
            attempt: 0,
        }),
        hostname: if pod.on_host { String::new() } else { pod.hostname.clone() },
        log_directory: pod.log_directory.clone(),
        port_mappings: pod
            .ports
            .iter()
            .map(|p| cri::PortMapping {
                protocol: if p.udp { cri::Protocol::Udp } else { cri::Protocol::Tcp }.into(),
                container_port: p.container_port.into(),
                host_port: p.host_port.into(),
                host_ip: String::new(),
            })
            .collect(),
        labels: labels.into_iter().collect(),
        annotations: [(label::SPEC_HASH.to_owned(), pod.sandbox_hash()?)].into(),
        linux: Some(cri::LinuxPodSandboxConfig {
            security_context: Some(cri::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(pod)),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// The device with which a program creates network interfaces.
fn tun_device() -> cri::Device {
    let path = "/dev/net/tun".to_owned();
    cri::Device { container_path: path.clone(), host_path: path, permissions: "rw".to_owned() }
}

/// The configuration of a container. `attempt` tells containers of the same name apart.
pub fn container_config(
    pod: &PodSpec,
    container: &ContainerSpec,
    attempt: u32,
) -> Result<cri::ContainerConfig, HashError> {
    let mut labels = pod.identity.clone();
    labels.insert(label::GENERATION.to_owned(), pod.generation.to_string());
    Ok(cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: container.name.clone(), attempt }),
        image: Some(cri::ImageSpec { image: container.image.clone(), ..Default::default() }),
        command: container.command.clone(),
        envs: container
            .env
            .iter()
            .chain(&container.first_start_env)
            .map(|(key, value)| cri::KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        mounts: container
            .mounts
            .iter()
            .map(|m| cri::Mount {
                container_path: m.container_path.clone(),
                host_path: m.host_path.clone(),
                readonly: m.read_only,
                ..Default::default()
            })
            .collect(),
        labels: labels.into_iter().collect(),
        annotations: [(label::SPEC_HASH.to_owned(), container.hash()?)].into(),
        log_path: format!("{}.log", container.name),
        devices: container.has_tunnel.then(tun_device).into_iter().collect(),
        linux: Some(cri::LinuxContainerConfig {
            security_context: Some(cri::LinuxContainerSecurityContext {
                // Files have mode 0600 and belong to root; images have various users.
                run_as_user: Some(cri::Int64Value { value: 0 }),
                namespace_options: Some(namespaces(pod)),
                no_new_privs: true,
                capabilities: container.has_tunnel.then(|| cri::Capability {
                    add_capabilities: vec!["NET_ADMIN".to_owned()],
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}
