//! Messages that are due.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

use super::{KeptAs, Place};
use crate::domain::{
    Email, Mail, MailId, MailState, Mails, Notice, SealedSecret, Timestamp, UserId, Version,
};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::typed::keys::of_time;

const WAITING: Index = Index(32);
const FAILED: Index = Index(33);
const ADDRESSEES: Index = Index(34);

/// A message as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredMail<'a> {
    #[n(0)]
    notice: u8,
    #[n(1)]
    about: Id,
    #[n(2)]
    number: u64,
    #[n(3)]
    to: Id,
    #[b(4)]
    address: Option<&'a str>,
    /// When it is tried next, unless it has failed.
    #[n(5)]
    next_try: Option<i64>,
    #[n(6)]
    tries: u32,
    #[b(7)]
    last_error: Option<&'a str>,
    #[n(8)]
    created_at: i64,
    #[n(9)]
    version: u64,
    /// Missing where no link is in it.
    #[b(10)]
    link: Option<&'a ByteSlice>,
}

impl<'a> From<&'a Mail> for StoredMail<'a> {
    fn from(mail: &'a Mail) -> Self {
        let Mail { id, to, address, link, state, tries, last_error, created_at, version } = mail;
        Self {
            notice: id.notice.code(),
            about: Id(id.about),
            number: id.number,
            to: Id(to.as_u128()),
            address: address.as_ref().map(Email::as_str),
            next_try: match state {
                MailState::Waiting(at) => Some(millis(*at)),
                MailState::Failed => None,
            },
            tries: *tries,
            last_error: last_error.as_deref(),
            created_at: millis(*created_at),
            version: version.number(),
            link: link.as_ref().map(|link| link.0.as_slice().into()),
        }
    }
}

impl Record for Mail {
    const KIND: Kind = Kind { table: "mails", tag: 17, version: 1 };
    type Stored<'a> = StoredMail<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredMail<'_> = body(bytes)?;
        let notice = Notice::ALL.iter().find(|notice| notice.code() == stored.notice);
        let notice = *notice.ok_or_else(|| Fault::value("what is told", stored.notice))?;
        let next_try = stored.next_try.map(|at| MailState::Waiting(time(at)));
        Ok(Self {
            id: MailId { notice, about: stored.about.0, number: stored.number },
            to: UserId::from_u128(stored.to.0),
            address: stored.address.map(Email::accepted_before),
            link: stored.link.map(|link| SealedSecret(link.to_vec())),
            state: next_try.unwrap_or(MailState::Failed),
            tries: stored.tries,
            last_error: stored.last_error.map(str::to_owned),
            created_at: time(stored.created_at),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for Mail {
    const TABLE: Table = Table(17);
    const INDEXES: &'static [Index] = &[WAITING, FAILED, ADDRESSEES];

    fn key(id: &MailId) -> Vec<u8> {
        let MailId { notice, about, number } = id;
        [&[notice.code()], &about.to_be_bytes()[..], &number.to_be_bytes()].concat()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let by_state = match self.state {
            MailState::Waiting(at) => (WAITING, at_time(at, self.id)),
            MailState::Failed => (FAILED, at_time(self.created_at, self.id)),
        };
        let to = [&self.to.as_u128().to_be_bytes()[..], &Self::key(&self.id)].concat();
        vec![by_state, (ADDRESSEES, to)]
    }

    fn span(list: &Mails) -> (Index, Vec<u8>) {
        match list {
            Mails::Waiting => (WAITING, Vec::new()),
            Mails::Failed => (FAILED, Vec::new()),
            Mails::To(user) => (ADDRESSEES, user.as_u128().to_be_bytes().to_vec()),
        }
    }
}

fn at_time(at: Timestamp, id: MailId) -> Vec<u8> {
    [&of_time(at)[..], &Mail::key(&id)].concat()
}

/// The place in [`Mails::Waiting`] of a message that is tried next at that time.
pub fn waiting_at(at: Timestamp, id: MailId) -> Place {
    Place(at_time(at, id))
}
