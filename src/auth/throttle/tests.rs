use std::net::Ipv4Addr;

use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const START: Timestamp = Timestamp::from_millis(1_795_319_640_768);
const SETTINGS: ThrottleSettings = ThrottleSettings {
    enabled: true,
    account: Rate { burst: 3, per_minute: 6 },
    account_per_hour: 100,
    address: Rate { burst: 10, per_minute: 60 },
};
/// Addresses that may try as often as they like.
const WIDE: ThrottleSettings =
    ThrottleSettings { address: Rate { burst: 1_000_000, per_minute: 1_000_000 }, ..SETTINGS };

fn after(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    Ipv4Addr::new(a, b, c, d).into()
}

fn guess(throttle: &Throttle, from: IpAddr, now: Timestamp) -> Result<(), RetryAfter> {
    throttle.attempt("ana", from, Standing::Stranger, now).map(drop)
}

/// The owner's right password: whether it is looked at.
fn owner_gets_in(throttle: &Throttle, from: IpAddr, standing: Standing, now: Timestamp) -> bool {
    throttle.attempt("ana", from, standing, now).map(Attempt::give_back).is_ok()
}

#[test]
fn a_guesser_is_stopped_and_told_when_to_come_back() {
    let throttle = Throttle::new(SETTINGS);
    for _ in 0..3 {
        guess(&throttle, HOME, START).unwrap();
    }
    assert_eq!(guess(&throttle, HOME, START), Err(RetryAfter { seconds: 10 }));
    assert_eq!(guess(&throttle, HOME, after(4)), Err(RetryAfter { seconds: 6 }));
    let other = throttle.attempt("ben", HOME, Standing::Stranger, after(4));
    other.map(drop).unwrap();
    guess(&throttle, HOME, after(10)).unwrap();
    assert_eq!(guess(&throttle, HOME, after(10)), Err(RetryAfter { seconds: 10 }));
}

#[test]
fn guesses_sent_at_once_do_not_slip_through() {
    let throttle = Throttle::new(WIDE);
    let attempt = |_| throttle.attempt("ana", HOME, Standing::Stranger, START).ok();
    let under_way: Vec<_> = (0..100).filter_map(attempt).collect();
    assert_eq!(under_way.len(), 3);
}

#[test]
fn successes_cost_the_account_nothing() {
    let throttle = Throttle::new(WIDE);
    for _ in 0..300 {
        assert!(owner_gets_in(&throttle, HOME, Standing::Stranger, START));
        assert!(owner_gets_in(&throttle, HOME, Standing::Known, START));
    }
}

#[test]
fn every_attempt_counts_for_its_address() {
    let throttle = Throttle::new(SETTINGS);
    for n in 0..10 {
        let attempt = throttle.attempt(&n.to_string(), HOME, Standing::Stranger, START);
        attempt.unwrap().give_back();
    }
    assert_eq!(guess(&throttle, HOME, START), Err(RetryAfter { seconds: 1 }));
    guess(&throttle, v4(10, 0, 0, 1), START).unwrap();
    guess(&throttle, HOME, after(1)).unwrap();
}

#[test]
fn a_customer_with_many_networks_is_bounded_like_a_few_clients() {
    let throttle = Throttle::new(SETTINGS);
    let let_in = |base: u128, step: u32| {
        let attempt = |n: &u128| {
            let from = IpAddr::from((base | n << step).to_be_bytes());
            throttle.attempt(&n.to_string(), from, Standing::Stranger, START).is_ok()
        };
        (0..2000).filter(attempt).count()
    };
    assert_eq!(let_in(0x2001_0db8_0001 << 80, 64), 40, "a /48 is as much as four /64");
    assert_eq!(let_in(0x2001_0db9 << 96, 80), 320, "a /32 as much as 32");
}

#[test]
fn an_account_is_guessed_at_no_more_than_a_hundred_times_an_hour() {
    let throttle = Throttle::new(WIDE);
    let mut let_in = Vec::new();
    for second in 0..4 * 3600 {
        // From everywhere, and by somebody known as well.
        let n = u8::try_from(second % 250).unwrap();
        let stranger = guess(&throttle, v4(n, n, n, n), after(second)).is_ok();
        let known = throttle.attempt("ana", HOME, Standing::Known, after(second)).is_ok();
        let_in.push(u32::from(stranger) + u32::from(known));
    }
    let worst = let_in.windows(3600).map(|hour| hour.iter().sum::<u32>()).max();
    assert!(worst.unwrap() <= 100, "{worst:?}");
}

#[test]
fn guesses_from_150_addresses_are_throttled_too() {
    let throttle = Throttle::new(WIDE);
    let guesses = (0..150_u8).filter(|n| guess(&throttle, v4(198, 51, 100, *n), START).is_ok());
    assert!(guesses.count() < 50);
}

#[test]
fn the_owner_gets_in_from_elsewhere_while_others_guess() {
    // One address; a network; a provider that hands out new addresses for every guess.
    for spread in [[0, 0, 0], [0, 0, 255], [0, 255, 255]] {
        let throttle = Throttle::new(WIDE);
        for minute in 0..240 {
            for second in 0..60 {
                let now = after(minute * 60 + second);
                let random = now.as_seconds().unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let [b, c, d, ..] = random.to_le_bytes();
                let [x, y, z] = spread;
                let _ = guess(&throttle, v4(198, b & x, c & y, d & z), now);
            }
            let now = after(minute * 60 + 60);
            assert!(owner_gets_in(&throttle, v4(203, 0, 113, 7), Standing::Stranger, now));
            // And on a browser that they used before, even at the guesser's own address.
            assert!(owner_gets_in(&throttle, v4(198, 0, 0, 0), Standing::Known, now));
        }
    }
}

#[test]
fn an_owner_elsewhere_may_mistype_while_others_guess() {
    let throttle = Throttle::new(WIDE);
    for second in 0..600 {
        let _ = guess(&throttle, HOME, after(second));
    }
    guess(&throttle, v4(203, 0, 113, 7), after(600)).unwrap();
    guess(&throttle, v4(203, 0, 113, 7), after(605)).unwrap();
    assert!(owner_gets_in(&throttle, v4(203, 0, 113, 7), Standing::Stranger, after(610)));
}

#[test]
fn guesses_from_everywhere_do_not_shut_out_those_who_are_known() {
    let throttle = Throttle::new(WIDE);
    for second in 0..3600 {
        let [a, b, ..] = (second * 31_u64).to_le_bytes();
        let _ = guess(&throttle, v4(a, b, 0, 1), after(second));
        assert!(owner_gets_in(&throttle, HOME, Standing::Known, after(second)));
    }
}

#[test]
fn somebody_known_gets_in_at_an_address_that_others_use_up() {
    let throttle = Throttle::new(SETTINGS);
    for n in 0..100 {
        let _ = throttle.attempt(&n.to_string(), HOME, Standing::Stranger, START);
    }
    assert!(guess(&throttle, HOME, START).is_err());
    for _ in 0..KNOWN_ATTEMPTS {
        assert!(owner_gets_in(&throttle, HOME, Standing::Known, START));
    }
    assert!(!owner_gets_in(&throttle, HOME, Standing::Known, START), "but not without bound");
}

#[test]
fn somebody_known_may_not_guess_for_ever() {
    let throttle = Throttle::new(WIDE);
    let attempt = |_: &u32| throttle.attempt("ana", HOME, Standing::Known, START).is_ok();
    assert_eq!((0..100).filter(attempt).count(), 10);
}

#[test]
fn nothing_is_refused_when_the_throttle_is_off() {
    let throttle = Throttle::new(ThrottleSettings { enabled: false, ..SETTINGS });
    for _ in 0..1000 {
        guess(&throttle, HOME, START).unwrap();
    }
}
