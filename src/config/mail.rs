//! The section `[mail]`.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::layers::{Problem, Reader};
use super::values;
use crate::mail::texts::Language;
use crate::mail::{Sender, SmtpServer};

/// How people are written to.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Who takes letters.
    pub provider: MailProvider,
    /// Who letters are from.
    pub from: Sender,
    /// In which language they are.
    pub language: Language,
}

/// Who takes letters.
#[derive(Debug, Clone)]
pub enum MailProvider {
    /// A folder.
    File,
    /// A mail server.
    Smtp {
        /// Which one.
        server: SmtpServer,
        /// Certificates of authorities that are trusted beside those that browsers trust.
        ca_file: Option<PathBuf>,
    },
}

impl MailSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        let is_smtp =
            from.read("mail.provider", false, "\"file\" or \"smtp\"", |given| match values::text(
                given,
            )? {
                "file" => Some(false),
                "smtp" => Some(true),
                _ => None,
            });
        Self {
            provider: read_smtp(from, is_smtp).filter(|_| is_smtp).unwrap_or(MailProvider::File),
            from: from.read(
                "mail.from",
                Sender::default(),
                "an address such as \"GitTix <tickets@example.com>\"",
                |given| values::text(given)?.parse().ok(),
            ),
            language: from.read("mail.language", Language::English, "\"en\" or \"de\"", |given| {
                Language::of_code(values::text(given)?)
            }),
        }
    }
}

/// The server is read, and so known and checked, whoever takes letters; that it is missing counts only if
/// it is to take them.
fn read_smtp(from: &mut Reader, is_needed: bool) -> Option<MailProvider> {
    let server = from.read_secret(
        "mail.smtp_url",
        None,
        "smtps://user:password@host or smtp://host:port; with a password only over TLS or on this machine",
        |given| {
            let given: Option<SecretString> = values::secret(given)?;
            match given {
                None => Some(None),
                Some(url) => url.expose_secret().parse().ok().map(Some),
            }
        },
    );
    let ca_file = from.read("mail.smtp_ca_file", None, "the path of a file, or nothing", |given| {
        match values::text(given)? {
            "" => Some(None),
            path => Some(Some(PathBuf::from(path))),
        }
    });
    if is_needed && server.is_none() {
        from.refuse(Problem::Missing {
            key: "mail.smtp_url",
            why: "and mail.provider is \"smtp\"",
        });
    }
    Some(MailProvider::Smtp { server: server?, ca_file })
}
