//! Where the database is, and how a connection to it is made.

use std::error::Error as _;
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Connect;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long making one connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long the network may keep silent about what was sent.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// What every session begins with. A statement that waits for ever, or a server that stopped
/// between two statements, must not hold others up. Rows are always found by index: statistics
/// that are not there yet must not say otherwise. Statements are short, and what has to read a whole
/// table would be compiled first, which takes half a second.
const SESSION: [&str; 5] = [
    "set idle_in_transaction_session_timeout = '2s'",
    "set lock_timeout = '5s'",
    "set statement_timeout = '10s'",
    "set enable_seqscan = off",
    "set jit = off",
];

/// Where the database is.
#[derive(Clone)]
pub struct Address {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Address {
    /// Reads a URL: `postgres://user:password@host1:5432,host2:5432/database?sslmode=require`.
    ///
    /// A certificate is always verified: by Mozilla's list of authorities, or by the file that
    /// `sslrootcert` names.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without anything that it holds.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (url, root_file) = without_tls_parameters(url);
        let mut config: Config = url.parse().map_err(|error| told(&error))?;
        match config.get_target_session_attrs() {
            TargetSessionAttrs::ReadOnly => {
                return Err("target_session_attrs=read-only: a store is written to".to_owned());
            }
            _ => config.target_session_attrs(TargetSessionAttrs::ReadWrite),
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_WITHIN);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENT_FOR);
        }
        if config.get_application_name().is_none() {
            config.application_name("gittix");
        }
        config.keepalives_idle(SILENT_FOR);
        Ok(Self { config, tls: tls(root_file.as_deref())? })
    }

    /// Its hosts and its database, without names and passwords of users.
    pub fn shown(&self) -> String {
        let mut shown = String::from("postgres://");
        let ports = self.config.get_ports();
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            let comma = if at == 0 { "" } else { "," };
            // Writing to a text can't fail.
            let _ = match host {
                Host::Tcp(name) => write!(shown, "{comma}{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => write!(shown, "{comma}{}:{port}", path.display()),
            };
        }
        let _ = write!(shown, "/{}", self.config.get_dbname().unwrap_or_default());
        shown
    }

    /// The settings of its connections.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// Makes a connection to the first host that can be written to.
    ///
    /// # Errors
    ///
    /// None of them could be reached.
    pub async fn connect(&self) -> Result<Client, Error> {
        Ok(self.connected().await?.0)
    }

    async fn connected(&self) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = Box::pin(self.config.connect(self.tls.clone())).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = told(&error), "a connection to the database ended");
            }
        });
        for setting in SESSION {
            match client.batch_execute(setting).await {
                // One that this server doesn't know.
                Err(error) if error.code() == Some(&SqlState::UNDEFINED_OBJECT) => {}
                set => set?,
            }
        }
        Ok((client, task))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

type Connecting<'c> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'c>>;

impl Connect for Address {
    fn connect(&self, _config: &Config) -> Connecting<'_> {
        Box::pin(self.connected())
    }
}

/// Takes out what the driver doesn't read itself: the file of certificates, and the names of the
/// modes that verify, which `require` does here.
fn without_tls_parameters(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let mut root_file = None;
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("sslrootcert", file) => root_file = Some(file.to_owned()),
            ("sslmode", "verify-ca" | "verify-full") => {
                kept.append_pair("sslmode", "require");
            }
            (name, value) => {
                kept.append_pair(name, value);
            }
        }
    }
    // The driver reads `+` as itself.
    (format!("{base}?{}", kept.finish().replace('+', "%20")), root_file)
}

fn tls(root_file: Option<&str>) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    match root_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let wrong = |error: &dyn std::fmt::Display| format!("sslrootcert={file}: {error}");
            for found in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
                let found = found.map_err(|error| wrong(&error))?;
                roots.add(found).map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"it holds no certificate"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// An error of the driver with what caused it.
pub fn told(error: &Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(told, ": {next}");
        cause = next.source();
    }
    if is_pooled(error) {
        told.push_str(
            "; a pooler in transaction mode that keeps no prepared statements is between the \
             server and the database: turn them on there, or use its session mode",
        );
    }
    told
}

/// Whether statements get lost between transactions.
fn is_pooled(error: &Error) -> bool {
    let lost = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT];
    error.code().is_some_and(|code| lost.contains(code))
}

/// What an error means for what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Another was faster. Asking again at once gives another answer.
    Stale,
    /// Others are in the way just now.
    Contended,
    /// The database can't be reached, is starting, stopping, or not the primary any more.
    Gone,
    /// It would fail again.
    Lasting,
}

/// What an error means for what was asked.
pub fn kind(error: &Error) -> Kind {
    // What has no code was not said by the database, but by the network.
    let Some(code) = error.code() else { return Kind::Gone };
    match code.code() {
        "23505" => Kind::Stale,
        "40001" | "40P01" | "55P03" => Kind::Contended,
        // A transaction that stood still too long, and a primary that was made a standby.
        "25P03" | "25006" => Kind::Gone,
        code => match code.get(..2) {
            Some("08" | "53" | "57" | "58") => Kind::Gone,
            _ => Kind::Lasting,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = "postgres://ann:hunter2@one:5433,two/tickets?sslmode=verify-full";
        let address = Address::parse(url).expect("a good URL");
        assert_eq!(address.shown(), "postgres://one:5433,two:5432/tickets");
        assert_eq!(format!("{address:?}"), address.shown());
    }

    #[test]
    fn a_wrong_address_is_refused_without_telling_its_password() {
        for url in [
            "postgres://ann:hunter2@one:port/tickets",
            "postgres://ann:hunter2@one/tickets?sslmode=sometimes",
            "postgres://ann:hunter2@one/tickets?target_session_attrs=read-only",
            "postgres://ann:hunter2@one/tickets?sslrootcert=/no/such/file",
        ] {
            let refused = Address::parse(url).expect_err("a wrong URL");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
