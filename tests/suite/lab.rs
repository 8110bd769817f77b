//! The lab itself, proven with routing typed by hand: what a fault does and that its mend undoes it.

use ftr_lab::by_hand;
use ftr_lab::client::{Client, Habit};
use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Result, malformed};
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan::{self, DhcpClient, Kind, Wish};
use ftr_lab::report::Report;
use ftr_lab::server::Server;
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for some forty connections.
const WATCHED: Duration = Duration::from_secs(1);

type Test = fn() -> Result<()>;

fn main() -> ExitCode {
    let all: [(&str, Test); 11] = [
        ("connections_spread_and_tell_their_uplink", connections_spread_and_tell_their_uplink),
        ("a_provider_drops_and_counts_foreign_sources", a_provider_drops_and_counts_foreign_sources),
        ("each_fault_breaks_what_it_says_and_mends", each_fault_breaks_what_it_says_and_mends),
        ("each_fault_holds_for_ipv6", each_fault_holds_for_ipv6),
        ("answers_come_in_through_another_uplink", answers_come_in_through_another_uplink),
        ("a_provider_answers_arp_for_everybody", a_provider_answers_arp_for_everybody),
        ("sixty_four_uplinks_work", sixty_four_uplinks_work),
        ("a_device_deleted_comes_back_under_another_number", a_device_deleted_comes_back_under_another_number),
        ("a_point_to_point_line_carries_and_hangs_up", a_point_to_point_line_carries_and_hangs_up),
        ("dhcp_clients_take_what_they_get_and_give_it_up", dhcp_clients_take_what_they_get_and_give_it_up),
        ("nothing_is_left_behind", nothing_is_left_behind),
    ];
    suite::run(all.map(|(name, test)| Trial::test(name, move || test().map_err(Failed::from))).into())
}

fn watch(lab: &Lab, habit: &Habit) -> Result<Report> {
    let client = Client::start(&lab.lan, habit)?;
    thread::sleep(WATCHED);
    client.finish()
}

/// How many of ten pings of the router through an uplink's own device are answered.
fn answered(lab: &Lab, device: &str, target: &str) -> Result<usize> {
    let text = lab.router.sh(&format!("ping -I {device} -c 10 -i 0.02 -W 0.3 -n {target} || true"))?;
    Ok(text.lines().filter(|line| line.contains("bytes from")).count())
}

/// Waits until both ends of a cable are in use again: the kernel sees to that in the background, and sends nothing before.
fn linked(lab: &Lab, device: &str) -> Result<()> {
    let provider = &lab.provider(device)?.space;
    let states = || {
        let ours = lab.router.sh(&format!("cat /sys/class/net/{device}/operstate"))?;
        Ok(ours + &provider.sh("cat /sys/class/net/access/operstate")?)
    };
    wait_for(&format!("{device} to be in use"), Duration::from_secs(5), states, |states| states == "up\nup\n").map(drop)
}

fn connections_spread_and_tell_their_uplink() -> Result<()> {
    let lab = Lab::build(&plan::three())?;
    by_hand::route(&lab)?;
    let _server = Server::start(&lab.internet)?;
    let began = Instant::now();
    let report = watch(&lab, &Habit::default())?;
    let count = report.by_source(began, Instant::now());
    assert_eq!(report.failed(began, Instant::now()).count(), 0, "{report:?}");
    assert_eq!(count.len(), 3, "every uplink carries some: {count:?}");
    assert!(report.held.iter().all(|held| held.seen_as.is_some() && held.broke.is_none()), "{:?}", report.held);
    // Each was answered while it was watched.
    assert!(report.held.iter().all(|held| held.longest_stall < WATCHED), "{:?}", report.held);
    for uplink in &lab.uplinks {
        assert_eq!(lab.provider(&uplink.device())?.foreign_packets()?, 0);
    }
    Ok(())
}

fn a_provider_drops_and_counts_foreign_sources() -> Result<()> {
    let lab = Lab::build(&plan::three())?;
    lab.router.sh("ip route add 8.8.8.8 via 2.0.0.1 src 1.0.0.2; ping -c 3 -i 0.02 -W 0.2 8.8.8.8 || true")?;
    assert_eq!(lab.provider("eth2")?.foreign_packets()?, 3);
    assert_eq!(lab.provider("eth1")?.foreign_packets()?, 0);
    Ok(())
}

/// What is left of ten pings to the gateway and to a far target under each fault.
fn each_fault_breaks_what_it_says_and_mends() -> Result<()> {
    let mut lab = Lab::build(&plan::three())?;
    by_hand::route(&lab)?;
    let whole = 10..=10;
    let none = 0..=0;
    let faults = [
        (Fault::GatewayMute, none.clone(), none.clone()),
        (Fault::GatewayDeaf, none.clone(), whole.clone()),
        (Fault::Silent, whole.clone(), none.clone()),
        (Fault::NetUnreachable, whole.clone(), none.clone()),
        (Fault::RepliesLost, whole.clone(), none.clone()),
        (Fault::Loss(50), whole.clone(), 0..=8),
        (Fault::IcmpFiltered, whole.clone(), none.clone()),
        (Fault::Captive, whole.clone(), whole.clone()),
        (Fault::Carrier, none.clone(), none.clone()),
    ];
    for (fault, gateway, far) in faults {
        assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, 10, "before {fault}");
        lab.fail("eth1", fault)?;
        assert!(gateway.contains(&answered(&lab, "eth1", "1.0.0.1")?), "gateway under {fault}");
        assert!(far.contains(&answered(&lab, "eth1", "8.8.8.8")?), "far target under {fault}");
        lab.mend("eth1")?;
    }
    Ok(())
}

/// What is left of ten pings over IPv6 under each fault; IPv4 stays whole where the fault is of IPv6 alone.
fn each_fault_holds_for_ipv6() -> Result<()> {
    let mut lab = Lab::dual(&plan::three())?;
    by_hand::route(&lab)?;
    let faults = [
        (Fault::GatewayMute, 0, 0, 0),
        (Fault::GatewayDeaf, 0, 10, 10),
        (Fault::Silent, 10, 0, 0),
        (Fault::SilentV6, 10, 0, 10),
        (Fault::SilentV4, 10, 10, 0),
        (Fault::NetUnreachable, 10, 0, 0),
        (Fault::RepliesLost, 10, 0, 0),
        (Fault::IcmpFiltered, 10, 0, 0),
        (Fault::Captive, 10, 10, 10),
        (Fault::AnsweredElsewhere, 10, 0, 0),
        (Fault::Carrier, 0, 0, 0),
        (Fault::AdminDown, 0, 0, 0),
        (Fault::Deleted, 0, 0, 0),
    ];
    for (fault, gateway, far, ipv4) in faults {
        assert_eq!(answered(&lab, "eth1", "2001:db8:f::1")?, 10, "before {fault}");
        lab.fail("eth1", fault)?;
        assert_eq!(answered(&lab, "eth1", "2001:db8:1::1")?, gateway, "gateway under {fault}");
        assert_eq!(answered(&lab, "eth1", "2001:db8:f::6")?, far, "far target under {fault}");
        assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, ipv4, "IPv4 under {fault}");
        lab.mend("eth1")?;
        linked(&lab, "eth1")?;
        if matches!(fault, Fault::AdminDown | Fault::Deleted) {
            by_hand::restore(&lab, lab.uplink("eth1")?)?;
        }
    }
    lab.router.ip("route add 2001:db8:f::1 via 2001:db8:1::1")?;
    lab.router.sh("ping -I 2001:db8:2::2 -c 3 -i 0.02 -W 0.2 -n 2001:db8:f::1 || true")?;
    assert_eq!(lab.provider("eth1")?.foreign_packets()?, 3);
    Ok(())
}

fn answers_come_in_through_another_uplink() -> Result<()> {
    let mut lab = Lab::build(&plan::three())?;
    by_hand::route(&lab)?;
    lab.fail("eth3", Fault::AnsweredElsewhere)?;
    assert_eq!(answered(&lab, "eth3", "8.8.8.8")?, 0, "a socket of eth3 does not get them");
    // Without a device the same answers count.
    assert_eq!(answered(&lab, "3.0.0.2", "8.8.8.8")?, 10);
    lab.mend("eth3")?;
    assert_eq!(answered(&lab, "eth3", "8.8.8.8")?, 10);
    Ok(())
}

fn a_provider_answers_arp_for_everybody() -> Result<()> {
    let mut lab = Lab::build(&plan::three())?;
    assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, 0, "a device without a gateway asks for the target itself");
    lab.fail("eth1", Fault::ProxyArp)?;
    lab.router.ip("neigh flush dev eth1")?;
    assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, 10);
    Ok(())
}

fn sixty_four_uplinks_work() -> Result<()> {
    let began = Instant::now();
    let lab = Lab::dual(&plan::alike(64))?;
    println!("64 uplinks were raised in {:?}", began.elapsed());
    by_hand::route(&lab)?;
    for device in ["eth1", "eth10", "eth64"] {
        assert_eq!(answered(&lab, device, "8.8.8.8")?, 10);
        assert_eq!(answered(&lab, device, "2001:db8:f::1")?, 10);
    }
    let began = Instant::now();
    drop(lab);
    println!("and taken away in {:?}", began.elapsed());
    Ok(())
}

fn a_device_deleted_comes_back_under_another_number() -> Result<()> {
    let mut lab = Lab::build(&plan::three())?;
    let number = |lab: &Lab| lab.router.sh("cat /sys/class/net/eth1/ifindex");
    let before = number(&lab)?;
    lab.fail("eth1", Fault::Deleted)?;
    assert!(number(&lab).is_err());
    lab.mend("eth1")?;
    assert_ne!(number(&lab)?, before);
    linked(&lab, "eth1")?;
    lab.router.sh("ping -c 1 -W 1 1.0.0.1")?;
    Ok(())
}

fn a_point_to_point_line_carries_and_hangs_up() -> Result<()> {
    let mut lab = Lab::build(&[Wish { kind: Kind::Ppp, ..Wish::default() }, Wish::default()])?;
    by_hand::route(&lab)?;
    assert_eq!(answered(&lab, "ppp1", "8.8.8.8")?, 10);
    lab.fail("ppp1", Fault::Delay(100))?;
    let text = lab.router.sh("ping -I ppp1 -c 1 -W 5 -n 8.8.8.8 | sed -n 's|.* time=\\([0-9]*\\).*|\\1|p'")?;
    let took: u64 = text.trim().parse().map_err(|error| malformed("time of ping", &error))?;
    assert!((100..2000).contains(&took), "{took} ms");
    lab.fail("ppp1", Fault::Deleted)?;
    assert!(lab.router.sh("ip link show ppp1").is_err());
    lab.mend("ppp1")?;
    lab.router.sh("ping -c 1 -W 1 1.0.0.1")?;
    Ok(())
}

fn dhcp_clients_take_what_they_get_and_give_it_up() -> Result<()> {
    let dhcp = |client| Wish { kind: Kind::Dhcp, client, ..Wish::default() };
    let mut lab = Lab::build(&[dhcp(DhcpClient::Dhcpcd), dhcp(DhcpClient::Dhcpcd)])?;
    assert_eq!(answered(&lab, "eth1", "8.8.8.8")? + answered(&lab, "eth2", "8.8.8.8")?, 20);
    lab.lease("eth1", Some(Ipv4Addr::new(1, 0, 0, 77)), Some(Ipv4Addr::new(1, 0, 0, 254)))?;
    assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, 10);
    lab.expire("eth2")?;
    assert_eq!(lab.router.sh("ip route show dev eth2")?, "");
    drop(lab);
    let mut lab = Lab::build(&[dhcp(DhcpClient::Udhcpc)])?;
    lab.expire("eth1")?;
    assert_eq!(lab.router.sh("ip route show dev eth1")?, "");
    lab.lease("eth1", None, Some(Ipv4Addr::new(1, 0, 0, 254)))?;
    assert_eq!(answered(&lab, "eth1", "8.8.8.8")?, 10);
    Ok(())
}

fn nothing_is_left_behind() -> Result<()> {
    let lab = Lab::build(&plan::three())?;
    let (name, directory) = (lab.router.name().to_owned(), lab.directory().to_owned());
    drop(lab);
    assert!(!std::path::Path::new("/run/netns").join(name).exists());
    assert!(!directory.exists());
    Ok(())
}
