//! Saying who looks after the market: through the running server if there is one, else in the file.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, header};
use serde::Deserialize;
use serde_json::json;

use super::{LIST_WITHIN, exchange};
use crate::actors::MarketError;
use crate::actors::operators::{self, Role};
use crate::config::Settings;
use crate::domain::Email;
use crate::seams::{Clock as _, SystemClock};
use crate::store::{OpenError, RedbStore, StoreSettings};

/// Makes an account an operator's, or no longer.
///
/// # Errors
///
/// If no account has that address, or neither the file nor a server that has it open can be asked.
pub async fn set_role(settings: &Settings, email: &str, role: Role) -> anyhow::Result<ExitCode> {
    let address = Email::parse(email).map_err(|_| anyhow::anyhow!("{email:?} is no address"))?;
    let changed = match open(settings)? {
        Some(store) => {
            let done = operators::set_role(&store, &address, role, SystemClock.now()).await;
            done.map_err(|error| told(error, email))?
        }
        None => {
            let body = json!({ "email": email, "isOperator": role == Role::Operator }).to_string();
            let admin = settings.http.admin_listen;
            let request = Request::post("/admin/operators")
                .header(header::HOST, admin.to_string())
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(body)))?;
            ask::<Changed>(settings, request).await?.changed
        }
    };
    let is = match (role, changed) {
        (Role::Operator, true) => "is an operator's now",
        (Role::Operator, false) => "is an operator's already",
        (Role::None, true) => "is no operator's any more",
        (Role::None, false) => "is no operator's",
    };
    writeln!(std::io::stdout(), "the account {email} {is}")?;
    Ok(ExitCode::SUCCESS)
}

/// Lists the operators.
///
/// # Errors
///
/// If neither the file nor a server that has it open can be asked.
pub async fn operators(settings: &Settings) -> anyhow::Result<ExitCode> {
    let all = match open(settings)? {
        Some(store) => {
            let all = operators::operators(&store).await?;
            let shown = all.into_iter().map(|(operator, user)| Shown {
                id: user.id.to_string(),
                email: user.email.as_str().to_owned(),
                since: operator.since.to_string(),
            });
            shown.collect()
        }
        None => {
            let request = Request::get("/admin/operators")
                .header(header::HOST, settings.http.admin_listen.to_string())
                .body(Full::default())?;
            ask::<AllShown>(settings, request).await?.operators
        }
    };
    let mut out = std::io::stdout().lock();
    if all.is_empty() {
        writeln!(out, "there are no operators: gittix operator grant EMAIL makes one")?;
    }
    for Shown { id, email, since } in all {
        writeln!(out, "{id}  {since}  {email}")?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
struct Changed {
    changed: bool,
}

#[derive(Deserialize)]
struct AllShown {
    operators: Vec<Shown>,
}

#[derive(Deserialize)]
struct Shown {
    id: String,
    email: String,
    since: String,
}

fn told(error: MarketError, email: &str) -> anyhow::Error {
    match error {
        MarketError::NotFound => anyhow::anyhow!("there is no account with the address {email}"),
        error => error.into(),
    }
}

/// The data file, or `None` if a server has it open, or if a database takes its place, which is the
/// server's to work on.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Option<RedbStore>> {
    if settings.store.url.is_some() {
        return Ok(None);
    }
    let path = &settings.store.path;
    if !path.exists() {
        bail!("there is no data file {}", path.display());
    }
    match RedbStore::open(path, StoreSettings::default()) {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::InUse(_)) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
    }
}

/// Asks the running server.
pub(super) async fn ask<T: for<'d> Deserialize<'d>>(
    settings: &Settings,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<T> {
    let admin = settings.http.admin_listen;
    let answer = exchange(admin, request, LIST_WITHIN)
        .await
        .with_context(|| format!("asking the running server on http.admin_listen {admin}"))?;
    serde_json::from_slice(&answer).context("the server's answer can't be read")
}
