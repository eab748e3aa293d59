//! What idempotency keys led to.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

use crate::domain::{Answer, ChargeId, Remembered, UserId};
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::order::StoredOrderView;
use crate::store::records::parts::{Id, millis, time};
use crate::store::records::ticket::StoredTicket;

/// A used key as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredRemembered<'a> {
    #[n(0)]
    user: Id,
    #[b(1)]
    key: &'a str,
    /// 16 bytes, as an id.
    #[n(2)]
    fingerprint: Id,
    #[n(3)]
    expires_at: i64,
    #[b(4)]
    answer: StoredAnswer<'a>,
}

/// What a repeated request is answered with.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
enum StoredAnswer<'a> {
    #[n(0)]
    TicketCreated(#[b(0)] StoredTicket<'a>),
    #[n(1)]
    OrderCreated(#[b(0)] StoredOrderView<'a>),
    #[n(2)]
    ChargeBegun(#[n(0)] Id),
    #[n(3)]
    Verbatim {
        #[n(0)]
        status: u16,
        #[b(1)]
        headers: Vec<(&'a str, &'a str)>,
        #[b(2)]
        body: &'a ByteSlice,
    },
}

impl<'a> From<&'a Answer> for StoredAnswer<'a> {
    fn from(answer: &'a Answer) -> Self {
        match answer {
            Answer::TicketCreated(ticket) => Self::TicketCreated(ticket.into()),
            Answer::OrderCreated(view) => Self::OrderCreated(view.into()),
            Answer::ChargeBegun(charge) => Self::ChargeBegun(Id(charge.as_u128())),
            Answer::Verbatim { status, headers, body } => Self::Verbatim {
                status: *status,
                headers: headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(),
                body: body.as_slice().into(),
            },
        }
    }
}

impl TryFrom<StoredAnswer<'_>> for Answer {
    type Error = Fault;

    fn try_from(stored: StoredAnswer<'_>) -> Result<Self, Fault> {
        Ok(match stored {
            StoredAnswer::TicketCreated(ticket) => Self::TicketCreated(ticket.try_into()?),
            StoredAnswer::OrderCreated(view) => Self::OrderCreated(view.try_into()?),
            StoredAnswer::ChargeBegun(id) => Self::ChargeBegun(ChargeId::from_u128(id.0)),
            StoredAnswer::Verbatim { status, headers, body } => {
                let header = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                let headers = headers.into_iter().map(header).collect();
                Self::Verbatim { status, headers, body: body.to_vec() }
            }
        })
    }
}

impl<'a> From<&'a Remembered> for StoredRemembered<'a> {
    fn from(remembered: &'a Remembered) -> Self {
        Self {
            user: Id(remembered.user.as_u128()),
            key: &remembered.key,
            fingerprint: Id(u128::from_be_bytes(remembered.fingerprint)),
            expires_at: millis(remembered.expires_at),
            answer: (&remembered.answer).into(),
        }
    }
}

impl Record for Remembered {
    const KIND: Kind = Kind { table: "idempotency", tag: 6, version: 1 };
    type Stored<'a> = StoredRemembered<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredRemembered<'_> = body(bytes)?;
        Ok(Self {
            user: UserId::from_u128(stored.user.0),
            key: stored.key.to_owned(),
            fingerprint: stored.fingerprint.0.to_be_bytes(),
            expires_at: time(stored.expires_at),
            answer: stored.answer.try_into()?,
        })
    }
}

/// The key of the row.
pub fn key(remembered: &Remembered) -> (u128, &str) {
    (remembered.user.as_u128(), remembered.key.as_str())
}

impl Indexed for Remembered {
    fn entries(&self) -> Vec<Entry<'_>> {
        let (user, key) = key(self);
        vec![Entry::KeyExpiry { at: self.expires_at.as_millis(), user, key: key.into() }]
    }
}
