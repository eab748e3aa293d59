//! How messages reach people: what they read, and the transports that take them.
//!
//! A transport takes one letter and says whether it has it. It decides nothing: what is tried again, and
//! when, is decided by [`crate::domain::Mail`].

mod file;
mod message;
mod smtp;
pub mod texts;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::{Email, Timestamp};

pub use self::file::FileTransport;
pub use self::message::{InvalidSender, Sender};
pub use self::smtp::{InvalidServer, SmtpServer, SmtpSetup, SmtpTransport};
use self::texts::Text;

/// A transport that all parts of the server share.
pub type SharedTransport = Arc<dyn Transport>;

/// Something that takes letters.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// What it is and where letters go, as start-up prints it.
    fn describe(&self) -> String;

    /// How many letters it takes at a time.
    fn at_once(&self) -> usize {
        1
    }

    /// Takes a letter. Whoever is not told so gives it once more, so it may come twice, with the same
    /// id.
    async fn send(&self, letter: &Letter) -> Result<(), SendError>;
}

/// One message on its way.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Names it: the part of its `Message-ID` before the `@`.
    pub id: String,
    /// Where it goes.
    pub to: Email,
    /// Since when it is due.
    pub at: Timestamp,
    /// What is read.
    pub text: Text,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({})", self.id)
    }
}

/// Why a letter was not taken. What is said may name people, so it is kept and not logged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// It never will be.
    #[error("refused: {0}")]
    Refused(String),
    /// It may be later.
    #[error("not taken: {0}")]
    NotTaken(String),
}
