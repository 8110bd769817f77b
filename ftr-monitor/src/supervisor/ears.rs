//! What one program has begun to say.

use ftr_core::lines::Lines;
use ftr_tool::Input;

/// What the process of a program has begun to say.
#[derive(Debug, Default)]
pub(super) struct Ears {
    pub(super) answers: Input,
    pub(super) complaints: Lines,
}
