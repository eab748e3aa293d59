//! How events look to clients.

use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    Event, LoggedEvent, PassId, Subject, Terms, TicketId, Timestamp, TokenId, UserEvent, UserId,
};
use crate::http::views::shows::{ShowJson, VenueJson};
use crate::http::views::{ChargeJson, OrderJson, PassesJson, RoleJson, Text, TicketJson, roles};

/// How long a client should wait before it comes back, at the least, in milliseconds.
const RETRY_MILLIS: usize = 1000;
/// Over how many milliseconds clients that lost the same server spread.
const RETRY_SPREAD_MILLIS: usize = 2000;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub struct EventJson<'e> {
    /// Its place in the log, without gaps.
    #[schema(minimum = 1)]
    seq: u64,
    /// What happened, such as `TicketUpdated`.
    #[schema(example = "TicketUpdated")]
    r#type: &'static str,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Text<Timestamp>,
    /// The account, ticket, venue, show, order or charge right afterwards.
    data: EventData<'e>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum EventData<'e> {
    User(UserEventJson),
    Token(TokenEventJson),
    Pass(PassEventJson),
    Ticket(Box<TicketJson<'e>>),
    Venue(Box<VenueJson<'e>>),
    Show(Box<ShowJson<'e>>),
    Order(Box<OrderJson<'e>>),
    Charge(ChargeJson<'e>),
}

/// What events tell of an account: nothing that names a person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserEvent)]
struct UserEventJson {
    /// The account.
    #[schema(value_type = String)]
    id: Text<UserId>,
    /// Whether its address is known to be its owner's.
    email_verified: bool,
    /// What it may do beside buying and selling.
    roles: &'static [RoleJson],
    /// Rises by one with every change.
    #[schema(minimum = 0)]
    version: u64,
}

impl From<&UserEvent> for UserEventJson {
    fn from(user: &UserEvent) -> Self {
        let roles = roles(user.is_operator);
        Self {
            id: Text(user.id),
            email_verified: user.email_verified,
            roles,
            version: user.version.number(),
        }
    }
}

/// What events tell of an API token.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TokenEvent)]
struct TokenEventJson {
    /// The token.
    #[schema(value_type = String)]
    id: Text<TokenId>,
    /// Whose it is.
    #[schema(value_type = String)]
    user_id: Text<UserId>,
}

/// What events tell of a pass.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PassEvent)]
struct PassEventJson {
    /// The pass.
    #[schema(value_type = String)]
    id: Text<PassId>,
    /// The ticket it belongs to.
    #[schema(value_type = String)]
    ticket_id: Text<TicketId>,
    /// Who added it.
    #[schema(value_type = String)]
    user_id: Text<UserId>,
}

impl<'e> EventJson<'e> {
    /// An event with what the market adds to tickets.
    pub fn new(logged: &'e LoggedEvent, terms: &Terms) -> Self {
        let data = match logged.event.subject() {
            Subject::User(user) => EventData::User(user.into()),
            Subject::Token(token) => {
                let (id, user_id) = (Text(token.id), Text(token.user));
                EventData::Token(TokenEventJson { id, user_id })
            }
            Subject::Pass(pass) => EventData::Pass(PassEventJson {
                id: Text(pass.id),
                ticket_id: Text(pass.ticket),
                user_id: Text(pass.seller),
            }),
            Subject::Ticket(ticket) => {
                let shown = TicketJson::new(ticket, terms);
                // What was just listed has none; later events do not say.
                let is_new = matches!(logged.event, Event::TicketCreated(_));
                let passes = is_new.then_some(PassesJson::None);
                EventData::Ticket(Box::new(TicketJson { passes, ..shown }))
            }
            Subject::Venue(venue) => EventData::Venue(Box::new(venue.into())),
            Subject::Show(view) => EventData::Show(Box::new(view.into())),
            Subject::Order(view) => EventData::Order(Box::new(view.into())),
            Subject::Charge(charge) => EventData::Charge(charge.into()),
        };
        Self { seq: logged.seq, r#type: logged.event.name(), at: Text(logged.at), data }
    }
}

/// An event as it goes over the wire.
pub fn frame(logged: &LoggedEvent, terms: &Terms) -> Bytes {
    let event = EventJson::new(logged, terms);
    // Numbers, strings and nothing else always serialise, and on one line.
    let data = serde_json::to_string(&event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.r#type).into()
}

/// The first words: when to come back, and from where should nothing be heard.
pub fn greeting(position: u64, free_places: usize) -> Bytes {
    // The number of free places differs from one listener to the next, so those who lose
    // their connections at once do not all come back at once.
    let retry = RETRY_MILLIS + (free_places * 7) % RETRY_SPREAD_MILLIS;
    format!(": listening\nretry: {retry}\nid: {position}\n\n").into()
}

/// Shows that the connection is alive, and how far it has come.
pub fn heartbeat(position: u64) -> Bytes {
    format!(": alive\nid: {position}\n\n").into()
}
