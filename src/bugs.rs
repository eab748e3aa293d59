//! Deliberate bugs, to prove that the simulator finds such: it has to find every one of them.
//!
//! A test plants one of them on its own thread; the code asks [`planted`] at the place where
//! the bug would be. Without the feature `deliberate-bugs`, which no release has, the answer is
//! a constant `false` and nothing of this is compiled in.

macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $variant:ident $name:literal)*) => {
        /// A defect that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $what])+ $variant),* }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The bug's name on the simulator's command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

bugs! {
    /// The store writes a row whatever version it follows.
    DroppedVersionCheck "dropped-version-check"
    /// The deadline's timer ends orders without a look at the clock.
    BlindTimer "blind-timer"
    /// A request is answered before its commit is durable.
    AnswerBeforeCommit "answer-before-commit"
    /// Money that has to be paid back never is.
    LostRefund "lost-refund"
    /// Every request to a ticket makes another actor for it.
    TwoActors "two-actors"
    /// An actor that comes back to an id still knows what it knew.
    MistakenIdentity "mistaken-identity"
    /// An edited price stays in the index of prices.
    ForgottenIndex "forgotten-index"
    /// All charges share the gateway's idempotency keys.
    SharedGatewayKey "shared-gateway-key"
    /// A ticket is released and its order stays as it was.
    ReleaseWithoutOrder "release-without-order"
    /// A payment may begin past the deadline.
    PayPastDeadline "pay-past-deadline"
    /// A gateway call without an answer counts as a decline.
    UnknownIsDeclined "unknown-is-declined"
    /// A buyer may hold one order more than allowed.
    LimitOffByOne "limit-off-by-one"
    /// An address may have two accounts.
    SharedAddress "shared-address"
    /// What an idempotency key led to is not written with the change.
    ForgottenKey "forgotten-key"
    /// An actor adopts what was refused.
    AdoptedRefusal "adopted-refusal"
    /// A timer fires what it has fired already at every look.
    UnclaimedTimer "unclaimed-timer"
    /// The timer is not told of the first open order.
    SilentDoorbell "silent-doorbell"
    /// The release of a ticket is not told in the log.
    UntoldRelease "untold-release"
    /// Commits are answered without a sync of the disk.
    NoSync "no-sync"
    /// The journal is written over before the checkpoint that covers it is on the disk.
    HastyJournal "hasty-journal"
    /// A sold ticket is forgotten before its postings are taken out.
    HastySweep "hasty-sweep"
    /// Pages show a ticket as it was before it changed.
    StaleRow "stale-row"
    /// A page begins with the last ticket of the page before.
    RepeatingPage "repeating-page"
    /// Unsettled charges are not taken up at the start, nor swept later.
    NoReconciler "no-reconciler"
    /// The capture is asked for before the decision to capture is durable.
    EarlyCapture "early-capture"
    /// Who comes back to the event stream misses an event.
    MissedEvent "missed-event"
    /// A dispute that was decided is opened again by a late report.
    ReopenedDispute "reopened-dispute"
    /// A refund that the bank has sent back counts as pending again after a late report.
    ReopenedRefund "reopened-refund"
    /// A refund that the gateway has accepted counts as paid back.
    HastyRefund "hasty-refund"
    /// A capture that was begun with another provider counts as failed.
    ForgottenCapture "forgotten-capture"
    /// A request is answered although the answer could not be kept for its idempotency key.
    UnkeptAnswer "unkept-answer"
    /// Rows are read without a look at their checksums.
    UncheckedSum "unchecked-sum"
    /// An order gets seats that another one has.
    SeatGivenTwice "seat-given-twice"
    /// A purchase may leave a single seat.
    SplitOffByOne "split-off-by-one"
    /// A fee is rounded down.
    FeeRoundedDown "fee-rounded-down"
    /// A follower does not know after a restart where it was.
    ForgottenCursor "forgotten-cursor"
    /// A message is forgotten before anybody has taken it.
    LostMail "lost-mail"
    /// A link in a message is good as often as it is opened.
    ReusedLink "reused-link"
    /// A migration drops a field.
    DroppedField "dropped-field"
    /// A server that holds the lease goes on when it is no longer good.
    EndlessLease "endless-lease"
    /// Every server asks the gateway, whoever holds the lease.
    TwoCallers "two-callers"
    /// What is due for another server is never taken over from it.
    LonelyTimer "lonely-timer"
    /// What an actor remembers is good enough to refuse, though other servers change it.
    RememberedRefusal "remembered-refusal"
    /// What the bank asks a buyer is shown to anyone, and anyone may answer it.
    OpenQuestion "open-question"
    /// Whoever sold a pass can open it still.
    PassToSeller "pass-to-seller"
}

impl Bug {
    /// Whether the simulator has to find it. The others are found by the tests of their module: those of
    /// files that it has none of, damaged ones and those of earlier releases, what costs work alone and
    /// changes nothing that can be seen, a route that it has no use for, and what takes several servers.
    pub fn is_for_the_simulator(self) -> bool {
        !matches!(
            self,
            Self::UncheckedSum
                | Self::ReusedLink
                | Self::DroppedField
                | Self::UnclaimedTimer
                | Self::OpenQuestion
                | Self::EndlessLease
                | Self::TwoCallers
                | Self::LonelyTimer
                | Self::RememberedRefusal
        )
    }
}

#[cfg(feature = "deliberate-bugs")]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug for everything that runs on this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether a bug is planted on this thread.
    pub fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "deliberate-bugs")]
pub use planting::{plant, planted};

/// Never: this build has no deliberate bugs.
#[cfg(not(feature = "deliberate-bugs"))]
#[inline(always)]
pub const fn planted(_: Bug) -> bool {
    false
}
