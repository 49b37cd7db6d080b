//! Ports of 127.0.0.1 that lead to a public hypervisor, so that the host needs no
//! packet filter rules.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Why nothing is forwarded.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No runtime.
    #[error("cannot start")]
    Runtime(#[source] std::io::Error),
    /// A port is taken.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// Which.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Forwards until killed.
pub fn forward(ports: RangeInclusive<u16>, to: Ipv4Addr) -> Result<(), ForwardError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ForwardError::Runtime)?;
    runtime.block_on(async {
        for port in ports {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .map_err(|source| ForwardError::Listen { port, source })?;
            tokio::spawn(accept(listener, to, port));
        }
        std::future::pending().await
    })
}

async fn accept(listener: TcpListener, to: Ipv4Addr, port: u16) {
    loop {
        match listener.accept().await {
            Ok((mut near, _)) => {
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect((to, port)).await {
                        let _ = (near.set_nodelay(true), far.set_nodelay(true));
                        // Either side may break off; there is nobody to tell.
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
            // Out of file descriptors, for example: others may end soon.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}
