//! A letter as bytes that mail servers and programs understand (RFC 5322, MIME).

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use thiserror::Error;

use super::{Letter, SendError};
use crate::domain::{Email, Timestamp};

/// Who letters are from: an address, perhaps with a name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(String);

/// The text is no sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an address like gittix@example.com or \"gittix <gittix@example.com>\"")]
pub struct InvalidSender;

impl FromStr for Sender {
    type Err = InvalidSender;

    fn from_str(text: &str) -> Result<Self, InvalidSender> {
        let _: Mailbox = text.parse().map_err(|_| InvalidSender)?;
        Ok(Self(text.to_owned()))
    }
}

impl Sender {
    /// The domain of the address.
    pub fn domain(&self) -> String {
        let mailbox = self.0.parse::<Mailbox>();
        mailbox.map_or_else(|_| "localhost".to_owned(), |mailbox| mailbox.email.domain().to_owned())
    }
}

/// Nobody who could be written to.
impl Default for Sender {
    fn default() -> Self {
        Self("GitTix <no-reply@localhost>".to_owned())
    }
}

/// The letter's bytes and envelope.
pub fn message(letter: &Letter, from: &Sender) -> Result<Message, SendError> {
    let refused = |why: &str| SendError::Refused(why.to_owned());
    let to = address(&letter.to).ok_or_else(|| refused("the address can't be written to"))?;
    let from: Mailbox = from.0.parse().map_err(|_| refused("the sender is no address"))?;
    let text = &letter.text;
    // The same letter has the same bytes each time.
    let parts = MultiPart::alternative()
        .boundary(format!("=_{}", letter.id))
        .singlepart(SinglePart::plain(text.plain.clone()))
        .singlepart(SinglePart::html(text.html.clone()));
    Message::builder()
        .message_id(Some(format!("<{}@{}>", letter.id, from.email.domain())))
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(text.subject.clone())
        .date(system_time(letter.at))
        .header(AutoSubmitted)
        .multipart(parts)
        .map_err(|error| refused(&error.to_string()))
}

/// An address as mail servers write it: the domain in ASCII.
fn address(email: &Email) -> Option<Address> {
    let (local, domain) = email.as_str().rsplit_once('@')?;
    let domain = idna::domain_to_ascii(domain).ok()?;
    Address::new(local, domain).ok()
}

fn system_time(at: Timestamp) -> SystemTime {
    let millis = u64::try_from(at.as_millis()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// Keeps programs from answering (RFC 3834).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::texts::Text;

    fn letter(to: &str, subject: &str) -> Letter {
        let text = Text {
            subject: subject.to_owned(),
            plain: "Guten Tag, Grüße".to_owned(),
            html: "<p>Guten Tag</p>".to_owned(),
        };
        let to = Email::parse(to).expect("an address");
        let at = Timestamp::from_millis(1_700_000_000_000);
        Letter { id: "order-paid.order_1.7".to_owned(), to, at, text }
    }

    fn sender() -> Sender {
        "gittix <tickets@example.com>".parse().expect("a sender")
    }

    fn formatted(letter: &Letter) -> String {
        let message = message(letter, &sender()).expect("a message");
        String::from_utf8(message.formatted()).expect("text")
    }

    #[test]
    fn a_letter_is_the_same_bytes_each_time_and_says_which_it_is() {
        let letter = letter("ana@example.com", "Bezahlt: Größe");
        let bytes = formatted(&letter);
        assert_eq!(bytes, formatted(&letter));
        for line in [
            "Message-ID: <order-paid.order_1.7@example.com>\r\n",
            "To: ana@example.com\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(bytes.contains(line), "{line} {bytes}");
        }
        assert!(bytes.is_ascii(), "every server takes it");
    }

    #[test]
    fn nothing_in_a_subject_begins_another_header() {
        let bytes = formatted(&letter("ana@example.com", "Paid\r\nBcc: eve@example.com"));
        assert!(!bytes.contains("\r\nBcc:"), "{bytes}");
    }

    #[test]
    fn a_domain_of_any_script_is_written_in_ascii() {
        assert!(
            formatted(&letter("ana@bücher.example", "Paid")).contains("ana@xn--bcher-kva.example")
        );
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        for sender in [Sender::default().0.as_str(), "tickets@example.com"] {
            assert!(sender.parse::<Sender>().is_ok(), "{sender}");
        }
        for text in ["", "tickets", "a@b@c", "x <y>", "a@example.com\r\nBcc: b@example.com"] {
            assert_eq!(text.parse::<Sender>().err(), Some(InvalidSender), "{text}");
        }
    }
}
