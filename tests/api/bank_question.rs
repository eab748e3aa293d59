//! While the bank wants the buyer (3-D Secure), its question is the buyer's alone: nobody else sees
//! it, answers it, or takes it back, not even the seller, and not even with the secret in hand.

use axum::http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::client::id;
use crate::support::world::seconds;
use crate::support::{Answer, Client, Person, Setup, World};

const AUTHENTICATE: &str = "/api/sandbox/authenticate";

struct Question {
    world: World,
    ana: Person,
    ben: Person,
    ticket: String,
    order: String,
    charge: String,
    secret: String,
}

impl Question {
    /// Ben buys from Ana, and his bank wants him.
    async fn open() -> Self {
        let world = Setup { sandbox: true, ..Setup::default() }.start().await;
        let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
        let ticket = ana.lists("Rock", 40).await;
        let order = ben.locks(&ticket).await;
        let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
        let secret = charge["clientSecret"].as_str().unwrap().to_owned();
        Self { world, ana, ben, ticket, order, charge: id(&charge), secret }
    }

    async fn answered_by(&self, client: &Client, approve: bool) -> Answer {
        let body = json!({"clientSecret": self.secret, "approve": approve});
        client.post(AUTHENTICATE, &body).await
    }

    /// Whether somebody else can see, answer or take back the question, and where.
    async fn is_open_to(&self, stranger: &Client) -> Option<String> {
        let status = if stranger.token.is_some() { 404 } else { 401 };
        let payment = format!("/api/payments/{}", self.charge);
        let mut answers = vec![stranger.get(&payment).await, stranger.delete(&payment).await];
        for approve in [false, true] {
            answers.push(self.answered_by(stranger, approve).await);
        }
        answers.push(stranger.get(&format!("/api/orders/{}", self.order)).await);
        for (number, answer) in answers.iter().enumerate() {
            if answer.status != status || answer.text().contains(&self.secret) {
                return Some(format!("request {number}: {} {}", answer.status, answer.text()));
            }
        }
        for path in ["/api/orders", "/api/tickets", "/api/tickets?seller=me"] {
            let answer = stranger.get(path).await;
            if answer.text().contains(&self.secret) || answer.text().contains(&self.charge) {
                return Some(format!("{path}: {}", answer.text()));
            }
        }
        let heard = heard(stranger).await;
        (heard.contains(&self.secret) || heard.contains(&self.charge)).then_some(heard)
    }
}

/// All that a client hears of what has happened so far.
async fn heard(client: &Client) -> String {
    let request = client.request(Method::GET, "/api/events?after=0");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let mut body = client.router.clone().oneshot(request).await.unwrap().into_body();
    let mut heard = String::new();
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(seconds(5), body.frame()).await {
        heard.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(heard.contains("TicketCreated"), "the stream is read: {heard}");
    heard
}

#[tokio::test(start_paused = true)]
async fn nobody_but_the_buyer_sees_or_answers_the_banks_question() {
    let question = Question::open().await;
    let cleo = question.world.buyer("cleo").await;
    let anyone = question.world.anyone();
    for stranger in [&question.ana.client, &cleo.client, &anyone] {
        assert_eq!(question.is_open_to(stranger).await, None);
    }
    // What they tried has changed nothing.
    let shown = question.ben.charge(&question.charge).await;
    assert_eq!(
        (&shown["status"], &shown["clientSecret"]),
        (&json!("Created"), &json!(question.secret))
    );
    assert_eq!(question.world.status_of(&question.ticket).await, "Locked");
    // Not even the buyer hears the secret where others might listen along.
    let own = heard(&question.ben.client).await;
    assert!(own.contains(&question.charge) && !own.contains(&question.secret), "{own}");

    question.answered_by(&question.ben.client, true).await.is(200);
    crate::support::world::wait(seconds(60)).await;
    assert_eq!(question.ben.order(&question.order).await["status"], "Completed");
    let sale = format!("/api/tickets/{}/sale", question.ticket);
    let sale: Value = question.ana.client.get(&sale).await.ok();
    assert!(!sale.to_string().contains(&question.charge), "{sale}");
    question.answered_by(&question.ben.client, true).await.refused(409, "conflict");
}

/// The test above has teeth: it finds a question that is anyone's.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_question_that_is_anyones_is_found() {
    use gittix::bugs::{Bug, plant};
    let question = Question::open().await;
    let cleo = question.world.buyer("cleo").await;
    plant(Some(Bug::OpenQuestion));
    let found = question.is_open_to(&cleo.client).await;
    plant(None);
    assert!(found.is_some());
}
