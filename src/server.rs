//! `gittix serve`: from settings to a server that runs until it is told to stop.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::actors::MarketSettings;
use crate::app::{App, AppKeys, AppSettings, KeyFiles, Seams};
use crate::auth::{
    LimitSettings, PassKeys, PasswordSettings, Passwords, Rate, SigningKeys, ThrottleSettings,
    load_or_create_keys, load_or_create_pass_keys,
};
use crate::banner::Banner;
use crate::blobs::{FolderBlobs, SharedBlobs};
use crate::config::{MailProvider, Provider, PublicUrl, Settings, StripeSettings};
use crate::demo;
#[cfg(feature = "postgres")]
use crate::domain::{Currency, Timestamp};
use crate::domain::{
    FeeRate, FeeRates, NodeId, Price, PriceCaps, PriceError, SessionRules, Terms, TicketPasses,
    TicketsWithPasses,
};
use crate::http::PassSettings;
use crate::http::edge::guard::EdgeSettings;
use crate::http::edge::metrics::Metrics;
use crate::http::edge::serve::{ServeLimits, listen, serve};
use crate::http::events::listeners::ListenerLimits;
use crate::http::storefront::CardForm;
use crate::mail::texts::Site;
use crate::mail::{FileTransport, SharedTransport, SmtpTransport};
use crate::memory;
use crate::new_folders::NewFolders;
use crate::payments::{Sandbox, SharedGateway};
use crate::seams::{Clock, Entropy, SystemClock, SystemEntropy};
#[cfg(feature = "postgres")]
use crate::store::typed::{TypedStore, keys};
#[cfg(feature = "postgres")]
use crate::store::{PostgresRows, PostgresSettings};
use crate::store::{RedbStore, SharedStore, Store, StoreSettings, WriterMode};

/// How long one step at the gateway may take. It can be three calls, each with its own limit.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(65);

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it was told to; everything is in the store.
    Stopped,
    /// The store could not write any more. The next start recovers what is durable.
    StoreFailed,
}

/// Serves until `stop` is ready or the store fails.
///
/// # Errors
///
/// What kept the server from starting, in words for whoever started it.
pub async fn run(
    settings: Settings,
    with_demo: bool,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Ended> {
    let pass_keys = settings.pass_key_file();
    let files = [&*settings.store.path, &*settings.auth.secret_file, &*pass_keys];
    let new_folders = NewFolders::of(&files);
    let started = start(&settings, with_demo).await.inspect_err(|_| new_folders.remove())?;
    let Started { app, store, public, admin } = started;

    let readiness = app.readiness.clone();
    let (begin_drain, drain) = watch::channel(false);
    let drained = |mut drain: watch::Receiver<bool>| async move {
        let _ = drain.wait_for(|begun| *begun).await;
    };
    let limits = serve_limits(&settings);
    let public = tokio::spawn(serve(public, app.router.clone(), limits, drained(drain.clone())));
    let admin = tokio::spawn(serve(admin, app.admin_router.clone(), limits, drained(drain)));
    let ended = tokio::select! {
        () = stop => Ended::Stopped,
        reason = store.failed() => {
            error!(%reason, "the store failed; stopping so that the next start recovers");
            Ended::StoreFailed
        }
    };
    readiness.begin_stopping();
    info!("stopping: no new connections, requests in flight finish");
    let _ = begin_drain.send(true);
    let drained = async { tokio::join!(public, admin) };
    if ended == Ended::StoreFailed {
        // Nothing that is still in flight can succeed, but it can be told so.
        let _ = tokio::time::timeout(TELL_FAILURE_WITHIN, drained).await;
        return Ok(ended);
    }
    let _ = drained.await;
    app.stop().await;
    info!("stopped");
    Ok(ended)
}

/// A server that is about to serve.
struct Started {
    app: App,
    store: SharedStore,
    public: TcpListener,
    admin: TcpListener,
}

/// What may fail without a trace comes first, then what makes files.
async fn start(settings: &Settings, with_demo: bool) -> anyhow::Result<Started> {
    let (public, admin) = bind(settings)?;
    let app_settings = app_settings(settings, storefront(settings, &public))?;
    let gateway = gateway(settings)?;
    let provider = gateway.describe();
    let entropy = Arc::new(SystemEntropy);
    let passwords = Passwords::start(password_settings(settings), entropy.clone())?;
    let key_file = &*settings.auth.secret_file;
    // One that can't be used is told of before a store is made.
    let had_key = key_file.exists() && load_or_create_keys(key_file, &*entropy).map(|_| true)?;
    let metrics = Metrics::default();
    let cache_bytes = settings.store.cache_bytes.unwrap_or_else(memory::cache_bytes);
    let node = settings.store.url.is_some().then(|| number_of_this_server(&*entropy));
    let Opened { store, data, clock } = open_store(settings, cache_bytes, &metrics, node).await?;
    let (keys, missing_key) = session_key(key_file, had_key, &*store)?;
    let pass_keys = pass_keys(&settings.pass_key_file(), &*store).await?;
    let mail = transport(settings)?;
    info!(to = mail.describe(), "messages to people");
    let blobs = blobs(settings);
    let seams = Seams { clock, entropy, store: store.clone(), gateway, mail, blobs, node };
    let keys = AppKeys { session: keys, pass: pass_keys };
    let app = App::start(app_settings, seams, passwords, keys, metrics).await?;
    if with_demo {
        demo::fill(&app.state, settings.log.format).await?;
    }
    let banner = Banner {
        storefront: storefront(settings, &public),
        api: address(&public),
        admin: address(&admin),
        data,
        cache_mib: cache_bytes >> 20,
        payments: provider,
        currency: settings.payments.currency.clone(),
        hold_seconds: settings.orders.hold.as_secs(),
        missing_key,
    };
    banner.print(settings.log.format);
    Ok(Started { app, store, public, admin })
}

/// The key that signs sessions, and its file's name if it was missing although the store is in use:
/// nobody who was signed in still is, and whoever runs the server should hear of that first.
fn session_key(
    file: &Path,
    was_there: bool,
    store: &dyn Store,
) -> anyhow::Result<(SigningKeys, Option<String>)> {
    let keys = load_or_create_keys(file, &SystemEntropy)?;
    let is_missed = !was_there && store.stats().last_seq > 0;
    let missing = is_missed.then(|| file.display().to_string());
    if let Some(file) = &missing {
        warn!(
            file,
            "the session key was missing although the store is in use: a new one is made, and \
             everyone is signed out; put the old one back if you have it"
        );
    }
    Ok((keys, missing))
}

/// The keys that passes are sealed with. If their file was missing although there are passes, whoever runs
/// the server has to hear of that.
async fn pass_keys(file: &Path, store: &dyn Store) -> anyhow::Result<PassKeys> {
    let was_missing = !file.exists();
    let keys = load_or_create_pass_keys(file, &SystemEntropy)?;
    let all = TicketsWithPasses::All;
    if was_missing && !store.list::<TicketPasses>(all, None, 1).await?.is_empty() {
        error!(
            file = %file.display(),
            "the pass keys were missing although tickets have passes: new ones are made, and no pass from \
             before can be opened until the old file is back, with the last line of this one added to it"
        );
    }
    Ok(keys)
}

/// Where people open the storefront. The port may only be known now.
fn storefront(settings: &Settings, public: &TcpListener) -> String {
    let url = settings.http.public_url.as_str();
    match public.local_addr() {
        Ok(bound) if settings.http.listen.port() == 0 && url.ends_with(":0") => {
            PublicUrl::of_listener(bound).as_str().to_owned()
        }
        _ => url.to_owned(),
    }
}

fn address(listener: &TcpListener) -> String {
    listener.local_addr().map_or_else(|_| "?".to_owned(), |address| address.to_string())
}

/// Names this server among those that work on one database, until it ends.
fn number_of_this_server(entropy: &dyn Entropy) -> NodeId {
    let mut number = [0; 16];
    entropy.fill(&mut number);
    NodeId::from_u128(u128::from_be_bytes(number))
}

/// A store that was opened.
struct Opened {
    store: SharedStore,
    /// Where it is.
    data: String,
    /// What time it is, for all who work on it.
    clock: Arc<dyn Clock>,
}

async fn open_store(
    settings: &Settings,
    cache_bytes: usize,
    metrics: &Metrics,
    node: Option<NodeId>,
) -> anyhow::Result<Opened> {
    if let (Some(url), Some(node)) = (&settings.store.url, node) {
        return Box::pin(open_database(settings, url.expose_secret(), node)).await;
    }
    let metrics = metrics.clone();
    let store = RedbStore::open(
        &settings.store.path,
        StoreSettings {
            queue: settings.store.queue,
            cache_bytes,
            currency: Some(settings.payments.currency.parse()?),
            writer: WriterMode::Thread,
            observer: Some(Arc::new(move |commits, took| metrics.observe_batch(commits, took))),
            ..StoreSettings::default()
        },
    )?;
    let path = std::path::absolute(&settings.store.path);
    let data = path.as_ref().unwrap_or(&settings.store.path).display().to_string();
    Ok(Opened { store: Arc::new(store), data, clock: Arc::new(SystemClock) })
}

/// The database's clock, so that all servers on it agree on what is due.
#[cfg(feature = "postgres")]
struct DatabaseClock(Arc<PostgresRows>);

#[cfg(feature = "postgres")]
impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_millis())
    }
}

#[cfg(feature = "postgres")]
async fn open_database(settings: &Settings, url: &str, node: NodeId) -> anyhow::Result<Opened> {
    let currency: Currency = settings.payments.currency.parse()?;
    let rows = PostgresRows::open(PostgresSettings {
        url: url.to_owned(),
        node: node.as_u128(),
        currency: currency.to_string(),
        queue: settings.store.queue,
        lanes: 2,
        readers: settings.store.connections,
        counted: vec![keys::OPEN, keys::UNSETTLED],
    });
    let rows = Arc::new(rows.await.context("store.url")?);
    let data = rows.address();
    let clock = Arc::new(DatabaseClock(rows.clone()));
    Ok(Opened { store: Arc::new(TypedStore::new(rows)), data, clock })
}

#[cfg(not(feature = "postgres"))]
async fn open_database(_: &Settings, _: &str, _: NodeId) -> anyhow::Result<Opened> {
    anyhow::bail!("this build has no PostgreSQL: build it with the feature \"postgres\"")
}

/// Contents that are too large for a row lie beside the store.
fn blobs(settings: &Settings) -> SharedBlobs {
    Arc::new(FolderBlobs::beside(&settings.store.path))
}

/// A folder of that name where the store is.
fn beside_store(settings: &Settings, name: &str) -> PathBuf {
    settings.store.path.parent().unwrap_or(Path::new("")).join(name)
}

/// Letters lie beside the store, unless a mail server takes them.
fn transport(settings: &Settings) -> anyhow::Result<SharedTransport> {
    let from = settings.mail.from.clone();
    match &settings.mail.provider {
        MailProvider::File => {
            Ok(Arc::new(FileTransport::new(beside_store(settings, "mail"), from)))
        }
        MailProvider::Smtp { server, ca_file } => {
            let read = |file: &PathBuf| {
                std::fs::read(file).with_context(|| format!("mail.smtp_ca_file {}", file.display()))
            };
            let authorities = ca_file.as_ref().map(read).transpose()?;
            let transport = SmtpTransport::new(server.clone(), from, authorities.as_deref());
            Ok(Arc::new(transport.context("the mail server can't be written to")?))
        }
    }
}

fn gateway(settings: &Settings) -> anyhow::Result<SharedGateway> {
    match &settings.payments.provider {
        Provider::Sandbox => Ok(Arc::new(Sandbox::default())),
        Provider::Stripe(stripe) => connect_to_stripe(stripe),
    }
}

#[cfg(feature = "stripe")]
fn connect_to_stripe(stripe: &StripeSettings) -> anyhow::Result<SharedGateway> {
    if stripe.webhook_secrets.is_empty() {
        warn!(
            "payments.stripe.webhook_secret is not set: webhooks are refused, and refunds and \
             disputes made at Stripe are not noticed"
        );
    }
    if stripe.publishable_key.is_none() {
        warn!(
            "payments.stripe.publishable_key is not set: the storefront has no card form, and \
             orders can be paid over the API alone"
        );
    }
    let gateway = crate::payments::stripe::StripeGateway::connect(
        &stripe.secret_key,
        stripe.webhook_secrets.clone(),
        &stripe.api_base,
    )?;
    Ok(Arc::new(gateway))
}

#[cfg(not(feature = "stripe"))]
fn connect_to_stripe(_: &StripeSettings) -> anyhow::Result<SharedGateway> {
    anyhow::bail!("this build has no Stripe provider: build it with the feature \"stripe\"")
}

fn bind(settings: &Settings) -> anyhow::Result<(TcpListener, TcpListener)> {
    let listen = |key, address| {
        listen(address).with_context(|| format!("{key}: cannot listen on {address}"))
    };
    Ok((
        listen("http.listen", settings.http.listen)?,
        listen("http.admin_listen", settings.http.admin_listen)?,
    ))
}

fn password_settings(settings: &Settings) -> PasswordSettings {
    PasswordSettings {
        threads: settings.auth.hash_threads,
        queue: settings.auth.hash_queue,
        ..PasswordSettings::default()
    }
}

/// What the market adds to what sellers ask.
fn terms(settings: &Settings) -> anyhow::Result<Terms> {
    let (fees, currency) = (&settings.fees, settings.payments.currency.parse()?);
    let rate = |basis_points, key: &str, fixed: &str| {
        let fixed_minor = match Price::parse(fixed, currency) {
            Ok(price) => price.minor(),
            Err(PriceError::NotPositive) => 0,
            Err(error) => anyhow::bail!("{key} is no amount of {currency}: {fixed}: {error}"),
        };
        Ok(FeeRate { basis_points, fixed_minor })
    };
    let fees = FeeRates {
        buyer: rate(fees.buyer_basis_points, "fees.buyer_fixed", &fees.buyer_fixed)?,
        seller: rate(fees.seller_basis_points, "fees.seller_fixed", &fees.seller_fixed)?,
    };
    Ok(Terms { fees, most_seats: settings.orders.max_seats_per_show })
}

/// How much sellers may ask.
fn price_caps(settings: &Settings) -> anyhow::Result<PriceCaps> {
    let countries = settings.price_caps.countries.iter();
    let countries = countries.map(|(code, cap)| {
        let country = code.parse().with_context(|| format!("market.{code}.price_cap_percent"));
        country.map(|country| (country, *cap))
    });
    let countries = countries.collect::<anyhow::Result<_>>()?;
    Ok(PriceCaps { elsewhere: settings.price_caps.elsewhere, countries })
}

fn app_settings(settings: &Settings, origin: String) -> anyhow::Result<AppSettings> {
    let auth = &settings.auth;
    Ok(AppSettings {
        market: MarketSettings {
            hold: settings.orders.hold,
            max_open_per_user: settings.orders.max_open_per_user,
            relock_free: settings.orders.relock_free,
            sessions: session_rules(settings),
            terms: terms(settings)?,
            price_caps: Arc::new(price_caps(settings)?),
            shows_open: settings.shows.open,
            require_show: settings.tickets.require_show,
            max_attempts: settings.payments.max_attempts,
            answer_within: settings.payments.answer,
            request_timeout: settings.http.request_timeout,
            gateway_timeout: GATEWAY_TIMEOUT,
            max_live_actors: settings.actors.max_live,
            ..MarketSettings::default()
        },
        edge: EdgeSettings {
            public_origin: settings
                .http
                .public_url_is_given
                .then(|| settings.http.public_url.as_str().to_owned()),
            https: settings.http.public_url.is_https(),
            body_limit_bytes: settings.http.body_limit_bytes,
            request_timeout: settings.http.request_timeout,
        },
        currency: settings.payments.currency.parse()?,
        key_files: Some(KeyFiles {
            session: auth.secret_file.clone(),
            pass: settings.pass_key_file(),
        }),
        passes: PassSettings { max_bytes: settings.passes.max_bytes, ..PassSettings::default() },
        throttle: ThrottleSettings {
            enabled: auth.throttle,
            account: Rate {
                burst: auth.throttle_account_burst,
                per_minute: auth.throttle_account_per_minute,
            },
            account_per_hour: auth.throttle_account_per_hour,
            address: Rate {
                burst: auth.throttle_address_burst,
                per_minute: auth.throttle_address_per_minute,
            },
        },
        limits: LimitSettings {
            enabled: auth.throttle,
            listings_per_hour: settings.limits.listings_per_hour,
            edits_per_hour: settings.limits.edits_per_hour,
            locks_per_minute: settings.limits.locks_per_minute,
            keys_per_day: settings.limits.keys_per_day,
            uploads_per_hour: settings.limits.uploads_per_hour,
        },
        client_address_header: settings.http.client_address_header.clone(),
        listeners: ListenerLimits {
            max: settings.http.max_event_streams,
            max_per_address: settings.http.max_event_streams_per_address,
            replay_per_second: settings.http.event_replay_per_second,
        },
        admin_hosts: settings.http.admin_hosts.clone(),
        site: Site { origin, language: settings.mail.language },
        card_form: match &settings.payments.provider {
            Provider::Sandbox => CardForm::Sandbox,
            Provider::Stripe(stripe) => {
                CardForm::Stripe { publishable_key: stripe.publishable_key.clone() }
            }
        },
    })
}

fn session_rules(settings: &Settings) -> SessionRules {
    let most = usize::try_from(settings.limits.sessions).unwrap_or(usize::MAX);
    SessionRules {
        lasts: settings.auth.session,
        of_operator_lasts: settings.operators.session,
        idle: settings.auth.idle,
        most: settings.auth.throttle.then_some(most),
    }
}

fn serve_limits(settings: &Settings) -> ServeLimits {
    ServeLimits {
        max_connections: settings.http.max_connections,
        max_per_address: settings.http.max_connections_per_address,
        header_timeout: settings.http.header_timeout,
        drain: settings.http.drain,
        ..ServeLimits::default()
    }
}

/// Ready when the process is told to stop: SIGTERM or ctrl-c.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    // Without a handler the signal's default ends the process, which is no worse than waiting.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// How long requests may take to be answered 503 once the store has failed.
const TELL_FAILURE_WITHIN: Duration = Duration::from_secs(1);
/// How long tasks may still run once the server has stopped.
pub const ABANDON_TASKS_AFTER: Duration = Duration::from_secs(2);
