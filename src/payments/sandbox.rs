//! A gateway that needs no account and no network, and answers Stripe's own test tokens as
//! Stripe does in test mode.
//!
//! It keeps no state that a restart could lose: everything it reports follows from the charge
//! and its token. That is sound because the protocol never captures what it has voided. Only
//! `tok_sandbox_lost` remembers, and no longer than the process lives, that it has misbehaved.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{
    Account, Charge, ChargeId, ClientSecret, FailureCode, GatewayStep, IntentFact, IntentId,
    IntentReport, PaymentToken, Refund, RefundId, RefundStatus,
};

use super::{Gateway, GatewayError};

/// The gateway of `payments.provider = "sandbox"`.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// The steps whose answer was lost once.
    lost: Mutex<HashSet<(ChargeId, GatewayStep)>>,
}

/// How long each step of `tok_sandbox_slow` takes.
const SLOW: Duration = Duration::from_secs(3);
/// How many lost answers are remembered; more than that are lost twice.
const MAX_LOST: usize = 10_000;
/// What stands between an intent's name and nothing in its client secret.
const SECRET_SUFFIX: &str = "_secret_sandbox";

/// What a test card does when it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Succeeds,
    Declines(&'static str),
    WantsAuthentication,
    /// Succeeds, but every step takes a few seconds.
    SucceedsSlowly,
    /// Succeeds, but the first answer to every step is lost.
    LosesAnswers,
}

/// What a test token's name, less its prefix, stands for. The names are Stripe's, see
/// <https://docs.stripe.com/testing>; `visa_` may stand before a decline's name.
fn behaviour(token: &PaymentToken) -> Option<Behaviour> {
    let text = token.expose();
    let ours = text.strip_prefix("tok_sandbox_").or_else(|| text.strip_prefix("pm_sandbox_"));
    if let Some(name) = ours {
        return match name {
            "slow" => Some(Behaviour::SucceedsSlowly),
            "lost" => Some(Behaviour::LosesAnswers),
            "authenticate" => Some(Behaviour::WantsAuthentication),
            _ => None,
        };
    }
    let name = text.strip_prefix("tok_").or_else(|| text.strip_prefix("pm_card_"))?;
    let behaviour = match name {
        "visa" | "visa_debit" | "mastercard" | "mastercard_debit" | "mastercard_prepaid"
        | "amex" | "discover" | "diners" | "jcb" | "unionpay" => Behaviour::Succeeds,
        "authenticationRequired" | "threeDSecure2Required" | "threeDSecureRequired" => {
            Behaviour::WantsAuthentication
        }
        _ => Behaviour::Declines(decline_code(name.strip_prefix("visa_").unwrap_or(name))?),
    };
    Some(behaviour)
}

fn decline_code(name: &str) -> Option<&'static str> {
    match name {
        "chargeDeclined" => Some("card_declined"),
        "chargeDeclinedInsufficientFunds" => Some("insufficient_funds"),
        "chargeDeclinedLostCard" => Some("lost_card"),
        "chargeDeclinedStolenCard" => Some("stolen_card"),
        "chargeDeclinedExpiredCard" => Some("expired_card"),
        "chargeDeclinedIncorrectCvc" => Some("incorrect_cvc"),
        "chargeDeclinedProcessingError" => Some("processing_error"),
        "chargeDeclinedFraudulent" => Some("fraudulent"),
        "chargeCustomerFail" => Some("card_declined"),
        _ => None,
    }
}

fn intent_of(charge: &Charge) -> IntentId {
    IntentId(format!("pi_sandbox_{:032x}", charge.id.as_u128()))
}

fn confirmed(charge: &Charge) -> IntentFact {
    match behaviour(&charge.token) {
        Some(Behaviour::Succeeds | Behaviour::SucceedsSlowly | Behaviour::LosesAnswers) => {
            IntentFact::Authorised
        }
        Some(Behaviour::Declines(code)) => IntentFact::Declined(FailureCode::from_gateway(code)),
        Some(Behaviour::WantsAuthentication) => {
            IntentFact::NeedsBuyer(ClientSecret(intent_of(charge).0 + SECRET_SUFFIX))
        }
        None => IntentFact::Refused(FailureCode::from_gateway("resource_missing")),
    }
}

impl Sandbox {
    /// Whether the answer to this step is to be lost, which each is once.
    fn loses(&self, step: GatewayStep, charge: &Charge) -> bool {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.len() >= MAX_LOST {
            lost.clear();
        }
        lost.insert((charge.id, step))
    }
}

#[async_trait]
impl Gateway for Sandbox {
    fn describe(&self) -> String {
        "sandbox (test tokens only, no money moves)".to_owned()
    }

    fn account(&self) -> Account {
        Account::Sandbox
    }

    fn accepts(&self, token: &PaymentToken) -> bool {
        behaviour(token).is_some()
    }

    fn is_sandbox(&self) -> bool {
        true
    }

    fn sandbox_charge(&self, client_secret: &str) -> Option<ChargeId> {
        let hex = client_secret.strip_suffix(SECRET_SUFFIX)?.strip_prefix("pi_sandbox_")?;
        let is_id = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        u128::from_str_radix(hex, 16).ok().filter(|_| is_id).map(ChargeId::from_u128)
    }

    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError> {
        match behaviour(&charge.token) {
            Some(Behaviour::SucceedsSlowly) => tokio::time::sleep(SLOW).await,
            Some(Behaviour::LosesAnswers) if self.loses(step, charge) => {
                return Err(GatewayError::Unknown("the sandbox lost its answer".to_owned()));
            }
            Some(
                Behaviour::Succeeds
                | Behaviour::Declines(_)
                | Behaviour::WantsAuthentication
                | Behaviour::LosesAnswers,
            )
            | None => {}
        }
        let fact = match step {
            GatewayStep::Create => IntentFact::Open,
            // Nobody answers the bank's question here, so looking again changes nothing.
            GatewayStep::Confirm | GatewayStep::Retrieve => confirmed(charge),
            GatewayStep::Capture => IntentFact::Captured,
            GatewayStep::Cancel => IntentFact::Voided,
            GatewayStep::Refund => IntentFact::Captured,
        };
        let refund = (step == GatewayStep::Refund).then(|| {
            let id = RefundId(format!("re_sandbox_{:032x}", charge.id.as_u128()));
            Refund::told(id, RefundStatus::Succeeded)
        });
        Ok(IntentReport { refund, ..IntentReport::new(Some(intent_of(charge)), fact) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Order, OrderId, Price, Ticket, TicketId, Timestamp, Title, UserId};

    /// What Stripe's documentation says of its test cards.
    const DECLINED: [(&str, &str); 9] = [
        ("chargeDeclined", "card_declined"),
        ("chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("chargeDeclinedLostCard", "lost_card"),
        ("chargeDeclinedStolenCard", "stolen_card"),
        ("chargeDeclinedExpiredCard", "expired_card"),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("chargeDeclinedProcessingError", "processing_error"),
        ("chargeDeclinedFraudulent", "fraudulent"),
        ("chargeCustomerFail", "card_declined"),
    ];

    /// A charge of an order, with a token.
    fn charge(token: &str) -> Charge {
        let usd = "usd".parse().expect("a currency");
        let price = Price::from_minor(4_000, usd).expect("a price");
        let title = Title::parse("Rock").expect("a title");
        let (seller, buyer, now) =
            (UserId::from_u128(1), UserId::from_u128(2), Timestamp::default());
        let ticket = Ticket::list(TicketId::from_u128(3), seller, title, price, now);
        let order = Order::new(OrderId::from_u128(4), buyer, &ticket, now, now);
        let token = PaymentToken::parse(token).expect("a token");
        Charge::new(ChargeId::from_u128(5), &order, token, now)
    }

    #[tokio::test]
    async fn a_card_that_loses_answers_loses_each_steps_once() {
        let (sandbox, charge) = (Sandbox::default(), charge("tok_sandbox_lost"));
        for step in [GatewayStep::Create, GatewayStep::Confirm, GatewayStep::Capture] {
            let first = sandbox.perform(step, &charge).await;
            assert!(matches!(first, Err(GatewayError::Unknown(_))), "{step:?}: {first:?}");
            let second = sandbox.perform(step, &charge).await;
            assert!(second.is_ok(), "{step:?}: {second:?}");
        }
        assert!(sandbox.perform(GatewayStep::Create, &charge).await.is_ok());
    }

    fn known(token: &str) -> Option<Behaviour> {
        PaymentToken::parse(token).as_ref().and_then(behaviour)
    }

    #[test]
    fn stripes_test_tokens_do_what_they_do_at_stripe() {
        for prefix in ["tok_", "pm_card_"] {
            let known = |name: &str| known(&format!("{prefix}{name}"));
            assert_eq!(known("visa"), Some(Behaviour::Succeeds));
            for visa in ["", "visa_"] {
                for (name, code) in DECLINED {
                    let declined = known(&format!("{visa}{name}"));
                    assert_eq!(declined, Some(Behaviour::Declines(code)), "{visa}{name}");
                }
            }
            assert_eq!(known("authenticationRequired"), Some(Behaviour::WantsAuthentication));
        }
    }

    #[test]
    fn the_sandbox_has_tokens_of_its_own_that_misbehave() {
        for prefix in ["tok_", "pm_"] {
            let known = |name: &str| known(&format!("{prefix}sandbox_{name}"));
            assert_eq!(known("slow"), Some(Behaviour::SucceedsSlowly));
            assert_eq!(known("lost"), Some(Behaviour::LosesAnswers));
            assert_eq!(known("authenticate"), Some(Behaviour::WantsAuthentication));
            assert_eq!(known("visa"), None);
        }
    }

    #[test]
    fn a_client_secret_leads_to_its_charge() {
        let id = ChargeId::from_u128(0xfeed);
        let secret = format!("pi_sandbox_{:032x}{SECRET_SUFFIX}", id.as_u128());
        assert_eq!(Sandbox::default().sandbox_charge(&secret), Some(id));
        for other in ["", "pi_1_secret_2", "pi_sandbox_1_secret_sandbox", "_secret_sandbox"] {
            assert_eq!(Sandbox::default().sandbox_charge(other), None, "{other}");
        }
    }

    #[test]
    fn any_other_token_is_unknown() {
        for token in ["tok_nobody", "pm_visa", "tok_visa_visa", "pm_card_", "pm_card_visa_visa"] {
            assert_eq!(known(token), None, "{token}");
        }
    }
}
