//! How the mail server proves who it is.

use std::net::IpAddr;

use ftr_core::config::{Encryption, Smtp};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{CertificateStore, TlsParameters};

/// TLS for one connection; the system's root certificates are read for it and dropped with it.
pub(super) fn parameters(smtp: &Smtp, host: &str) -> Result<TlsParameters, Error> {
    let builder = TlsParameters::builder(host.to_owned());
    if verifies(smtp, host) {
        builder.build()
    } else {
        builder
            .certificate_store(CertificateStore::None)
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .build()
    }
}

/// Whether the certificate matters.
///
/// Where TLS is optional and the server is this very host it does not: nobody is in between, and Debian's mail servers
/// offer STARTTLS with a certificate that they have made themselves.
fn verifies(smtp: &Smtp, host: &str) -> bool {
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    smtp.verify && !(local && smtp.encryption == Encryption::Opportunistic)
}
