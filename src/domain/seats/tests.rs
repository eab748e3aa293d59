//! Every rule against its own words, and every state of small listings.

use proptest::prelude::*;

use super::*;

const SPLITS: [Split; 4] = [Split::Any, Split::AvoidOne, Split::Pairs, Split::None];

/// The places of a set as a list of booleans: the contract's words are about neighbours in it.
fn row(free: SeatSet) -> Vec<bool> {
    (0..MAX_SEATS).map(|place| free.contains(SeatSet(1 << place))).collect()
}

/// The runs in the contract's words: free seats that follow each other, or all free ones.
fn runs(free: SeatSet, are_numbered: bool) -> Vec<Vec<usize>> {
    let row = row(free);
    let places: Vec<usize> = (0..row.len()).filter(|place| row[*place]).collect();
    if !are_numbered {
        return if places.is_empty() { vec![] } else { vec![places] };
    }
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some(run) if run.last() == Some(&(place - 1)) => run.push(place),
            _ => runs.push(vec![place]),
        }
    }
    runs
}

/// The quantities of a run in the contract's words.
fn permitted(split: Split, run: u32) -> Vec<u32> {
    let all = 1..=run;
    let permitted: Vec<u32> = match split {
        Split::Any => all.collect(),
        Split::AvoidOne => all.filter(|quantity| run - quantity != 1).collect(),
        Split::Pairs => all.filter(|quantity| quantity % 2 == 0).collect(),
        Split::None => vec![run],
    };
    if permitted.is_empty() { vec![run] } else { permitted }
}

fn length(run: &[usize]) -> u32 {
    u32::try_from(run.len()).expect("a short run")
}

/// `buyable` in the contract's words.
fn union(seats: FreeSeats) -> Vec<u32> {
    let runs = runs(seats.free, seats.are_numbered);
    let mut all: Vec<u32> =
        runs.iter().flat_map(|run| permitted(seats.split, length(run))).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|quantity| *quantity <= seats.most);
    all
}

/// The seats of an order in the contract's words: the run that fits exactly, else the shortest that
/// permits it, the first among equals, from its low end.
fn taken(seats: FreeSeats, quantity: u32) -> Option<Vec<u32>> {
    let runs = runs(seats.free, seats.are_numbered);
    let mut fitting: Vec<&Vec<usize>> = runs
        .iter()
        .filter(|run| permitted(seats.split, length(run)).contains(&quantity))
        .filter(|_| quantity <= seats.most)
        .collect();
    fitting.sort_by_key(|run| (length(run) != quantity, length(run), run[0]));
    let from = fitting.first()?;
    let low = from.iter().map(|place| u32::try_from(*place).expect("a place"));
    Some(low.take(quantity as usize).collect())
}

fn numbered(free: SeatSet, split: Split) -> FreeSeats {
    FreeSeats { free, are_numbered: true, split, most: MAX_SEATS }
}

fn agrees_with_the_contract(seats: FreeSeats) {
    let buyable = seats.buyable();
    assert_eq!(buyable, union(seats), "{seats:?}");
    assert_eq!(seats.smallest(), buyable.first().copied(), "{seats:?}");
    for quantity in 0..=seats.free.len() + 1 {
        let chosen = seats.choose(quantity);
        assert_eq!(seats.offers(quantity), buyable.contains(&quantity), "{quantity} of {seats:?}");
        let places = chosen.map(|chosen| chosen.places().collect());
        assert_eq!(places, taken(seats, quantity), "{quantity} of {seats:?}");
        if let Some(chosen) = chosen {
            assert_eq!(chosen.len(), quantity);
            assert!(seats.free.contains(chosen), "only free seats are given");
        }
    }
}

#[test]
fn the_quantities_of_a_run_are_those_of_the_table() {
    let of = |split, run| numbered(SeatSet::first(run), split).buyable();
    assert_eq!(of(Split::AvoidOne, 2), [2]);
    assert_eq!(of(Split::AvoidOne, 3), [1, 3]);
    assert_eq!(of(Split::AvoidOne, 4), [1, 2, 4]);
    assert_eq!(of(Split::AvoidOne, 5), [1, 2, 3, 5]);
    assert_eq!(of(Split::AvoidOne, 8), [1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(of(Split::Pairs, 8), [2, 4, 6, 8]);
    assert_eq!(of(Split::Pairs, 3), [2]);
    assert_eq!(of(Split::None, 8), [8]);
    assert_eq!(of(Split::Any, 3), [1, 2, 3]);
    for split in SPLITS {
        assert_eq!(of(split, 1), [1], "{split:?}: what is left of a listing can be bought");
        assert_eq!(of(split, 0), [0_u32; 0]);
    }
}

#[test]
fn every_set_of_free_seats_is_offered_as_the_contract_says() {
    for bits in 0..1 << 11 {
        for split in SPLITS {
            for are_numbered in [true, false] {
                for most in [MAX_SEATS, 4, 1, 0] {
                    let free = SeatSet(bits);
                    agrees_with_the_contract(FreeSeats { free, are_numbered, split, most });
                }
            }
        }
    }
}

#[test]
fn no_purchase_that_avoids_one_leaves_a_single_seat_from_any_set_of_free_ones() {
    let singles = |free| runs(free, true).iter().filter(|run| run.len() == 1).count();
    for bits in 0..1 << 14 {
        let seats = numbered(SeatSet(bits), Split::AvoidOne);
        for quantity in seats.buyable() {
            let chosen = seats.choose(quantity).expect("it is buyable");
            assert!(singles(seats.free.without(chosen)) <= singles(seats.free), "{seats:?}");
        }
        let seats = FreeSeats { are_numbered: false, ..seats };
        for quantity in seats.buyable() {
            let chosen = seats.choose(quantity).expect("it is buyable");
            let left = seats.free.without(chosen).len();
            assert!(left != 1 || seats.free.len() == 1, "{quantity} of {seats:?}");
        }
    }
}

/// Everything that purchases alone can make of a listing, whatever its size.
fn reachable(quantity: u32, split: Split) -> Vec<SeatSet> {
    let mut found = vec![SeatSet::first(quantity)];
    let mut next = 0;
    while let Some(free) = found.get(next).copied() {
        let seats = numbered(free, split);
        for quantity in seats.buyable() {
            let left = free.without(seats.choose(quantity).expect("it is buyable"));
            if !found.contains(&left) {
                found.push(left);
            }
        }
        next += 1;
    }
    found
}

#[test]
fn whatever_is_bought_one_after_the_other_no_single_seat_is_left_and_nothing_is_stuck() {
    for quantity in 2..=MAX_SEATS {
        for free in reachable(quantity, Split::AvoidOne) {
            assert!(!runs(free, true).iter().any(|run| run.len() == 1), "{quantity}: {free:?}");
        }
        for split in SPLITS {
            for free in reachable(quantity, split) {
                let is_sold_out = free.is_empty();
                let is_stuck = numbered(free, split).buyable().is_empty();
                assert_eq!(is_stuck, is_sold_out, "{split:?} of {quantity}: {free:?}");
            }
        }
    }
}

#[test]
fn pairs_of_an_even_listing_stay_pairs() {
    for quantity in (2..=MAX_SEATS).step_by(2) {
        for free in reachable(quantity, Split::Pairs) {
            assert!(free.len().is_multiple_of(2));
        }
    }
}

#[test]
fn an_order_takes_the_run_that_fits_and_leaves_the_long_ones_whole() {
    // Seats 0 and 1, 3 to 5, 7 and 8 are free.
    let free = SeatSet(0b1_1011_1011);
    let seats = numbered(free, Split::AvoidOne);
    assert_eq!(seats.choose(2), Some(SeatSet(0b11)), "the first of those that fit");
    assert_eq!(seats.choose(3), Some(SeatSet(0b11_1000)));
    assert_eq!(seats.choose(1), Some(SeatSet(0b1000)), "the only one that leaves no single seat");
    assert_eq!(seats.choose(4), None, "nobody sits apart");
    let together = FreeSeats { are_numbered: false, ..seats };
    assert_eq!(together.choose(4), Some(SeatSet(0b1_1011)), "without numbers they are one run");
}

#[test]
fn names_of_rules_are_read_back() {
    for split in SPLITS {
        assert_eq!(Split::named(split.name()), Some(split));
    }
    for unknown in ["", "Any", "avoid_one", "avoidone"] {
        assert_eq!(Split::named(unknown), None);
    }
    assert_eq!(Split::NAMES.map(|(_, split)| split), SPLITS);
}

#[test]
fn a_set_is_read_back_from_its_number_unless_no_listing_has_such_a_seat() {
    let all = SeatSet::first(MAX_SEATS);
    assert_eq!(all.len(), MAX_SEATS);
    assert_eq!(SeatSet::first(u32::MAX), all);
    assert_eq!(SeatSet::from_bits(all.bits()), Some(all));
    assert_eq!(SeatSet::from_bits(1 << MAX_SEATS), None);
    assert_eq!(SeatSet::from_bits(u64::MAX), None);
    assert_eq!(format!("{:?}", SeatSet(0b101)), "{0, 2}");
}

/// Orders that come, end and are sold, in any sequence. Each has its own seats.
#[derive(Debug, Clone, Copy)]
enum Step {
    Lock(u32),
    Release(prop::sample::Index),
    Sell(prop::sample::Index),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..8_u32).prop_map(Step::Lock),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => any::<prop::sample::Index>().prop_map(Step::Sell),
    ]
}

proptest! {
    #[test]
    fn over_any_sequence_each_seat_has_one_order_and_buyable_follows_the_rules(
        quantity in 1..=MAX_SEATS,
        split in prop::sample::select(SPLITS.to_vec()),
        are_numbered: bool,
        most in 1..=MAX_SEATS,
        steps in prop::collection::vec(a_step(), 0..60),
    ) {
        let all = SeatSet::first(quantity);
        let mut free = all;
        let (mut held, mut sold) = (Vec::new(), Vec::new());
        for step in steps {
            let seats = FreeSeats { free, are_numbered, split, most };
            prop_assert_eq!(seats.buyable(), union(seats));
            match step {
                Step::Lock(quantity) => if let Some(chosen) = seats.choose(quantity) {
                    held.push(chosen);
                    free = free.without(chosen);
                },
                Step::Release(which) if !held.is_empty() => {
                    let released: SeatSet = held.remove(which.index(held.len()));
                    prop_assert!(!free.overlaps(released));
                    free = free.with(released);
                }
                Step::Sell(which) if !held.is_empty() => {
                    sold.push(held.remove(which.index(held.len())));
                }
                Step::Release(_) | Step::Sell(_) => {}
            }
            let mut seen = free;
            for seats in held.iter().chain(&sold) {
                prop_assert!(!seen.overlaps(*seats), "a seat is given twice");
                seen = seen.with(*seats);
            }
            prop_assert_eq!(seen, all, "a seat is lost");
        }
    }

    #[test]
    fn any_set_of_fifty_seats_is_offered_as_the_contract_says(
        bits in 0..1_u64 << MAX_SEATS,
        split in prop::sample::select(SPLITS.to_vec()),
        are_numbered: bool,
        most in 0..=MAX_SEATS,
    ) {
        agrees_with_the_contract(FreeSeats { free: SeatSet(bits), are_numbered, split, most });
    }
}

#[test]
fn two_sets_together_hold_what_either_holds() {
    let (low, high) = (SeatSet(0b0111), SeatSet(0b1110));
    assert_eq!(low.with(high), SeatSet(0b1111), "what both hold included");
    assert_eq!(low.without(high), SeatSet(0b0001));
}
