//! Who is written to, when, and what becomes of letters that nobody takes.

use gittix::domain::{ChargeId, Mail, MailState, Mails, OrderId, RefundStatus, UserId};
use serde_json::json;

use crate::support::client::id;
use crate::support::faults::{Mishap, Target};
use crate::support::postbox::Answer;
use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Setup, World, live};

fn letter(to: &str, subject: &str) -> (String, String) {
    (to.to_owned(), subject.to_owned())
}

async fn failed(world: &World) -> Vec<Mail> {
    let failed = world.store.list::<Mail>(Mails::Failed, None, 10).await.unwrap();
    failed.into_iter().map(|(_, mail)| mail).collect()
}

async fn waiting(world: &World) -> usize {
    world.store.list::<Mail>(Mails::Waiting, None, 10).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn buyer_and_seller_are_told_of_a_sale_and_of_its_refund() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 25.5).await;
    let order = ben.locks(&ticket).await;
    wait(seconds(2)).await;
    assert_eq!(world.postbox.letters(), [], "a lock is nothing to write of");
    let charge = id(&ben.pays(&order).await.created());
    wait(seconds(2)).await;
    assert_eq!(world.postbox.told("order-paid."), [letter("ben@example.com", "Paid: Rock")]);
    assert_eq!(world.postbox.told("ticket-sold."), [letter("ana@example.com", "Sold: Rock")]);
    let paid = &world.postbox.letters()[0];
    assert!(paid.text.plain.contains("25.50 USD") && paid.text.plain.contains(&order));

    let (order, charge): (OrderId, ChargeId) = (order.parse().unwrap(), charge.parse().unwrap());
    for status in [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed] {
        world.gateway.refund_is(status);
        world.app.market.report(order, charge, world.gateway.tells()).await.unwrap();
        wait(seconds(2)).await;
    }
    let told = world.postbox.told("refund-");
    let expected = ["Refunded: Rock", "Your refund is delayed: Rock"];
    assert_eq!(told, expected.map(|subject| letter("ben@example.com", subject)));
    assert_eq!((world.postbox.letters().len(), waiting(&world).await), (4, 0), "each once");
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_what_was_written_is_told_of_it() {
    let world = World::new().await;
    let (ana, anyone) = (world.person("ana").await, world.anyone());
    let by_password = json!({"email": "ana@example.com", "password": PASSWORD});
    let another = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    let newcomer = json!({"email": "ben@example.com", "password": PASSWORD});
    let (client, nothing) = (&ana.client, json!({}));
    let gives_up = async |answer: &mut (dyn Future<Output = _> + Unpin)| {
        wait(seconds(5)).await;
        let before = world.postbox.all().len();
        assert!(tokio::time::timeout(seconds(1), answer).await.is_err(), "it is given up");
        wait(seconds(4)).await;
        (world.postbox.all().len() - before, waiting(&world).await)
    };
    let late = Mishap::AnswersLate(seconds(2));
    world.mishaps.next(Target::Mail, late);
    let request = &mut Box::pin(client.post("/api/users/verification", &nothing));
    assert_eq!(gives_up(request).await, (1, 0), "the link");
    world.mishaps.next(Target::Mail, late);
    let request = &mut Box::pin(anyone.post("/api/users/signin", &by_password));
    assert_eq!(gives_up(request).await, (1, 0), "a new device");
    world.mishaps.next(Target::Mail, late);
    let request = &mut Box::pin(client.patch("/api/users/me", &another));
    assert_eq!(gives_up(request).await, (3, 0), "both addresses, and the link");
    world.mishaps.next(Target::Mail, late);
    let request = &mut Box::pin(anyone.post("/api/users/signup", &newcomer));
    assert_eq!(gives_up(request).await, (1, 0), "the link");
}

#[tokio::test(start_paused = true)]
async fn who_changes_an_account_is_told_at_the_old_address_too() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    ana.client.patch("/api/users/me", &body).await.ok();
    wait(seconds(2)).await;
    let changed = "Your e-mail address was changed";
    assert_eq!(world.postbox.told("address-changed."), [letter("new@example.com", changed)]);
    assert_eq!(world.postbox.told("address-left."), [letter("ana@example.com", changed)]);
    let left = world.postbox.letters().into_iter().find(|l| l.to.as_str() == "ana@example.com");
    assert!(
        !left.unwrap().text.plain.contains("new@"),
        "the new address is nobody else's business"
    );
    let body = json!({"currentPassword": PASSWORD, "password": "another fine phrase"});
    ana.client.patch("/api/users/me", &body).await.ok();
    wait(seconds(2)).await;
    let told = world.postbox.told("password-changed.");
    assert_eq!(told, [letter("new@example.com", "Your password was changed")]);
    let body = json!({"currentPassword": "another fine phrase", "email": "new@example.com"});
    ana.client.patch("/api/users/me", &body).await.ok();
    wait(seconds(2)).await;
    assert_eq!(world.postbox.letters().len(), 3, "it is the address that it was");
    let log = world.store.events(0, 100).await.unwrap();
    assert!(!format!("{log:?}").contains('@'), "no address is in the log");
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_not_taken_is_tried_again_and_holds_nobody_up() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    world.postbox.will(&[Answer::NotTaken, Answer::Hangs, Answer::Panics]);
    for title in ["Rock", "Jazz"] {
        let order = ben.locks(&ana.lists(title, 10).await).await;
        ben.pays(&order).await.created();
    }
    wait(seconds(10)).await;
    assert!(!world.postbox.letters().is_empty(), "those after it have their turn");
    wait(seconds(3_600)).await;
    let mut ids: Vec<_> = world.postbox.letters().into_iter().map(|letter| letter.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), world.postbox.letters().len(), waiting(&world).await), (4, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_never_taken_is_given_up_and_kept() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let mut answers = vec![Answer::Refused];
    answers.resize(100, Answer::NotTaken);
    world.postbox.will(&answers);
    let order = ben.locks(&ana.lists("Rock", 10).await).await;
    ben.pays(&order).await.created();
    wait(seconds(4 * 24 * 3600)).await;
    let failed = failed(&world).await;
    let mut tries: Vec<_> = failed.iter().map(|mail| mail.tries).collect();
    tries.sort_unstable();
    assert_eq!((tries, waiting(&world).await), (vec![1, 9], 0));
    assert!(failed.iter().all(|mail| mail.state == MailState::Failed && mail.last_error.is_some()));
    let ben: UserId = ben.id.parse().unwrap();
    let his = world.store.list::<Mail>(Mails::To(ben), None, 10).await.unwrap();
    assert_eq!(his.len(), 1, "operators find it by whom it was for");
}

#[test]
fn letters_that_were_due_when_the_server_died_are_sent_by_the_next() {
    let setup: Setup = live(async {
        let world = World::new().await;
        let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
        world.postbox.will(&[Answer::Hangs, Answer::Hangs]);
        let order = ben.locks(&ana.lists("Rock", 10).await).await;
        ben.pays(&order).await.created();
        // Before anybody has followed, or while the letters are on their way.
        world.killed()
    });
    live(async {
        let world = setup.start().await;
        wait(seconds(120)).await;
        assert_eq!(world.postbox.told("order-paid.").len(), 1);
        assert_eq!(world.postbox.told("ticket-sold.").len(), 1);
        assert_eq!(waiting(&world).await, 0);
    });
}
