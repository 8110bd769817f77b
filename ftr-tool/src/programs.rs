//! Other programs: found where nobody but root can have put them, and started with an environment that is ours.
//!
//! Most of ftr runs as root or with capabilities, so whoever chooses the program, a library for it or a variable that it
//! obeys becomes root. `PATH` is therefore never looked at (execvp(3) looks into the working directory where it is
//! empty), and nothing else is handed on (`LD_PRELOAD`, `XTABLES_LIBDIR`, `NOTIFY_SOCKET`, …).

mod trust;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use trust::Trust;

/// Where programs are looked for, in this order.
pub const DIRECTORIES: [&str; 6] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// What the programs of ftr read from the environment, and those that they are linked with: the time zone, whether
/// colours are wanted, the run and the state directory, and which certificates are trusted.
const HANDED_ON: [&str; 6] = ["TZ", "NO_COLOR", "FTR_RUN_DIR", "FTR_STATE_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// A program of the system, ready for its arguments. Its messages are in English.
///
/// # Errors
/// [`ErrorKind::NotFound`] where it is in none of [`DIRECTORIES`]; [`ErrorKind::PermissionDenied`] where somebody else
/// than root could have put it there, and who.
pub fn system(program: &str) -> io::Result<Command> {
    let mut command = Command::new(find(program, &DIRECTORIES, &Trust::root())?);
    command.env_clear().env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C");
    Ok(command)
}

/// A program of ftr: the one beside the running one, so that a build directory works as it is, else one of the system.
///
/// # Errors
/// As for [`system`]; beside the running program, whoever could have written that one is believed as well.
pub fn sibling(program: &str) -> io::Result<Command> {
    let running = std::env::current_exe()?;
    let path = match beside(program, &running) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            find(program, &DIRECTORIES, &Trust::root()).map_err(|error| match error.kind() {
                ErrorKind::NotFound => absent(program, running.parent().and_then(Path::to_str)),
                _ => error,
            })?
        }
        found => found?,
    };
    Ok(like_ours(&path))
}

fn like_ours(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("PATH", DIRECTORIES.join(":"));
    command.envs(HANDED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command
}

/// A program that somebody has named by its absolute path: it has to belong to root or to our own user, as all that leads to
/// it, and nobody else may be able to write any of that. Its environment is like that of a program of ours.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no file; [`ErrorKind::PermissionDenied`] where somebody else could have put it
/// there, and who; [`ErrorKind::InvalidInput`] where the path is relative.
pub fn named(path: &Path) -> io::Result<Command> {
    is_trusted_by_us(path)?;
    Ok(like_ours(path))
}

/// Like [`named`], with our own environment: whoever started us has chosen it for that program.
///
/// # Errors
/// As for [`named`].
pub fn handed_to_us(path: &Path) -> io::Result<Command> {
    is_trusted_by_us(path)?;
    Ok(Command::new(path))
}

fn is_trusted_by_us(path: &Path) -> io::Result<()> {
    if !path.is_absolute() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is named without its path"));
    }
    Trust::ours().check(path)
}

/// Whether [`named`] would find a program if it ran as another user; nothing is said of whether it can be run.
///
/// # Errors
/// As for [`named`].
pub fn is_trusted(path: &Path, user: u32) -> io::Result<()> {
    Trust::of(user).check(path)
}

fn beside(program: &str, running: &Path) -> io::Result<PathBuf> {
    let directory = running.parent().and_then(Path::to_str).unwrap_or_default();
    find(program, &[directory], &Trust::like(running)?)
}

/// The first that is there and may be believed; where there are only others, why the first of them may not.
fn find(program: &str, directories: &[&str], trust: &Trust) -> io::Result<PathBuf> {
    let mut refused = None;
    // A name with a slash would leave the directory, an empty one be the directory itself.
    let directories = directories.iter().filter(|_| !program.is_empty() && !program.contains('/'));
    for path in directories.map(|directory| Path::new(directory).join(program)).filter(|path| path.is_absolute()) {
        match trust.check(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| absent(program, None)))
}

/// It is in none of the directories, and not in the one of the running program.
fn absent(program: &str, beside: Option<&str>) -> io::Error {
    let mut places: Vec<&str> = beside.into_iter().collect();
    places.extend(DIRECTORIES.iter().filter(|directory| beside != Some(**directory)));
    let what = format!("{program}: not installed (looked for in {})", places.join(", "));
    io::Error::new(ErrorKind::NotFound, what)
}

#[cfg(test)]
mod tests {
    use super::trust::Trust;
    use super::{find, named, sibling, system};
    use std::fs::{self, Permissions};
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    /// A directory with the programs `a` and `b` in it, as ours as this test is.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = Self(std::env::temp_dir().join(format!("ftr-programs-{}-{name}", std::process::id())));
            fs::create_dir(&place.0).unwrap();
            place.mode("", 0o755);
            for program in ["a", "b"] {
                fs::write(place.0.join(program), "").unwrap();
                place.mode(program, 0o755);
            }
            place
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.0.join(name), Permissions::from_mode(mode)).unwrap();
        }

        fn find(&self, program: &str) -> Result<PathBuf, ErrorKind> {
            let trust = Trust::like(&std::env::current_exe().unwrap()).unwrap();
            let found = find(program, &["relative", "/nonexistent", self.0.to_str().unwrap()], &trust);
            found.map_err(|error| error.kind())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let place = Place::new("modes");
        assert_eq!(place.find("a"), Ok(place.0.join("a")));
        for (name, mode) in [("", 0o757), ("", 0o777), ("a", 0o757), ("a", 0o4757)] {
            place.mode(name, mode);
            assert_eq!(place.find("a"), Err(ErrorKind::PermissionDenied), "{name:?} {mode:o}");
            place.mode(name, 0o755);
        }
        // Others may put files into it, but none in the place of ours.
        place.mode("", 0o1777);
        assert_eq!(place.find("a"), Ok(place.0.join("a")));
    }

    #[test]
    fn links_are_followed_to_the_end_and_every_directory_on_the_way_counts() {
        let (place, far) = (Place::new("links"), Place::new("far"));
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, place.0.join(name)).unwrap();
        link(&far.0.join("b"), "far");
        link(Path::new("far"), "near");
        link(Path::new("turn"), "turn");
        link(&far.0.join("none"), "none");
        assert_eq!(place.find("near"), Ok(place.0.join("near")), "the name that it is called by matters to it");
        assert!(place.find("turn").is_err());
        assert_eq!(place.find("none"), Err(ErrorKind::NotFound));
        far.mode("", 0o757);
        assert_eq!(place.find("near"), Err(ErrorKind::PermissionDenied));
    }

    #[test]
    fn what_is_named_by_its_path_is_ours_as_well() {
        let place = Place::new("named");
        assert!(named(&place.0.join("a")).is_ok());
        assert_eq!(named(Path::new("a")).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(named(&place.0.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(named(&place.0).unwrap_err().kind(), ErrorKind::NotFound, "a directory");
        for (name, mode) in [("", 0o757), ("a", 0o775), ("a", 0o757)] {
            place.mode(name, mode);
            assert_eq!(named(&place.0.join("a")).unwrap_err().kind(), ErrorKind::PermissionDenied, "{name:?} {mode:o}");
            place.mode(name, 0o755);
        }
    }

    #[test]
    fn what_is_no_plain_name_is_not_found() {
        let place = Place::new("names");
        for name in ["", ".", "..", "./a", "/bin/sh", "../bin/sh", "none"] {
            assert!(place.find(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn nothing_is_inherited_but_what_is_named() {
        let names = |command: std::process::Command| -> Vec<String> {
            let output = command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
            assert!(Path::new(command.get_program()).is_absolute());
            output
        };
        assert_eq!(names(system("sh").unwrap()), ["LC_ALL", "PATH"]);
        let own = std::env::current_exe().unwrap();
        let handed = names(sibling(own.file_name().unwrap().to_str().unwrap()).unwrap());
        assert!(handed.iter().all(|name| name == "PATH" || super::HANDED_ON.contains(&name.as_str())), "{handed:?}");
        let printed = system("env").unwrap().output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&printed).lines().count(), 2);
        assert_eq!(system("no-such-program").unwrap_err().kind(), ErrorKind::NotFound);
        let absent = sibling("no-such-program").unwrap_err();
        let places = format!("looked for in {}, /usr/sbin, ", own.parent().unwrap().display());
        assert!(absent.kind() == ErrorKind::NotFound && absent.to_string().contains(&places), "{absent}");
    }
}
