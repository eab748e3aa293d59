//! Resources that are all kept in the same way.
//!
//! Accounts, tickets, orders and charges have tables of their own, for they must be fast. Whatever else
//! there is, is written, read, listed and checked alike: a [`Resource`] has an id, a version that rises by
//! one, and lists that it is found in. `kinds!` names each of them once, and all that is to be
//! the same for each is made of that list, here and in [`crate::store::resources`].

use super::version::Version;

/// Something that is kept like others of its sort.
pub trait Resource: Sized {
    /// Names one of them for ever.
    type Id: Clone;
    /// Names a list of some of them; [`NoList`] if there is none.
    type List: Clone;

    /// Its name.
    fn id(&self) -> Self::Id;
    /// Starts at [`Version::FIRST`] and rises by one with every change.
    fn version(&self) -> Version;
}

/// A resource among others, as the list of kinds makes it.
pub trait Kept: Resource {
    /// The resource as one of any kind.
    fn into_any(self) -> AnyResource;
    /// The same the other way round; `None` if it is of another kind.
    fn from_any(any: AnyResource) -> Option<Self>;
    /// An id as one of any kind.
    fn any_id(id: Self::Id) -> AnyId;
    /// A list as one of any kind.
    fn any_list(list: Self::List) -> AnyList;
}

/// The list of a resource that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoList {}

/// Hands every kind of resource to a macro: its name, its type, its id and its lists. A resource that
/// is added gets a line here.
macro_rules! kinds {
    ($make:ident) => {
        $make! {
            /// How far a follower of the log has come.
            Cursor: crate::domain::Cursor, crate::domain::Follower, crate::domain::NoList;
            /// Messages to people.
            Mail: crate::domain::Mail, crate::domain::MailId, crate::domain::Mails;
            /// Those who look after the market.
            Operator: crate::domain::Operator, crate::domain::UserId, crate::domain::Operators;
            /// Where shows take place.
            Venue: crate::domain::Venue, crate::domain::VenueId, crate::domain::Venues;
            /// What tickets admit to.
            Show: crate::domain::Show, crate::domain::ShowId, crate::domain::Shows;
            /// Pictures of shows.
            Cover: crate::domain::Cover, crate::domain::ShowId, crate::domain::NoList;
            /// Tickets of shows.
            ShowTicket: crate::domain::ShowTicket, crate::domain::TicketId, crate::domain::ShowTickets;
            /// Orders of shows.
            ShowOrder: crate::domain::ShowOrder, crate::domain::OrderId, crate::domain::ShowOrders;
            /// When the sales for shows end.
            SalesEnd: crate::domain::SalesEnd, crate::domain::ShowId, crate::domain::SalesEnds;
            /// The second factor of an account.
            SecondFactor: crate::domain::SecondFactor, crate::domain::UserId, crate::domain::NoList;
            /// A link that is sent by mail.
            Link: crate::domain::Link, crate::domain::LinkId, crate::domain::NoList;
            /// An API token.
            ApiToken: crate::domain::ApiToken, crate::domain::TokenId, crate::domain::ApiTokens;
            /// A pass.
            Pass: crate::domain::Pass, crate::domain::PassId, crate::domain::Passes;
            /// The passes of a ticket.
            TicketPasses: crate::domain::TicketPasses, crate::domain::TicketId,
                crate::domain::TicketsWithPasses;
            /// Servers that work on the store.
            Node: crate::domain::Node, crate::domain::NodeId, crate::domain::Nodes;
            /// Which server has a duty.
            Lease: crate::domain::Lease, crate::domain::Duty, crate::domain::NoList;
            /// For tests of the stores: it has all that a resource may have.
            #[cfg(test)]
            Sample: crate::domain::sample::Sample, crate::domain::sample::SampleId,
                crate::domain::sample::Samples;
        }
    };
}
pub(crate) use kinds;

macro_rules! resources {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $kind:ident: $record:ty, $id:ty, $list:ty;)+) => {
        /// A resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum AnyResource { $($(#[doc = $doc])+ $(#[cfg($cfg)])? $kind($record),)+ }

        /// The id of a resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum AnyId { $($(#[doc = $doc])+ $(#[cfg($cfg)])? $kind($id),)+ }

        /// A list of resources of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum AnyList { $($(#[doc = $doc])+ $(#[cfg($cfg)])? $kind($list),)+ }

        impl AnyResource {
            /// Its name.
            pub fn id(&self) -> AnyId {
                match self { $($(#[cfg($cfg)])? Self::$kind(record) => AnyId::$kind(record.id()),)+ }
            }

            /// How often it has changed.
            pub fn version(&self) -> Version {
                match self { $($(#[cfg($cfg)])? Self::$kind(record) => record.version(),)+ }
            }
        }

        $($(#[cfg($cfg)])?
        impl Kept for $record {
            fn into_any(self) -> AnyResource {
                AnyResource::$kind(self)
            }

            fn from_any(any: AnyResource) -> Option<Self> {
                match any {
                    AnyResource::$kind(record) => Some(record),
                    _ => None,
                }
            }

            fn any_id(id: $id) -> AnyId {
                AnyId::$kind(id)
            }

            fn any_list(list: $list) -> AnyList {
                AnyList::$kind(list)
            }
        })+
    };
}

kinds!(resources);
