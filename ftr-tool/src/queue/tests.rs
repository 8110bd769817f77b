use super::{Overflow, PORTION, Queue};
use proptest::prelude::*;

const LIMIT: usize = 256 * 1024;

/// Writes what is next, but not more than `most` bytes of it.
fn write(queue: &mut Queue, most: usize, out: &mut Vec<u8>) {
    let portion: Vec<u8> = queue.portion().iter().flat_map(|slice| slice.to_vec()).collect();
    assert!(portion.len() <= PORTION);
    let count = portion.len().min(most);
    out.extend(&portion[..count]);
    queue.wrote(count);
}

fn line(number: usize) -> Vec<u8> {
    format!("{number:0999}\n").into_bytes()
}

/// A queue whose reader stops after ten bytes, and takes all of it once a thousand lines of a thousand bytes have been put:
/// their numbers, and how many were dropped and how many refused.
fn stopped(overflow: Overflow) -> (Vec<usize>, u64, usize) {
    let mut queue = Queue::new(LIMIT, overflow);
    let mut out = Vec::new();
    assert!(queue.put(line(0)));
    write(&mut queue, 10, &mut out);
    let refused = (1..1000).filter(|number| !queue.put(line(*number))).count();
    while !queue.is_empty() {
        write(&mut queue, 3000, &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let dropped = queue.take_dropped();
    assert_eq!(queue.take_dropped(), 0);
    (text.lines().map(|line| line.parse().unwrap()).collect(), dropped, refused)
}

#[test]
fn a_reader_that_stops_costs_what_was_chosen() {
    let kept = LIMIT / 1000;
    let lost = 1000 - kept;
    let newest = std::iter::once(0).chain(lost + 1..1000).collect();
    assert_eq!(stopped(Overflow::DropOldest), (newest, lost as u64, 0));
    let oldest: Vec<usize> = (0..kept).collect();
    assert_eq!(stopped(Overflow::DropNewest), (oldest.clone(), lost as u64, lost));
    assert_eq!(stopped(Overflow::Refuse), (oldest, 0, lost));
}

#[test]
fn a_line_that_never_fits_does_not_stop_those_that_do() {
    let mut queue = Queue::new(10, Overflow::DropNewest);
    assert!(!queue.put(*b"far too long\n") && queue.put(*b"short\n"));
    assert_eq!(queue.take_dropped(), 1);
    queue.clear();
    assert!(queue.is_empty() && queue.put(*b"0123456789"));
}

proptest! {
    #[test]
    fn what_fits_comes_out_as_it_went_in(
        overflow in prop::sample::select(vec![Overflow::DropOldest, Overflow::DropNewest, Overflow::Refuse]),
        steps in prop::collection::vec((prop::option::of((any::<u8>(), 0usize..3000)), 0usize..6000), 0..40),
    ) {
        let mut queue = Queue::new(LIMIT, overflow);
        let (mut into, mut out) = (Vec::<u8>::new(), Vec::new());
        for (line, most) in steps {
            if let Some((byte, length)) = line {
                let line = [vec![byte; length], vec![b'\n']].concat();
                into.extend(&line);
                prop_assert!(queue.put(line));
            }
            write(&mut queue, most, &mut out);
        }
        while !queue.is_empty() {
            write(&mut queue, usize::MAX, &mut out);
        }
        prop_assert_eq!(out, into);
        prop_assert_eq!((queue.bytes, queue.written, queue.take_dropped()), (0, 0, 0));
    }

    #[test]
    fn it_never_keeps_more_than_its_limit_and_whole_lines_only(
        overflow in prop::sample::select(vec![Overflow::DropOldest, Overflow::DropNewest, Overflow::Refuse]),
        steps in prop::collection::vec((1usize..100, 0usize..300), 0..100),
    ) {
        let mut queue = Queue::new(500, overflow);
        let (mut out, mut refused) = (Vec::new(), 0);
        for (number, (length, most)) in steps.iter().enumerate() {
            refused += u64::from(!queue.put(format!("{number}{}\n", "x".repeat(*length)).into_bytes()));
            // A line that is half gone is beside the limit.
            prop_assert!(queue.bytes <= 500 + 103);
            write(&mut queue, *most, &mut out);
        }
        while !queue.is_empty() {
            write(&mut queue, usize::MAX, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        let numbers: Vec<usize> = text.lines().map(|line| line.trim_end_matches('x').parse().unwrap()).collect();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "{:?}", numbers);
        let lost = match overflow {
            Overflow::Refuse => refused,
            Overflow::DropOldest | Overflow::DropNewest => queue.take_dropped(),
        };
        prop_assert_eq!(numbers.len() as u64 + lost, steps.len() as u64);
    }
}
