//! What sellers say of a ticket.

use std::sync::Arc;

use serde::Deserialize;
use utoipa::ToSchema;

use super::edge::fields::{Faults, Field, FieldValue, Given, Id, Numeral, Refused, Whole};
use super::edge::problem::{FieldError, Problem};
use super::state::ApiState;
use super::views::SplitJson;
use crate::domain::listing::PLAIN;
use crate::domain::seats::MAX_SEATS;
use crate::domain::{
    Currency, Label, Listing, ListingDraft, ListingFault, Notes, Price, ShowBrief, ShowId, Split,
    Title, TitleError,
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
    /// The show that it admits to. Its name is the title if no title is given.
    #[serde(default)]
    #[schema(value_type = Option<String>, required = false, pattern = "^show_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    show_id: Field<Option<Id<ShowId>>>,
}

/// What a seller said, in fields that break no rule of their own.
pub struct Said {
    /// The title, if there is one.
    pub title: Option<Title>,
    /// The price.
    pub price: Option<Price>,
    /// What else, but for the show.
    pub listing: ListingDraft,
    /// The show, if it was said; `Some(None)` is a ticket without one.
    pub show: Option<Option<ShowId>>,
}

impl Said {
    /// The show that is named, as it is now.
    ///
    /// # Errors
    ///
    /// 404 if there is no such show; 400 if its venue does not have the section.
    pub async fn show_now(&self, state: &ApiState) -> Result<Option<Arc<ShowBrief>>, Problem> {
        let Some(id) = self.show.flatten() else { return Ok(None) };
        let view = state.store.show(id).await?.ok_or_else(Problem::not_found)?;
        if !view.has_section(self.listing.section.as_ref().and_then(Option::as_ref)) {
            let fault = ListingFault::Section;
            return Err(FieldError::on(fault.field(), fault.to_string()).into());
        }
        Ok(Some(Arc::new((&view).into())))
    }
}

impl TicketDraft {
    /// A price, and a title or a show, which are needed, and what else was said.
    ///
    /// # Errors
    ///
    /// 400 with every rule that a field breaks.
    pub fn complete(self, state: &ApiState) -> Result<Said, Problem> {
        self.read(state, true)
    }

    /// The fields that are to change.
    ///
    /// # Errors
    ///
    /// 400 with every rule that a field breaks.
    pub fn changes(self, state: &ApiState) -> Result<Said, Problem> {
        self.read(state, false)
    }

    fn read(self, state: &ApiState, is_whole: bool) -> Result<Said, Problem> {
        let (title, price, show, fields) = self.parts();
        let mut faults = Faults::default();
        let show = faults.note("showId", named(show));
        // The name of the show is title enough.
        let needs_title = is_whole && !matches!(show, Some(Some(Some(_))));
        let title = if needs_title { title.required().map(Some) } else { title.optional() };
        let title = faults.note("title", title);
        let price = if is_whole { price.required().map(Some) } else { price.optional() };
        let price =
            price.and_then(|price| price.map(|price| chargeable(&price, state)).transpose());
        let price = faults.note("price", price);
        let listing = fields.read(state.currency, &mut faults);
        match (title, price, show, listing) {
            (Some(title), Some(price), Some(show), Some(listing)) => {
                Ok(Said { title, price, listing, show })
            }
            _ => Err(faults.into_problem()),
        }
    }

    fn parts(self) -> (Field<Title>, Field<Numeral>, GivenShow, ListingFields) {
        let Self { title, price, section, row, seats, quantity, split, face_value, notes, show_id } =
            self;
        let listing = ListingFields { section, row, seats, quantity, split, face_value, notes };
        (title, price, show_id, listing)
    }
}

/// The show as it is given; `null` is a ticket without one.
type GivenShow = Field<Option<Id<ShowId>>>;

fn named(show: GivenShow) -> Result<Option<Option<ShowId>>, Refused> {
    Ok(show.optional()?.map(|show| show.map(|Id(show)| show)))
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
            show: None,
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
    // What is charged is a multiple of what one seat costs with its fee.
    let total = state.market.settings().terms.total(price);
    let refusals = [price, total].map(|amount| state.market.refuse_price(amount));
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
