//! What handlers work with.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::edge::client_address::TrustedHeader;
use super::edge::idempotency::Idempotency;
use super::edge::problem::Problem;
use super::edge::readiness::Readiness;
use super::edge::request_id::CurrentRequest;
use super::events::feed::Feed;
use super::storefront::Storefront;
use crate::actors::Marketplace;
use crate::auth::{Devices, Limits, Passwords, SessionCookie, Throttle, Tokens};
use crate::domain::{Caller, Currency, Roles, Session, SessionId, UserId};
use crate::payments::SharedGateway;
use crate::seams::Entropy;
use crate::store::SharedStore;

/// Shared by all handlers; clones are cheap.
#[derive(Clone)]
pub struct ApiState(Arc<ApiParts>);

/// The parts of an [`ApiState`].
pub struct ApiParts {
    /// Everything that changes something.
    pub market: Marketplace,
    /// Everything that only reads.
    pub store: SharedStore,
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
    /// The file that holds the keys of both, if there is one.
    pub key_file: Option<PathBuf>,
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

/// The signed-in user. A handler that takes it can't be reached without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
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

/// Whoever the request's token names. Of several session cookies those that are none of ours, or of
/// sessions that have ended, are passed over: another program on the host may have set them. Two
/// that are good contradict each other, and picking either could sign a browser in as whoever put it
/// there.
async fn identify(headers: &HeaderMap, state: &ApiState) -> Result<Option<SignedIn>, Problem> {
    let now = state.market.now();
    let mut found = None;
    for token in state.cookie.tokens(headers) {
        let Some(claims) = state.tokens.verify(token, now) else { continue };
        let Ok(user) = claims.user.parse() else { continue };
        let who = SignedIn { user, session: SessionId::from_u128(claims.session) };
        if found == Some(who) {
            continue;
        }
        // The token only says that there was such a session; the store knows whether there still is.
        let Some(session) = open_session(who, state).await? else { continue };
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
    Ok(open_session(who, state).await?.is_some())
}

async fn open_session(who: SignedIn, state: &ApiState) -> Result<Option<Session>, Problem> {
    let stored = state.store.session(who.user, who.session).await?;
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
