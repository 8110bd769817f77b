//! Configurations that were read anew, and who waits for one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ftr_core::Config;
use ftr_tool::running::Running;

use crate::request::Answer;
use crate::starter::Starter;
use crate::visitors::Asker;

/// A configuration that was read, and is in order.
pub(super) struct Taken {
    pub(super) config: Arc<Config>,
    pub(super) running: Running,
    pub(super) text: String,
    pub(super) starter: Starter,
    /// What there is to say of users that programs cannot have.
    pub(super) remarks: Vec<String>,
    pub(super) lines: Vec<String>,
}

/// What somebody wants of a reload.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// Who it is.
    pub(super) who: String,
    /// How long somebody may take to confirm.
    pub(super) confirm: Option<Duration>,
    /// It came as a signal, which programs send that only mean the log.
    pub(super) is_signal: bool,
}

/// Those who wait for a change, and for their turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whose change is on its way, and what there is to say once it has come.
    pub(super) current: Option<(Asker, Answer)>,
    pub(super) next: VecDeque<(Asker, Wish)>,
    /// A signal has come that asks for one.
    pub(super) signal: Option<Wish>,
    /// The service manager waits for the end of it.
    pub(super) is_announced: bool,
}
