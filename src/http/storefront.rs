//! What the storefront is told by the settings.

use std::time::Duration;

use crate::domain::Terms;

/// How a storefront takes cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CardForm {
    /// Test cards to choose from.
    Sandbox,
    /// Stripe's own form, so that card numbers never come here. It needs the key that browsers
    /// may know; without one nobody can pay in a browser.
    Stripe {
        /// Starts with `pk_`.
        publishable_key: Option<String>,
    },
}

/// What the storefront needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storefront {
    /// How it takes cards.
    pub card_form: CardForm,
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// How many declined payments end an order.
    pub max_attempts: u32,
    /// What the market adds to what sellers ask.
    pub terms: Terms,
    /// Where the server is reached, such as `https://tickets.example.com`.
    pub public_origin: Option<String>,
}
