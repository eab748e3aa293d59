//! The commands besides `serve`: looking after the data file, the settings and the charges.

mod contents;
mod import;
mod operators;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub use self::import::{HowToImport, import_shows};
pub use self::operators::{operators, set_role};
use crate::auth::{OldKey, rotate_keys, rotate_pass_keys};
use crate::cli::{KeyToRotate, SettledAs};
use crate::config::Settings;
use crate::new_folders::NewFolders;
use crate::seams::SystemEntropy;
use crate::store::{self, BackupError};

/// How long a running server may take to make a backup.
const BACKUP_WITHIN: Duration = Duration::from_secs(60 * 60);

/// How long a running server may take to list charges.
const LIST_WITHIN: Duration = Duration::from_secs(30);

/// The data file, where there is one.
fn data_file(settings: &Settings) -> anyhow::Result<&Path> {
    anyhow::ensure!(
        settings.store.url.is_none(),
        "store.url names a database, which has no file: PostgreSQL's own tools check it, back it \
         up and restore it"
    );
    Ok(&settings.store.path)
}

/// Checks every invariant of the data file, or of another such as a backup, which is only read. Fails
/// if one is broken.
///
/// # Errors
///
/// If the file can't be checked at all.
pub fn verify(settings: &Settings, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let path = match file {
        Some(file) => file,
        None => data_file(settings)?,
    };
    let report =
        store::verify(path).with_context(|| format!("cannot verify {}", path.display()))?;
    let passes = contents::check(settings, path);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "passes: {}, of which {} can't be opened", passes.count, passes.total)?;
    for finding in &passes.listed {
        writeln!(out, "WRONG: {finding}")?;
    }
    let is_sound = report.findings_total == 0 && passes.total == 0;
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the data to a new file: through the running server if there is one.
///
/// # Errors
///
/// If there is such a file already, or it can't be written.
pub async fn back_up(settings: &Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let file = std::path::absolute(file)
        .with_context(|| format!("cannot write a backup to {}", file.display()))?;
    match store::backup_file(data_file(settings)?, &file) {
        // Nobody adds or takes away anything: no server has the data.
        Ok(()) => contents::carry(data_file(settings)?, &file).await?,
        Err(BackupError::InUse(_)) => {
            ask_server(settings.http.admin_listen, &file).await.with_context(|| {
                format!(
                    "cannot back up {}, which a server has open, through http.admin_listen {}",
                    settings.store.path.display(),
                    settings.http.admin_listen
                )
            })?;
        }
        Err(error) => {
            let (from, to) = (settings.store.path.display(), file.display());
            return Err(error).with_context(|| format!("cannot back up {from} to {to}"));
        }
    }
    writeln!(std::io::stdout(), "backup written to {}", file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the data file from a backup.
///
/// # Errors
///
/// If there is a data file already, or the backup is damaged.
pub async fn restore(settings: &Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let to = data_file(settings)?;
    let new_folders = NewFolders::of(&[to]);
    let report = store::restore(file, to).with_context(|| {
        new_folders.remove();
        format!("cannot restore {} from {}", to.display(), file.display())
    })?;
    contents::carry(file, to).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "restored to {}", settings.store.path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Lists the charges that the running server has not settled. Fails if there are any, so that
/// a script can watch them.
///
/// # Errors
///
/// If no server answers.
pub async fn unsettled_charges(settings: &Settings) -> anyhow::Result<ExitCode> {
    let admin = settings.http.admin_listen;
    let request = Request::get("/admin/charges?unsettled")
        .header(header::HOST, admin.to_string())
        .body(Full::default())?;
    let answer = exchange(admin, request, LIST_WITHIN)
        .await
        .with_context(|| format!("cannot ask the running server on http.admin_listen {admin}"))?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let charges = answer.get("charges").and_then(|charges| charges.as_array());
    let charges = charges.context("the server's answer is not a list of charges")?;
    let mut out = std::io::stdout().lock();
    if charges.is_empty() {
        writeln!(out, "every charge is settled")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{:<33} {:<33} {:<11} {:<10} {:<9} {:>9} {:>6} {:>9}  LAST ERROR",
        "CHARGE", "ORDER", "WITH", "PHASE", "REFUND", "AGE s", "TRIES", "NEXT IN s"
    )?;
    for charge in charges {
        let text = |name: &str| charge.get(name).and_then(|v| v.as_str()).unwrap_or("-");
        let number = |name: &str| {
            charge
                .get(name)
                .and_then(serde_json::Value::as_u64)
                .map_or("-".into(), |n| n.to_string())
        };
        writeln!(
            out,
            "{:<33} {:<33} {:<11} {:<10} {:<9} {:>9} {:>6} {:>9}  {}",
            text("id"),
            text("orderId"),
            text("account"),
            text("phase"),
            text("refundStatus"),
            number("ageSeconds"),
            number("tries"),
            number("nextTryInSeconds"),
            text("lastError"),
        )?;
    }
    if answer.get("more").and_then(serde_json::Value::as_bool) == Some(true) {
        writeln!(out, "and more")?;
    }
    Ok(ExitCode::FAILURE)
}

/// Prints the settings file, every key commented out at its default.
///
/// # Errors
///
/// If nobody reads it.
pub fn print_config() -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(include_bytes!("../config.toml"))?;
    Ok(ExitCode::SUCCESS)
}

/// An error and its causes, each once: many an error shows its cause, or names the same file again.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        let news = match cause.split_once(": ") {
            Some((file, rest)) if text.ends_with(file) => rest,
            _ => &cause,
        };
        text.push_str(": ");
        text.push_str(news);
    }
    text
}

/// Puts a new key into the file of signing keys, and has a running server take it up. Or into that of
/// passes, where those before it stay.
///
/// # Errors
///
/// If there is no such file, or it can't be replaced, or the running server does not take it up.
pub async fn rotate_key(settings: &Settings, key: KeyToRotate) -> anyhow::Result<ExitCode> {
    let (path, does, before) = match key {
        KeyToRotate::Session(old) => {
            rotate_keys(&settings.auth.secret_file, old, &SystemEntropy)?;
            let before = match old {
                OldKey::Accept => "what the key before signed is accepted until the next rotation",
                OldKey::Drop => "every session has ended",
            };
            (settings.auth.secret_file.clone(), "signs", before)
        }
        KeyToRotate::Passes => {
            let path = settings.pass_key_file();
            rotate_pass_keys(&path, &SystemEntropy)?;
            (path, "seals", "what the keys before sealed is opened with those")
        }
    };
    let admin = settings.http.admin_listen;
    let request = Request::post("/admin/keys/reload")
        .header(header::HOST, admin.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from_static(b"{}")))?;
    let taken_up = match exchange(admin, request, LIST_WITHIN).await {
        Ok(_) => format!("the server on {admin} {does} with it"),
        Err(error) if is_refused_connection(&error) => {
            format!("no server runs on {admin}: the next start {does} with it")
        }
        Err(error) => {
            let context = format!(
                "{} holds a new key, but the running server on {admin} did not take it up: restart it",
                path.display()
            );
            return Err(error.context(context));
        }
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} holds a new key; {taken_up}", path.display())?;
    writeln!(out, "{before}")?;
    Ok(ExitCode::SUCCESS)
}

fn is_refused_connection(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Brings a charge of the running server to its end by an operator's word.
///
/// # Errors
///
/// If no server answers, or what is said does not fit the charge.
pub async fn settle_charge(
    settings: &Settings,
    charge: &str,
    finding: SettledAs,
) -> anyhow::Result<ExitCode> {
    let admin = settings.http.admin_listen;
    let body = serde_json::json!({ "charge": charge, "as": finding.name() }).to_string();
    let request = Request::post("/admin/charges/settle")
        .header(header::HOST, admin.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answer = exchange(admin, request, LIST_WITHIN)
        .await
        .with_context(|| format!("asking the running server on {admin}"))?;
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let phase = answer.get("phase").and_then(|phase| phase.as_str()).unwrap_or("settled");
    writeln!(std::io::stdout(), "{charge} is {phase} now")?;
    Ok(ExitCode::SUCCESS)
}

async fn ask_server(admin: SocketAddr, file: &Path) -> anyhow::Result<()> {
    let file = file.to_str().context("the file's name is not valid Unicode")?;
    let body = serde_json::json!({ "file": file }).to_string();
    let request = Request::post("/admin/backup")
        .header(header::HOST, admin.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    exchange(admin, request, BACKUP_WITHIN).await.map(|_| ())
}

/// Asks a running server, and fails with its reason if it refuses.
async fn exchange(
    admin: SocketAddr,
    request: Request<Full<Bytes>>,
    within: Duration,
) -> anyhow::Result<Bytes> {
    let exchange = async {
        let stream = TcpStream::connect(admin).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        connection.abort();
        anyhow::Ok((status, answer))
    };
    let (status, answer) = tokio::time::timeout(within, exchange).await??;
    if !status.is_success() {
        let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let detail = problem.get("detail").and_then(|detail| detail.as_str());
        bail!("{}", detail.unwrap_or("it refused"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn every_cause_is_told_once() {
        let error = anyhow!("it is on fire").context("a: it is on fire").context("cannot read a");
        assert_eq!(told(&error), "cannot read a: it is on fire");
        let error = anyhow!("no water").context("it is on fire").context("cannot read a");
        assert_eq!(told(&error), "cannot read a: it is on fire: no water");
    }
}
