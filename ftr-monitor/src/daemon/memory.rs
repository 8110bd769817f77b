//! What is known is written by a thread of its own.

use std::io;
use std::sync::Arc;

use ftr_core::Config;
use ftr_core::record::Event;
use ftr_tool::assigned;
use ftr_tool::delegated::{self, Networks};
use ftr_tool::running::Running;

use super::writer::Writer;
use crate::decide::{Memory, Usage};
use crate::memory::{Keeper, remember};
use crate::state;
use crate::supervisor::Supervisor;

/// What is to be remembered.
pub(super) struct Known {
    /// What it is known under.
    config: Arc<Config>,
    running: Running,
    memory: Memory,
    events: Vec<Arc<Event>>,
    /// What was used of quotas, where enough of it is new.
    usage: Option<Usage>,
    /// The networks that hosts may have addresses of, where they are new.
    networks: Option<Networks>,
}

impl Known {
    pub(super) fn of(supervisor: &mut Supervisor, config: &Arc<Config>, running: &Running) -> Self {
        let (memory, events) = supervisor.known();
        let (usage, networks) = (supervisor.usage(), supervisor.networks());
        Self { config: Arc::clone(config), running: running.clone(), memory, events, usage, networks }
    }
}

/// Starts what remembers it. The others have been told of this configuration.
pub(super) fn writer(told: &Arc<Config>, mut keeper: Keeper) -> io::Result<Writer<Known>> {
    let mut told = Arc::clone(told);
    let mut is_failing = false;
    Writer::start(move |known: Known| {
        let said = keeper.keep(|| {
            remember(&known.config, &known.memory, known.events.iter().map(Arc::as_ref))?;
            let is_told =
                Arc::ptr_eq(&told, &known.config) && known.running.is_published() && assigned::is_remembered();
            if is_told { Ok(()) } else { tell(&known.config, &known.running) }
        });
        told = known.config;
        let uncounted = known.usage.as_ref().and_then(|usage| state::remember(usage).err());
        let unnoted = known.networks.as_ref().and_then(|networks| delegated::remember(networks).err());
        let failed = uncounted.map(|error| format!("what was used of quotas cannot be remembered: {error}"));
        let failed = failed.or_else(|| unnoted.map(|error| state::unnoted(&error)));
        let is_news = failed.is_some() && !std::mem::replace(&mut is_failing, failed.is_some());
        said.or_else(|| failed.filter(|_| is_news))
    })
}

/// Tells other programs what we go by.
///
/// # Errors
/// The run directory is not there or cannot be written.
pub(super) fn tell(config: &Config, running: &Running) -> io::Result<()> {
    running.publish()?;
    assigned::remember(config)
}
