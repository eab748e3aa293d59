//! A gateway that needs no account and no network, and answers Stripe's own test tokens as
//! Stripe does in test mode.
//!
//! It keeps no state that a restart could lose: everything it reports follows from the charge
//! and its token. That is sound because the protocol never captures what it has voided.

use async_trait::async_trait;

use crate::domain::{
    Charge, ClientSecret, FailureCode, GatewayStep, IntentFact, IntentId, IntentReport,
    PaymentToken, RefundId,
};

use super::{Gateway, GatewayError};

/// The gateway of `payments.provider = "sandbox"`.
#[derive(Debug, Default)]
pub struct Sandbox;

/// What a test card does when it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Succeeds,
    Declines(&'static str),
    WantsAuthentication,
}

/// What a test token's name, less its prefix, stands for. The names are Stripe's, see
/// <https://docs.stripe.com/testing>; `visa_` may stand before a decline's name.
fn behaviour(token: &PaymentToken) -> Option<Behaviour> {
    let text = token.expose();
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
        Some(Behaviour::Succeeds) => IntentFact::Authorised,
        Some(Behaviour::Declines(code)) => IntentFact::Declined(FailureCode::from_gateway(code)),
        Some(Behaviour::WantsAuthentication) => {
            IntentFact::NeedsBuyer(ClientSecret(format!("{}_secret_sandbox", intent_of(charge).0)))
        }
        None => IntentFact::Refused(FailureCode::from_gateway("resource_missing")),
    }
}

#[async_trait]
impl Gateway for Sandbox {
    fn describe(&self) -> String {
        "sandbox (test tokens only, no money moves)".to_owned()
    }

    fn accepts(&self, token: &PaymentToken) -> bool {
        behaviour(token).is_some()
    }

    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError> {
        let fact = match step {
            GatewayStep::Create => IntentFact::Open,
            // Nobody answers the bank's question here, so looking again changes nothing.
            GatewayStep::Confirm | GatewayStep::Retrieve => confirmed(charge),
            GatewayStep::Capture => IntentFact::Captured,
            GatewayStep::Cancel => IntentFact::Voided,
            GatewayStep::Refund => {
                IntentFact::Refunded(RefundId(format!("re_sandbox_{:032x}", charge.id.as_u128())))
            }
        };
        Ok(IntentReport { intent: Some(intent_of(charge)), fact })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(token: &str) -> Option<Behaviour> {
        PaymentToken::parse(token).as_ref().and_then(behaviour)
    }

    #[test]
    fn stripes_test_tokens_do_what_they_do_at_stripe() {
        for prefix in ["tok_", "pm_card_"] {
            let known = |name: &str| known(&format!("{prefix}{name}"));
            assert_eq!(known("visa"), Some(Behaviour::Succeeds));
            for visa in ["", "visa_"] {
                let declined = |name: &str| known(&format!("{visa}{name}"));
                assert_eq!(declined("chargeDeclined"), Some(Behaviour::Declines("card_declined")));
                assert_eq!(
                    declined("chargeDeclinedInsufficientFunds"),
                    Some(Behaviour::Declines("insufficient_funds"))
                );
                assert_eq!(
                    declined("chargeDeclinedExpiredCard"),
                    Some(Behaviour::Declines("expired_card"))
                );
            }
            assert_eq!(known("authenticationRequired"), Some(Behaviour::WantsAuthentication));
        }
    }

    #[test]
    fn any_other_token_is_unknown() {
        for token in ["tok_nobody", "pm_visa", "tok_visa_visa", "pm_card_", "pm_card_visa_visa"] {
            assert_eq!(known(token), None, "{token}");
        }
    }
}
