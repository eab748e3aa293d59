//! The section `[mail]`.

use super::layers::Reader;
use super::values;
use crate::mail::Sender;
use crate::mail::texts::Language;

/// How people are written to.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Who letters are from.
    pub from: Sender,
    /// In which language they are.
    pub language: Language,
}

impl MailSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
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
