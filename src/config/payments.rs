//! The section `[payments]`.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::keys::{number, seconds};
use super::layers::{Problem, Reader};
use super::values;
use crate::payments::stripe::Mode;

/// How money is taken.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// Who takes the money.
    pub provider: Provider,
    /// The currency of every price: three letters, in lower case.
    pub currency: String,
    /// How many declined payments cancel an order.
    pub max_attempts: u32,
    /// How long a payment may take before it is answered 202 and goes on behind.
    pub answer: Duration,
}

/// Who takes the money.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Nobody: an imitation that needs neither an account nor a network.
    Sandbox,
    /// Stripe.
    Stripe(StripeSettings),
}

/// An account at Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// The key that charges.
    pub secret_key: SecretString,
    /// The key that a browser may know; the storefront's card form needs it.
    pub publishable_key: Option<String>,
    /// The secrets that webhooks may be signed with: more than one while they are rolled, none if
    /// webhooks are not used.
    pub webhook_secrets: Vec<SecretString>,
    /// Where Stripe's API is, without a trailing slash.
    pub api_base: String,
}

impl PaymentSettings {
    pub(super) fn read(from: &mut Reader, is_currency: &dyn Fn(&str) -> bool) -> Self {
        let is_stripe =
            from.read("payments.provider", false, "\"sandbox\" or \"stripe\"", |given| {
                match values::text(given)? {
                    "sandbox" => Some(false),
                    "stripe" => Some(true),
                    _ => None,
                }
            });
        Self {
            currency: from.read(
                "payments.currency",
                "usd".to_owned(),
                "the three letters of an ISO 4217 currency, such as \"usd\"",
                |given| {
                    let code = values::text(given)?.to_ascii_lowercase();
                    let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase());
                    (is_code && is_currency(&code)).then_some(code)
                },
            ),
            max_attempts: number(from, "payments.max_attempts", 1, 1..=100),
            answer: seconds(from, "payments.answer_seconds", 10, 1..=300),
            provider: StripeSettings::read(from, is_stripe)
                .filter(|_| is_stripe)
                .map_or(Provider::Sandbox, Provider::Stripe),
        }
    }
}

impl StripeSettings {
    /// The keys are read, and so known and checked, whoever takes the money; what is missing counts
    /// only if it is Stripe.
    pub(super) fn read(from: &mut Reader, is_needed: bool) -> Option<Self> {
        let secret_key = from.read_secret(
            "payments.stripe.secret_key",
            None,
            "a key of Stripe's: sk_test_…, sk_live_…, rk_test_… or rk_live_…",
            |given| {
                let given = values::secret(given)?;
                let is_key = |key: &SecretString| Mode::of_key(key.expose_secret()).is_some();
                given.as_ref().is_none_or(is_key).then_some(given)
            },
        );
        let publishable_key = from.read(
            "payments.stripe.publishable_key",
            None,
            "a key of Stripe's: pk_test_… or pk_live_…",
            |given| match values::text(given)? {
                "" => Some(None),
                text => Mode::of_publishable_key(text).map(|_| Some(text.to_owned())),
            },
        );
        let webhook_secrets = from.read_secret(
            "payments.stripe.webhook_secret",
            Vec::new(),
            "one secret (whsec_…), or several in a list or with commas between them",
            |given| {
                let given = values::secrets(given)?;
                let is_whole = |secret: &SecretString| {
                    secret
                        .expose_secret()
                        .strip_prefix("whsec_")
                        .is_some_and(|rest| !rest.is_empty())
                };
                given.iter().all(is_whole).then_some(given)
            },
        );
        let api_base = from.read(
            "payments.stripe.api_base",
            "https://api.stripe.com".to_owned(),
            "an http or https URL",
            values::base_url,
        );
        if is_needed && secret_key.is_none() {
            from.refuse(Problem::Missing {
                key: "payments.stripe.secret_key",
                why: "and payments.provider is \"stripe\"",
            });
        }
        Some(Self { secret_key: secret_key?, publishable_key, webhook_secrets, api_base })
    }
}

impl StripeSettings {
    /// Whether the secret key moves real money. One that does not say is none of Stripe's and was
    /// refused; whatever protects live keys would protect it too.
    pub fn mode(&self) -> Mode {
        Mode::of_key(self.secret_key.expose_secret()).unwrap_or(Mode::Live)
    }

    pub(super) fn check_together(&self, from: &mut Reader) {
        let is_plain = !self.api_base.to_ascii_lowercase().starts_with("https://");
        if self.mode() == Mode::Live && is_plain {
            from.refuse(Problem::Conflict {
                key: "payments.stripe.api_base",
                conflict: "must be https: only a test key (sk_test_…, rk_test_…) may travel \
                           unencrypted"
                    .to_owned(),
            });
        }
        let published = self.publishable_key.as_deref().and_then(Mode::of_publishable_key);
        if published.is_some_and(|mode| mode != self.mode()) {
            from.refuse(Problem::Conflict {
                key: "payments.stripe.publishable_key",
                conflict:
                    "and payments.stripe.secret_key must both be of test or both of live mode"
                        .to_owned(),
            });
        }
    }
}
