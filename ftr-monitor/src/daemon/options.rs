//! How the daemon is told to run.

/// How the daemon runs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// Make up uplinks that come and go, and show what would be done; needs no root
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) demo: bool,
    /// Probe and decide, but write nothing to the kernel and send no mail
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Log every check, as -v does
    #[arg(long)]
    pub(crate) debug: bool,
}
