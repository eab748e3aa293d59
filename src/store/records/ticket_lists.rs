//! The lists that a ticket is in.
//!
//! A list has a number: a seller's own is the seller's id, that of what is on sale is [`MARKET`], and
//! what is on sale for a show is the show's id. What can be ordered in a quantity, and what is in a
//! section, of one show or of all, has lists of its own, so that a page of them costs what is on it
//! however few there are among how many.

use xxhash_rust::xxh3::xxh3_128;

use crate::domain::{Label, Listing, MAX_SEATS, ShowId, Ticket, TicketState};
use crate::store::records::entries::MARKET;
use crate::store::records::ticket::is_on_market;
use crate::store::{TicketQuery, TicketScope};

/// Where the four bits of an id are that tell its version, and the two that tell its variant. They are
/// the same in all ids, so other values of them make numbers that no id is.
const VERSION_SHIFT: u32 = 76;
const VARIANT_SHIFT: u32 = 62;
/// How many bits of a quantity stand in the version.
const VERSION_BITS: u32 = 4;

/// The list of what can be ordered in that quantity, for a show or for any.
///
/// For any, one seat is no quantity that has a list: nearly everything is in the market's own.
pub fn of_quantity(show: Option<ShowId>, quantity: u32) -> u128 {
    let all = show.map_or(MARKET, ShowId::as_u128);
    let (low, high) = (quantity % (1 << VERSION_BITS), quantity >> VERSION_BITS);
    all ^ (u128::from(low) << VERSION_SHIFT) ^ (u128::from(high) << VARIANT_SHIFT)
}

/// The list of what is in that section, of a show or of any.
pub fn of_section(show: Option<ShowId>, section: &Label) -> u128 {
    let mut name = show.map_or(MARKET, ShowId::as_u128).to_be_bytes().to_vec();
    name.extend(section_key(section).bytes());
    xxh3_128(&name)
}

/// How sections are compared: capitals do not make another.
fn section_key(section: &Label) -> String {
    section.as_str().to_lowercase()
}

/// The lists a ticket is in. That an order holds the one seat of a ticket changes none of them.
pub fn lists(ticket: &Ticket) -> Vec<u128> {
    let mut lists = vec![ticket.seller.as_u128()];
    if !is_on_market(ticket) {
        return lists;
    }
    lists.push(MARKET);
    let Some(listing) = ticket.listing.as_deref() else { return lists };
    let Listing { section, show, .. } = listing;
    let show = show.as_ref().map(|show| show.id);
    lists.extend(section.as_ref().map(|section| of_section(None, section)));
    if let TicketState::Several(_) = ticket.state {
        for quantity in ticket.offer(MAX_SEATS).buyable() {
            lists.extend((quantity > 1).then(|| of_quantity(None, quantity)));
            lists.extend(show.map(|show| of_quantity(Some(show), quantity)));
        }
    } else {
        lists.extend(show.map(|show| of_quantity(Some(show), 1)));
    }
    if let Some(show) = show {
        lists.push(show.as_u128());
        lists.extend(section.as_ref().map(|section| of_section(Some(show), section)));
    }
    lists
}

/// The lists that have all that a query asks for, each of which has it in every order.
pub fn lists_with_all(query: &TicketQuery) -> Vec<u128> {
    if let Some(seller) = query.seller {
        return vec![seller.as_u128()];
    }
    let TicketScope { show, section, quantity } = &query.scope;
    let quantity = quantity.filter(|quantity| show.is_some() || *quantity > 1);
    let mut lists = Vec::with_capacity(2);
    lists.extend(quantity.map(|quantity| of_quantity(*show, quantity)));
    lists.extend(section.as_ref().map(|section| of_section(*show, section)));
    if lists.is_empty() {
        lists.push(show.map_or(MARKET, ShowId::as_u128));
    }
    lists
}

impl TicketScope {
    /// Whether a ticket is what is asked for.
    pub fn has(&self, ticket: &Ticket) -> bool {
        let Self { show, section, quantity } = self;
        let listing = ticket.listing();
        let is_there = |wanted: &Label| {
            let of = listing.section.as_ref();
            of.is_some_and(|of| section_key(of) == section_key(wanted))
        };
        show.is_none_or(|show| ticket.show().is_some_and(|of| of.id == show))
            && section.as_ref().is_none_or(is_there)
            && quantity.is_none_or(|quantity| ticket.offer(MAX_SEATS).offers(quantity))
    }

    /// Whether each of `lists_with_all` of the market holds nothing but what is asked for.
    pub fn is_told_by_lists(&self) -> bool {
        let Self { show, section, quantity } = self;
        match quantity {
            None => true,
            Some(quantity) => section.is_none() && (show.is_some() || *quantity > 1),
        }
    }

    /// Whether everything is asked for.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_list_of_a_quantity_is_another_list() {
        // An id as they are made: version 7, and the first variant.
        let show = ShowId::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
        let mut lists = BTreeSet::from([MARKET, show.as_u128()]);
        for quantity in 1..=MAX_SEATS {
            assert!(lists.insert(of_quantity(Some(show), quantity)), "{quantity}");
            let version_and_variant = (0xf << VERSION_SHIFT) | (0b11 << VARIANT_SHIFT);
            let id_bits = show.as_u128() & version_and_variant;
            assert_ne!(of_quantity(Some(show), quantity) & version_and_variant, id_bits);
        }
        for quantity in 2..=MAX_SEATS {
            assert!(lists.insert(of_quantity(None, quantity)), "{quantity}");
        }
    }
}
