//! What tells of DHCP clients: the files of their leases, and those that run and write none.
//!
//! Beside the name servers, only whether a file names an address is asked: each client has a format of its own, and dhcpcd keeps the answer as it came
//! (RFC 2131, 2). udhcpc leaves it to a script to set the address, without a lifetime, so nothing else than the process
//! tells of it.

mod resolvers;

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use ftr_tool::open::readable;

pub(crate) use resolvers::resolvers;

/// Where networkd, `NetworkManager`, dhcpcd and dhclient keep them.
const DIRECTORIES: [&str; 4] =
    ["/run/systemd/netif/leases", "/var/lib/NetworkManager", "/var/lib/dhcpcd", "/var/lib/dhcp"];
/// A lease is far smaller, and a host has few.
const LONGEST: u64 = 256 * 1024;
const MOST: usize = 200;
/// The client that writes no lease, and how it is told its device.
const SILENT: &str = "udhcpc";
const DEVICE: [&str; 2] = ["-i", "--interface"];
/// A reply, and where it has the address that is handed out.
const REPLY: u8 = 2;
const YOUR_ADDRESS: std::ops::Range<usize> = 16..20;

/// A file of leases.
pub(crate) struct Lease {
    pub(crate) file: String,
    pub(crate) text: Vec<u8>,
}

/// A client that writes none.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) device: String,
}

/// The clients that run in our network namespace and write no lease.
pub(crate) fn clients() -> Vec<Client> {
    let proc = Path::new("/proc");
    let namespace = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let here = namespace(&proc.join("self"));
    let is_silent = |process: &Path| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == SILENT)
            && namespace(process).is_none_or(|there| here.as_ref().is_none_or(|here| *here == there))
    };
    let entries = fs::read_dir(proc).into_iter().flatten().flatten().map(|entry| entry.path());
    let commands =
        entries.filter(|process| is_silent(process)).filter_map(|process| fs::read(process.join("cmdline")).ok());
    commands.filter_map(|command| device(&command)).map(|device| Client { name: SILENT, device }).collect()
}

/// The device of a client, by its arguments.
fn device(command: &[u8]) -> Option<String> {
    let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let stated = pairs.find(|(option, _)| DEVICE.contains(&option.as_ref())).map(|(_, name)| name.to_string());
    stated.or_else(|| {
        words.iter().find_map(|word| word.strip_prefix(DEVICE[0]).map(str::to_owned)).filter(|name| !name.is_empty())
    })
}

/// Reads what there is and may be read. Leases say more of what the kernel has, and are not needed.
pub(crate) fn read() -> Vec<Lease> {
    DIRECTORIES.iter().flat_map(|directory| within(Path::new(directory))).collect()
}

fn within(directory: &Path) -> Vec<Lease> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| lease(path)).collect()
}

fn lease(path: &Path) -> Option<Lease> {
    let mut text = Vec::new();
    readable(path).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(Lease { file: path.display().to_string(), text })
}

impl Lease {
    /// Whether the lease is for an address.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        let IpAddr::V4(four) = address else { return false };
        if self.text.first() == Some(&REPLY) {
            return self.text.get(YOUR_ADDRESS).is_some_and(|own| own == four.octets());
        }
        let text = String::from_utf8_lossy(&self.text);
        let wanted = four.to_string();
        let belongs = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit() || letter == '.');
        // networkd and NetworkManager say ADDRESS=, dhclient fixed-address; what else they name are servers.
        text.lines().filter(|line| line.starts_with("ADDRESS=") || line.trim_start().starts_with("fixed-address ")).any(
            |line| {
                line.match_indices(&wanted).any(|(at, _)| {
                    let before = line.get(..at).and_then(|before| before.chars().next_back());
                    let behind = line.get(at + wanted.len()..).and_then(|behind| behind.chars().next());
                    !belongs(before) && !belongs(behind)
                })
            },
        )
    }
}

/// Reads it as each client's file.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_any(bytes: &[u8]) {
    resolvers::read_any(bytes);
    let lease = Lease { file: String::new(), text: bytes.to_vec() };
    assert!(!lease.names(IpAddr::from([192, 0, 2, 17])) || !bytes.is_empty());
}

#[cfg(test)]
mod tests {
    use super::{Lease, device, within};

    fn names(text: &[u8], address: &str) -> bool {
        Lease { file: String::new(), text: text.to_vec() }.names(address.parse().unwrap())
    }

    #[test]
    fn each_client_says_it_in_its_own_way() {
        let networkd = b"# This is private data. Do not parse.\nADDRESS=192.0.2.17\nROUTER=192.0.2.1\n";
        assert!(names(networkd, "192.0.2.17") && !names(networkd, "192.0.2.1") && !names(networkd, "192.0.2.7"));
        assert!(!names(networkd, "192.0.2.170"));
        let dhclient = b"lease {\n  interface \"eth1\";\n  fixed-address 192.0.2.17;\n  option routers 192.0.2.1;\n}\n";
        assert!(names(dhclient, "192.0.2.17") && !names(dhclient, "192.0.2.1"));
        let mut dhcpcd = vec![0; 300];
        dhcpcd[0] = 2;
        dhcpcd[16..20].copy_from_slice(&[192, 0, 2, 17]);
        assert!(names(&dhcpcd, "192.0.2.17") && !names(&dhcpcd, "0.0.0.0") && !names(&dhcpcd[..18], "192.0.2.17"));
        assert!(!names(b"", "192.0.2.17") && !names(networkd, "2001:db8::1"));
    }

    #[test]
    fn a_client_that_writes_nothing_is_known_by_its_arguments() {
        let of = |command: &[u8]| device(command);
        assert_eq!(of(b"udhcpc\0-f\0-i\0eth3\0-s\0/x\0").as_deref(), Some("eth3"));
        assert_eq!(of(b"udhcpc\0-ieth3\0").as_deref(), Some("eth3"));
        assert_eq!((of(b"udhcpc\0"), of(b"udhcpc\0-i\0")), (None, Some(String::new())));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(within(std::path::Path::new("/nonexistent")).len(), 0);
        let directory = std::env::temp_dir().join(format!("ftr-leases-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("eth1.lease"), "ADDRESS=192.0.2.17\n").unwrap();
        nix::unistd::mkfifo(&directory.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let read = within(&directory);
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(read.len() == 1 && read[0].file.ends_with("/eth1.lease"));
    }
}
