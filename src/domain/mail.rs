//! Messages to people, from when it is certain that one is due until somebody has taken it.
//!
//! ```text
//!              ┌──── a pause, longer each time ◀──┐
//!              ▼                                  │ not taken
//!   due ──▶ Waiting ──▶ handed to the transport ──┤
//!                                                 ├── taken ──▶ gone
//!                                                 └── refused, or not taken once more ──▶ Failed
//! ```
//!
//! A message says what it is about and to whom it goes. What it reads is looked up when it is sent, and so
//! is the address, but for one that the account has no longer: that is kept here, in a row that goes.

use std::fmt;
use std::time::Duration;

use super::ids::{ChargeId, OrderId, SessionId, UserId};
use super::link::LinkPurpose;
use super::resource::Resource;
use super::{Email, SealedSecret, Timestamp, Version};

/// The pauses after a try that failed. The one after the last is the end.
const PAUSES: [Duration; 8] = [
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(3 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(16 * 3600),
    Duration::from_secs(24 * 3600),
];
/// How much is kept of what a transport says, in characters.
const ERROR_MAX: usize = 200;

macro_rules! notices {
    ($($(#[doc = $doc:literal])+ $notice:ident = $code:literal, $name:literal, $about:ident;)+) => {
        /// What a message is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Notice { $($(#[doc = $doc])+ $notice,)+ }

        impl Notice {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$notice,)+];

            /// The number it is stored under.
            pub fn code(self) -> u8 {
                match self { $(Self::$notice => $code,)+ }
            }

            /// Its name in message ids and in the log.
            pub fn name(self) -> &'static str {
                match self { $(Self::$notice => $name,)+ }
            }

            fn about(self, id: u128) -> About {
                match self { $(Self::$notice => About::$about($about::from_u128(id)),)+ }
            }
        }
    };
}

type User = UserId;
type Order = OrderId;
type Charge = ChargeId;
type Session = SessionId;

notices! {
    /// The account has another password.
    PasswordChanged = 1, "password-changed", User;
    /// The account has this address now.
    AddressChanged = 2, "address-changed", User;
    /// The account has another address than this one now.
    AddressLeft = 3, "address-left", User;
    /// The buyer has paid, and the ticket is theirs.
    OrderPaid = 4, "order-paid", Order;
    /// Somebody has bought the seller's ticket.
    TicketSold = 5, "ticket-sold", Order;
    /// The buyer has their money back.
    RefundMade = 6, "refund-made", Charge;
    /// The bank has not taken a refund.
    RefundFailed = 7, "refund-failed", Charge;
    /// A link by which the account's address is verified.
    VerifyAddress = 20, "verify-address", User;
    /// A link by which the account gets another password.
    ResetPassword = 21, "reset-password", User;
    /// Somebody signed in from where nobody had before.
    NewDevice = 22, "new-device", Session;
}

impl Notice {
    /// The message that a link of that purpose is sent in.
    pub fn with_link(purpose: LinkPurpose) -> Self {
        match purpose {
            LinkPurpose::Verification => Self::VerifyAddress,
            LinkPurpose::Reset => Self::ResetPassword,
        }
    }

    /// What the link in the message is for, if it has one.
    pub fn link(self) -> Option<LinkPurpose> {
        LinkPurpose::ALL.into_iter().find(|purpose| Self::with_link(*purpose) == self)
    }
}

/// What a message is about, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An account.
    User(UserId),
    /// An order.
    Order(OrderId),
    /// A charge.
    Charge(ChargeId),
    /// A sign-in.
    Session(SessionId),
}

/// Names a message. It follows from what the message tells, so that one that is due twice is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailId {
    /// What it tells.
    pub notice: Notice,
    /// Of what.
    pub about: u128,
    /// Which time: the number of the event, or the version of the account.
    pub number: u64,
}

impl MailId {
    /// What it is about.
    pub fn subject(&self) -> About {
        self.notice.about(self.about)
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.", self.notice.name())?;
        match self.subject() {
            About::User(id) => write!(f, "{id}")?,
            About::Order(id) => write!(f, "{id}")?,
            About::Charge(id) => write!(f, "{id}")?,
            About::Session(id) => write!(f, "{id}")?,
        }
        write!(f, ".{}", self.number)
    }
}

/// A message that is due.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its name.
    pub id: MailId,
    /// To whom it goes.
    pub to: UserId,
    /// The address, where it is one that the account has no longer.
    pub address: Option<Email>,
    /// The secret of the link that is in it, sealed.
    pub link: Option<SealedSecret>,
    /// Whether it is still tried.
    pub state: MailState,
    /// How often it was tried.
    pub tries: u32,
    /// What became of the last try.
    pub last_error: Option<String>,
    /// Since when it is due.
    pub created_at: Timestamp,
    /// Rises by one with every change.
    pub version: Version,
}

/// Whether a message is still tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// It is tried next at that time.
    Waiting(Timestamp),
    /// It is not tried any more, unless somebody says so.
    Failed,
}

/// What a list of messages is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mails {
    /// Those that wait, by when they are tried next.
    Waiting,
    /// Those that have failed, by when they were made.
    Failed,
    /// One account's.
    To(UserId),
}

impl Mail {
    /// A message that is due now.
    pub fn due(id: MailId, to: UserId, now: Timestamp) -> Self {
        Self {
            id,
            to,
            address: None,
            link: None,
            state: MailState::Waiting(now),
            tries: 0,
            last_error: None,
            created_at: now,
            version: Version::FIRST,
        }
    }

    /// The same to an address that the account has no longer.
    #[must_use]
    pub fn to_address(self, address: Email) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The same with a link.
    #[must_use]
    pub fn with_link(self, secret: SealedSecret) -> Self {
        Self { link: Some(secret), ..self }
    }

    /// Whether it is to be tried.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.state, MailState::Waiting(at) if at <= now)
    }

    /// The message after a try that came to nothing and may fare better later.
    #[must_use]
    pub fn not_taken(&self, why: &str, now: Timestamp) -> Self {
        let pause = usize::try_from(self.tries).ok().and_then(|tries| PAUSES.get(tries));
        let state = pause.map_or(MailState::Failed, |pause| MailState::Waiting(now.plus(*pause)));
        self.tried(why, state)
    }

    /// The message after a try that no other can follow.
    #[must_use]
    pub fn refused(&self, why: &str) -> Self {
        self.tried(why, MailState::Failed)
    }

    fn tried(&self, why: &str, state: MailState) -> Self {
        Self {
            state,
            tries: self.tries.saturating_add(1),
            last_error: Some(why.chars().take(ERROR_MAX).collect()),
            version: self.version.next(),
            ..self.clone()
        }
    }
}

impl Resource for Mail {
    type Id = MailId;
    type List = Mails;

    fn id(&self) -> MailId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// Neither an address nor what a server said of it belongs into a log.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, to, state, tries, version, .. } = self;
        write!(f, "Mail({id} to {to}, {state:?}, {tries} tries, v{version})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn mail() -> Mail {
        let id = MailId { notice: Notice::OrderPaid, about: 3, number: 7 };
        Mail::due(id, UserId::from_u128(4), NOW)
    }

    #[test]
    fn pauses_grow_and_then_it_has_failed() {
        let (mut mail, mut now, mut pauses) = (mail(), NOW, Vec::new());
        while let MailState::Waiting(at) = mail.state {
            assert!(mail.is_due(at));
            pauses.push(at.since(now));
            now = at;
            mail = mail.not_taken("no answer", now);
        }
        assert_eq!(pauses.len(), PAUSES.len() + 1);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        assert!(mail.tries == 9 && !mail.is_due(now.plus(Duration::from_secs(1 << 30))));
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let refused = mail().refused(&"no such mailbox ".repeat(100));
        assert_eq!((refused.state, refused.tries), (MailState::Failed, 1));
        assert_eq!(refused.last_error.map(|why| why.chars().count()), Some(ERROR_MAX));
    }

    #[test]
    fn a_message_is_told_without_the_address_it_goes_to() {
        let mail = mail().to_address(Email::parse("ana@example.com").expect("an address"));
        let told = format!("{:?}", mail.refused("550 no ana@example.com"));
        assert!(!told.contains('@'), "{told}");
    }
}
