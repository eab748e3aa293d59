//! Every state with every command, before and after the show's end.

use proptest::prelude::*;

use super::*;
use crate::domain::roles::Roles;

const ADDED: Timestamp = Timestamp::from_millis(1_000);
const NOW: Timestamp = Timestamp::from_millis(2_000);
const START: Timestamp = Timestamp::from_millis(100_000);
const END: Timestamp = Timestamp::from_millis(150_000);
const NEW_START: Timestamp = Timestamp::from_millis(300_000);
const CREATOR: UserId = UserId::from_u128(1);
const OTHER: UserId = UserId::from_u128(2);
const STATES: [ShowState; 4] =
    [ShowState::Scheduled, ShowState::Postponed, ShowState::Cancelled, ShowState::Over];

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn show(state: ShowState) -> Show {
    let facts = ShowFacts {
        name: name("Rigoletto"),
        category: Category::Theatre,
        performers: vec![name("Ana")],
        site: Site { venue: VenueId::from_u128(7), added_by: OTHER },
        starts_at: START,
        ends_at: END,
        external_id: None,
        imported: None,
    };
    Show { state, ..Show::add(ShowId::from_u128(9), CREATOR, facts, ADDED) }
}

fn why() -> Notes {
    Notes::parse("the singer is ill").expect("a reason")
}

fn renamed() -> ShowCommand {
    ShowCommand::Edit(ShowChanges { name: Some(name("La Traviata")), ..Default::default() })
}

fn at(starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> ShowCommand {
    ShowCommand::Edit(ShowChanges { starts_at, ends_at, ..Default::default() })
}

fn decide(show: &Show, command: &ShowCommand, by: Option<Caller>, now: Timestamp) -> Decided {
    show.decide(command, by, &ExpectedVersion::Any, now)
}

fn by_operator(show: &Show, command: &ShowCommand, now: Timestamp) -> Decided {
    decide(show, command, Some(Caller::operator(OTHER)), now)
}

/// What a decision comes to, in short.
fn short(decided: Decided) -> Result<Option<(ShowState, Timestamp)>, CatalogRejection> {
    decided.map(|decision| match decision {
        ShowDecision::Unchanged => None,
        ShowDecision::Changed(after, _) | ShowDecision::Deleted(after) => {
            assert_eq!(after.version.number(), 1, "versions rise by one");
            Some((after.state, after.facts.starts_at))
        }
    })
}

#[test]
fn every_state_answers_every_command() {
    use super::CatalogRejection as No;
    use super::ShowState::{Cancelled, Over, Postponed, Scheduled};
    let postpone = |to| ShowCommand::Postpone { to };
    let (same, gone) = (Ok(None), |state| Ok(Some((state, START))));
    let table = [
        (Scheduled, renamed(), gone(Scheduled)),
        (Scheduled, at(Some(NEW_START), None), Ok(Some((Scheduled, NEW_START)))),
        (Scheduled, ShowCommand::Delete, gone(Scheduled)),
        (Scheduled, postpone(None), gone(Postponed)),
        (Scheduled, postpone(Some(START)), same),
        (Scheduled, postpone(Some(NEW_START)), Ok(Some((Scheduled, NEW_START)))),
        (Scheduled, ShowCommand::Cancel { reason: why() }, gone(Cancelled)),
        (Scheduled, ShowCommand::End, same),
        (Postponed, renamed(), gone(Postponed)),
        (Postponed, at(Some(NEW_START), None), Err(No::Postponed)),
        (Postponed, at(None, Some(NEW_START)), Err(No::Postponed)),
        (Postponed, ShowCommand::Delete, gone(Postponed)),
        (Postponed, postpone(None), same),
        (Postponed, postpone(Some(START)), gone(Scheduled)),
        (Postponed, postpone(Some(NEW_START)), Ok(Some((Scheduled, NEW_START)))),
        (Postponed, ShowCommand::Cancel { reason: why() }, gone(Cancelled)),
        (Postponed, ShowCommand::End, same),
        (Cancelled, renamed(), Err(No::Cancelled)),
        (Cancelled, ShowCommand::Delete, gone(Cancelled)),
        (Cancelled, postpone(None), Err(No::Cancelled)),
        (Cancelled, postpone(Some(NEW_START)), Err(No::Cancelled)),
        (Cancelled, ShowCommand::Cancel { reason: why() }, same),
        (Cancelled, ShowCommand::End, same),
        (Over, renamed(), Err(No::Over)),
        (Over, ShowCommand::Delete, gone(Over)),
        (Over, postpone(None), Err(No::Over)),
        (Over, postpone(Some(NEW_START)), Err(No::Over)),
        (Over, ShowCommand::Cancel { reason: why() }, Err(No::Over)),
        (Over, ShowCommand::End, same),
    ];
    for (state, command, expected) in table {
        assert_eq!(
            short(by_operator(&show(state), &command, NOW)),
            expected,
            "{state:?} {command:?}"
        );
    }
}

#[test]
fn a_show_is_over_from_the_moment_it_ends_whoever_looks_first() {
    let listed = show(ShowState::Scheduled);
    let before_end = Timestamp::from_millis(END.as_millis() - 1);
    assert_eq!(listed.state_at(before_end), ShowState::Scheduled);
    assert_eq!(listed.state_at(END), ShowState::Over);
    assert_eq!(short(decide(&listed, &ShowCommand::End, None, before_end)), Ok(None));
    let ended = decide(&listed, &ShowCommand::End, None, END);
    assert_eq!(short(ended), Ok(Some((ShowState::Over, START))));
    for command in
        [renamed(), ShowCommand::Cancel { reason: why() }, ShowCommand::Postpone { to: None }]
    {
        assert_eq!(short(by_operator(&listed, &command, END)), Err(CatalogRejection::Over));
    }
}

#[test]
fn a_show_without_a_date_never_ends_by_itself() {
    for state in [ShowState::Postponed, ShowState::Cancelled, ShowState::Over] {
        let show = show(state);
        assert_eq!(show.ends_by_itself_at(), None);
        assert_eq!(short(decide(&show, &ShowCommand::End, None, END)), Ok(None));
    }
    assert_eq!(show(ShowState::Scheduled).ends_by_itself_at(), Some(END));
}

#[test]
fn a_creator_edits_and_deletes_and_only_operators_postpone_and_cancel() {
    let operators_only =
        [ShowCommand::Postpone { to: None }, ShowCommand::Cancel { reason: why() }];
    for state in STATES {
        let show = show(state);
        for command in operators_only.iter().chain([&renamed(), &ShowCommand::Delete]) {
            for by in [None, Some(Caller::user(OTHER))] {
                let refused = decide(&show, command, by, NOW);
                assert_eq!(refused, Err(CatalogRejection::NotOperator), "{state:?} {command:?}");
            }
        }
        for command in &operators_only {
            let refused = decide(&show, command, Some(Caller::user(CREATOR)), NOW);
            assert_eq!(refused, Err(CatalogRejection::NotOperator), "{state:?} {command:?}");
        }
        let roles = Roles { operator: false };
        let creator = Some(Caller { user: CREATOR, roles });
        assert!(decide(&show, &ShowCommand::Delete, creator, NOW).is_ok());
    }
}

#[test]
fn a_show_that_moves_lasts_as_long_as_before() {
    let listed = show(ShowState::Scheduled);
    for command in [at(Some(NEW_START), None), ShowCommand::Postpone { to: Some(NEW_START) }] {
        let Ok(ShowDecision::Changed(after, _)) = by_operator(&listed, &command, NOW) else {
            panic!("it moves")
        };
        assert_eq!(after.facts.ends_at.since(after.facts.starts_at), END.since(START));
        assert_eq!(after.moved_at, Some(NOW));
    }
    let longer = at(None, Some(NEW_START));
    let Ok(ShowDecision::Changed(after, ShowChange::Edited)) = by_operator(&listed, &longer, NOW)
    else {
        panic!("it lasts longer")
    };
    assert_eq!((after.facts.starts_at, after.facts.ends_at), (START, NEW_START));
    assert_eq!(after.moved_at, None, "it starts when it did");
}

#[test]
fn a_show_ends_after_it_starts_and_within_a_month() {
    let listed = show(ShowState::Scheduled);
    let ends = |end| by_operator(&listed, &at(None, Some(end)), NOW);
    assert_eq!(short(ends(START)), Err(CatalogRejection::BadTimes));
    assert_eq!(short(ends(NOW)), Err(CatalogRejection::BadTimes));
    let longest = START.plus(LONGEST);
    assert!(ends(longest).is_ok());
    let longer = Timestamp::from_millis(longest.as_millis() + 1);
    assert_eq!(short(ends(longer)), Err(CatalogRejection::BadTimes));
}

#[test]
fn an_edit_that_changes_nothing_makes_no_new_version_and_one_for_another_is_refused() {
    let listed = show(ShowState::Scheduled);
    let same =
        ShowCommand::Edit(ShowChanges { name: Some(name("Rigoletto")), ..Default::default() });
    assert_eq!(by_operator(&listed, &same, NOW), Ok(ShowDecision::Unchanged));
    let expected = ExpectedVersion::OneOf(vec![3]);
    let decided = listed.decide(&renamed(), Some(Caller::user(CREATOR)), &expected, NOW);
    assert_eq!(decided, Err(CatalogRejection::VersionMismatch));
}

#[test]
fn a_show_at_the_venue_of_somebody_else_is_a_guest_there() {
    let mut show = show(ShowState::Scheduled);
    assert!(show.is_guest());
    show.facts.site.added_by = CREATOR;
    assert!(!show.is_guest());
}

#[test]
fn names_of_categories_are_read_back() {
    for category in Category::ALL {
        assert_eq!(Category::named(category.name()), Some(*category));
    }
    assert_eq!(Category::named("Concert"), None);
}

proptest! {
    #[test]
    fn whatever_is_asked_a_final_state_is_never_left_and_times_stay_sound(
        commands in prop::collection::vec((0..7_u8, 1..400_i64), 1..40),
    ) {
        let mut held = show(ShowState::Scheduled);
        let mut now = NOW;
        for (kind, seconds) in commands {
            now = now.plus(Duration::from_secs(3));
            let time = Timestamp::from_millis(seconds * 1_000);
            let command = match kind {
                0 => renamed(),
                1 => at(Some(time), None),
                2 => at(None, Some(time)),
                3 => ShowCommand::Postpone { to: Some(time) },
                4 => ShowCommand::Postpone { to: None },
                5 => ShowCommand::Cancel { reason: why() },
                _ => ShowCommand::End,
            };
            if let Ok(ShowDecision::Changed(after, _)) = by_operator(&held, &command, now) {
                let is_final = matches!(held.state, ShowState::Cancelled | ShowState::Over);
                prop_assert!(!is_final, "{:?} was left by {:?}", held.state, command);
                prop_assert_eq!(after.version, held.version.next());
                prop_assert!(after.facts.has_sound_times());
                held = after;
            }
        }
    }
}

#[test]
fn a_ticket_is_a_guest_at_a_show_that_somebody_else_added() {
    use crate::domain::{Price, ShowTicket, Ticket, TicketId, Title};
    let of = |seller| {
        let price = Price::from_minor(4_000, "usd".parse().expect("a currency")).expect("a price");
        let title = Title::parse("Rigoletto").expect("a title");
        Ticket::list(TicketId::from_u128(4), seller, title, price, NOW)
    };
    let show = show(ShowState::Scheduled);
    assert!(!ShowTicket::add(&of(CREATOR), &show).is_guest);
    assert!(ShowTicket::add(&of(OTHER), &show).is_guest);
}
