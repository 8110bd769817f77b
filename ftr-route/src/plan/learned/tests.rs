use super::{DHCP, Learned, Network, Signs, learned, owner};
use crate::plan::kept::Kept;
use crate::plan::rescue::former;
use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
use crate::plan::uplink_state::{HostView, uplink_states};
use ftr_core::Family;
use ftr_netlink::{Address, Nexthop, Route, RouteKind};
use nix::libc;
use std::time::Duration;

const OWN: [&str; 2] = ["2001:db8::2", "2001:db9::2"];

/// What is learned where these prefixes are refused, eth0 has these addresses, and the tables 1 and 2 these networks.
fn told(autos: [bool; 2], refused: &[&str], inside: &[(&str, u32)], tables: &[(u32, &str)]) -> Learned {
    told_with(autos, refused, inside, tables, &[], &[])
}

/// The same where eth2 had these networks before, and where there are rules to these because their prefix is gone.
fn told_with(
    autos: [bool; 2],
    refused: &[&str],
    inside: &[(&str, u32)],
    tables: &[(u32, &str)],
    kept_of: &[(&str, &str)],
    gone: &[&str],
) -> Learned {
    let six = |auto: bool| if auto { ", type6: ra, prefix6: auto" } else { ", type6: ra, prefix6: '2001:dbf::/56'" };
    let text = CONFIG
        .replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1{}", six(autos[0])))
        .replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1{}", six(autos[1])));
    let config = config(&text);
    let links = [link(2, "eth0"), link(3, "eth1"), link(4, "eth2"), link(9, "docker0")];
    let mut addresses: Vec<Address> =
        inside.iter().map(|(text, flags)| Address { flags: *flags, ..address(2, text, None, 64) }).collect();
    addresses.extend([address(3, OWN[0], None, 64), address(4, OWN[1], None, 64)]);
    addresses.push(address(9, "2001:db8:0:900::1", None, 64));
    let route = |table, prefix: &str, kind, protocol, nexthops| Route {
        destination: Some(prefix.parse().unwrap()),
        protocol,
        nexthops,
        ..Route::default(Family::V6, table, kind)
    };
    let main: Vec<Route> = refused
        .iter()
        .map(|prefix| route(254, prefix, RouteKind::Unreachable, DHCP, vec![]))
        .chain([route(254, "2001:db8:0:700::/56", RouteKind::Unreachable, 3, vec![])])
        .collect();
    let hop = || vec![Nexthop::new(None, 2)];
    let ours: Vec<Route> =
        tables.iter().map(|(table, prefix)| route(*table, prefix, RouteKind::Unicast, 117, hop())).collect();
    let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
    let states = uplink_states(&config, Family::V6, host);
    let kept = |(prefix, device): &(&str, &str)| Kept {
        uplink: 1,
        prefix: prefix.parse().unwrap(),
        device: (*device).to_owned(),
        former: None,
        told: Duration::ZERO,
    };
    let kept: Vec<Kept> = kept_of.iter().map(kept).collect();
    let networks: Vec<Network> =
        gone.iter().map(|prefix| Network { uplink: 1, prefix: prefix.parse().unwrap(), index: 2 }).collect();
    let rules = former(&config, Family::V6, &networks);
    let signs = Signs { links: &links, addresses: &addresses, main: &main, ours: &ours, rules: &rules, kept: &kept };
    learned(&config, &states, signs)
}

fn prefixes(learned: &Learned) -> Vec<String> {
    let each = learned.prefixes.iter().map(|(uplink, prefix)| format!("{uplink} {prefix}"));
    each.chain(learned.unclaimed.iter().map(|prefix| format!("? {prefix}"))).collect()
}

fn networks(learned: &Learned) -> [Vec<String>; 2] {
    [&learned.networks, &learned.former]
        .map(|all| all.iter().map(|one| format!("{} {}", one.uplink, one.prefix)).collect())
}

#[test]
fn all_are_of_the_only_uplink_that_learns_them() {
    let one = told([false, true], &["2001:db8:0:100::/56"], &[("2001:db8:0:101::1", 0)], &[]);
    assert_eq!(prefixes(&one), ["1 2001:db8:0:100::/56"]);
    assert_eq!(networks(&one), [vec!["1 2001:db8:0:101::/64".to_owned()], vec![]]);
    // A prefix that is one network whole has no route that refuses it; what is permanent or old tells of nothing.
    let flags = [0, libc::IFA_F_PERMANENT, libc::IFA_F_DEPRECATED];
    let addresses = [("2001:db8:0:1::1", flags[0]), ("2001:db8:0:2::1", flags[1]), ("2001:db8:0:3::1", flags[2])];
    let one = told([false, true], &[], &addresses, &[]);
    assert_eq!(prefixes(&one), ["1 2001:db8:0:1::/64"]);
    // What is stated is known already, and a private network no provider has delegated.
    assert_eq!(prefixes(&told([false, true], &["2001:dbf::/56", "fd00::/48"], &[], &[])), [""; 0]);
    assert_eq!(told([false, false], &["2001:db8:0:100::/56"], &[], &[]), Learned::default());
}

#[test]
fn of_several_that_learn_the_address_tells_and_else_nobody() {
    let refused = ["2001:db8:0:100::/56", "2001:db9:0:100::/56", "2001:dba:0:100::/56"];
    let expected = ["0 2001:db8:0:100::/56", "1 2001:db9:0:100::/56", "? 2001:dba:0:100::/56"];
    assert_eq!(prefixes(&told([true, true], &refused, &[], &[])), expected);
}

#[test]
fn a_network_is_former_when_its_prefix_is_gone_and_not_while_its_address_is_away() {
    let (old, new) = ("2001:db8:0:100::/56", "2001:db8:0:200::/56");
    let (network, after) = ("2001:db8:0:101::/64", "2001:db8:0:201::/64");
    let kept = |text: &str| vec![format!("1 {text}")];
    let learns = [false, true];
    assert_eq!(networks(&told(learns, &[old], &[], &[(2, network)])), [kept(network), vec![]]);
    let changed = told(learns, &[new], &[("2001:db8:0:201::1", 0)], &[(2, network)]);
    assert_eq!(networks(&changed), [kept(after), kept(network)]);
    // A client may go on refusing it: who has been given an address of another one is not coming back to this.
    let stays = told(learns, &[old, new], &[("2001:db8:0:201::1", 0)], &[(2, network)]);
    assert_eq!(prefixes(&stays), [format!("1 {new}")]);
    assert_eq!(networks(&stays), [kept(after), kept(network)]);
    let away = told(learns, &[old, new], &[], &[(2, network)]);
    assert_eq!((prefixes(&away).len(), networks(&away)), (2, [kept(network), vec![]]));
    let unused = told(learns, &[old, new], &[("2001:db8:0:201::1", 0)], &[]);
    assert_eq!(prefixes(&unused).len(), 2, "no host can have an address of it");
    // Delegated again it is like any other.
    assert_eq!(networks(&told(learns, &[old], &[], &[(2, network), (2, after)])), [kept(network), kept(after)]);
    // What an uplink's table holds whose prefixes are stated is none of these.
    assert_eq!(networks(&told(learns, &[new], &[], &[(1, network)])), [vec![], vec![]] as [Vec<String>; 2]);
}

#[test]
fn a_deprecated_network_goes_on_until_another_one_has_taken_its_place() {
    let (network, after) = ("2001:db8:0:101::/64", "2001:db8:0:201::/64");
    let one = |flags| ("2001:db8:0:101::1", flags);
    let two = |flags| ("2001:db8:0:201::1", flags);
    let old = libc::IFA_F_DEPRECATED;
    let told = |inside: &[(&str, u32)], tables: &[(u32, &str)], gone: &[&str]| {
        let learned = told_with([false, true], &[], inside, tables, &[], gone);
        let all = [prefixes(&learned)].into_iter().chain(networks(&learned));
        all.map(|each| each.join(", ").replace("2001:db8:0:", "").replace("::/64", "")).collect::<Vec<_>>().join("; ")
    };
    // Its uplink is down, so hosts were told to prefer others, or its client cannot renew it.
    assert_eq!(told(&[one(old)], &[(2, network)], &[]), "1 101; 1 101; ");
    assert_eq!(told(&[one(old)], &[], &[]), "1 101; 1 101; ", "whoever starts meanwhile sees the same");
    assert_eq!(told(&[one(0)], &[(2, network)], &[]), "1 101; 1 101; ");
    // Its address is gone, or another one has come.
    assert_eq!(told(&[], &[(2, network)], &[]), "; ; 1 101");
    assert_eq!(told(&[one(old), two(0)], &[(2, network)], &[]), "1 201; 1 201; 1 101");
    // What was replaced while the uplink is down does not come back because that is deprecated as well.
    let tables = [(2, network), (2, after)];
    assert_eq!(told(&[one(old), two(old)], &tables, &[network]), "1 201; 1 201; 1 101");
    assert_eq!(told(&[one(0), two(old)], &tables, &[network]), "1 101; 1 101; 1 201", "but if it is delegated again");
    // Of several uplinks with prefixes that are learned, where what told whose it is has gone with the uplink.
    let elsewhere = [("2001:dba:0:101::1", old)];
    let of_two = |tables: &[(u32, &str)]| prefixes(&super::tests::told([true, true], &[], &elsewhere, tables));
    assert_eq!(of_two(&[(2, "2001:dba:0:101::/64")]), ["1 2001:dba:0:101::/64"]);
    assert_eq!(of_two(&[]), [""; 0], "nobody is asked for one that is going anyway");
}

#[test]
fn what_was_replaced_while_the_router_was_off_is_former() {
    let (new, address) = ("2001:db8:0:200::/56", [("2001:db8:0:201::1", 0)]);
    let (network, after) = ("2001:db8:0:101::/64", "1 2001:db8:0:201::/64".to_owned());
    let told = |kept: &[(&str, &str)]| networks(&told_with([false, true], &[new], &address, &[], kept, &[]));
    assert_eq!(told(&[(network, "eth0")]), [vec![after.clone()], vec![format!("1 {network}")]]);
    assert_eq!(told(&[(network, "eth7")]), [vec![after.clone()], vec![]], "not while its device is away");
    assert_eq!(told(&[("2001:db8:0:201::/64", "eth0")]), [vec![after], vec![]], "the same came back");
}

#[test]
fn of_one_provider_a_default_route_for_its_senders_or_an_address_in_it_tells() {
    let six = |i: u8| format!("gateway: {i}.0.0.1, type6: ra, prefix6: auto");
    let text = CONFIG.replace("gateway: 1.0.0.1", &six(1)).replace("gateway: 2.0.0.1", &six(2));
    let config = config(&text);
    let links = [link(3, "eth1"), link(4, "eth2")];
    let told_with = |own: &[(u32, &str)], in_it: &[u32], routes: &[(&str, u32)], kept: &[Network]| {
        let mut addresses: Vec<Address> = own.iter().map(|(index, own)| address(*index, own, None, 64)).collect();
        addresses.extend(in_it.iter().map(|index| address(*index, "2001:db8:0:1ff::2", None, 64)));
        let default = |(from, index): &(&str, u32)| Route {
            from: Some(from.parse().unwrap()),
            nexthops: vec![Nexthop::new(None, *index)],
            ..Route::default(Family::V6, 254, RouteKind::Unicast)
        };
        let main: Vec<Route> = routes.iter().map(default).collect();
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V6, host);
        let signs = Signs { links: &links, addresses: &addresses, main: &main, ..Signs::default() };
        owner(&config, &states, signs, kept, "2001:db8:0:100::/56".parse().unwrap())
    };
    let own = [(3, "2001:db8::2"), (4, "2001:db8:ff::2")];
    let told = |in_it: &[u32], routes: &[(&str, u32)]| told_with(&own, in_it, routes, &[]);
    assert_eq!(told(&[], &[]), None, "both are of one provider");
    assert_eq!((told(&[4], &[]), told(&[3, 4], &[])), (Some(1), None));
    assert_eq!(told(&[], &[("2001:db8:0:100::/56", 3), ("2001:db8:0:200::/56", 4)]), Some(0));
    assert_eq!(told(&[], &[("2001:db8:0:100::/64", 4), ("2001:db8:0:100::/56", 9)]), Some(1));
    assert_eq!(told(&[3], &[("2001:db8:0:100::/56", 4)]), None, "they contradict each other");
    let was = |uplink| [Network { uplink, prefix: "2001:db8:0:101::/64".parse().unwrap(), index: 2 }];
    assert_eq!(
        told_with(&own[1..], &[], &[], &[]),
        Some(1),
        "the other one is of another provider, as far as is known"
    );
    assert_eq!(
        told_with(&own[1..], &[], &[], &was(0)),
        Some(0),
        "the other one has lost its address, and not the prefix"
    );
    assert_eq!(told_with(&own, &[4], &[], &was(0)), Some(1), "the address tells that it is of the other one now");
}
