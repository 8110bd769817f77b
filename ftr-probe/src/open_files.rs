//! How many descriptors this process may have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Takes all the descriptors that this process may have. Each question that is no echo has a socket, and a check in
/// doubt asks every target four times: with some dozens of uplinks that is more than the usual 1024. Nothing here uses
/// select(2), for whose sake that is the usual limit.
pub(crate) fn raise() {
    // Where it cannot be done, what finds no room is asked again.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        if soft < hard {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::raise;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    #[test]
    fn all_the_descriptors_that_are_allowed_are_taken() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(256), hard).unwrap();
        raise();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE), Ok((hard, hard)));
    }
}
