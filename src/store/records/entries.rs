//! The entries of indexes that follow from a record.
//!
//! An index is a pure function of the rows: [`Indexed::entries`] says which entries a record has, and
//! nothing else in the store knows. The writer takes out what the record before had and the one
//! after has not, and puts in what is new; verification makes all of them again and looks for each.
//! An entry says little more than where to find the record, and whoever comes to a record by an
//! entry sees whether it belongs there.

use std::borrow::Cow;
use std::fmt;

use crate::domain::{ChargeId, EmailKey, OrderId, TicketId, UserId};

/// The list of what is available to anyone, beside each seller's own. No user has this id.
pub const MARKET: u128 = 0;

/// What stands for the ticket in the deadline of an order that holds some of its several seats. No
/// ticket has this id.
pub const NO_TICKET: u128 = 0;

/// Something that is found by its entries.
pub trait Indexed {
    /// All of its entries.
    fn entries(&self) -> Vec<Entry<'_>>;
}

macro_rules! indexes {
    ($($(#[doc = $doc:literal])+ $name:ident => $table:literal;)+) => {
        /// The indexes. What each table holds is told by [`crate::store::redb::tables`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Index { $($(#[doc = $doc])+ $name,)+ }

        impl Index {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The table's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $table,)+ }
            }
        }
    };
}

indexes! {
    /// Accounts by address.
    Emails => "emails";
    /// Tickets by list.
    Lists => "lists";
    /// Tickets by list and price.
    Prices => "lists_by_price";
    /// Open orders by deadline.
    Deadlines => "deadlines";
    /// Ended orders by buyer and status.
    Ended => "ended_orders";
    /// Charges by payment intent.
    Intents => "charges_by_intent";
    /// Charges that owe something.
    Unsettled => "unsettled_charges";
    /// Idempotency keys by when they expire.
    KeyExpiry => "idempotency_expiry";
}

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'r> {
    /// The account with an address.
    Email {
        /// The address, as addresses are compared.
        email: EmailKey,
        /// The account.
        user: u128,
    },
    /// A ticket of a list.
    List {
        /// A seller, or [`MARKET`].
        list: u128,
        /// The ticket.
        ticket: u128,
        /// Its price in minor units.
        price: u64,
    },
    /// The same by price.
    Price {
        /// A seller, or [`MARKET`].
        list: u128,
        /// Its price in minor units.
        price: u64,
        /// The ticket.
        ticket: u128,
    },
    /// An open order.
    Deadline {
        /// When it expires, in milliseconds since the epoch.
        at: i64,
        /// The order.
        order: u128,
        /// Whose it is.
        buyer: u128,
        /// The ticket that it holds.
        ticket: u128,
    },
    /// An order that has ended.
    Ended {
        /// Whose it was.
        buyer: u128,
        /// How it ended: see [`crate::store::records::order::status_code`].
        status: u8,
        /// The order.
        order: u128,
    },
    /// The charge of a payment intent.
    Intent {
        /// The gateway's name of the intent.
        intent: Cow<'r, str>,
        /// The charge.
        charge: u128,
    },
    /// A charge that owes something.
    Unsettled {
        /// The charge.
        charge: u128,
    },
    /// When an idempotency key is free again.
    KeyExpiry {
        /// When, in milliseconds since the epoch.
        at: i64,
        /// Who used it.
        user: u128,
        /// The key.
        key: Cow<'r, str>,
    },
}

impl<'r> Entry<'r> {
    /// The one of an account with that address, as it is stored.
    pub fn email(email: &str, user: u128) -> Self {
        Self::Email { email: EmailKey::stored(email), user }
    }

    /// The one of a charge with that intent.
    pub fn intent(intent: &'r str, charge: u128) -> Self {
        Self::Intent { intent: intent.into(), charge }
    }
}

/// Where the record of an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner<'e> {
    /// An account.
    User(u128),
    /// A ticket.
    Ticket(u128),
    /// An order.
    Order(u128),
    /// A charge.
    Charge(u128),
    /// An idempotency key.
    Key(u128, &'e str),
}

impl Entry<'_> {
    /// The index it is of.
    pub fn index(&self) -> Index {
        match self {
            Self::Email { .. } => Index::Emails,
            Self::List { .. } => Index::Lists,
            Self::Price { .. } => Index::Prices,
            Self::Deadline { .. } => Index::Deadlines,
            Self::Ended { .. } => Index::Ended,
            Self::Intent { .. } => Index::Intents,
            Self::Unsettled { .. } => Index::Unsettled,
            Self::KeyExpiry { .. } => Index::KeyExpiry,
        }
    }

    /// The record it leads to.
    pub fn owner(&self) -> Owner<'_> {
        match self {
            Self::Email { user, .. } => Owner::User(*user),
            Self::List { ticket, .. } | Self::Price { ticket, .. } => Owner::Ticket(*ticket),
            Self::Deadline { order, .. } | Self::Ended { order, .. } => Owner::Order(*order),
            Self::Intent { charge, .. } | Self::Unsettled { charge } => Owner::Charge(*charge),
            Self::KeyExpiry { user, key, .. } => Owner::Key(*user, key),
        }
    }

    /// Whether it stands where the other stands, with another value perhaps.
    pub fn is_in_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Email { email, .. }, Self::Email { email: other, .. }) => email == other,
            (Self::List { list, ticket, .. }, Self::List { list: l, ticket: t, .. }) => {
                (list, ticket) == (l, t)
            }
            (Self::Deadline { at, order, .. }, Self::Deadline { at: a, order: o, .. }) => {
                (at, order) == (a, o)
            }
            (Self::Intent { intent, .. }, Self::Intent { intent: other, .. }) => intent == other,
            _ => self == other,
        }
    }
}

/// Its index, its record, and what else it says. Addresses are not told, nor are keys of clients.
impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: u128| match list {
            MARKET => "market".to_owned(),
            seller => UserId::from_u128(seller).to_string(),
        };
        write!(f, "{} ", self.index().name())?;
        match self {
            Self::Email { user, .. } => write!(f, "{}", UserId::from_u128(*user)),
            Self::List { list: of, ticket, price } => {
                write!(f, "{} {} at {price}", list(*of), TicketId::from_u128(*ticket))
            }
            Self::Price { list: of, price, ticket } => {
                write!(f, "{} {price} {}", list(*of), TicketId::from_u128(*ticket))
            }
            Self::Deadline { order, buyer, ticket, .. } => {
                let (buyer, ticket) = (UserId::from_u128(*buyer), TicketId::from_u128(*ticket));
                write!(f, "{} of {buyer} for {ticket}", OrderId::from_u128(*order))
            }
            Self::Ended { buyer, status, order } => {
                let (buyer, order) = (UserId::from_u128(*buyer), OrderId::from_u128(*order));
                write!(f, "{buyer} {status} {order}")
            }
            Self::Intent { intent, charge } => {
                write!(f, "{intent:?} {}", ChargeId::from_u128(*charge))
            }
            Self::Unsettled { charge } => write!(f, "{}", ChargeId::from_u128(*charge)),
            Self::KeyExpiry { at, user, .. } => write!(f, "{at} {}", UserId::from_u128(*user)),
        }
    }
}
