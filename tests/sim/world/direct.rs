//! Requests that are made of the marketplace itself, past the HTTP edge.

use std::sync::Arc;

use gittix::actors::TicketChanges;
use gittix::domain::{Email, ExpectedVersion, Listing, PaymentToken, Price, Title, Wanted};
use gittix::store::Store as _;

use super::answers::{Answered, Asked, Reason};
use super::client::Account;
use super::life::Life;

/// Asks the marketplace itself.
pub async fn direct(
    life: Arc<Life>,
    account: Account,
    asked: Asked,
    card: &'static str,
) -> Result<Answered, String> {
    let market = &life.app.market;
    let wrong = |what: &dyn std::fmt::Display| what.to_string();
    let versions = |expected: Option<u64>| match expected {
        Some(version) => ExpectedVersion::OneOf(vec![version]),
        None => ExpectedVersion::Any,
    };
    let price =
        |minor| Price::from_minor(minor, life.world.currency).map_err(|error| wrong(&error));
    let ticket_answer = |ticket: gittix::domain::Ticket| Answered::Ticket {
        id: ticket.id,
        version: ticket.version.number(),
        whole: Some(Box::new(ticket)),
    };
    let answered = match asked {
        Asked::SignUp { .. } => return Err("nobody signs up twice".to_owned()),
        Asked::ChangeAddress { user, address } => {
            let email = Email::parse(&address).map_err(|error| wrong(&error))?;
            let found = life.watched.user(user).await.map_err(|error| wrong(&error))?;
            let found = found.ok_or("an account is missing")?;
            let changed = market.change_account(&found, account.session, Some(email), None).await;
            changed.map(|view| Answered::Account(view.id))
        }
        Asked::List { seller, title, quantity, split } => {
            let listing = Listing { quantity, split, ..Listing::default() };
            let title = Title::parse(&title).map_err(|error| wrong(&error))?;
            market.list_ticket(seller, title, price(1250)?, listing, None).await.map(ticket_answer)
        }
        Asked::Edit { ticket, by, price: minor, title, expected } => {
            let price = Some(price(minor)?);
            let title = title.map(|title| Title::parse(&title).map_err(|error| wrong(&error)));
            let title = title.transpose()?;
            let changes = TicketChanges { title, price, ..TicketChanges::default() };
            market.edit_ticket(ticket, by, changes, versions(expected)).await.map(ticket_answer)
        }
        Asked::Withdraw { ticket, by, expected } => {
            market.withdraw_ticket(ticket, by, versions(expected)).await.map(|()| Answered::Done)
        }
        Asked::Reserve { ticket, by, quantity } => {
            let wanted = Wanted { quantity, ..Wanted::default() };
            market.reserve(ticket, by, wanted, None).await.map(|purchase| Answered::Order {
                id: purchase.order.id,
                version: purchase.order.version.number(),
                state: purchase.order.state,
            })
        }
        Asked::Cancel { order, by } => {
            market.cancel(order, by, ExpectedVersion::Any).await.map(|()| Answered::Done)
        }
        Asked::Pay { order, by, .. } => {
            let token = PaymentToken::parse(card).ok_or("a card")?;
            let paid = market.pay(order, by, token, None).await;
            match paid {
                Ok(purchase) => {
                    let charge = purchase.charge.as_ref().ok_or("a paid order has no charge")?;
                    Ok(Answered::Charge { id: charge.id, status: charge.status() })
                }
                Err(error) => Err(error),
            }
        }
        Asked::ReadTicket { ticket } => {
            let found = life.watched.ticket(ticket).await;
            let found = found.map_err(|error| wrong(&error))?;
            Ok(found.map_or(Answered::Refused(Reason::NotFound), ticket_answer))
        }
        Asked::ReadOrder { order, by } => {
            let found = life.watched.purchase(order).await.map_err(|error| wrong(&error))?;
            let found = found.filter(|purchase| purchase.order.buyer == by);
            Ok(found.map_or(Answered::Refused(Reason::NotFound), |purchase| Answered::Order {
                id: order,
                version: purchase.order.version.number(),
                state: purchase.order.state,
            }))
        }
    };
    Ok(answered.unwrap_or_else(Answered::from))
}
