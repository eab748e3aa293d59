//! Writes down which messages are due for what has happened. They are sent by
//! [`crate::actors::timers::mail`].

use std::sync::Arc;

use super::FollowerKind;
use crate::actors::context::Context;
use crate::actors::error::MarketError;
use crate::domain::{
    ChargeView, Commit, Event, Follower, LoggedEvent, Mail, MailId, Notice, Order, OrderState,
    RefundStatus, UserId,
};
use crate::store::ReadError;

/// What people are told of what happens to their orders and sales. (Changes of an account are written
/// down with the change, for the log does not tell what changed, nor the address that was left.)
pub struct MailNotices {
    /// Where orders are, and who is told of messages.
    pub context: Arc<Context>,
}

impl FollowerKind for MailNotices {
    const FOLLOWER: Follower = Follower::Mail;
    /// A burst of sales is not slowed by the letters about it: they leave in the quarter of the time that
    /// this leaves to itself, and the rest once there is less to do.
    const RESTS: u32 = 3;

    async fn follow(
        &self,
        events: &[LoggedEvent],
        mut commit: Commit,
    ) -> Result<Option<Commit>, MarketError> {
        for logged in events {
            for (notice, about, to) in self.notices(&logged.event).await? {
                let id = MailId { notice, about, number: logged.seq };
                commit = commit.put(Mail::due(id, to, logged.at));
            }
        }
        Ok((!commit.writes.is_empty()).then_some(commit))
    }
}

/// What is told, of what, to whom.
type Due = (Notice, u128, UserId);

impl MailNotices {
    async fn notices(&self, event: &Event) -> Result<Vec<Due>, MarketError> {
        match event {
            Event::ChargeCompleted(charge) => self.sale(charge).await,
            Event::ChargeRefunded(charge) => Ok(vec![of_charge(Notice::RefundMade, charge)]),
            Event::ChargeUpdated(charge) => {
                let status = charge.refund.as_ref().map(|refund| refund.status);
                let has_failed = status == Some(RefundStatus::Failed);
                Ok(has_failed
                    .then(|| of_charge(Notice::RefundFailed, charge))
                    .into_iter()
                    .collect())
            }
            Event::UserCreated(_)
            | Event::UserUpdated(_)
            | Event::UserVerified(_)
            | Event::RoleGranted(_)
            | Event::RoleRevoked(_)
            | Event::TotpEnabled(_)
            | Event::TotpDisabled(_)
            | Event::TokenCreated(_)
            | Event::TokenRevoked(_)
            | Event::TicketCreated(_)
            | Event::TicketUpdated(_)
            | Event::TicketClosed(_)
            | Event::VenueCreated(_)
            | Event::VenueUpdated(_)
            | Event::VenueDeleted(_)
            | Event::ShowCreated(_)
            | Event::ShowUpdated(_)
            | Event::ShowPostponed(_)
            | Event::ShowCancelled(_)
            | Event::ShowOver(_)
            | Event::ShowDeleted(_)
            | Event::TicketDeleted(_)
            | Event::PassAdded(_)
            | Event::PassRemoved(_)
            | Event::OrderCreated(_)
            | Event::OrderAwaitingPayment(_)
            | Event::OrderCompleted(_)
            | Event::OrderCancelled(_)
            | Event::OrderExpired(_)
            | Event::ChargeCreated(_)
            | Event::ChargeFailed(_)
            | Event::ChargeDisputed(_)
            | Event::RefundRequested(_) => Ok(Vec::new()),
        }
    }

    /// A charge is told to be completed once. Unless the order is paid by it, the money goes back.
    async fn sale(&self, charge: &ChargeView) -> Result<Vec<Due>, MarketError> {
        let order = sound(self.context.store.order(charge.order).await)?;
        let is_paid_by =
            |order: &Order| order.state == OrderState::Completed && order.charge == Some(charge.id);
        let Some(order) = order.filter(is_paid_by) else { return Ok(Vec::new()) };
        let ticket = sound(self.context.store.ticket(order.ticket).await)?;
        let paid = (Notice::OrderPaid, order.id.as_u128(), order.buyer);
        let sold = ticket.map(|ticket| (Notice::TicketSold, order.id.as_u128(), ticket.seller));
        Ok([paid].into_iter().chain(sold).collect())
    }
}

/// What is damaged is named in the log and by verification, and holds back nobody else's messages.
fn sound<T>(found: Result<Option<T>, ReadError>) -> Result<Option<T>, ReadError> {
    match found {
        Err(ReadError::Corrupt(why)) => {
            tracing::error!(%why, "nobody is told of a sale that is damaged");
            Ok(None)
        }
        found => found,
    }
}

fn of_charge(notice: Notice, charge: &ChargeView) -> Due {
    (notice, charge.id.as_u128(), charge.buyer)
}
