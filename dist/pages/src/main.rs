//! Writes the man pages and completions of the ftr tools beside this crate: `cargo run -p ftr-pages`.
//!
//! They are made from the command lines themselves, so they cannot say anything else. A test compares what is there with
//! what would be written.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// What every page ends with: what the tools have in common.
const COMMON: &str = r#".SH "EXIT STATUS"
0 yes or done; 1 no; 64 wrong usage; 69 something needed is not there; 70 a bug; 74 input or output failed; 75 try again;
77 not permitted; 78 configuration problems.
.SH ENVIRONMENT
.TP
FTR_CONFIG
the configuration file, where \-c does not name it
.TP
FTR_RUN_DIR
where state is kept until the next boot, instead of /run/ftr
.TP
NO_COLOR
no colour, even on a terminal
.SH FILES
.TP
/etc/ftr/ftr.yaml, /etc/fault_tolerant_router.conf
the configuration: the first that is there
.TP
/run/ftr
state that outlives a restart
.SH "SEE ALSO"
ftr\-monitor(8), ftr\-notify(8), ftr\-probe(8), ftr\-route(8), ftr\-rules(8), ip\-rule(8), ip\-route(8),
iptables\-restore(8)
"#;

fn main() -> io::Result<()> {
    for (file, text) in pages()? {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// Every file, by its name below `dist`.
fn pages() -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let tools = [
        ftr_probe::command(),
        ftr_route::command(),
        ftr_rules::command(),
        ftr_notify::command(),
        ftr_monitor::command(),
    ];
    let mut pages = BTreeMap::new();
    for mut tool in tools {
        let name = tool.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut tool, &name, &mut text);
            pages.insert(Path::new("completions").join(shell.to_string()).join(completion(shell, &name)), text);
        }
        let mut tool = tool.disable_help_subcommand(true);
        tool.build();
        man(&tool, &mut pages)?;
    }
    Ok(pages)
}

/// The page of a command, and those of its subcommands.
fn man(command: &Command, pages: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    let page = Man::new(command.clone()).section("8");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(examples) = command.get_after_help() {
        text.extend_from_slice(verbatim("EXAMPLES", &examples.to_string()).as_bytes());
    }
    text.extend_from_slice(COMMON.as_bytes());
    pages.insert(Path::new("man").join(page.get_filename()), text);
    for subcommand in command.get_subcommands() {
        man(subcommand, pages)?;
    }
    Ok(())
}

/// A section whose lines stay as they are, without a heading of their own.
fn verbatim(heading: &str, text: &str) -> String {
    let escape = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A line that begins with one of these would be a request to troff.
        if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
    };
    let lines: String = text.lines().filter(|line| *line != "Examples:").map(escape).collect();
    format!(".SH {heading}\n.nf\n{lines}.fi\n")
}

/// The file name under which a shell looks for the completions of a command.
fn completion(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Fish => format!("{name}.fish"),
        Shell::Zsh => format!("_{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_what_would_be_written() {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (file, text) in pages().unwrap() {
            let found = std::fs::read(dist.join(&file)).unwrap_or_default();
            let same = String::from_utf8_lossy(&found) == String::from_utf8_lossy(&text);
            assert!(same, "{} is out of date: cargo run -p ftr-pages", file.display());
        }
    }
}
