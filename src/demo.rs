//! `gittix serve --demo`: what a visitor expects to see in a marketplace.

use std::net::Ipv4Addr;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::banner;
use crate::config::LogFormat;
use crate::domain::{Email, Listing, Price, Title, UserId};
use crate::http::ApiState;

/// Two people who sell to each other.
const USERS: [&str; 2] = ["ana@example.com", "ben@example.com"];

/// Who sells what, at what price in hundredths of a major unit.
const TICKETS: [(usize, &str, u64); 12] = [
    (0, "Rock Concert", 4_000),
    (1, "Basketball Game", 2_000),
    (0, "Jazz Night at the Blue Room", 3_550),
    (1, "Opera: The Magic Flute, stalls", 12_900),
    (0, "Football Final, block C row 12", 18_500),
    (1, "Stand-up Comedy Late Show", 1_850),
    (0, "Symphony No. 9, balcony", 6_400),
    (1, "Musical Matinee, two rows from the stage", 7_999),
    (0, "Ice Hockey Derby", 4_525),
    (1, "Indie Festival, Saturday", 9_900),
    (0, "Science Museum Late Opening", 1_200),
    (1, "Ballet: Swan Lake", 8_800),
];

/// Fills an empty store with two users, whose passwords are printed once, and their tickets.
///
/// # Errors
///
/// If the store can't be written.
pub async fn fill(state: &ApiState, format: LogFormat) -> anyhow::Result<()> {
    if state.store.stats().last_seq > 0 {
        let said = "The store is not empty, so --demo added nothing.";
        banner::print(format, said, said, &json!({}));
        return Ok(());
    }
    let mut sellers = Vec::new();
    for email in USERS {
        let password = password(state);
        sellers.push(sign_up(state, email, &password).await?);
        let password = password.expose_secret();
        let text = format!("demo user {email}  password {password}");
        banner::print(format, &text, "demo user", &json!({"email": email, "password": password}));
    }
    for (seller, title, hundredths) in TICKETS {
        let Some(seller) = sellers.get(seller) else { continue };
        let minor = hundredths * state.currency.minor_per_major() / 100;
        let price = Price::from_minor(minor, state.currency)?;
        state
            .market
            .list_ticket(*seller, Title::parse(title)?, price, Listing::default(), None)
            .await?;
    }
    Ok(())
}

async fn sign_up(state: &ApiState, email: &str, password: &SecretString) -> anyhow::Result<UserId> {
    let hash = state.passwords.hash(password.clone(), Ipv4Addr::LOCALHOST.into()).await?;
    let (user, session) = state.market.sign_up(Email::parse(email)?, hash, None).await?;
    // Nobody gets the token of this session.
    state.market.end_session(user.id, session).await?;
    Ok(user.id)
}

/// 80 random bits, easy to type.
#[expect(clippy::indexing_slicing, reason = "a remainder of 32 names one of 32 letters")]
fn password(state: &ApiState) -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0_u8; 16];
    state.entropy.fill(&mut random);
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte % 32)]);
    SecretString::from(random.iter().map(letter).collect::<String>())
}
