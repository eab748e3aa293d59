//! Money on its way back to the buyer, and disputes about it.

use super::RefundId;
use crate::bugs::{Bug, planted};

/// A refund of a charge in full, the latest if there were several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The gateway's name for it; `None` if an operator has said that the buyer was paid back in
    /// another way.
    pub id: Option<RefundId>,
    /// How it stands.
    pub status: RefundStatus,
}

/// How a refund stands. Banks take days for some, and may send one back that had succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundStatus {
    /// The gateway has accepted it and the bank has not.
    Pending,
    /// The money is with the buyer.
    Succeeded,
    /// It came to nothing: the money is with us and still owed.
    Failed,
    /// It came to nothing, and an operator has seen to it.
    Closed,
}

impl Refund {
    /// A refund that the gateway told of.
    pub fn told(id: RefundId, status: RefundStatus) -> Self {
        Self { id: Some(id), status }
    }

    /// Whether it is neither done nor given up.
    pub fn is_open(&self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::Failed)
    }

    /// Whether the money is back with the buyer.
    pub fn has_succeeded(&self) -> bool {
        self.status == RefundStatus::Succeeded
    }

    /// Whether the money is on its way or there.
    pub fn is_under_way(&self) -> bool {
        matches!(self.status, RefundStatus::Pending | RefundStatus::Succeeded)
    }
}

/// How far a refund has come; it never goes back.
fn rank(status: RefundStatus) -> u8 {
    match status {
        RefundStatus::Pending => 0,
        RefundStatus::Succeeded => 1,
        RefundStatus::Failed => 2,
        RefundStatus::Closed => 3,
    }
}

/// What is known of a refund after a report, which may be an old one. One without a refund is
/// older than the refund that is known. What an operator has said stands: the gateway goes on
/// telling of the refund that came to nothing, and knows nothing of how the buyer was paid instead.
pub fn learn_refund(known: Option<&Refund>, told: Option<&Refund>) -> Option<Refund> {
    let learnt = match (known, told) {
        (Some(known), _) if known.id.is_none() => known,
        (Some(known), Some(told)) if known.id == told.id => {
            if rank(told.status) > rank(known.status) || planted(Bug::ReopenedRefund) {
                told
            } else {
                known
            }
        }
        (known, told) => told.or(known)?,
    };
    Some(learnt.clone())
}

/// How a cardholder's dispute of a charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisputeStatus {
    /// Not decided; the bank holds the money meanwhile.
    Open,
    /// Decided for us: the money stays taken.
    Won,
    /// Decided for the cardholder: the money is back with them.
    Lost,
}

/// What is known of a dispute after a report, which may be an old one: what was decided is not
/// opened again.
pub fn learn_dispute(
    known: Option<DisputeStatus>,
    told: Option<DisputeStatus>,
) -> Option<DisputeStatus> {
    match (known, told) {
        (Some(decided), Some(DisputeStatus::Open)) if !planted(Bug::ReopenedDispute) => {
            Some(decided)
        }
        (known, told) => told.or(known),
    }
}
