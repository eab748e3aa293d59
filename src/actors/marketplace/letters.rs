//! Messages that are written down with a change of an account.

use crate::actors::context::Context;
use crate::actors::error::MarketError;
use crate::domain::{Commit, Link, LinkId, LinkPurpose, Mail, MailId, Notice, User};

/// Has the person told of the change, at the address they left as well. That address is in none of the
/// account's rows any more, and in the log it must not be, so the message is written with the change.
pub(super) fn tell_of_change(commit: Commit, before: &User, after: &User) -> Commit {
    let at = commit.at;
    let mail = |notice| {
        let (about, number) = (after.id.as_u128(), after.version.number());
        Mail::due(MailId { notice, about, number }, after.id, at)
    };
    let mut commit = commit;
    if before.email != after.email {
        let left = mail(Notice::AddressLeft).to_address(before.email.clone());
        commit = commit.put(mail(Notice::AddressChanged)).put(left);
    }
    if before.password_hash != after.password_hash {
        commit = commit.put(mail(Notice::PasswordChanged));
    }
    commit
}

/// Adds a new link and the message that it is in.
pub(super) fn with_link(
    context: &Context,
    commit: Commit,
    user: &User,
    purpose: LinkPurpose,
    before: Option<Link>,
) -> Result<Commit, MarketError> {
    let made = context.links.make(purpose, user);
    let (hash, sealed) =
        made.ok_or_else(|| MarketError::Internal("a link's secret was not sealed".to_owned()))?;
    let id = LinkId { user: user.id, purpose };
    let link = Link::sent(before.as_ref(), id, hash, commit.at);
    let id = MailId {
        notice: Notice::with_link(purpose),
        about: user.id.as_u128(),
        number: link.version.number(),
    };
    let mail = Mail::due(id, user.id, commit.at).with_link(sealed);
    Ok(commit.put(link).put(mail))
}
