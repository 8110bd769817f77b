//! The real `ftr-rules` prints the rules of the original for its own configurations, and iptables takes them.

use ftr_lab::error::{Context, Result};
use ftr_lab::namespace::{Namespace, feed, run};
use ftr_lab::{program, suite};
use libtest_mimic::{Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let files = ["static3", "ppp", "dmz-mask"];
    suite::run(files.map(|name| Trial::test(name, move || equal_to_the_original(name).map_err(Failed::from))).into())
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn printed(name: &str) -> Result<String> {
    run(Command::new(program::find("ftr-rules")?).arg("-c").arg(fixture(name)))
}

/// The lines that are neither blank nor comments.
fn rules(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn equal_to_the_original(name: &str) -> Result<()> {
    let ours = printed(&format!("{name}.conf"))?;
    let reference = fs::read_to_string(fixture(&format!("{name}.rules"))).context(|| format!("read {name}.rules"))?;
    assert_eq!(rules(&ours), rules(&reference));
    let space = Namespace::create(&format!("ftr{}x0-rules", std::process::id()))?;
    for program in ["iptables-nft-restore", "iptables-legacy-restore"] {
        feed(space.command(program).arg("--test"), &ours)?;
    }
    Ok(())
}
