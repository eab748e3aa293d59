//! The composition root: puts the parts together in one place for the server, the tests and
//! the benchmarks alike.

use std::sync::Arc;

use axum::Router;
use thiserror::Error;

use crate::actors::{MarketSettings, Marketplace, Outgoing, StartError};
use crate::auth::{
    Devices, LimitSettings, Limits, MailLinks, PassKeys, Passwords, Sealing, SessionCookie,
    SigningKeys, Throttle, ThrottleSettings, Tokens, Vault,
};
use crate::blobs::SharedBlobs;
use crate::domain::{Currency, NodeId};
pub use crate::http::KeyFiles;
use crate::http::edge::client_address::TrustedHeader;
use crate::http::edge::guard::{EdgeSettings, Witness, harden_with_fallback};
use crate::http::edge::metrics::Metrics;
use crate::http::events::feed::Feed;
use crate::http::events::listeners::ListenerLimits;
use crate::http::storefront::{CardForm, Storefront};
use crate::http::{ApiParts, ApiState, Idempotency, PassSettings, Readiness, Uploads};
use crate::mail::SharedTransport;
use crate::mail::texts::Site;
use crate::payments::SharedGateway;
use crate::seams::{Clock, Entropy};
use crate::store::SharedStore;

/// Where time, randomness, data and money come from.
#[derive(Clone)]
pub struct Seams {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Ids, secrets and salts.
    pub entropy: Arc<dyn Entropy>,
    /// Where everything is kept.
    pub store: SharedStore,
    /// Who takes the money.
    pub gateway: SharedGateway,
    /// Who takes letters.
    pub mail: SharedTransport,
    /// Where contents lie that are too large for a row.
    pub blobs: SharedBlobs,
    /// This server among others that work on the same store; `None` if there are none.
    pub node: Option<NodeId>,
}

/// The keys of an [`App`].
#[derive(Debug)]
pub struct AppKeys {
    /// Those that sign sessions.
    pub session: SigningKeys,
    /// Those that passes are sealed with.
    pub pass: PassKeys,
}

/// How an [`App`] behaves.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// The marketplace.
    pub market: MarketSettings,
    /// The edge of the API.
    pub edge: EdgeSettings,
    /// The currency of every new price.
    pub currency: Currency,
    /// The files that hold the keys, to read them again when those are rolled.
    pub key_files: Option<KeyFiles>,
    /// How passes are taken.
    pub passes: PassSettings,
    /// The throttle of sign-ins and sign-ups.
    pub throttle: ThrottleSettings,
    /// How much one user may do.
    pub limits: LimitSettings,
    /// The header in which a trusted proxy tells the client's address, in lower case.
    pub client_address_header: Option<String>,
    /// Who may listen to events.
    pub listeners: ListenerLimits,
    /// The names, in lower case, that operators may ask for beside addresses and `localhost`.
    pub admin_hosts: Vec<String>,
    /// How the storefront takes cards.
    pub card_form: CardForm,
    /// What letters say of where they come from.
    pub site: Site,
}

/// A running marketplace with its API, not yet on any socket.
pub struct App {
    /// What is served to the public.
    pub router: Router,
    /// What is served to operators.
    pub admin_router: Router,
    /// The marketplace behind both.
    pub market: Marketplace,
    /// Whether it takes work.
    pub readiness: Readiness,
    /// What both routers share.
    pub state: ApiState,
}

/// Why an [`App`] did not start.
#[derive(Debug, Error)]
pub enum AppError {
    /// The actors did not.
    #[error(transparent)]
    Actors(#[from] StartError),
}

impl App {
    /// Starts the marketplace and puts the API in front of it.
    ///
    /// # Errors
    ///
    /// [`AppError`] if a part does not start.
    pub async fn start(
        settings: AppSettings,
        seams: Seams,
        passwords: Passwords,
        keys: AppKeys,
        metrics: Metrics,
    ) -> Result<Self, AppError> {
        let Seams { clock, entropy, store, gateway, mail, blobs, node } = seams;
        let links = Arc::new(MailLinks::new(Sealing::new(&keys.session), entropy.clone()));
        let market = Marketplace::start(
            store.clone(),
            clock,
            entropy.clone(),
            gateway.clone(),
            Outgoing { transport: mail, site: settings.site, links, blobs: blobs.clone() },
            settings.market.clone(),
            node,
        )
        .await?;
        let readiness = Readiness::default();
        let feed = Feed::start(&store, settings.listeners, settings.market.terms);
        let storefront = Storefront {
            card_form: settings.card_form,
            hold: market.settings().hold,
            max_attempts: market.settings().max_attempts,
            terms: market.settings().terms,
            public_origin: settings.edge.public_origin.clone(),
        };
        let limits = Arc::new(Limits::new(settings.limits));
        let idempotency = Idempotency::new(market.clone(), store.clone(), limits.clone());
        let state = ApiState::from(ApiParts {
            market: market.clone(),
            store,
            blobs,
            feed,
            storefront,
            entropy: entropy.clone(),
            passwords,
            tokens: Tokens::new(&keys.session, settings.market.sessions.lasts),
            sealing: Sealing::new(&keys.session),
            key_files: settings.key_files,
            vault: Vault::new(keys.pass),
            passes: settings.passes,
            uploads: Uploads::new(settings.passes.at_once),
            devices: Devices::new(&keys.session, settings.edge.https),
            cookie: SessionCookie {
                max_age: settings.market.sessions.lasts,
                secure: settings.edge.https,
            },
            throttle: Throttle::new(settings.throttle),
            limits,
            currency: settings.currency,
            client_address_header: TrustedHeader::new(settings.client_address_header),
            readiness: readiness.clone(),
            gateway,
            idempotency,
        });
        let router = crate::http::router(state.clone());
        let router = harden_with_fallback(
            router,
            &settings.edge,
            entropy,
            readiness.clone(),
            Witness {
                metrics: metrics.clone(),
                client_address_header: state.client_address_header.clone(),
                tell: crate::http::audit::tell,
            },
        );
        let admin_router = crate::http::admin::router(state.clone(), metrics, settings.admin_hosts);
        Ok(Self { router, admin_router, market, readiness, state })
    }

    /// Ends the actors. What they were about to do is stored and goes on at the next start.
    pub async fn stop(self) {
        self.market.stop().await;
    }
}
