//! The commands besides `serve`: looking after the data file.

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

use crate::config::Settings;
use crate::store::{self, BackupError};

/// How long a running server may take to make a backup.
const BACKUP_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Checks every invariant of the data file. Fails if one is broken.
///
/// # Errors
///
/// If the file can't be checked at all.
pub fn verify(settings: &Settings) -> anyhow::Result<ExitCode> {
    let report = store::verify(&settings.store.path)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}")?;
    Ok(if report.findings_total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the data to a new file: through the running server if there is one.
///
/// # Errors
///
/// If there is such a file already, or it can't be written.
pub async fn back_up(settings: &Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let file = std::path::absolute(file)?;
    match store::backup_file(&settings.store.path, &file) {
        Ok(()) => {}
        Err(BackupError::InUse(_)) => {
            ask_server(settings.http.admin_listen, &file).await.with_context(|| {
                format!("asking the running server on {}", settings.http.admin_listen)
            })?;
        }
        Err(error) => return Err(error.into()),
    }
    writeln!(std::io::stdout(), "backup written to {}", file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the data file from a backup.
///
/// # Errors
///
/// If there is a data file already, or the backup is damaged.
pub fn restore(settings: &Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let report = store::restore(file, &settings.store.path)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}")?;
    writeln!(out, "restored to {}", settings.store.path.display())?;
    Ok(ExitCode::SUCCESS)
}

async fn ask_server(admin: SocketAddr, file: &Path) -> anyhow::Result<()> {
    let file = file.to_str().context("the file's name is not valid Unicode")?;
    let body = serde_json::json!({ "file": file }).to_string();
    let request = Request::post("/admin/backup")
        .header(header::HOST, admin.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
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
    let (status, answer) = tokio::time::timeout(BACKUP_WITHIN, exchange).await??;
    if !status.is_success() {
        let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let detail = problem.get("detail").and_then(|detail| detail.as_str());
        bail!("{}", detail.unwrap_or("it refused"));
    }
    Ok(())
}
