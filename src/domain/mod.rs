//! What the marketplace is: its things, its decisions and its events.
//!
//! Pure and synchronous. Nothing here asks a clock, draws a random number or knows that there
//! is a database, a gateway or HTTP: the time and new identifiers are arguments, and what comes
//! out is a value that says what to write down ([`Commit`]) or why not (a rejection).
//!
//! Read [`event`] first: it tells the whole flow. Then [`ticket`] and [`purchase`], which hold
//! every decision.

pub mod admission;
pub mod api_token;
mod ascii;
pub mod charge;
pub mod client_name;
pub mod commit;
pub mod cover;
pub mod cursor;
pub mod email;
pub mod event;
pub mod fees;
pub mod ids;
pub mod imported;
pub mod link;
pub mod listing;
pub mod mail;
pub mod money;
pub mod node;
pub mod operator;
pub mod order;
pub mod pass;
pub mod place;
mod price_cap;
pub mod purchase;
pub mod resource;
pub mod rfc3339;
pub mod roles;
pub mod sales_end;
#[cfg(test)]
pub mod sample;
pub mod seats;
pub mod second_factor;
pub mod session;
pub mod show;
pub mod text;
pub mod ticket;
pub mod time;
pub mod user;
pub mod venue;
mod version;
pub mod visible;

pub use admission::{ShowBrief, ShowOrder, ShowOrders, ShowTicket, ShowTickets, VenueBrief};
pub use api_token::{ApiToken, ApiTokens, TokenEvent, TokenHash, TokenName, TokenNameError};
pub use ascii::Ascii;
pub use charge::{
    Account, Charge, ChargePhase, ChargeStatus, ChargeView, ClientSecret, DisputeStatus,
    FailureCode, GatewayStep, IntentId, PaymentToken, Refund, RefundId, RefundStatus,
    learn_dispute, learn_refund,
};
pub use client_name::ClientName;
pub use commit::{Commit, Precondition, Remembered, Write};
pub use cover::{Cover, Picture};
pub use cursor::{Cursor, Follower};
pub use email::{Email, EmailKey, InvalidEmail};
pub use event::{Audience, Event, LoggedEvent, Subject};
pub use fees::{FeeRate, FeeRates, SeatFees};
pub use ids::{
    ChargeId, InvalidId, NodeId, OrderId, PassId, SessionId, ShowId, TicketId, TokenId, UserId,
    VenueId,
};
pub use imported::{ImportKey, Imported};
pub use link::{Link, LinkHash, LinkId, LinkInvalid, LinkPurpose, LinkSecrets};
pub use listing::{Listing, ListingDraft, ListingFault};
pub use mail::{About, Mail, MailId, MailState, Mails, Notice};
pub use money::{Currency, Price, PriceError};
pub use node::{Duty, Lease, Node, Nodes};
pub use operator::{Operator, Operators};
pub use order::{CancelReason, Lot, Order, OrderState, OrderStatus, OrderView};
pub use pass::{
    Pass, PassEvent, PassKind, PassMark, PassRejection, Passes, PassesThere, SeatPass,
    TicketPasses, TicketsWithPasses,
};
pub use place::{Country, UnknownCountry, UnknownZone, ZoneName};
pub use price_cap::PriceCaps;
pub use purchase::{
    Finding, IntentFact, IntentReport, Purchase, PurchaseChange, PurchaseCommand, PurchaseDecision,
    PurchaseRejection, TicketDemand,
};
pub use resource::{AnyId, AnyList, AnyResource, Kept, NoList, Resource};
pub use roles::{Caller, Roles};
pub use sales_end::{Cancellation, SalesEnd, SalesEnds};
pub use seats::{FreeSeats, MAX_SEATS, SeatSet, Split};
pub use second_factor::{
    FactorRejection, FactorState, Proof, RecoveryHash, SealedSecret, SecondFactor, TotpStep,
};
pub use session::{Session, SessionRules};
pub use show::{
    Category, Show, ShowChange, ShowChanges, ShowCommand, ShowDecision, ShowFacts, ShowState,
    ShowView, Shows, Site,
};
pub use text::{Address, Label, Line, LineError, Locality, Name, Notes, Title, TitleError};
pub use ticket::{
    Allotment, ClosedReason, ExpectedVersion, Part, PartState, Terms, Ticket, TicketCommand,
    TicketDecision, TicketRejection, TicketState, TicketStatus, Wanted,
};
pub use time::Timestamp;
pub use user::{User, UserEvent, UserView};
pub use venue::{
    CatalogRejection, Venue, VenueChanges, VenueCommand, VenueDecision, VenueFacts, Venues,
};
pub use version::Version;
