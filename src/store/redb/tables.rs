//! Every table of the store: its name, its key and its value.
//!
//! Opening, backup, restore and verification all go through [`visit`], so a table that is
//! added here is created, copied and checked without being listed anywhere else.
//!
//! Identifiers are time-ordered, so the rows that a batch of commits adds to a table keyed by
//! one lie side by side and dirty few pages. What rows hold is told by [`crate::store::records`], and
//! what follows from them in indexes by [`crate::store::records::entries`].

use redb::{Key, TableDefinition, Value};

/// The format this release reads and writes, kept in [`META`] under [`FORMAT_KEY`].
pub const FORMAT: u64 = 4;
/// The format that lacks nothing but tables which are empty at first; see
/// [`crate::store::redb::open::settle_format`].
pub const FORMAT_WITH_FEWER_TABLES: u64 = 2;
/// The format that has tickets of shows, but neither lists of them nor their sums: those are made anew.
pub const FORMAT_WITHOUT_LISTS_OF_SHOWS: u64 = 3;
/// Where [`META`] keeps the format.
pub const FORMAT_KEY: &str = "format";

/// Does something to each table, whatever its types.
pub trait Visitor {
    /// Why it could not.
    type Error;

    /// Does it to one table.
    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), Self::Error>;
}

macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $name:ident: $text:literal, $key:ty => $value:ty;)+) => {
        $($(#[doc = $doc])+
        pub const $name: TableDefinition<'static, $key, $value> = TableDefinition::new($text);)+

        /// Shows every table to a visitor until it fails.
        pub fn visit<T: Visitor>(visitor: &mut T) -> Result<(), T::Error> {
            $(visitor.visit($name)?;)+
            Ok(())
        }
    };
}

tables! {
    /// The format of the file under [`FORMAT_KEY`], where every release looks for it.
    META: "meta", &str => u64;
    /// What else concerns the whole file, by [name](crate::store::records::state::names).
    STATE: "state", &str => &[u8];

    /// Accounts by user id.
    USERS: "users", u128 => &[u8];
    /// The user id by address in lower case.
    EMAILS: "emails", &str => u128;
    /// Sessions by user and session id.
    SESSIONS: "sessions", (u128, u128) => &[u8];

    /// Tickets, and the marks of those withdrawn, by ticket id.
    TICKETS: "tickets", u128 => &[u8];
    /// Prices in minor units by [list](crate::store::records::ticket_lists) and ticket id. A ticket is
    /// in its seller's list until it is withdrawn, and in the market's until it is sold; see
    /// [`crate::store::records::ticket::is_on_market`].
    LISTS: "lists", (u128, u128) => u64;
    /// The same entries by list, price and the complement of the ticket id, so that equal
    /// prices stand newest first.
    LISTS_BY_PRICE: "lists_by_price", (u128, u64, u128) => ();
    /// How many seats are on sale by show, where there are any; see [`crate::store::redb::stock`].
    STOCK: "stock", u128 => &[u8];
    /// The words in titles of tickets that are not sold, or that linger, in blocks of postings by
    /// word and a lower bound of the ticket ids; see [`crate::store::search::blocks`].
    WORDS: "words", (&str, u128) => &[u8];

    /// Notes of sold tickets that are still among the words: their ids by the batch that sold
    /// them; see [`crate::store::search::tombstones`].
    TOMBSTONES: "lingering", u64 => &[u8];

    /// Orders by order id.
    ORDERS: "orders", u128 => &[u8];
    /// Orders that have ended by buyer, status (see [`crate::store::records::order::status_code`]) and order id.
    /// The list of all a buyer's orders merges one run for each status, and the open ones, which
    /// are in memory: see [`crate::store::redb::open_orders`].
    ENDED_ORDERS: "ended_orders", (u128, u8, u128) => ();
    /// The buyer and the ticket of every open order by deadline, in milliseconds since the
    /// epoch, and order id. An order whose charge is being captured stays until it is completed
    /// or cancelled, past its deadline if need be: readers page with `after`, so it blocks
    /// nobody.
    DEADLINES: "deadlines", (i64, u128) => &[u8];

    /// Charges by charge id.
    CHARGES: "charges", u128 => &[u8];
    /// The charge id by the gateway's payment intent.
    CHARGES_BY_INTENT: "charges_by_intent", &str => u128;
    /// The ids of charges that still owe something to or by the gateway.
    UNSETTLED: "unsettled_charges", u128 => ();

    /// Runs of events by the number of the first; see [`crate::store::redb::log`].
    EVENTS: "events", u64 => &[u8];

    /// What an idempotency key led to, by user and key.
    IDEMPOTENCY: "idempotency", (u128, &str) => &[u8];
    /// The same keys by when they expire, in milliseconds since the epoch.
    IDEMPOTENCY_EXPIRY: "idempotency_expiry", (i64, u128, &str) => ();

    /// Resources that are kept alike, by the number of their table and key; see
    /// [`crate::store::resources`].
    ROWS: "rows", (u8, &[u8]) => &[u8];
    /// The keys of the same by index and place.
    ENTRIES: "entries", (u8, &[u8]) => &[u8];
}

/// Hands each table that requests read, under the name it goes by in code, to a macro, and after
/// them what the macro's caller adds. Whoever opens tables for reading or writing gets its list
/// here.
macro_rules! requested {
    ($make:ident { $($more:tt)* }) => {
        $make! {
            users: USERS, u128 => &'static [u8];
            emails: EMAILS, &'static str => u128;
            sessions: SESSIONS, (u128, u128) => &'static [u8];
            tickets: TICKETS, u128 => &'static [u8];
            lists: LISTS, (u128, u128) => u64;
            lists_by_price: LISTS_BY_PRICE, (u128, u64, u128) => ();
            stock: STOCK, u128 => &'static [u8];
            words: WORDS, (&'static str, u128) => &'static [u8];
            orders: ORDERS, u128 => &'static [u8];
            ended_orders: ENDED_ORDERS, (u128, u8, u128) => ();
            deadlines: DEADLINES, (i64, u128) => &'static [u8];
            charges: CHARGES, u128 => &'static [u8];
            charges_by_intent: CHARGES_BY_INTENT, &'static str => u128;
            unsettled: UNSETTLED, u128 => ();
            events: EVENTS, u64 => &'static [u8];
            state: STATE, &'static str => &'static [u8];
            idempotency: IDEMPOTENCY, (u128, &'static str) => &'static [u8];
            rows: ROWS, (u8, &'static [u8]) => &'static [u8];
            entries: ENTRIES, (u8, &'static [u8]) => &'static [u8];
            $($more)*
        }
    };
}
pub(in crate::store) use requested;
