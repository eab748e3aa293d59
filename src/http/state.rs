//! What handlers work with.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::edge::client_address::TrustedHeader;
use super::edge::codes::Code;
use super::edge::idempotency::Idempotency;
use super::edge::problem::Problem;
use super::edge::readiness::Readiness;
use super::edge::request_id::CurrentRequest;
use super::events::feed::Feed;
use super::pass_settings::PassSettings;
use super::storefront::Storefront;
use super::uploads::Uploads;
use crate::actors::Marketplace;
use crate::auth::{
    Devices, Limits, Passwords, Sealing, SessionCookie, Throttle, TokenSecret, Tokens, Vault,
    presented_api_token,
};
use crate::blobs::SharedBlobs;
use crate::domain::{ApiToken, Caller, Currency, Roles, Session, SessionId, TokenId, UserId};
use crate::payments::SharedGateway;
use crate::seams::Entropy;
use crate::store::SharedStore;

/// The files that hold the keys.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    /// Of those that sign sessions.
    pub session: PathBuf,
    /// Of those that passes are sealed with.
    pub pass: PathBuf,
}

/// Shared by all handlers; clones are cheap.
#[derive(Clone)]
pub struct ApiState(Arc<ApiParts>);

/// The parts of an [`ApiState`].
pub struct ApiParts {
    /// Everything that changes something.
    pub market: Marketplace,
    /// Everything that only reads.
    pub store: SharedStore,
    /// Contents that are too large for a row.
    pub blobs: SharedBlobs,
    /// The latest events, for those who listen.
    pub feed: Feed,
    /// What the storefront needs to know.
    pub storefront: Storefront,
    /// Randomness for secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Hashes and compares passwords.
    pub passwords: Passwords,
    /// Signs and verifies session tokens.
    pub tokens: Tokens,
    /// Seals secrets that are kept with the data.
    pub sealing: Sealing,
    /// The files that hold the keys, if there are any.
    pub key_files: Option<KeyFiles>,
    /// Seals what passes hold.
    pub vault: Vault,
    /// How passes are taken.
    pub passes: PassSettings,
    /// Places for passes that arrive.
    pub uploads: Uploads,
    /// Knows browsers again on which somebody signed in.
    pub devices: Devices,
    /// How the session cookie is written.
    pub cookie: SessionCookie,
    /// Bounds attempts to sign in and up.
    pub throttle: Throttle,
    /// Bounds what one user may do.
    pub limits: Arc<Limits>,
    /// The currency of every new price.
    pub currency: Currency,
    /// The header in which a trusted proxy tells the client's address.
    pub client_address_header: TrustedHeader,
    /// Whether the server takes work; false while it stops.
    pub readiness: Readiness,
    /// Who takes the money: which tokens, webhooks and routes there are depends on it.
    pub gateway: SharedGateway,
    /// Answers requests with an idempotency key once.
    pub idempotency: Idempotency,
}

impl std::ops::Deref for ApiState {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.0
    }
}

impl From<ApiParts> for ApiState {
    fn from(parts: ApiParts) -> Self {
        Self(Arc::new(parts))
    }
}

/// The signed-in user. A handler that takes it can't be reached without a session or an API token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// Who is signed in.
    pub user: UserId,
    /// By what.
    pub by: Access,
}

/// What a request shows that it comes from a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A session: the user has signed in.
    Session(SessionId),
    /// An API token: a program acts for the user.
    Token(TokenId),
}

/// The user, signed in with a session. A handler that takes it can't be reached with an API token: so
/// it is wherever an account and its credentials are changed or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BySession {
    /// Who is signed in.
    pub user: UserId,
    /// With which session.
    pub session: SessionId,
}

impl ApiState {
    /// The signed-in user with what they may do at this moment.
    ///
    /// # Errors
    ///
    /// 401 if the account is gone.
    pub async fn caller(&self, who: SignedIn) -> Result<Caller, Problem> {
        let user = self.store.user(who.user).await?.ok_or_else(Problem::unauthorized)?;
        Ok(Caller { user: who.user, roles: Roles { operator: user.is_operator } })
    }
}

/// The signed-in user, or nobody. A token that is bad, expired or revoked is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaybeSignedIn(pub Option<SignedIn>);

impl FromRequestParts<ApiState> for MaybeSignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        identify(&parts.headers, state).await.map(Self)
    }
}

impl FromRequestParts<ApiState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        identify(&parts.headers, state).await?.ok_or_else(Problem::unauthorized)
    }
}

impl FromRequestParts<ApiState> for BySession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let SignedIn { user, by } = SignedIn::from_request_parts(parts, state).await?;
        match by {
            Access::Session(session) => Ok(Self { user, session }),
            Access::Token(_) => {
                Err(Problem::new(Code::SessionRequired, Code::SessionRequired.meaning()))
            }
        }
    }
}

/// Whoever the request's token names. Of several session cookies those that are none of ours, or of
/// sessions that have ended, are passed over: another program on the host may have set them. Two
/// that are good contradict each other, and picking either could sign a browser in as whoever put it
/// there.
async fn identify(headers: &HeaderMap, state: &ApiState) -> Result<Option<SignedIn>, Problem> {
    if let Some(presented) = presented_api_token(headers) {
        return by_token(presented, state).await;
    }
    let now = state.market.now();
    let mut found = None;
    for token in state.cookie.tokens(headers) {
        let Some(claims) = state.tokens.verify(token, now) else { continue };
        let Ok(user) = claims.user.parse() else { continue };
        let id = SessionId::from_u128(claims.session);
        let who = SignedIn { user, by: Access::Session(id) };
        if found == Some(who) {
            continue;
        }
        // The token only says that there was such a session; the store knows whether there still is.
        let Some(session) = open_session(user, id, state).await? else { continue };
        state.market.see_session(&session);
        if found.is_some() {
            return Ok(None);
        }
        found = Some(who);
    }
    if let Some(who) = found {
        CurrentRequest::is_by(who.user.as_u128());
    }
    Ok(found)
}

/// Whether a session that was good when its request came still is.
pub async fn is_still_signed_in(who: SignedIn, state: &ApiState) -> Result<bool, Problem> {
    Ok(match who.by {
        Access::Session(id) => open_session(who.user, id, state).await?.is_some(),
        Access::Token(id) => state.store.get::<ApiToken>(id).await?.is_some(),
    })
}

/// Whoever an API token acts for. One that is wrong is nobody's, whatever else the request presents.
async fn by_token(
    presented: Option<(TokenId, TokenSecret)>,
    state: &ApiState,
) -> Result<Option<SignedIn>, Problem> {
    let Some((id, secret)) = presented else { return Ok(None) };
    let token = state.store.get::<ApiToken>(id).await?;
    let Some(token) = token.filter(|token| secret.is_of(&token.hash)) else { return Ok(None) };
    state.market.see_token(&token);
    CurrentRequest::is_by(token.user.as_u128());
    Ok(Some(SignedIn { user: token.user, by: Access::Token(id) }))
}

async fn open_session(
    user: UserId,
    id: SessionId,
    state: &ApiState,
) -> Result<Option<Session>, Problem> {
    let stored = state.store.session(user, id).await?;
    let (rules, now) = (state.market.settings().sessions, state.market.now());
    Ok(stored.filter(|stored| !rules.is_over(stored, now)))
}

/// The address a request comes from, as far as it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<ApiState> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &ApiState,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(state.client_address_header.client(&parts.extensions, &parts.headers)))
    }
}
