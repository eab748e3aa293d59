//! Resources that are kept alike: versions, places, lists, limits, and all of it in one commit.

use std::collections::BTreeMap;

use crate::domain::sample::{Sample, SampleId, Samples};
use crate::domain::{Commit, Cursor, Follower, Kept as _, Precondition, Timestamp, Version};
use crate::store::conformance::stores;
use crate::store::testing::{World, created, read};
use crate::store::{Answer, CommitError, Page, Place, Question, Refusal, Store};

const CONFLICT: Result<(), CommitError> = Err(CommitError::Conflict);
const TAKEN: Result<(), CommitError> = Err(CommitError::Refused(Refusal::EmailInUse));
const FULL: Result<(), CommitError> = Err(CommitError::Refused(Refusal::TooManyOpenOrders));

fn now() -> Commit {
    Commit::at(Timestamp::from_millis(1_700_000_000_000))
}

async fn all_of(store: &dyn Store, owner: u32) -> Vec<Sample> {
    let found = read(store.list::<Sample>(Samples::Of(owner), None, 1000).await);
    found.into_iter().map(|(_, sample)| sample).collect()
}

async fn named(store: &dyn Store, name: &str) -> Option<Sample> {
    let mut found = read(store.list::<Sample>(Samples::Named(name.to_owned()), None, 2).await);
    assert!(found.len() < 2);
    found.pop().map(|(_, sample)| sample)
}

#[tokio::test]
async fn a_resource_follows_the_version_that_is_stored() {
    for store in stores().await {
        let v0 = Sample::new(1, 7, "one");
        let (v1, v2) = (v0.changed(7, "uno"), v0.changed(7, "due").changed(7, "due"));
        let put = |sample: &Sample| store.commit(now().put(sample.clone()));
        assert_eq!(put(&v1).await, CONFLICT, "there is none to follow");
        assert_eq!(put(&v0).await, Ok(()));
        assert_eq!(put(&v0).await, CONFLICT, "it exists");
        assert_eq!(put(&v2).await, CONFLICT, "it skips one");
        assert_eq!(put(&v1).await, Ok(()));
        assert_eq!(read(store.get::<Sample>(v0.id).await), Some(v1.clone()));
        assert_eq!(named(&*store, "one").await, None);
        assert_eq!(named(&*store, "uno").await, Some(v1.clone()));
        assert_eq!(store.commit(now().delete(v0)).await, CONFLICT, "it has changed");
        assert_eq!(store.commit(now().delete(v1.clone())).await, Ok(()));
        assert_eq!(store.commit(now().delete(v1.clone())).await, CONFLICT, "it is gone");
        assert_eq!(read(store.get::<Sample>(v1.id).await), None);
        assert_eq!((named(&*store, "uno").await, all_of(&*store, 7).await), (None, vec![]));
        assert_eq!(put(&v1.changed(7, "uno")).await, CONFLICT, "and does not come back");
    }
}

#[tokio::test]
async fn a_place_for_one_is_taken_once() {
    for store in stores().await {
        let one = Sample::new(1, 7, "one");
        assert_eq!(store.commit(now().put(one.clone())).await, Ok(()));
        assert_eq!(store.commit(now().put(Sample::new(2, 8, "one"))).await, TAKEN);
        assert_eq!(store.commit(now().put(one.changed(9, "one"))).await, Ok(()), "it is its own");
        let both = now().put(Sample::new(3, 7, "two")).put(Sample::new(4, 7, "two"));
        assert_eq!(store.commit(both).await, CONFLICT, "two in one commit");
        let twice = now().put(Sample::new(3, 7, "two")).put(Sample::new(3, 7, "three"));
        assert_eq!(store.commit(twice).await, CONFLICT, "one resource in one commit");
        let stale = now().put(Sample::new(1, 7, "one"));
        assert_eq!(store.commit(stale).await, CONFLICT, "what is stale is told first");
        let one = named(&*store, "one").await.expect("a sample");
        assert_eq!(store.commit(now().put(one.changed(9, "other"))).await, Ok(()));
        assert_eq!(store.commit(now().put(Sample::new(2, 8, "one"))).await, Ok(()), "it is free");
        // No name is the beginning of another, so neither keeps the other out.
        assert_eq!(store.commit(now().put(Sample::new(5, 8, "on"))).await, Ok(()));
        assert_eq!(store.commit(now().put(Sample::new(6, 8, "ones"))).await, Ok(()));
    }
}

#[tokio::test]
async fn conditions_hold_when_a_commit_is_written_or_nothing_of_it_is() {
    for store in stores().await {
        let (one, two) = (Sample::new(1, 7, "one"), Sample::new(2, 7, "two"));
        let id = |sample: &Sample| Sample::any_id(sample.id);
        let at = |sample: &Sample, version| Precondition::ResourceAt { id: id(sample), version };
        let under = |condition: Precondition| now().put(two.clone()).require(condition);
        let exists = Precondition::ResourceExists(id(&one));
        assert_eq!(store.commit(under(exists.clone())).await, CONFLICT);
        assert_eq!(store.commit(under(at(&one, Some(Version::FIRST)))).await, CONFLICT);
        assert_eq!(store.commit(now().put(one.clone()).require(at(&one, None))).await, Ok(()));
        assert_eq!(store.commit(under(at(&one, None))).await, CONFLICT);
        assert_eq!(store.commit(under(at(&one, Some(Version::FIRST.next())))).await, CONFLICT);
        let fewer = |than| Precondition::Fewer { list: Sample::any_list(Samples::Of(7)), than };
        assert_eq!(store.commit(under(fewer(1))).await, FULL);
        assert_eq!(read(store.get::<Sample>(two.id).await), None);
        let all = under(exists).require(at(&one, Some(Version::FIRST))).require(fewer(2));
        assert_eq!(store.commit(all).await, Ok(()));
        assert_eq!(all_of(&*store, 7).await, [one, two.clone()]);
        let other = Precondition::Fewer { list: Sample::any_list(Samples::Of(8)), than: 1 };
        let moves = now().put(two.changed(8, "two")).require(other);
        assert_eq!(store.commit(moves).await, Ok(()), "what it writes itself does not count");
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page_in_both_directions() {
    for store in stores().await {
        for id in [5, 1, 4, 2, 3, 255, 256] {
            let sample = Sample::new(id, 0xff, &format!("s{id}"));
            assert_eq!(store.commit(now().put(sample)).await, Ok(()));
        }
        for (id, owner) in [(6, 0xfe), (7, 0x100), (8, u32::MAX)] {
            let sample = Sample::new(id, owner, &format!("s{id}"));
            assert_eq!(store.commit(now().put(sample)).await, Ok(()));
        }
        for (descending, expected) in
            [(false, [1, 2, 3, 4, 5, 255, 256]), (true, [256, 255, 5, 4, 3, 2, 1])]
        {
            for limit in 1..=8 {
                let (mut after, mut seen) = (None, Vec::new());
                loop {
                    let list = Sample::any_list(Samples::Of(0xff));
                    let page = Page { list, after, descending, limit };
                    let found = read(store.page::<Sample>(page).await);
                    let Some((last, _)) = found.last() else { break };
                    after = Some(last.clone());
                    assert!(found.len() <= limit);
                    seen.extend(found.into_iter().map(|(_, sample)| sample.id.0));
                }
                assert_eq!(seen, expected, "{limit} {descending}");
            }
        }
        let last = read(store.list::<Sample>(Samples::Of(u32::MAX), None, 9).await);
        assert_eq!(last.len(), 1);
        let beyond = Some(Place(vec![0xff; 9]));
        assert_eq!(read(store.list::<Sample>(Samples::Of(0xff), beyond, 9).await), []);
        assert_eq!(read(store.list::<Sample>(Samples::Of(0xff), None, 0).await), []);
    }
}

#[tokio::test]
async fn several_questions_are_answered_in_their_order() {
    for store in stores().await {
        let (one, two) = (Sample::new(1, 7, "one"), Sample::new(2, 7, "two"));
        let commit = now().put(one.clone()).put(two.clone());
        assert_eq!(store.commit(commit).await, Ok(()));
        let page = |owner, limit| {
            let list = Sample::any_list(Samples::Of(owner));
            Question::Page(Page { list, after: None, descending: false, limit })
        };
        let one_of = |id| Question::One(Sample::any_id(SampleId(id)));
        let asked = [one_of(2), page(7, 1), one_of(3), page(8, 5), page(7, 5), one_of(1)];
        let place = |sample: &Sample| Place(sample.id.0.to_be_bytes().to_vec());
        let [any_one, any_two] = [one.clone(), two.clone()].map(Sample::into_any);
        let expected = [
            Answer::One(Some(any_two.clone())),
            Answer::Page(vec![(place(&one), any_one.clone())]),
            Answer::One(None),
            Answer::Page(vec![]),
            Answer::Page(vec![(place(&one), any_one.clone()), (place(&two), any_two)]),
            Answer::One(Some(any_one)),
        ];
        assert_eq!(read(store.resources(&asked).await), expected);
        assert_eq!(read(store.resources(&[]).await), []);
    }
}

#[tokio::test]
async fn resources_are_written_with_everything_else_or_not_at_all() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let (sample, cursor) = (Sample::new(1, 7, "one"), Cursor::after(Follower::Mail, 3));
        let before = read(store.events(0, 100).await);
        let user = read(store.user(ana).await).expect("an account");
        let refused = created(&user).put(sample.clone()).put(cursor);
        assert_eq!(store.commit(refused).await, CONFLICT, "the account exists");
        assert_eq!(read(store.get::<Sample>(sample.id).await), None);
        assert_eq!(read(store.get::<Cursor>(Follower::Mail).await), None);
        assert_eq!(read(store.events(0, 100).await), before);
        let stale = Sample { version: Version::FIRST.next(), ..sample.clone() };
        let ticket = world.new_ticket(ana, "Rock", 100);
        let refused = crate::store::testing::listed(ticket.clone()).put(cursor).put(stale);
        assert_eq!(store.commit(refused).await, CONFLICT, "the sample is new");
        assert_eq!(read(store.ticket(ticket.id).await), None);
        let all = crate::store::testing::listed(ticket.clone()).put(cursor).put(sample.clone());
        assert_eq!(store.commit(all).await, Ok(()));
        assert_eq!(read(store.ticket(ticket.id).await), Some(ticket));
        assert_eq!(read(store.get::<Cursor>(Follower::Mail).await), Some(cursor));
        let moved = cursor.moved(4);
        assert_eq!(store.commit(now().put(moved)).await, Ok(()));
        assert_eq!(read(store.get::<Cursor>(Follower::Mail).await), Some(moved));
        assert_eq!(store.commit(now().put(cursor.moved(9))).await, CONFLICT, "it was moved");
    }
}

/// Many changes, some of which are refused, lead to the same in every store and in a map.
#[tokio::test]
async fn random_changes_lead_to_what_a_map_of_them_does() {
    for seed in 1..=20_u64 {
        for store in stores().await {
            let mut chance = seed;
            let mut draw = |below: u64| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                (chance >> 33) % below
            };
            let mut kept: BTreeMap<SampleId, Sample> = BTreeMap::new();
            for _ in 0..80 {
                let id = SampleId(draw(6));
                let name = format!("n{}", draw(5));
                let owner = u32::try_from(draw(3)).expect("few owners");
                let stored = kept.get(&id).cloned();
                let mut next = stored.as_ref().map_or_else(
                    || Sample::new(id.0, owner, &name),
                    |stored| stored.changed(owner, &name),
                );
                let is_stale = draw(8) == 0;
                if is_stale {
                    next.version = next.version.next();
                }
                let deletes = stored.is_some() && draw(4) == 0;
                let commit = match (&stored, deletes) {
                    (Some(stored), true) => {
                        let version = if is_stale { next.version } else { stored.version };
                        now().delete(Sample { version, ..stored.clone() })
                    }
                    _ => now().put(next.clone()),
                };
                let is_taken =
                    kept.values().any(|other| other.id != id && other.name == name) && !deletes;
                let expected = match (is_stale, is_taken) {
                    (true, _) => CONFLICT,
                    (false, true) => TAKEN,
                    (false, false) => Ok(()),
                };
                assert_eq!(store.commit(commit).await, expected, "{seed}");
                if expected.is_ok() && deletes {
                    kept.remove(&id);
                } else if expected.is_ok() {
                    kept.insert(id, next);
                }
                for owner in 0..3 {
                    let of_owner = kept.values().filter(|sample| sample.owner == owner).cloned();
                    assert_eq!(
                        all_of(&*store, owner).await,
                        of_owner.collect::<Vec<_>>(),
                        "{seed}"
                    );
                }
            }
        }
    }
}
