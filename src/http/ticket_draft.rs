//! What sellers say of a ticket.

use serde::Deserialize;
use utoipa::ToSchema;

use super::edge::fields::{Faults, Field, FieldValue, Given, Numeral, Refused, Whole};
use super::edge::problem::{FieldError, Problem};
use super::state::ApiState;
use super::views::SplitJson;
use crate::actors::TicketChanges;
use crate::domain::listing::PLAIN;
use crate::domain::seats::MAX_SEATS;
use crate::domain::{
    Currency, Label, Listing, ListingDraft, ListingFault, Notes, Price, Split, Title, TitleError,
};

/// What a seller says of a ticket.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketDraft {
    /// What it is for: 1 to 200 visible characters, trimmed.
    #[serde(default)]
    #[schema(value_type = String, required, example = "Rock Concert", min_length = 1)]
    title: Field<Title>,
    /// What each seat costs, in major units, with no more decimals than the currency has.
    #[serde(default)]
    #[schema(value_type = f64, required, example = 25.5, exclusive_minimum = 0, maximum = 999_999.99)]
    price: Field<Numeral>,
    /// The section, as it is printed on the ticket: 1 to 40 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false)]
    section: Field<Option<Label>>,
    /// The row, as it is printed on the ticket: 1 to 40 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false)]
    row: Field<Option<Label>>,
    /// The name of each seat, in the order in which they lie; without them seats are not numbered. They
    /// say how many there are if `quantity` does not.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, required = false, max_items = 50)]
    seats: Field<Option<Vec<Label>>>,
    /// How many seats there are: 1 if neither this nor `seats` says.
    #[serde(default)]
    #[schema(value_type = u32, required = false, minimum = 1, maximum = 50)]
    quantity: Field<Whole>,
    /// How they may be divided among buyers: `avoidOne` if this does not say.
    #[serde(default)]
    #[schema(value_type = SplitJson, required = false)]
    split: Field<Split>,
    /// What each seat cost where it was first sold, in major units.
    #[serde(default)]
    #[schema(value_type = Option<f64>, required = false)]
    face_value: Field<Numeral>,
    /// What else is to be known: up to 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false)]
    notes: Field<Option<Notes>>,
}

impl TicketDraft {
    /// Title and price, where both are needed, and what else was said.
    ///
    /// # Errors
    ///
    /// 400 with every rule that a field breaks.
    pub fn complete(self, state: &ApiState) -> Result<(Title, Price, ListingDraft), Problem> {
        let (title, price, fields) = self.parts();
        let mut faults = Faults::default();
        let title = faults.note("title", title.required());
        let price = price.required().and_then(|price| chargeable(&price, state));
        let price = faults.note("price", price);
        let listing = fields.read(state.currency, &mut faults);
        match (title, price, listing) {
            (Some(title), Some(price), Some(listing)) => Ok((title, price, listing)),
            _ => Err(faults.into_problem()),
        }
    }

    /// The fields that are to change.
    ///
    /// # Errors
    ///
    /// 400 with every rule that a field breaks.
    pub fn changes(self, state: &ApiState) -> Result<TicketChanges, Problem> {
        let (title, price, fields) = self.parts();
        let mut faults = Faults::default();
        let title = faults.note("title", title.optional());
        let price = price.optional();
        let price =
            price.and_then(|price| price.map(|price| chargeable(&price, state)).transpose());
        let price = faults.note("price", price);
        let listing = fields.read(state.currency, &mut faults);
        match (title, price, listing) {
            (Some(title), Some(price), Some(listing)) => {
                Ok(TicketChanges { title, price, listing })
            }
            _ => Err(faults.into_problem()),
        }
    }

    fn parts(self) -> (Field<Title>, Field<Numeral>, ListingFields) {
        let Self { title, price, section, row, seats, quantity, split, face_value, notes } = self;
        let listing = ListingFields { section, row, seats, quantity, split, face_value, notes };
        (title, price, listing)
    }
}

/// What is said beside title and price.
struct ListingFields {
    section: Field<Option<Label>>,
    row: Field<Option<Label>>,
    seats: Field<Option<Vec<Label>>>,
    quantity: Field<Whole>,
    split: Field<Split>,
    face_value: Field<Numeral>,
    notes: Field<Option<Notes>>,
}

impl ListingFields {
    /// What was said, with the faults of each field noted.
    fn read(self, currency: Currency, faults: &mut Faults) -> Option<ListingDraft> {
        let section = faults.note("section", self.section.optional());
        let row = faults.note("row", self.row.optional());
        let seats = faults.note("seats", self.seats.optional().and_then(few));
        let quantity = faults.note("quantity", self.quantity.optional().and_then(possible));
        let split = faults.note("split", self.split.optional());
        let face_value = faults.note("faceValue", amount(self.face_value, currency));
        let notes = faults.note("notes", self.notes.optional());
        Some(ListingDraft {
            section: section?,
            row: row?,
            seats: seats?,
            quantity: quantity?,
            split: split?,
            face_value: face_value?,
            notes: notes?,
        })
    }
}

/// A new listing of what was said.
///
/// # Errors
///
/// 400 with every rule that it breaks.
pub fn listing(draft: &ListingDraft, most_seats: u32) -> Result<Listing, Problem> {
    let listing = PLAIN.with(draft);
    let faults = listing.faults(most_seats);
    if faults.is_empty() {
        return Ok(listing);
    }
    let error = |fault: ListingFault| FieldError::on(fault.field(), fault.to_string());
    Err(Problem::validation(faults.into_iter().map(error).collect()))
}

impl FieldValue for Title {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Missing | Given::Null => Err(Refused::because(TitleError::Blank)),
            Given::Text(text) => Self::parse(&text).map_err(Refused::because),
            _ => Err("Title must be a string".into()),
        }
    }
}

impl FieldValue for Split {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let split = given.text().and_then(Self::named);
        split.ok_or_else(|| Refused::named("must be any, avoidOne, pairs or none"))
    }
}

/// Reads a price, which must also be one that whoever takes the money can charge to the unit.
fn chargeable(numeral: &Numeral, state: &ApiState) -> Result<Price, Refused> {
    let price = numeral.price(state.currency).map_err(Refused::because)?;
    let fee = state.market.settings().terms.fees.of(price).buyer_minor;
    // What is charged is a multiple of what one seat costs with its fee.
    let refusals = [price, price.total(fee, 1)].map(|amount| state.market.refuse_price(amount));
    match refusals.into_iter().flatten().next() {
        None => Ok(price),
        Some(reason) => Err(reason.into()),
    }
}

/// How many seats are wanted or sold.
pub fn possible(given: Option<Whole>) -> Result<Option<u32>, Refused> {
    let Some(Whole(number)) = given else { return Ok(None) };
    let number = u32::try_from(number).ok().filter(|number| (1..=MAX_SEATS).contains(number));
    number.map(Some).ok_or_else(|| Refused::named("must be a whole number from 1 to 50"))
}

fn few(seats: Option<Option<Vec<Label>>>) -> Result<Option<Option<Vec<Label>>>, Refused> {
    match seats.iter().flatten().map(Vec::len).next() {
        None => Ok(seats),
        Some(0) => Err(Refused::named("must name a seat, or be null")),
        Some(count) if u32::try_from(count).is_ok_and(|count| count <= MAX_SEATS) => Ok(seats),
        Some(_) => Err(Refused::named("must name at most 50 seats")),
    }
}

fn amount(given: Field<Numeral>, currency: Currency) -> Result<Option<Option<Price>>, Refused> {
    let refused = |_| Refused::after_name(format!("must be an amount of {currency} above 0"));
    Ok(match given.optional()? {
        None => None,
        Some(Numeral::Absent) => Some(None),
        Some(numeral) => Some(Some(numeral.price(currency).map_err(refused)?)),
    })
}
