//! What one `ftr-route apply` takes, from the start of the process to its end.

use super::applied;
use super::host::{Host, Shape};
use crate::figure::Figure;
use ftr_lab::error::{Context, LabError, Result};
use std::time::Instant;

/// What was measured, in milliseconds.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Into a kernel that has nothing of ftr's: the process, and the part that its record tells.
    pub(super) first: (Figure, Figure),
    /// Into one that is as wanted.
    pub(super) again: (Figure, Figure),
}

#[derive(Debug, Default)]
struct Times {
    whole: Vec<f64>,
    told: Vec<f64>,
}

impl Times {
    /// Runs `ftr-route -j apply` once; returns how many changes it made.
    fn run(&mut self, host: &Host) -> Result<u32> {
        let mut command = host.command("ftr-route")?;
        command.args(["-j", "apply"]);
        let (output, took) = host.space.enter(|| {
            let began = Instant::now();
            let output = command.output().context(|| "start ftr-route".to_owned())?;
            Ok((output, began.elapsed()))
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(LabError::Unexpected(format!("ftr-route ended with {}: {words}", output.status)));
        }
        let all = applied::all(&String::from_utf8_lossy(&output.stdout))?;
        self.whole.push(took.as_secs_f64() * 1e3);
        self.told.push(all.iter().map(|one| f64::from(one.took_us)).sum::<f64>() / 1e3);
        Ok(all.iter().map(|one| one.writes).sum())
    }

    fn figures(self) -> (Figure, Figure) {
        (Figure::new(self.whole, "ms"), Figure::new(self.told, "ms"))
    }
}

/// Applies into a bare kernel `firsts` times, and so many times again after each.
pub(super) fn measure(uplinks: u8, ipv6: bool, firsts: usize, again: usize) -> Result<Outcome> {
    let host = Host::new(Shape { uplinks, ipv6, more: "" })?;
    let (mut first, mut same) = (Times::default(), Times::default());
    for _ in 0..firsts {
        host.route(&["clear"])?;
        first.run(&host)?;
        for _ in 0..again {
            let writes = same.run(&host)?;
            if writes > 0 {
                return Err(LabError::Unexpected(format!("{writes} changes where nothing had changed")));
            }
        }
    }
    Ok(Outcome { first: first.figures(), again: same.figures() })
}
