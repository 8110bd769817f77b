//! Writes the man pages and completions of the ftr tools beside this crate: `cargo run -p ftr-pages`.
//!
//! They are made from the command lines, the keys and the records themselves, so they cannot say anything else. A test compares
//! what is there with what would be written.

mod configuration;
mod prose;
mod records;
mod source;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use clap_mangen::Man;
use ftr_tool::cli::COMPLETE;

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
iptables\-restore(8), ftr(7), ftr\-records(5), ftr.yaml(5)
"#;

/// What `ftr-rules(8)` has beside: how its rules are there after a boot.
const AT_BOOT: &str = r#".SH "LOADING AT BOOT"
ftr\-rules loads nothing. The service ftr\-rules does, by ftr\-rules\-load: at every boot before a device carries packets (systemctl
enable ftr\-rules), and after a change of the configuration by systemctl reload ftr\-rules. Where ftr\-rules \-\-diff finds no
difference it does nothing, and stopping it takes nothing away. The loader has the exit codes below: 69 where neither nft(8) nor
iptables\-restore(8) is installed, 74 where one of them has refused to load. Its settings are environment variables, as by
systemctl edit ftr\-rules:
.TP
FTR_RULES_BACKEND
nft or iptables; otherwise nft where it is installed
.TP
FTR_RULES_TABLES
a list of mangle, nat and filter with spaces between them; otherwise mangle and nat, and filter too where the configuration has the
key firewall
"#;

/// `ftr(7)`: what no single program's page can say.
const OVERVIEW: &str = include_str!("../ftr.7");

fn main() -> io::Result<()> {
    let pages = pages()?;
    for file in stray(&pages)? {
        std::fs::remove_file(file)?;
    }
    for (file, text) in pages {
        let path = dist().join(file);
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

fn dist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn root() -> PathBuf {
    dist().join("..")
}

/// The pages that are there, but are none any more.
fn stray(pages: &BTreeMap<PathBuf, Vec<u8>>) -> io::Result<Vec<PathBuf>> {
    let there: Vec<PathBuf> =
        std::fs::read_dir(dist().join("man"))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    let is_page =
        |path: &PathBuf| path.file_name().is_some_and(|name| pages.contains_key(&Path::new("man").join(name)));
    Ok(there.into_iter().filter(|path| !is_page(path)).collect())
}

/// Every file, by its name below `dist`.
fn pages() -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let tools = [ftr_probe::command, ftr_route::command, ftr_rules::command, ftr_notify::command, ftr_monitor::command];
    let mut pages = BTreeMap::new();
    for command in tools {
        let name = command().get_name().to_owned();
        for shell in Completion::ALL {
            pages.insert(Path::new("completions").join(shell.file(&name)), shell.script(&name)?);
        }
        // Nobody looks for a page of the command for help.
        let mut tool = command().disable_help_subcommand(true);
        tool.build();
        man(&tool, &mut pages)?;
    }
    pages.insert(PathBuf::from("man/ftr.yaml.5"), configuration::page().into_bytes());
    pages.insert(PathBuf::from("man/ftr-records.5"), records::page(&root())?.into_bytes());
    pages.insert(PathBuf::from("man/ftr.7"), OVERVIEW.into());
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
    if command.get_name() == "ftr-rules" {
        text.extend_from_slice(AT_BOOT.as_bytes());
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

/// A shell whose users press the tabulator.
#[derive(Clone, Copy)]
enum Completion {
    Bash,
    Fish,
    Zsh,
}

impl Completion {
    const ALL: [Self; 3] = [Self::Bash, Self::Fish, Self::Zsh];

    /// The file in which the shell looks for what it has to do for a command.
    fn file(self, name: &str) -> String {
        match self {
            Self::Bash => format!("bash/{name}"),
            Self::Fish => format!("fish/{name}.fish"),
            Self::Zsh => format!("zsh/_{name}"),
        }
    }

    /// What is in it: the shell has to ask the program, which knows its command line and the configuration.
    fn script(self, name: &str) -> io::Result<Vec<u8>> {
        let shell: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Fish => &Fish,
            Self::Zsh => &Zsh,
        };
        let mut text = Vec::new();
        shell.write_registration(COMPLETE, name, name, name, &mut text)?;
        if let Self::Zsh = self {
            // zsh has read the file because somebody waits for an answer already.
            let function = format!("_clap_dynamic_completer_{}", name.replace('-', "_"));
            text.extend_from_slice(format!("[[ ${{funcstack[1]-}} != _{name} ]] || {function} \"$@\"\n").as_bytes());
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_what_would_be_written() {
        let pages = pages().unwrap();
        assert_eq!(stray(&pages).unwrap(), Vec::<PathBuf>::new(), "cargo run -p ftr-pages");
        for (file, text) in pages {
            let found = std::fs::read(dist().join(&file)).unwrap_or_default();
            let same = String::from_utf8_lossy(&found) == String::from_utf8_lossy(&text);
            assert!(same, "{} is out of date: cargo run -p ftr-pages", file.display());
        }
    }

    #[test]
    fn the_page_of_the_rules_tells_of_the_boot() {
        let pages = pages().unwrap();
        let text = String::from_utf8_lossy(&pages[Path::new("man/ftr-rules.8")]);
        let boot = text.split(".SH ").find(|section| section.starts_with("\"LOADING AT BOOT\"")).unwrap();
        let loader = std::fs::read_to_string(dist().join("libexec/ftr-rules-load")).unwrap();
        for setting in ["FTR_RULES_BACKEND", "FTR_RULES_TABLES"] {
            assert!(boot.contains(setting) && loader.contains(setting), "{setting}");
        }
    }

    #[test]
    fn man_has_nothing_to_say_about_a_page() {
        for page in std::fs::read_dir(dist().join("man")).unwrap() {
            let page = page.unwrap().path();
            let man = std::process::Command::new("man")
                .args(["--warnings", "--local-file"])
                .arg(&page)
                .envs([("LC_ALL", "C.UTF-8"), ("MANWIDTH", "80"), ("MANPAGER", "cat")])
                .output()
                .expect("man(1), of the package man-db");
            let said = String::from_utf8_lossy(&man.stderr);
            assert!(man.status.success() && said.is_empty(), "{}: {said}", page.display());
            assert!(man.stdout.len() > 500, "{}: nothing in it", page.display());
        }
    }
}
