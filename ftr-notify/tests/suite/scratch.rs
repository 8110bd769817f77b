//! A directory with a configuration and certificates, and the program that uses them.

use std::fs;
use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// What every configuration has.
const UPLINKS: &str = "uplinks:\n- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}\n\
    - {interface: eth2, ip: 198.51.100.2, gateway: 198.51.100.1}\n\
    downlinks: {lan: eth0}\ntests: {ips: [203.0.113.1, 203.0.113.2], required_successful: 1}\n";

/// A directory that goes when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// `name` is the test's.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A certificate of 127.0.0.1 with its key in one file, for the server, and alone in another, to trust.
    pub(crate) fn certificate(&self) -> Result<PathBuf> {
        let (key, certificate, both) = (self.path("key.pem"), self.path("trusted.pem"), self.path("server.pem"));
        let status = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=mail.test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()?;
        assert!(status.success(), "openssl makes a certificate");
        fs::write(&both, [fs::read(&key)?, fs::read(&certificate)?].concat())?;
        Ok(both)
    }

    /// Writes a configuration that says nothing of mail.
    pub(crate) fn configure_without_email(&self) -> Result<()> {
        fs::write(self.path("ftr.yaml"), UPLINKS)
    }

    /// Writes the configuration, with these lines in `email` and in `email.smtp_parameters`.
    pub(crate) fn configure(&self, email: &[&str], smtp: &[&str]) -> Result<()> {
        let (email, smtp) = (email.join("\n  "), smtp.join("\n    "));
        let text = format!(
            "{UPLINKS}\
             email:\n  sender: Router <router@example.com>\n  {email}\n  smtp_parameters:\n    address: 127.0.0.1\n    {smtp}\n"
        );
        fs::write(self.path("ftr.yaml"), text)
    }

    /// The program, which trusts the certificate of this directory and no other.
    pub(crate) fn notify(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftr-notify"));
        command.env("FTR_CONFIG", self.path("ftr.yaml")).env("SSL_CERT_FILE", self.path("trusted.pem"));
        command.env_remove("SSL_CERT_DIR").args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end with this input.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = self.notify(args).spawn()?;
        match feed(&mut child, input) {
            // It may end without reading, where it has nothing to do with the input.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
        drop(child.stdin.take());
        child.wait_with_output()
    }
}

/// Writes to the program's input, and leaves it open.
pub(crate) fn feed(child: &mut Child, input: &str) -> Result<()> {
    child.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(input.as_bytes()))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the build directory is all that can come of it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
