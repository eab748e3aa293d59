//! Messages to people, by when they are to be tried.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

use super::{Due, TimerKind, Turn};
use crate::actors::context::Context;
use crate::actors::error::MarketError;
use crate::bugs::{Bug, planted};
use crate::domain::{
    About, ClientName, Commit, Email, Link, LinkId, Mail, MailId, MailState, Mails, Order,
    SealedSecret,
};
use crate::mail::texts::{Contents, Site, compose};
use crate::mail::{Letter, SendError, SharedTransport};
use crate::store::ReadError;
use crate::store::resources::waiting_at;

/// How long a transport may take for one.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// Hands messages that are due to a transport.
pub struct MailDelivery {
    desk: Arc<Desk>,
    /// How many more may be on their way.
    permits: Arc<Semaphore>,
}

/// What everything on its way shares.
struct Desk {
    context: Arc<Context>,
    transport: SharedTransport,
    site: Site,
    on_their_way: Mutex<BTreeSet<MailId>>,
}

/// A message on its way. It is that until this is dropped, however its task ends.
struct OnItsWay {
    desk: Arc<Desk>,
    id: MailId,
    _permit: OwnedSemaphorePermit,
}

impl MailDelivery {
    /// Messages of that site, by that transport.
    pub fn new(context: Arc<Context>, transport: SharedTransport, site: Site) -> Self {
        let permits = Arc::new(Semaphore::new(transport.at_once()));
        let on_their_way = Mutex::default();
        Self { desk: Arc::new(Desk { context, transport, site, on_their_way }), permits }
    }
}

impl Desk {
    fn on_their_way(&self) -> MutexGuard<'_, BTreeSet<MailId>> {
        self.on_their_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.desk.on_their_way().remove(&self.id);
    }
}

impl TimerKind for MailDelivery {
    type Id = MailId;
    const NAME: &'static str = "mail";

    async fn rows(
        &self,
        after: Option<Due<MailId>>,
        limit: usize,
    ) -> Result<Vec<Due<MailId>>, ReadError> {
        let after = after.map(|due| waiting_at(due.at, due.id));
        let mails = self.desk.context.store.list::<Mail>(Mails::Waiting, after, limit).await?;
        let due = |mail: Mail| match mail.state {
            MailState::Waiting(at) => Some(Due { at, id: mail.id }),
            MailState::Failed => None,
        };
        Ok(mails.into_iter().filter_map(|(_, mail)| due(mail)).collect())
    }

    fn turn(&self, _: MailId) -> Turn {
        Turn::Holder
    }

    /// Returns once the message is on its way, so that one that takes long keeps none from leaving.
    async fn fire(&self, id: MailId) -> Result<(), MarketError> {
        if self.desk.on_their_way().contains(&id) {
            return Ok(());
        }
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return Ok(()) };
        if !self.desk.on_their_way().insert(id) {
            return Ok(());
        }
        let on_its_way = OnItsWay { desk: self.desk.clone(), id, _permit: permit };
        tokio::spawn(async move {
            if let Err(error) = on_its_way.desk.deliver(id).await {
                warn!(mail = %id, %error, "what became of it was not written; trying again");
            }
        });
        Ok(())
    }
}

impl Desk {
    async fn deliver(&self, id: MailId) -> Result<(), MarketError> {
        let Some(mail) = self.context.store.get::<Mail>(id).await? else { return Ok(()) };
        // The lease may have gone to another server while this waited for its turn.
        if !mail.is_due(self.context.now()) || !self.context.peers.hold() {
            return Ok(());
        }
        if planted(Bug::LostMail) {
            // It is gone before anybody has taken it.
            self.context.commit(Commit::at(self.context.now()).delete(mail.clone())).await?;
            self.send(&mail).await.ok();
            return Ok(());
        }
        let commit = match self.send(&mail).await {
            Ok(()) => {
                info!(mail = %id, to = %mail.to, "sent");
                Commit::at(self.context.now()).delete(mail)
            }
            Err(SendError::Refused(why)) => {
                warn!(mail = %id, to = %mail.to, "refused, and not tried again");
                Commit::at(self.context.now()).put(mail.refused(&why))
            }
            Err(SendError::NotTaken(why)) => {
                let now = self.context.now();
                let after = mail.not_taken(&why, now);
                let is_over = after.state == MailState::Failed;
                warn!(mail = %id, to = %mail.to, tries = after.tries, is_over, "not sent");
                Commit::at(now).put(after)
            }
        };
        // Whoever has changed it meanwhile has dealt with it.
        self.context.commit(commit).await.map(|_| ())
    }

    /// Sends one. Whatever goes wrong with it, even a panic, is the business of no other.
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let sent = AssertUnwindSafe(self.try_to_send(mail)).catch_unwind().await;
        sent.unwrap_or_else(|_| Err(SendError::NotTaken("sending it panicked".to_owned())))
    }

    async fn try_to_send(&self, mail: &Mail) -> Result<(), SendError> {
        // The person is gone, and with them everybody who could be told.
        let Some(letter) = self.letter(mail).await? else { return Ok(()) };
        let sent = tokio::time::timeout(SEND_WITHIN, self.transport.send(&letter)).await;
        sent.unwrap_or_else(|_| Err(SendError::NotTaken("it took too long".to_owned())))
    }

    /// What the link in a message ends in. A link that is good for nothing by now, for another
    /// followed it or it was used, is not sent.
    async fn token(&self, mail: &Mail, sealed: &SealedSecret) -> Result<Option<String>, SendError> {
        let purpose = mail.id.notice.link().ok_or_else(|| gone("what its link is for"))?;
        let id = LinkId { user: mail.to, purpose };
        let link = self.context.store.get::<Link>(id).await?;
        let is_good = |link: &Link| {
            link.version.number() == mail.id.number && link.is_open(self.context.now())
        };
        if !link.is_some_and(|link| is_good(&link)) {
            return Ok(None);
        }
        let token = self.context.links.token(mail.to, sealed);
        token.map(Some).ok_or_else(|| SendError::Refused("its link can't be opened".to_owned()))
    }

    /// What is read, and where it goes, as of now.
    async fn letter(&self, mail: &Mail) -> Result<Option<Letter>, SendError> {
        let user = self.context.store.user(mail.to).await?;
        let Some(user) = user else { return Ok(None) };
        let to: &Email = mail.address.as_ref().unwrap_or(&user.email);
        let contents = match mail.id.subject() {
            About::User(_) => match &mail.link {
                None => Contents::of_account(mail.id.notice),
                Some(sealed) => match self.token(mail, sealed).await? {
                    Some(token) => Contents::of_link(mail.id.notice, token),
                    None => return Ok(None),
                },
            },
            About::Session(id) => {
                let session = self.context.store.session(mail.to, id).await?;
                let client = session.and_then(|session| session.client);
                Contents::of_sign_in(client.as_ref().map(ClientName::as_str), mail.created_at)
            }
            About::Order(id) => {
                let order = self.context.store.order(id).await?;
                let order: Order = order.ok_or_else(|| gone("its order"))?;
                Contents::of_order(mail.id.notice, &order)
            }
            About::Charge(id) => {
                let charge = self.context.store.charge(id).await?;
                let charge = charge.ok_or_else(|| gone("its charge"))?;
                let order = self.context.store.order(charge.order).await?;
                let order = order.ok_or_else(|| gone("its order"))?;
                Contents::of_order(mail.id.notice, &order)
            }
        };
        let text = compose(&contents, &self.site);
        Ok(Some(Letter { id: mail.id.to_string(), to: to.clone(), at: mail.created_at, text }))
    }
}

fn gone(what: &str) -> SendError {
    SendError::Refused(format!("{what} is missing"))
}

/// What can't be read now may be readable later; what is damaged stays so.
impl From<ReadError> for SendError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(why) | ReadError::Unavailable(why) => Self::NotTaken(why),
            ReadError::Corrupt(why) => Self::Refused(why),
        }
    }
}
