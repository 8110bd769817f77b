//! Dialogues made up from a seed: whatever a server says, the message is delivered only if it took it, in time, and in
//! bounded memory. More than usual, and others: `FTR_DIALOGUES=100000 FTR_SEED=7 cargo nextest run -p ftr-notify random`.

use std::error::Error;
use std::fs::read_to_string;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftr_notify::smtp::deliver;
use rustls::ServerConfig;

use crate::attacker::{Attacker, Peer, envelope, smtp, tls};
use crate::scratch::Scratch;

type Tested = Result<(), Box<dyn Error>>;

/// How many dialogues are played where nothing else is said.
const USUAL: u64 = 3000;

/// What mailer and servers, which are one process here, may need together, in KiB.
const MEMORY: u64 = 32 * 1024;

/// What a dialogue is made from: splitmix64, so that a seed stands for the same one everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let choice = self.below(choices.len() as u64);
        choices.iter().copied().nth(usize::try_from(choice).unwrap_or(0)).unwrap_or_default()
    }
}

/// What a server says instead of a good answer; none means that it breaks off.
fn odd(dice: &mut Dice) -> Option<Vec<u8>> {
    const CODES: &[&str] =
        &["220", "235", "250", "251", "334", "354", "421", "450", "500", "535", "550", "999", "2x0", ""];
    let text = match dice.below(8) {
        0 => format!("{} {}\r\n", dice.of(CODES), dice.of(&["", "ok", "\x1b[2J", "ä ö"])),
        1 => format!("{0}-a\r\n{0} b\r\n{1} c\r\n", dice.of(CODES), dice.of(CODES)),
        2 => format!("{}-a\r\n{} b\r\n", dice.of(CODES), dice.of(CODES)),
        3 => return Some((0..dice.below(300)).flat_map(|_| dice.roll().to_le_bytes()).collect()),
        4 => "250-x\r\n".repeat(8000),
        5 => "2".repeat(100_000),
        6 => return None,
        _ => "250 x\r\n250 y\r\n354 z\r\n250 w\r\n".to_owned(),
    };
    Some(text.into_bytes())
}

/// The class of a text that is one reply and nothing else; that it closes behind its last answer does not matter.
fn class(text: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.find("\n421 ").and_then(|end| text.get(..=end)).unwrap_or(text).strip_suffix('\n')?;
    let mut lines = text.split('\n').rev();
    let last = lines.next()?;
    let (code, rest) = last.split_at_checked(3)?;
    let number: u16 = code.parse().ok()?;
    let ends = rest.trim_end_matches('\r').is_empty() || rest.starts_with(' ');
    let one = ends && lines.all(|line| line.starts_with(code) && line.get(3..4) == Some("-"));
    let first = code.bytes().next().filter(|_| code.bytes().all(|byte| byte.is_ascii_digit()))?;
    (one && (200..600).contains(&number)).then_some(first)
}

/// A server, and whether it has spoken one reply at a time so far.
struct Server {
    dice: Dice,
    peer: Peer,
    in_turn: bool,
}

impl Server {
    /// The answer that the client needs, or, now and then, something else. Returns its class, if it has one.
    fn answer(&mut self, good: &str) -> io::Result<Option<u8>> {
        // Even a long dialogue comes to its end now and then.
        let answer = if self.dice.below(12) > 0 {
            // In two pieces, which makes no difference.
            let (first, second) = good.split_at(usize::try_from(self.dice.below(good.len() as u64)).unwrap_or(0));
            self.peer.say(first)?;
            self.peer.say(second)?;
            good.as_bytes().to_vec()
        } else {
            let odd = odd(&mut self.dice).ok_or(io::ErrorKind::ConnectionAborted)?;
            self.peer.say(&odd)?;
            odd
        };
        let class = class(&answer);
        self.in_turn &= class.is_some();
        Ok(class)
    }
}

/// Plays one connection; true if the server took the message: it has read it to its end, then said so, and has never said
/// a word out of turn.
fn serve(seed: u64, tls: &Arc<ServerConfig>, peer: Peer) -> io::Result<bool> {
    const OFFERS: [&str; 2] = ["250-x\r\n250 AUTH LOGIN PLAIN\r\n", "250-\r\n250- \r\n250-AUTH\r\n250 AUTH PLAIN\r\n"];
    let mut server = Server { dice: Dice(seed), peer, in_turn: true };
    server.answer("220 hi\r\n")?;
    loop {
        let line = server.peer.hear()?;
        let word = line.split(' ').next().unwrap_or_default();
        let good = match word {
            "STARTTLS" if server.dice.below(6) == 0 => {
                // Somebody in between: the server behind hears the rest and keeps nothing.
                server.peer.say("220 go\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")?;
                return io::copy(&mut server.peer.upgrade(tls)?, &mut io::sink()).map(|_| false);
            }
            "STARTTLS" => "220 go\r\n",
            // TLS costs more time than all else.
            "EHLO" if server.dice.below(8) > 0 => server.dice.of(&OFFERS),
            "EHLO" => "250-x\r\n250- \r\n250 STARTTLS\r\n",
            "AUTH" if line == "AUTH LOGIN" => "334 VXNlcm5hbWU6\r\n",
            "dXNlcg==" => "334 UGFzc3dvcmQ6\r\n",
            "AUTH" | "c2VjcmV0" => "235 ok\r\n",
            "DATA" => "354 go\r\n",
            "QUIT" => return Ok(false),
            _ => server.dice.of(&["250 ok\r\n", "250-ok\r\n250 ok\r\n"]),
        };
        server.answer(good)?;
        match word {
            "STARTTLS" => server.peer = server.peer.upgrade(tls)?,
            "DATA" => {
                server.peer.hear_content()?;
                let class = server.answer(fate(seed))?;
                return Ok(server.in_turn && class == Some(b'2'));
            }
            _ => {}
        }
    }
}

/// What becomes of a message that was read.
fn fate(seed: u64) -> &'static str {
    Dice(!seed).of(&[
        "250 taken\r\n",
        "250-taken\r\n250 yes\r\n",
        "250 taken\r\n421 bye\r\n",
        "554 no\r\n",
        "451 later\r\n",
        "354 go on\r\n",
    ])
}

/// The most memory that this process had, in KiB (proc(5)).
fn peak() -> u64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(u64::MAX)
}

/// What became of dialogues.
#[derive(Default)]
struct Tally {
    delivered: u64,
    denied: u64,
    slowest: Duration,
    wrong: Vec<String>,
}

/// Plays these dialogues one after the other.
fn play(seeds: &[u64], tls: &Arc<ServerConfig>) -> io::Result<Tally> {
    let scripts = seeds.iter().map(|&seed| {
        let tls = Arc::clone(tls);
        move |peer: Peer| serve(seed, &tls, peer)
    });
    let attacker = Attacker::start(scripts.collect())?;
    // Nobody sends a password in clear, but for a server on loopback.
    let smtp = smtp(attacker.port(), "user_name: user, password: secret, open_timeout: 400ms, read_timeout: 400ms")?;
    let envelope = envelope()?;
    let mut tally = Tally::default();
    let mut deliver = || {
        let begun = Instant::now();
        let outcome = deliver(&smtp, &envelope);
        tally.slowest = tally.slowest.max(begun.elapsed());
        outcome
    };
    let outcomes: Vec<_> = seeds.iter().map(|_| deliver()).collect();
    if tally.slowest > smtp.longest() + BUSY {
        tally.wrong.push(format!("one took {:?}", tally.slowest));
    }
    for ((seed, outcome), took) in seeds.iter().zip(outcomes).zip(attacker.ended()) {
        match (outcome, took.unwrap_or(false)) {
            (Ok(_), true) => tally.delivered += 1,
            (Err(_), false) => tally.denied += 1,
            // A busy machine may keep either of the two from speaking for longer than the other waits.
            (Err(error), true) if error.to_string().ends_with("does not answer") => tally.denied += 1,
            (outcome, took) => tally.wrong.push(format!("{seed}: {outcome:?}, server took it: {took}")),
        }
    }
    Ok(tally)
}

/// How much later than it asked for a busy machine may wake a program.
const BUSY: Duration = Duration::from_millis(300);

/// How many play at a time: most of them wait.
const PLAYERS: u64 = 8;

#[test]
fn whatever_a_server_says_the_letter_is_delivered_only_if_it_took_it() -> Tested {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, count) = (number("FTR_SEED").unwrap_or(1), number("FTR_DIALOGUES").unwrap_or(USUAL));
    println!("FTR_SEED={seed} FTR_DIALOGUES={count}");
    let scratch = Scratch::new("random")?;
    let tls = tls(&scratch.certificate()?)?;
    let mut dice = Dice(seed);
    let mut all = Tally::default();
    // In portions: a thread holds the scripts of its connections.
    for first in (0..count).step_by(4000) {
        let seeds: Vec<u64> = (first..count.min(first + 4000)).map(|_| dice.roll()).collect();
        let portion = seeds.len().div_ceil(usize::try_from(PLAYERS)?);
        let tallies = std::thread::scope(|scope| {
            let players: Vec<_> = seeds.chunks(portion).map(|seeds| scope.spawn(|| play(seeds, &tls))).collect();
            players.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
        });
        for tally in tallies {
            let tally = tally.map_err(|_| "a player panicked")??;
            all.delivered += tally.delivered;
            all.denied += tally.denied;
            all.slowest = all.slowest.max(tally.slowest);
            all.wrong.extend(tally.wrong);
        }
    }
    let Tally { delivered, denied, slowest, wrong } = all;
    let peak = peak();
    println!("{delivered} delivered, {denied} not, longest {slowest:?}, peak {peak} KiB");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(delivered * 20 > count && denied * 20 > count, "both kinds are played: {delivered} and {denied}");
    assert!(peak <= MEMORY, "{peak} KiB");
    Ok(())
}
