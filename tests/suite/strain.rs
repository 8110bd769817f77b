//! What a lab can put on an uplink besides faults, and the servers beyond it.

use ftr_lab::by_hand;
use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Result, malformed};
use ftr_lab::fault::Fault;
use ftr_lab::hostile;
use ftr_lab::lab::Lab;
use ftr_lab::noise::Noise;
use ftr_lab::plan;
use ftr_lab::program::Daemon;
use ftr_lab::service::{self, Services};
use ftr_lab::suite;
use ftr_lab::upload::Upload;
use libtest_mimic::{Failed, Trial};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Asks the name server for the root's name servers and for an address, and prints both answers' codes and counts.
const QUERY: &str = "
import socket, struct, sys
for name, kind in (b'\\0', 2), (b'\\7example\\3net\\0', 1):
    family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
    question = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + name + struct.pack('>2H', kind, 1)
    asker = socket.socket(family, socket.SOCK_DGRAM)
    asker.settimeout(2)
    asker.sendto(question, (sys.argv[1], 53))
    answer = asker.recv(512)
    print(answer[3] & 15, answer[7])
";

type Test = fn() -> Result<()>;

fn main() -> ExitCode {
    let all: [(&str, Test); 5] = [
        ("noise_arrives_at_its_rate", noise_arrives_at_its_rate),
        ("an_upload_fills_the_line_and_its_queue", an_upload_fills_the_line_and_its_queue),
        ("hostile_packets_arrive_and_follow_the_requests", hostile_packets_arrive_and_follow_the_requests),
        ("the_internet_answers_names_and_pages", the_internet_answers_names_and_pages),
        ("a_captive_gateway_has_a_portal", a_captive_gateway_has_a_portal),
    ];
    suite::run(all.map(|(name, test)| Trial::test(name, move || test().map_err(Failed::from))).into())
}

/// A counter of the router's device.
fn counter(lab: &Lab, device: &str, name: &str) -> Result<u64> {
    let text = lab.router.sh(&format!("cat /sys/class/net/{device}/statistics/{name}"))?;
    text.trim().parse().map_err(|error| malformed(name, &error))
}

fn noise_arrives_at_its_rate() -> Result<()> {
    let lab = Lab::build(&plan::three())?;
    let before = counter(&lab, "eth2", "rx_packets")?;
    let began = Instant::now();
    let noise = Noise::start(&lab.provider("eth2")?.space, lab.uplink("eth2")?, 50)?;
    thread::sleep(2 * SECOND);
    // While the machine stands still nothing arrives, and then what was due.
    let arrived = || Ok(counter(&lab, "eth2", "rx_packets")? - before);
    let arrived = wait_for("the packets of two seconds", 2 * SECOND, arrived, |arrived| *arrived >= 95)?;
    let took = began.elapsed();
    drop(noise);
    assert!(u128::from(arrived) <= took.as_millis() / 20 + 15, "{arrived} packets in {took:?}");
    Ok(())
}

/// Mean round trip of five pings through eth1, in milliseconds.
fn round_trip(lab: &Lab) -> Result<f64> {
    let text =
        lab.router.sh("ping -I eth1 -c 5 -i 0.2 -W 3 -q 8.8.8.8 | sed -n 's|^rtt.* = [^/]*/\\([^/]*\\)/.*|\\1|p'")?;
    text.trim().parse().map_err(|error| malformed("mean of ping", &error))
}

fn an_upload_fills_the_line_and_its_queue() -> Result<()> {
    let lab = Lab::build(&plan::three())?;
    by_hand::route(&lab)?;
    let idle = round_trip(&lab)?;
    let upload = Upload::start(&lab, "eth1", "1mbit")?;
    thread::sleep(2 * SECOND);
    let (before, began) = (counter(&lab, "eth1", "tx_bytes")?, Instant::now());
    let busy = round_trip(&lab)?;
    let sent = counter(&lab, "eth1", "tx_bytes")? - before;
    let rate = Duration::from_secs(sent * 8).div_duration_f64(began.elapsed());
    upload.end(&lab)?;
    assert!(busy > 200.0 && idle < 20.0, "round trip {idle} ms, under the upload {busy} ms");
    // The queue was never empty, as the pings have told. A machine that stands still sends nothing meanwhile.
    assert!((400_000.0..1_100_000.0).contains(&rate), "{rate} bits a second");
    assert!(round_trip(&lab)? < 20.0, "the line is fast again");
    Ok(())
}

fn hostile_packets_arrive_and_follow_the_requests() -> Result<()> {
    let mut lab = Lab::build(&plan::three())?;
    by_hand::route(&lab)?;
    let before = counter(&lab, "eth1", "rx_packets")?;
    let provider = &lab.provider("eth1")?.space;
    // One ping that goes on would be led astray by what comes.
    let mut pings = lab.router.command("sh");
    pings.args(["-c", "for i in $(seq 20); do ping -q -I eth1 -c 1 -W 0.1 8.8.8.8; sleep 0.1; done"]);
    let _pings = Daemon::start("pings", &mut pings, lab.directory())?;
    let tally = hostile::attack(provider, lab.uplink("eth1")?, 40_000, 2 * SECOND, 1)?;
    let arrived = counter(&lab, "eth1", "rx_packets")? - before;
    assert!((40_000..40_100).contains(&arrived), "{arrived} packets");
    // Of the pings of two seconds; fewer where starting them takes its time.
    assert!((3..=20).contains(&tally.overheard), "{tally}");
    assert!(tally.repeated > 100, "{tally}");
    lab.fail("eth1", Fault::Silent)?;
    let provider = &lab.provider("eth1")?.space;
    let began = Instant::now();
    let tally = hostile::attack(provider, lab.uplink("eth1")?, 100_000, 4 * SECOND, 2)?;
    println!("100000 hostile packets took {:?}: {tally}", began.elapsed());
    assert_eq!((tally.forged, tally.repeated), (100_000, 0), "no true answer passes a silent uplink");
    Ok(())
}

/// Status, and where a redirect leads, of a page asked for through eth1.
fn page(lab: &Lab, url: &str) -> Result<String> {
    lab.router
        .sh(&format!("curl -s -g -m 3 -o /dev/null -w '%{{http_code}} %{{redirect_url}}' --interface eth1 '{url}'"))
}

fn the_internet_answers_names_and_pages() -> Result<()> {
    let lab = Lab::dual(&plan::three())?;
    by_hand::route(&lab)?;
    let _services = Services::start(&lab.internet, lab.directory())?;
    for host in ["8.8.8.8", "[2001:db8:f::1]"] {
        assert_eq!(page(&lab, &format!("http://{host}/generate_204"))?, "204 ");
        assert_eq!(page(&lab, &format!("http://{host}/success.txt"))?, "200 ");
        assert_eq!(page(&lab, &format!("http://{host}:443/other"))?, "302 http://www.example.net/");
        let answers = lab.router.sh(&format!("python3 -c \"{QUERY}\" {}", host.trim_matches(['[', ']'])))?;
        assert_eq!(answers, "0 1\n0 1\n", "{host}");
    }
    Ok(())
}

fn a_captive_gateway_has_a_portal() -> Result<()> {
    let mut lab = Lab::dual(&plan::three())?;
    by_hand::route(&lab)?;
    let _services = Services::start(&lab.internet, lab.directory())?;
    let _portal = service::portal(&lab.provider("eth1")?.space, lab.directory())?;
    lab.fail("eth1", Fault::Captive)?;
    for host in ["8.8.8.8", "[2001:db8:f::1]"] {
        assert_eq!(page(&lab, &format!("http://{host}/generate_204"))?, "302 http://portal.example.net/login");
    }
    lab.mend("eth1")?;
    assert_eq!(page(&lab, "http://8.8.8.8/generate_204")?, "204 ");
    Ok(())
}
