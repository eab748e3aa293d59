//! Charges.

use minicbor::{Decode, Encode};

use crate::domain::{
    Account, Charge, ChargeId, ChargePhase, ChargeStatus, ChargeView, ClientSecret, DisputeStatus,
    FailureCode, IntentId, OrderId, PaymentToken, Refund, RefundId, RefundStatus, UserId, Version,
};
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, StoredPrice, millis, time};

/// A charge as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredCharge<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    order: Id,
    #[n(2)]
    buyer: Id,
    #[b(3)]
    amount: StoredPrice<'a>,
    #[b(4)]
    token: &'a str,
    #[b(5)]
    phase: StoredPhase<'a>,
    #[n(6)]
    version: u64,
    #[n(7)]
    created_at: i64,
    #[n(8)]
    updated_at: i64,
    /// Missing from charges of format 1, which do not say.
    #[n(9)]
    account: Option<StoredAccount>,
    #[b(10)]
    refund: Option<&'a str>,
    #[n(11)]
    refund_status: Option<StoredRefundStatus>,
    #[n(12)]
    dispute: Option<StoredDispute>,
    /// Whether the sale is to be paid back; missing where it is not.
    #[n(13)]
    is_owed_back: Option<bool>,
}

/// With whom a charge was begun.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredAccount {
    #[n(0)]
    Sandbox,
    #[n(1)]
    StripeTest,
    #[n(2)]
    StripeLive,
}

impl From<Account> for StoredAccount {
    fn from(account: Account) -> Self {
        match account {
            Account::Sandbox => Self::Sandbox,
            Account::StripeTest => Self::StripeTest,
            Account::StripeLive => Self::StripeLive,
        }
    }
}

impl From<StoredAccount> for Account {
    fn from(stored: StoredAccount) -> Self {
        match stored {
            StoredAccount::Sandbox => Self::Sandbox,
            StoredAccount::StripeTest => Self::StripeTest,
            StoredAccount::StripeLive => Self::StripeLive,
        }
    }
}

/// How a refund stands. Its name is beside it, if it has one.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredRefundStatus {
    #[n(0)]
    Pending,
    #[n(1)]
    Succeeded,
    #[n(2)]
    Failed,
    #[n(3)]
    Closed,
}

impl From<RefundStatus> for StoredRefundStatus {
    fn from(status: RefundStatus) -> Self {
        match status {
            RefundStatus::Pending => Self::Pending,
            RefundStatus::Succeeded => Self::Succeeded,
            RefundStatus::Failed => Self::Failed,
            RefundStatus::Closed => Self::Closed,
        }
    }
}

impl From<StoredRefundStatus> for RefundStatus {
    fn from(stored: StoredRefundStatus) -> Self {
        match stored {
            StoredRefundStatus::Pending => Self::Pending,
            StoredRefundStatus::Succeeded => Self::Succeeded,
            StoredRefundStatus::Failed => Self::Failed,
            StoredRefundStatus::Closed => Self::Closed,
        }
    }
}

/// The name of a refund, if it has one.
fn refund_id(refund: Option<&Refund>) -> Option<&str> {
    refund?.id.as_ref().map(|id| id.0.as_str())
}

fn refund_status(refund: Option<&Refund>) -> Option<StoredRefundStatus> {
    refund.map(|refund| refund.status.into())
}

fn refund(id: Option<&str>, status: Option<StoredRefundStatus>) -> Option<Refund> {
    let id = id.map(|id| RefundId(id.to_owned()));
    status.map(|status| Refund { id, status: status.into() })
}

/// How far a charge has come.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
enum StoredPhase<'a> {
    #[n(0)]
    Intent,
    #[n(1)]
    Created {
        #[b(0)]
        intent: &'a str,
    },
    #[n(2)]
    Confirming {
        #[b(0)]
        intent: &'a str,
        #[b(1)]
        client_secret: &'a str,
    },
    #[n(3)]
    Capturing {
        #[b(0)]
        intent: &'a str,
    },
    #[n(4)]
    Voiding {
        #[b(0)]
        intent: &'a str,
        #[b(1)]
        code: &'a str,
    },
    #[n(5)]
    Refunding {
        #[b(0)]
        intent: &'a str,
    },
    #[n(6)]
    Completed {
        #[b(0)]
        intent: &'a str,
    },
    #[n(7)]
    Refunded {
        #[b(0)]
        intent: &'a str,
    },
    #[n(8)]
    Failed {
        #[b(0)]
        intent: Option<&'a str>,
        #[b(1)]
        code: &'a str,
    },
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredDispute {
    #[n(0)]
    Open,
    #[n(1)]
    Won,
    #[n(2)]
    Lost,
}

impl From<DisputeStatus> for StoredDispute {
    fn from(status: DisputeStatus) -> Self {
        match status {
            DisputeStatus::Open => Self::Open,
            DisputeStatus::Won => Self::Won,
            DisputeStatus::Lost => Self::Lost,
        }
    }
}

impl From<StoredDispute> for DisputeStatus {
    fn from(stored: StoredDispute) -> Self {
        match stored {
            StoredDispute::Open => Self::Open,
            StoredDispute::Won => Self::Won,
            StoredDispute::Lost => Self::Lost,
        }
    }
}

impl<'a> From<&'a ChargePhase> for StoredPhase<'a> {
    fn from(phase: &'a ChargePhase) -> Self {
        use ChargePhase as Phase;
        match phase {
            Phase::Intent => Self::Intent,
            Phase::Created { intent } => Self::Created { intent: &intent.0 },
            Phase::Confirming { intent, client_secret } => {
                Self::Confirming { intent: &intent.0, client_secret: &client_secret.0 }
            }
            Phase::Capturing { intent } => Self::Capturing { intent: &intent.0 },
            Phase::Voiding { intent, code } => {
                Self::Voiding { intent: &intent.0, code: code.as_str() }
            }
            Phase::Refunding { intent } => Self::Refunding { intent: &intent.0 },
            Phase::Completed { intent } => Self::Completed { intent: &intent.0 },
            Phase::Refunded { intent } => Self::Refunded { intent: &intent.0 },
            Phase::Failed { intent, code } => {
                let intent = intent.as_ref().map(|intent| intent.0.as_str());
                Self::Failed { intent, code: code.as_str() }
            }
        }
    }
}

fn intent(text: &str) -> IntentId {
    IntentId(text.to_owned())
}

impl From<StoredPhase<'_>> for ChargePhase {
    fn from(stored: StoredPhase<'_>) -> Self {
        use StoredPhase as Stored;
        let code = FailureCode::from_gateway;
        match stored {
            Stored::Intent => Self::Intent,
            Stored::Created { intent: id } => Self::Created { intent: intent(id) },
            Stored::Confirming { intent: id, client_secret } => {
                let client_secret = ClientSecret(client_secret.to_owned());
                Self::Confirming { intent: intent(id), client_secret }
            }
            Stored::Capturing { intent: id } => Self::Capturing { intent: intent(id) },
            Stored::Voiding { intent: id, code: text } => {
                Self::Voiding { intent: intent(id), code: code(text) }
            }
            Stored::Refunding { intent: id } => Self::Refunding { intent: intent(id) },
            Stored::Completed { intent: id } => Self::Completed { intent: intent(id) },
            Stored::Refunded { intent: id } => Self::Refunded { intent: intent(id) },
            Stored::Failed { intent: id, code: text } => {
                Self::Failed { intent: id.map(intent), code: code(text) }
            }
        }
    }
}

impl<'a> From<&'a Charge> for StoredCharge<'a> {
    fn from(charge: &'a Charge) -> Self {
        Self {
            id: Id(charge.id.as_u128()),
            order: Id(charge.order.as_u128()),
            buyer: Id(charge.buyer.as_u128()),
            amount: (&charge.amount).into(),
            token: charge.token.expose(),
            phase: (&charge.phase).into(),
            version: charge.version.number(),
            created_at: millis(charge.created_at),
            updated_at: millis(charge.updated_at),
            account: charge.account.map(Into::into),
            refund: refund_id(charge.refund.as_ref()),
            refund_status: refund_status(charge.refund.as_ref()),
            dispute: charge.dispute.map(Into::into),
            is_owed_back: charge.is_owed_back.then_some(true),
        }
    }
}

impl TryFrom<StoredCharge<'_>> for Charge {
    type Error = Fault;

    fn try_from(stored: StoredCharge<'_>) -> Result<Self, Fault> {
        let token = PaymentToken::parse(stored.token);
        Ok(Self {
            id: ChargeId::from_u128(stored.id.0),
            order: OrderId::from_u128(stored.order.0),
            buyer: UserId::from_u128(stored.buyer.0),
            amount: stored.amount.total()?,
            token: token.ok_or_else(|| Fault::value("the payment token", stored.token.len()))?,
            account: stored.account.map(Into::into),
            phase: stored.phase.into(),
            refund: refund(stored.refund, stored.refund_status),
            dispute: stored.dispute.map(Into::into),
            is_owed_back: stored.is_owed_back.unwrap_or_default(),
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
        })
    }
}

impl Record for Charge {
    const KIND: Kind = Kind { table: "charges", tag: 5, version: 1 };
    type Stored<'a> = StoredCharge<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        body::<StoredCharge<'_>>(bytes)?.try_into()
    }
}

impl Indexed for Charge {
    fn entries(&self) -> Vec<Entry<'_>> {
        let charge = self.id.as_u128();
        let intent =
            self.intent().map(|intent| Entry::Intent { intent: intent.0.as_str().into(), charge });
        let unsettled = self.is_unsettled().then_some(Entry::Unsettled { charge });
        intent.into_iter().chain(unsettled).collect()
    }
}

/// What a buyer sees of a charge, in answers and events.
#[derive(Debug, Encode, Decode)]
pub struct StoredChargeView<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    order: Id,
    #[n(2)]
    buyer: Id,
    #[n(3)]
    status: StoredStatus,
    #[b(4)]
    amount: StoredPrice<'a>,
    #[b(5)]
    intent: Option<&'a str>,
    #[b(6)]
    refund: Option<&'a str>,
    #[b(7)]
    failure_code: Option<&'a str>,
    #[n(8)]
    created_at: i64,
    #[n(9)]
    dispute: Option<StoredDispute>,
    #[n(10)]
    refund_status: Option<StoredRefundStatus>,
}

/// What a buyer is told of a charge's phase.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredStatus {
    #[n(0)]
    Created,
    #[n(1)]
    Failed,
    #[n(2)]
    Completed,
}

impl<'a> From<&'a ChargeView> for StoredChargeView<'a> {
    fn from(view: &'a ChargeView) -> Self {
        Self {
            id: Id(view.id.as_u128()),
            order: Id(view.order.as_u128()),
            buyer: Id(view.buyer.as_u128()),
            status: match view.status {
                ChargeStatus::Created => StoredStatus::Created,
                ChargeStatus::Failed => StoredStatus::Failed,
                ChargeStatus::Completed => StoredStatus::Completed,
            },
            amount: (&view.amount).into(),
            intent: view.intent.as_ref().map(|intent| intent.0.as_str()),
            refund: refund_id(view.refund.as_ref()),
            failure_code: view.failure_code.as_ref().map(FailureCode::as_str),
            created_at: millis(view.created_at),
            dispute: view.dispute.map(Into::into),
            refund_status: refund_status(view.refund.as_ref()),
        }
    }
}

impl TryFrom<StoredChargeView<'_>> for ChargeView {
    type Error = Fault;

    fn try_from(stored: StoredChargeView<'_>) -> Result<Self, Fault> {
        Ok(Self {
            id: ChargeId::from_u128(stored.id.0),
            order: OrderId::from_u128(stored.order.0),
            buyer: UserId::from_u128(stored.buyer.0),
            status: match stored.status {
                StoredStatus::Created => ChargeStatus::Created,
                StoredStatus::Failed => ChargeStatus::Failed,
                StoredStatus::Completed => ChargeStatus::Completed,
            },
            amount: stored.amount.total()?,
            intent: stored.intent.map(intent),
            refund: refund(stored.refund, stored.refund_status),
            failure_code: stored.failure_code.map(FailureCode::from_gateway),
            created_at: time(stored.created_at),
            dispute: stored.dispute.map(Into::into),
        })
    }
}
