//! The fuzz targets of `ftr-core`, fed with what is kept for them: that crate itself opens no file.

use ftr_core::fuzz::TARGETS;

#[path = "../../fuzz/replay.rs"]
mod replay;
