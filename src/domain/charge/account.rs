//! With whom a charge was begun.

use super::{Charge, IntentId};

/// A gateway and its mode. What one of them knows of a charge, no other does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// The sandbox.
    Sandbox,
    /// Stripe with a test key.
    StripeTest,
    /// Stripe with a live key.
    StripeLive,
}

impl Account {
    /// The account's name, for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::StripeTest => "stripe test",
            Self::StripeLive => "stripe live",
        }
    }
}

/// How the sandbox names its payment intents.
const SANDBOX_INTENT: &str = "pi_sandbox_";

impl Charge {
    /// The same charge, begun with that account.
    #[must_use]
    pub fn begun_with(self, account: Account) -> Self {
        Self { account: Some(account), ..self }
    }

    /// With whom it was begun, as far as that is known: charges of old do not say, but the
    /// sandbox's intents tell themselves.
    pub fn known_account(&self) -> Option<Account> {
        let is_sandbox = |intent: &IntentId| intent.0.starts_with(SANDBOX_INTENT);
        let told = self.intent().is_some_and(is_sandbox).then_some(Account::Sandbox);
        self.account.or(told)
    }

    /// Whether that account may know the charge.
    pub fn is_within_reach_of(&self, account: Account) -> bool {
        match self.known_account() {
            Some(own) => own == account,
            // The sandbox invents its answers, so it is not to be asked about an intent that it
            // did not make. Stripe knows its own.
            None => self.intent().is_none() || account != Account::Sandbox,
        }
    }

    /// Whether real money may be at stake.
    pub fn is_of_real_money(&self) -> bool {
        match self.known_account() {
            Some(Account::Sandbox | Account::StripeTest) => false,
            Some(Account::StripeLive) | None => true,
        }
    }
}
