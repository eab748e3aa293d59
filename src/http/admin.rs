//! The operators' door, on an address of its own that must stay private: metrics, backups
//! and the charges that are not settled.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tracing::{error, info};

use super::edge::body::Json;
use super::edge::client_address::TrustedHeader;
use super::edge::codes::Code;
use super::edge::errors::problem;
use super::edge::fields::Field;
use super::edge::json::JsonBody;
use super::edge::metrics::{Metrics, Readings};
use super::edge::problem::{FieldError, Problem};
use super::state::ApiState;
use super::views::RefundStatusJson;
use crate::actors::MarketError;
use crate::actors::imports::{ImportLine, importer};
use crate::actors::operators::{self, Role};
use crate::auth::{load_keys, load_pass_keys};
use crate::blobs::{BlobError, FolderBlobs, copy};
use crate::domain::{CatalogRejection, ChargeId, Email, Finding, Operator, User};
use crate::store::BackupError;

const TEXT: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// What the operators' handlers work with.
#[derive(Clone)]
struct Admin {
    api: ApiState,
    metrics: Metrics,
    backups: Arc<tokio::sync::Semaphore>,
}

/// Everything that is served to operators.
pub fn router(api: ApiState, metrics: Metrics, hosts: Vec<String>) -> Router {
    let hosts: Arc<[String]> = hosts.into();
    let backups = Arc::new(tokio::sync::Semaphore::new(1));
    Router::new()
        .route("/metrics", get(show_metrics))
        .route("/admin/backup", post(back_up))
        .route("/admin/charges", get(unsettled_charges))
        .route("/admin/keys/reload", post(reload_keys))
        .route("/admin/charges/settle", post(settle_charge))
        .route("/admin/operators", get(list_operators).post(set_role))
        .route("/admin/import/shows", post(import_shows).layer(DefaultBodyLimit::max(IMPORT_BYTES)))
        .with_state(Admin { api, metrics, backups })
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(from_fn(tell_of_commands))
        .layer(from_fn_with_state(hosts, refuse_foreign_hosts))
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
}

/// A page in the operator's browser must not reach this door under a name of its own that it
/// made resolve to this machine, so only addresses, `localhost` and the names that the settings list
/// are answered to. (That it can't send JSON across origins is seen to by the content type, which
/// needs a preflight.)
async fn refuse_foreign_hosts(
    State(known): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.and_then(|host| host.parse::<Uri>().ok()?.host().map(str::to_owned));
    let is_ours = name.is_some_and(|name| {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || bare.parse::<std::net::IpAddr>().is_ok()
            || known.iter().any(|known| known.eq_ignore_ascii_case(&name))
    });
    if is_ours {
        next.run(request).await
    } else {
        Problem::new(
            Code::Forbidden,
            "Ask for an address, localhost or a name of http.admin_hosts.",
        )
        .into_response()
    }
}

/// The log has a line for every command of an operator, whatever became of it.
async fn tell_of_commands(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let client = TrustedHeader::default().client(request.extensions(), request.headers());
    let response = next.run(request).await;
    if path.starts_with("/admin/") {
        let status = response.status().as_u16();
        info!(target: "gittix::audit", %client, %method, path, status, "an operator's command");
    }
    response
}

async fn show_metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let now = admin.api.market.now();
    let oldest = admin.api.store.unsettled_charges(None, 1).await?.pop();
    let readings = Readings {
        store: admin.api.store.stats(),
        market: admin.api.market.stats(),
        event_streams: admin.api.feed.listeners().count(),
        oldest_unsettled: oldest.map(|charge| now.since(charge.created_at)),
    };
    Ok(([(header::CONTENT_TYPE, TEXT)], admin.metrics.render(&readings)).into_response())
}

/// The most charges of one answer.
const MAX_CHARGES: usize = 1000;

/// Charges that still owe something to or by the gateway, oldest first, and what is being done
/// about them. `?unsettled` is the only list there is.
async fn unsettled_charges(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    if !matches!(uri.query(), Some("unsettled" | "unsettled=" | "unsettled=true")) {
        return Err(FieldError::on("unsettled", "ask for ?unsettled").into());
    }
    let now = admin.api.market.now();
    let mut charges = admin.api.store.unsettled_charges(None, MAX_CHARGES + 1).await?;
    let more = charges.len() > MAX_CHARGES;
    charges.truncate(MAX_CHARGES);
    let pending = admin.api.market.pending_charges().await;
    let shown: Vec<serde_json::Value> = charges
        .iter()
        .map(|charge| {
            let pending = pending.iter().find(|pending| pending.charge == charge.id);
            json!({
                "id": charge.id.to_string(),
                "orderId": charge.order.to_string(),
                "phase": charge.phase.name(),
                "nextStep": charge.next_step().map(|step| step.name()),
                "amount": charge.amount.minor(),
                "currency": charge.amount.currency().to_string(),
                "stripeId": charge.intent().map(|intent| intent.0.clone()),
                "account": charge.known_account().map(|account| account.name()),
                "refundStatus": charge.refund.as_ref().map(|refund| RefundStatusJson::from(refund.status)),
                "createdAt": charge.created_at.to_string(),
                "ageSeconds": now.since(charge.created_at).as_secs(),
                "phaseAgeSeconds": now.since(charge.updated_at).as_secs(),
                "tries": pending.map_or(0, |pending| pending.tries),
                "lastError": pending.and_then(|pending| pending.last_error.clone()),
                "nextTryInSeconds": pending.map(|pending| pending.next_try_in.as_secs()),
            })
        })
        .collect();
    Ok(Json(json!({ "charges": shown, "more": more })).into_response())
}

/// Nothing is to be said, but as JSON, which no page of another origin can send.
#[derive(Deserialize)]
struct Reload {}

/// Reads the file of signing keys again.
async fn reload_keys(
    State(admin): State<Admin>,
    JsonBody(Reload {}): JsonBody<Reload>,
) -> Result<Response, Problem> {
    let files = admin.api.key_files.clone().ok_or_else(Problem::not_found)?;
    let load = move || (load_keys(&files.session), load_pass_keys(&files.pass));
    let (keys, pass_keys) =
        tokio::task::spawn_blocking(load).await.map_err(|_| Problem::internal())?;
    let refused = |error: &dyn std::error::Error| {
        error!(%error, "the keys were not taken up; those from before stay in use");
        Problem::new(Code::Conflict, error.to_string())
    };
    let keys = keys.map_err(|error| refused(&error))?;
    let pass_keys = pass_keys.map_err(|error| refused(&error))?;
    admin.api.vault.replace_keys(pass_keys);
    admin.api.tokens.replace_keys(&keys);
    admin.api.devices.replace_keys(&keys);
    info!(accepted = keys.all().count(), "the keys were read again");
    Ok(Json(json!({ "accepted": keys.all().count() })).into_response())
}

/// Which charge, and how it stands.
#[derive(Deserialize)]
struct Settlement {
    #[serde(default)]
    charge: Field<String>,
    #[serde(default, rename = "as")]
    finding: Field<String>,
}

/// Brings a charge to its end by an operator's word.
async fn settle_charge(
    State(admin): State<Admin>,
    JsonBody(body): JsonBody<Settlement>,
) -> Result<Response, Problem> {
    let charge = body.charge.required().ok().and_then(|id| id.parse::<ChargeId>().ok());
    let charge = charge.ok_or_else(|| FieldError::on("charge", "charge must be a charge's id"))?;
    let finding = match body.finding.required().as_deref() {
        Ok("taken") => Finding::Taken,
        Ok("not-taken") => Finding::NotTaken,
        Ok("paid-back") => Finding::PaidBack,
        Ok("kept") => Finding::Kept,
        _ => {
            let rule = "as must be taken, not-taken, paid-back or kept";
            return Err(FieldError::on("as", rule).into());
        }
    };
    let refused = |error| problem(error, admin.api.market.now());
    let after = admin.api.market.settle(charge, finding).await.map_err(refused)?;
    Ok(Json(json!({ "id": after.id.to_string(), "phase": after.phase.name() })).into_response())
}

/// Whose account, and whether it is to be an operator's.
#[derive(Deserialize)]
struct RoleChange {
    #[serde(default)]
    email: Field<String>,
    #[serde(default, rename = "isOperator")]
    is_operator: Field<bool>,
}

/// Makes an account an operator's, or no longer.
async fn set_role(
    State(admin): State<Admin>,
    JsonBody(body): JsonBody<RoleChange>,
) -> Result<Response, Problem> {
    let email = body.email.required().ok().and_then(|email| Email::parse(&email).ok());
    let email = email.ok_or_else(|| FieldError::on("email", "email must be an address"))?;
    let is_operator = body.is_operator.required();
    let is_operator = is_operator
        .map_err(|_| FieldError::on("isOperator", "isOperator must be true or false"))?;
    let role = if is_operator { Role::Operator } else { Role::None };
    match admin.api.market.set_role(&email, role).await {
        Ok(changed) => Ok(Json(json!({ "changed": changed })).into_response()),
        Err(MarketError::NotFound) => {
            Err(Problem::new(Code::NotFound, "There is no account with that address."))
        }
        Err(error) => Err(problem(error, admin.api.market.now())),
    }
}

/// Every operator.
async fn list_operators(State(admin): State<Admin>) -> Result<Response, Problem> {
    let all = operators::operators(&*admin.api.store).await;
    let all = all.map_err(|error| problem(error, admin.api.market.now()))?;
    let shown = |(operator, user): &(Operator, User)| {
        json!({
            "id": user.id.to_string(),
            "email": user.email.as_str(),
            "since": operator.since.to_string(),
        })
    };
    let shown: Vec<serde_json::Value> = all.iter().map(shown).collect();
    Ok(Json(json!({ "operators": shown })).into_response())
}

/// The most bytes of a request with shows.
const IMPORT_BYTES: usize = 16 * 1024 * 1024;

/// What lines of a file say.
#[derive(Deserialize)]
struct Imported {
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    shows: Vec<ImportLine>,
}

/// Adds shows and changes them to what lines of a file say.
async fn import_shows(
    State(admin): State<Admin>,
    JsonBody(body): JsonBody<Imported>,
) -> Result<Response, Problem> {
    let email = body.by.as_deref().map(Email::parse).transpose();
    let email = email.map_err(|_| FieldError::on("by", "by must be an e-mail address"))?;
    let by = importer(&*admin.api.store, email.as_ref()).await.map_err(|error| match error {
        MarketError::NotFound => {
            Problem::new(Code::NotFound, "There is no account with that address.")
        }
        MarketError::Catalog(CatalogRejection::NotOperator) => Problem::new(
            Code::NotOperator,
            "Shows are imported for an operator: gittix operator grant EMAIL makes one.",
        ),
        error => problem(error, admin.api.market.now()),
    })?;
    let outcomes = admin.api.market.import(by, &body.shows).await;
    let outcomes = outcomes.map_err(|error| problem(error, admin.api.market.now()))?;
    Ok(Json(json!({ "outcomes": outcomes })).into_response())
}

/// Where to.
#[derive(Deserialize)]
struct Backup {
    #[serde(default)]
    file: Field<String>,
}

/// Copies the store, as of now, to a file on this machine.
async fn back_up(
    State(admin): State<Admin>,
    JsonBody(body): JsonBody<Backup>,
) -> Result<Response, Problem> {
    let path = body.file.required().ok().map(PathBuf::from).filter(|path| path.is_absolute());
    let path =
        path.ok_or_else(|| FieldError::on("file", "file must be the absolute path of a new file"))?;
    if path.exists() {
        return Err(Problem::new(Code::Conflict, BackupError::Exists(path).to_string()));
    }
    let Ok(_turn) = admin.backups.try_acquire() else {
        return Err(problem(MarketError::Overloaded, admin.api.market.now()));
    };
    // What is taken away while rows are copied was copied before, and what is added is copied after.
    let contents = FolderBlobs::beside(&path);
    let told = |error: BlobError| {
        error!(%error, "what lies beside the data was not backed up");
        Problem::new(Code::Unprocessable, error.to_string())
    };
    copy(&*admin.api.blobs, &contents).await.map_err(told)?;
    match admin.api.store.backup(&path).await {
        Ok(()) => {
            copy(&*admin.api.blobs, &contents).await.map_err(told)?;
            info!(file = %path.display(), "backup written");
            Ok(Json(json!({ "file": path })).into_response())
        }
        Err(error @ BackupError::Exists(_)) => Err(Problem::new(Code::Conflict, error.to_string())),
        Err(error) => {
            error!(%error, "a backup failed");
            Err(Problem::new(Code::Unprocessable, error.to_string()))
        }
    }
}
