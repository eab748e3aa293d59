//! Who sent a webhook: `Stripe-Signature: t=1700000000,v1=<hex>,v1=<hex>`.
//!
//! Each `v1` is HMAC-SHA256, under one of our secrets, of the time, a dot and the body as it
//! arrived. The time must be near, or a webhook that was overheard once could be sent for ever.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use thiserror::Error;

use crate::domain::Timestamp;

/// How far a webhook's time may be from ours, in either direction.
const TOLERANCE_SECONDS: u64 = 300;
/// The most signatures that are looked at. While secrets are rolled there are two.
const MAX_SIGNATURES: usize = 16;

/// The secrets that webhooks may be signed with: several while they are rolled, none if
/// webhooks are not used.
pub struct Signatures {
    secrets: Vec<SecretString>,
}

/// Why a webhook is not taken for Stripe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadSignature {
    /// There is no signature, or it is not of the form that Stripe writes.
    #[error("the stripe-signature header is missing or malformed")]
    Malformed,
    /// It was signed too long ago, or is from the future.
    #[error("the webhook was signed more than 300 seconds ago or from now")]
    Stale,
    /// No secret of ours made any of the signatures.
    #[error("the signature is not of a secret of this server")]
    Foreign,
}

impl Signatures {
    /// Signatures under any of these secrets.
    pub fn new(secrets: Vec<SecretString>) -> Self {
        Self { secrets }
    }

    /// Checks that one of our secrets signed this body a short time ago.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if not.
    pub fn check(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
        let mut time = None;
        let mut signatures = Vec::new();
        for item in header.split(',') {
            match item.trim().split_once('=') {
                Some(("t", value)) if time.is_none() => time = Some(value),
                Some(("t", _)) => return Err(BadSignature::Malformed),
                Some(("v1", value)) if signatures.len() < MAX_SIGNATURES => {
                    signatures.extend(from_hex(value));
                }
                // Other schemes are for others, and weaker.
                _ => {}
            }
        }
        let time = time.ok_or(BadSignature::Malformed)?;
        let is_number = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 =
            time.parse().ok().filter(|_| is_number).ok_or(BadSignature::Malformed)?;
        if signatures.is_empty() {
            return Err(BadSignature::Malformed);
        }
        if now.as_seconds().abs_diff(seconds) > TOLERANCE_SECONDS {
            return Err(BadSignature::Stale);
        }
        // Every pair is compared, and each in constant time, so that how long it takes tells
        // nothing about how near a forgery came.
        let mut is_ours = false;
        for secret in &self.secrets {
            for signature in &signatures {
                is_ours |= is_signed(secret, time, body, signature);
            }
        }
        if is_ours { Ok(()) } else { Err(BadSignature::Foreign) }
    }
}

fn is_signed(secret: &SecretString, time: &str, body: &[u8], signature: &[u8; 32]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0_u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |place: usize| pair.get(place).and_then(|c| char::from(*c).to_digit(16));
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    // `printf '1700000000.%s' '{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac
    // whsec_test`, and the same under whsec_old.
    const TEST: &str = "4c15fb2a43f93ef61eaa3e0893866d57cad9cad4223242cfb96f362480cb4021";
    const OLD: &str = "9119b75c4afa8bb5f71433cb34179a57aa261c58b80b417f1f537251b0cd38a8";

    fn ours(secrets: &[&str]) -> Signatures {
        Signatures::new(secrets.iter().map(|secret| SecretString::from(*secret)).collect())
    }

    #[test]
    fn a_signature_made_elsewhere_is_accepted() {
        let header = format!("t=1700000000,v1={TEST}");
        assert_eq!(ours(&["whsec_test"]).check(&header, BODY, NOW), Ok(()));
        let with_others = format!("t=1700000000,v1={},v0=abc, v1={TEST}", "0".repeat(64));
        assert_eq!(ours(&["whsec_test"]).check(&with_others, BODY, NOW), Ok(()));
    }

    #[test]
    fn while_secrets_are_rolled_either_will_do() {
        for signature in [TEST, OLD] {
            let header = format!("t=1700000000,v1={signature}");
            assert_eq!(ours(&["whsec_test", "whsec_old"]).check(&header, BODY, NOW), Ok(()));
        }
        let header = format!("t=1700000000,v1={OLD}");
        assert_eq!(ours(&["whsec_test"]).check(&header, BODY, NOW), Err(BadSignature::Foreign));
        assert_eq!(ours(&[]).check(&header, BODY, NOW), Err(BadSignature::Foreign));
    }

    #[test]
    fn a_changed_body_or_time_is_foreign() {
        let secrets = ours(&["whsec_test"]);
        let header = format!("t=1700000000,v1={TEST}");
        assert_eq!(secrets.check(&header, b"{}", NOW), Err(BadSignature::Foreign));
        let later = format!("t=1700000001,v1={TEST}");
        assert_eq!(secrets.check(&later, BODY, NOW), Err(BadSignature::Foreign));
        let zero_added = format!("t=01700000000,v1={TEST}");
        assert_eq!(secrets.check(&zero_added, BODY, NOW), Err(BadSignature::Foreign));
    }

    #[test]
    fn a_webhook_from_another_time_is_stale() {
        let secrets = ours(&["whsec_test"]);
        let header = format!("t=1700000000,v1={TEST}");
        for (offset, expected) in [
            (-301, Err(BadSignature::Stale)),
            (-300, Ok(())),
            (300, Ok(())),
            (301, Err(BadSignature::Stale)),
        ] {
            let now = Timestamp::from_millis(NOW.as_millis() + offset * 1000);
            assert_eq!(secrets.check(&header, BODY, now), expected, "{offset}");
        }
    }

    #[test]
    fn what_is_no_signature_is_malformed() {
        let secrets = ours(&["whsec_test"]);
        let time_twice = format!("t=1700000000,t=1700000000,v1={TEST}");
        let only_v0 = format!("t=1700000000,v0={TEST}");
        let negative = format!("t=-1,v1={TEST}");
        let plus = format!("t=+1700000000,v1={TEST}");
        for header in [
            "",
            "t=",
            "v1=",
            "t=1700000000",
            "t=1700000000,v1=zz",
            &time_twice,
            &only_v0,
            &negative,
            &plus,
        ] {
            assert_eq!(secrets.check(header, BODY, NOW), Err(BadSignature::Malformed), "{header}");
        }
    }
}
