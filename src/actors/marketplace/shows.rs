//! Venues and shows, by whoever adds them.

use super::Marketplace;
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::show::{ShowRequest, added, timer};
use crate::actors::venue::VenueRequest;
use crate::domain::show::{Category, ShowFacts};
use crate::domain::{
    Caller, CatalogRejection, Commit, Event, ExpectedVersion, Name, Notes, Picture, Show,
    ShowChanges, ShowCommand, ShowId, ShowView, Site, Timestamp, Venue, VenueChanges, VenueCommand,
    VenueFacts, VenueId,
};

/// What is said of a new show.
#[derive(Debug, Clone)]
pub struct NewShow {
    /// What it is called.
    pub name: Name,
    /// What kind of show it is.
    pub category: Category,
    /// Who performs.
    pub performers: Vec<Name>,
    /// Where.
    pub venue: VenueId,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// What it is called elsewhere.
    pub external_id: Option<Name>,
}

impl Marketplace {
    /// Adds a venue.
    ///
    /// # Errors
    ///
    /// [`CatalogRejection::NotOperator`] if only operators may.
    pub async fn add_venue(&self, by: Caller, facts: VenueFacts) -> Result<Venue, MarketError> {
        self.may_add(by)?;
        let now = self.now();
        let id = VenueId::from_u128(self.parts.context.ids.mint());
        let venue = Venue::add(id, by.user, facts, now);
        let told = Event::VenueCreated(Box::new(venue.clone()));
        self.commit_new(Commit::at(now).put(venue.clone()).event(told)).await?;
        Ok(venue)
    }

    /// Changes a venue.
    ///
    /// # Errors
    ///
    /// [`CatalogRejection`] if it is not theirs to change, or not in that version;
    /// [`crate::store::Refusal::OthersDepend`] if others have shows there.
    pub async fn edit_venue(
        &self,
        id: VenueId,
        by: Caller,
        changes: VenueChanges,
        expected: ExpectedVersion,
    ) -> Result<Venue, MarketError> {
        let command = VenueCommand::Edit(changes);
        self.parts.catalog.venues.ask(id, VenueRequest { command, by, expected }).await
    }

    /// Takes a venue away that has no shows.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_venue`], and [`crate::store::Refusal::InUse`] if it has shows.
    pub async fn delete_venue(
        &self,
        id: VenueId,
        by: Caller,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        let request = VenueRequest { command: VenueCommand::Delete, by, expected };
        self.parts.catalog.venues.ask(id, request).await.map(|_| ())
    }

    /// Adds a show.
    ///
    /// # Errors
    ///
    /// [`CatalogRejection::NotOperator`] if only operators may, [`MarketError::NotFound`] if there is no
    /// such venue.
    pub async fn add_show(&self, by: Caller, new: NewShow) -> Result<ShowView, MarketError> {
        self.may_add(by)?;
        let NewShow { name, category, performers, venue, starts_at, ends_at, external_id } = new;
        let venue = self.venue(venue).await?;
        let site = Site::from(&venue);
        let facts = ShowFacts {
            name,
            category,
            performers,
            site,
            starts_at,
            ends_at,
            external_id,
            imported: None,
        };
        let now = self.now();
        let id = ShowId::from_u128(self.parts.context.ids.mint());
        let show = Show::add(id, by.user, facts, now);
        let view = ShowView { show, venue };
        match self.parts.context.commit(added(&view, now)).await? {
            Committed::Durable => {
                timer(&view.show).iter().for_each(|timer| self.parts.context.timers.set(timer));
                Ok(view)
            }
            // The venue went while the show was on its way.
            Committed::Conflict => Err(MarketError::NotFound),
        }
    }

    /// Changes a show, which may move to another venue.
    ///
    /// # Errors
    ///
    /// [`CatalogRejection`] if it is not theirs to change, or can't be changed any more;
    /// [`MarketError::NotFound`] if there is no such show or venue.
    pub async fn edit_show(
        &self,
        id: ShowId,
        by: Caller,
        changes: ShowChanges,
        venue: Option<VenueId>,
        expected: ExpectedVersion,
    ) -> Result<ShowView, MarketError> {
        let site = match venue {
            Some(venue) => Some(Site::from(&self.venue(venue).await?)),
            None => None,
        };
        let command = ShowCommand::Edit(ShowChanges { site, ..changes });
        self.ask_show(id, by, command, expected).await
    }

    /// Takes a show away that nothing hangs on.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_show`].
    pub async fn delete_show(
        &self,
        id: ShowId,
        by: Caller,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        self.ask_show(id, by, ShowCommand::Delete, expected).await.map(|_| ())
    }

    /// Gives a show a cover.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_show`].
    pub async fn illustrate_show(
        &self,
        id: ShowId,
        by: Caller,
        picture: Picture,
        expected: ExpectedVersion,
    ) -> Result<ShowView, MarketError> {
        self.ask_show(id, by, ShowCommand::Illustrate(picture), expected).await
    }

    /// Moves a show to another time, or to one that nobody knows yet.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_show`]; only operators may.
    pub async fn postpone_show(
        &self,
        id: ShowId,
        by: Caller,
        to: Option<Timestamp>,
        expected: ExpectedVersion,
    ) -> Result<ShowView, MarketError> {
        self.ask_show(id, by, ShowCommand::Postpone { to }, expected).await
    }

    /// Cancels a show, for good. What follows from that goes on behind.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_show`]; only operators may.
    pub async fn cancel_show(
        &self,
        id: ShowId,
        by: Caller,
        reason: Notes,
        expected: ExpectedVersion,
    ) -> Result<ShowView, MarketError> {
        self.ask_show(id, by, ShowCommand::Cancel { reason }, expected).await
    }

    async fn ask_show(
        &self,
        id: ShowId,
        by: Caller,
        command: ShowCommand,
        expected: ExpectedVersion,
    ) -> Result<ShowView, MarketError> {
        self.parts.catalog.shows.ask(id, ShowRequest { command, by: Some(by), expected }).await
    }

    async fn venue(&self, id: VenueId) -> Result<Venue, MarketError> {
        self.parts.context.store.get::<Venue>(id).await?.ok_or(MarketError::NotFound)
    }

    fn may_add(&self, by: Caller) -> Result<(), CatalogRejection> {
        if self.settings().shows_open || by.roles.operator {
            Ok(())
        } else {
            Err(CatalogRejection::NotOperator)
        }
    }
}
