//! Letters by SMTP: to a mail server, over TLS from the start, after STARTTLS, or in clear.
//!
//! Each letter has a connection of its own. One that is kept may have been closed by the server
//! meanwhile, which only the next letter would find out; and letters are few.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Category;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use tokio::time::timeout;
use url::{Host, Url};

use super::message::message;
use super::{Letter, SendError, Sender, Transport};

/// How long it may take to be connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// How long a letter may take from the first byte to the server's word that it has it. That the transport
/// may take a little longer than this is known to whoever asks it.
const TAKEN_WITHIN: Duration = Duration::from_secs(25);
/// How long a goodbye may take. The letter is where it is by then.
const LEFT_WITHIN: Duration = Duration::from_secs(1);

/// Which mail server takes letters, and how it is spoken to.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    security: Security,
    login: Option<Login>,
}

/// What protects the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// TLS from the first byte.
    Tls,
    /// TLS after STARTTLS. A server that has none gets nothing.
    StartTls,
    /// Nothing.
    Clear,
}

#[derive(Clone)]
struct Login {
    user: SecretString,
    password: SecretString,
}

/// The text is no address of a mail server. It is not told, for it may have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "must be like smtps://user:password@mail.example.com or smtp://mail.example.com:587; without TLS \
     (?tls=none) there may be no password, but on this machine"
)]
pub struct InvalidServer;

impl FromStr for SmtpServer {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let url = Url::parse(text).map_err(|_| InvalidServer)?;
        let host = url.host().ok_or(InvalidServer)?.to_owned();
        let is_this_machine = is_this_machine(&host);
        let tls = tls_option(&url)?;
        let (security, port) = match (url.scheme(), tls.as_deref()) {
            ("smtps", None) => (Security::Tls, 465),
            ("smtp", Some("required")) => (Security::StartTls, 587),
            ("smtp", Some("none")) => (Security::Clear, 25),
            ("smtp", None) if is_this_machine => (Security::Clear, 25),
            ("smtp", None) => (Security::StartTls, 587),
            _ => return Err(InvalidServer),
        };
        let login = login(&url)?;
        let tells_a_password = security == Security::Clear && login.is_some() && !is_this_machine;
        let has_path = !matches!(url.path(), "" | "/") || url.fragment().is_some();
        if tells_a_password || has_path {
            return Err(InvalidServer);
        }
        let host = match host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), security, login })
    }
}

/// Addresses under a scheme of its own are not looked at by the parser, so `127.0.0.1` is a name to it.
fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Domain(name) => {
            let address = name.parse::<IpAddr>();
            name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// What `?tls=` says. There is no other option.
fn tls_option(url: &Url) -> Result<Option<String>, InvalidServer> {
    let mut options = url.query_pairs();
    match (options.next(), options.next()) {
        (None, _) => Ok(None),
        (Some((name, value)), None) if name == "tls" => Ok(Some(value.into_owned())),
        _ => Err(InvalidServer),
    }
}

fn login(url: &Url) -> Result<Option<Login>, InvalidServer> {
    let decoded = |text: &str| -> Result<SecretString, InvalidServer> {
        let text = percent_decode_str(text).decode_utf8().map_err(|_| InvalidServer)?;
        Ok(SecretString::from(text.into_owned()))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(InvalidServer),
        (user, Some(password)) => {
            Ok(Some(Login { user: decoded(user)?, password: decoded(password)? }))
        }
    }
}

/// Without the login.
impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, security, login } = self;
        let security = match security {
            Security::Tls => "over TLS",
            Security::StartTls => "over STARTTLS",
            Security::Clear => "in clear",
        };
        let login = if login.is_some() { ", with a login" } else { "" };
        write!(f, "{host}:{port} {security}{login}")
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({self})")
    }
}

/// A mail server that takes letters.
pub struct SmtpTransport {
    server: SmtpServer,
    from: Sender,
    /// Who we say we are.
    name: ClientId,
    tls: TlsParameters,
    credentials: Option<Credentials>,
}

/// The transport can't be made.
#[derive(Debug, Error)]
pub enum SmtpSetup {
    /// The file of authorities has none.
    #[error("no certificate in PEM is in the file of authorities")]
    Authorities,
    /// TLS can't be had.
    #[error("TLS: {0}")]
    Tls(#[from] smtp::Error),
}

impl SmtpTransport {
    /// Letters from somebody by a server. `authorities` are certificates in PEM that are trusted beside
    /// those that browsers trust.
    ///
    /// # Errors
    ///
    /// [`SmtpSetup`] if `authorities` are none, or TLS can't be had.
    pub fn new(
        server: SmtpServer,
        from: Sender,
        authorities: Option<&[u8]>,
    ) -> Result<Self, SmtpSetup> {
        let mut tls = TlsParameters::builder(server.host.clone())
            .certificate_store(CertificateStore::WebpkiRoots);
        if let Some(pem) = authorities {
            let certificate = Certificate::from_pem(pem).map_err(|_| SmtpSetup::Authorities)?;
            if !pem.windows(5).any(|window| window == b"BEGIN") {
                return Err(SmtpSetup::Authorities);
            }
            tls = tls.add_root_certificate(certificate);
        }
        let credentials = server.login.as_ref().map(|login| {
            let [user, password] =
                [&login.user, &login.password].map(|secret| secret.expose_secret().to_owned());
            Credentials::new(user, password)
        });
        let name = ClientId::Domain(from.domain());
        Ok(Self { server, from, name, tls: tls.build_rustls()?, credentials })
    }

    /// A connection on which letters may be handed over.
    async fn connection(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let SmtpServer { host, port, security, .. } = &self.server;
        let tls = || self.tls.clone();
        let first = (*security == Security::Tls).then(tls);
        let address = (host.as_str(), *port);
        let limit = Some(CONNECTED_WITHIN);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, limit, &self.name, first, None).await?;
        if *security == Security::StartTls {
            connection.starttls(tls(), &self.name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    async fn deliver(&self, message: &Message) -> Result<(), SendError> {
        // Whatever goes wrong up to here is for an operator to mend, and the letter waits meanwhile.
        let mut connection = self.connection().await.map_err(|error| not_taken(&error))?;
        let handed_over = hand_over(&mut connection, message).await;
        // The goodbye is nothing that the letter waits for: it is there, or it is not.
        tokio::spawn(async move { timeout(LEFT_WITHIN, connection.abort()).await });
        handed_over
    }
}

/// Gives a letter to a server. What is said of its recipient and of its content is about this letter, so
/// a refusal there is final; one of its sender is about us.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    message: &Message,
) -> Result<(), SendError> {
    let envelope = message.envelope();
    let sender = Mail::new(envelope.from().cloned(), Vec::new());
    connection.command(sender).await.map_err(|error| not_taken(&error))?;
    for to in envelope.to() {
        let recipient = Rcpt::new(to.clone(), Vec::new());
        connection.command(recipient).await.map_err(|error| of_letter(&error))?;
    }
    connection.command(Data).await.map_err(|error| of_letter(&error))?;
    connection.message(&message.formatted()).await.map_err(|error| of_letter(&error))?;
    Ok(())
}

fn not_taken(error: &smtp::Error) -> SendError {
    SendError::NotTaken(told(error))
}

/// That a command comes out of order or needs a login first (`50x`, `53x`) is no refusal of a letter.
fn of_letter(error: &smtp::Error) -> SendError {
    let is_of_mail = error.status().is_some_and(|code| code.category == Category::MailSystem);
    if error.is_permanent() && is_of_mail {
        SendError::Refused(told(error))
    } else {
        not_taken(error)
    }
}

/// What the server said, or what went wrong, with its causes.
fn told(error: &smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[async_trait]
impl Transport for SmtpTransport {
    fn describe(&self) -> String {
        format!("SMTP by {}", self.server)
    }

    fn at_once(&self) -> usize {
        8
    }

    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = message(letter, &self.from)?;
        let delivered = timeout(TAKEN_WITHIN, self.deliver(&message)).await;
        delivered.unwrap_or_else(|_| Err(SendError::NotTaken("it took too long".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Option<String> {
        url.parse().ok().map(|server: SmtpServer| server.to_string())
    }

    #[test]
    fn tls_is_the_rule_and_clear_text_an_exception_that_is_asked_for() {
        for (url, server) in [
            ("smtps://mail.example.com", "mail.example.com:465 over TLS"),
            (
                "smtps://a%40b:p%2Fw@mail.example.com:99",
                "mail.example.com:99 over TLS, with a login",
            ),
            ("smtp://mail.example.com", "mail.example.com:587 over STARTTLS"),
            ("smtp://a:b@mail.example.com", "mail.example.com:587 over STARTTLS, with a login"),
            ("smtp://mail.example.com?tls=none", "mail.example.com:25 in clear"),
            ("smtp://localhost:1025", "localhost:1025 in clear"),
            ("smtp://a:b@127.0.0.1:1025", "127.0.0.1:1025 in clear, with a login"),
            ("smtp://[::1]", "::1:25 in clear"),
            ("smtp://localhost?tls=required", "localhost:587 over STARTTLS"),
        ] {
            assert_eq!(shown(url).as_deref(), Some(server), "{url}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_and_so_is_a_password_in_clear() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://a@mail.example.com",
            "smtp://:b@mail.example.com",
            "smtp://a:b@mail.example.com?tls=none",
            "smtps://mail.example.com?tls=none",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://mail.example.com?tls=none&tls=none",
            "smtp://mail.example.com?timeout=1",
            "smtp://mail.example.com/path",
        ] {
            assert_eq!(shown(url), None, "{url}");
        }
    }

    #[test]
    fn a_login_is_never_shown() {
        let server: SmtpServer = "smtps://ana:hunter2@mail.example.com".parse().expect("a server");
        let login = server.login.clone().expect("a login");
        assert_eq!(
            (login.user.expose_secret(), login.password.expose_secret()),
            ("ana", "hunter2")
        );
        for text in [format!("{server}"), format!("{server:?}")] {
            assert!(!text.contains("hunter2") && !text.contains("ana"), "{text}");
        }
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let make = |pem: &[u8]| {
            let server = "smtps://mail.example.com".parse().expect("a server");
            SmtpTransport::new(server, Sender::default(), Some(pem))
        };
        assert!(matches!(make(b"nothing"), Err(SmtpSetup::Authorities)));
    }
}
