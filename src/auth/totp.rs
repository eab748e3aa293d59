//! The second factor: codes that change with time (RFC 6238), and codes on paper for whoever lost
//! the device that shows them.
//!
//! What every authenticator app understands is taken: HMAC-SHA-1, six digits, thirty seconds.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretSlice};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::domain::{RecoveryHash, Timestamp, TotpStep, UserId};
use crate::seams::Entropy;

/// As long as the hash, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// How long a code is shown.
const STEP_SECONDS: u64 = 30;
/// How many steps the device's clock may be wrong by, in either direction.
const TOLERANCE: u64 = 1;
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;
/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// What a recovery code is made of: 80 random bits, too many to be found by their hash.
const RECOVERY_BYTES: usize = 10;
/// The letters of codes that are typed, as in RFC 4648, section 6.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// What an authenticator app calls the place that a secret is for.
const ISSUER: &str = "GitTix";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a device and the server share. It is shown once, to be put into the device.
#[derive(Debug, Clone)]
pub struct TotpSecret(SecretSlice<u8>);

impl TotpSecret {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0_u8; SECRET_BYTES];
        entropy.fill(&mut bytes);
        Self(bytes.to_vec().into())
    }

    /// One that was kept.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// To be kept, sealed.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// As it is typed into a device.
    pub fn text(&self) -> String {
        base32(self.expose()).to_ascii_uppercase()
    }

    /// As a device reads it from a picture. `account` is how the device names it.
    pub fn uri(&self, account: &str) -> String {
        let account = utf8_percent_encode(account, UNRESERVED);
        let secret = self.text();
        format!(
            "otpauth://totp/{ISSUER}:{account}?secret={secret}&issuer={ISSUER}\
             &algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        )
    }

    /// The step whose code this is, if it is a code of now and later than any that was used.
    pub fn step_of(
        &self,
        code: &str,
        now: Timestamp,
        last_used: Option<TotpStep>,
    ) -> Option<TotpStep> {
        let given = digits(code)?;
        let current = u64::try_from(now.as_seconds()).ok()? / STEP_SECONDS;
        let around = current.saturating_sub(TOLERANCE)..=current.saturating_add(TOLERANCE);
        // All are compared, so that the time tells nothing.
        let mut found = None;
        for step in around {
            let is_it = self.code(step)? ^ given == 0;
            let is_fresh = last_used.is_none_or(|TotpStep(last)| step > last);
            if is_it & is_fresh & found.is_none() {
                found = Some(TotpStep(step));
            }
        }
        found
    }

    /// The code of a step (RFC 4226, section 5.3).
    fn code(&self, step: u64) -> Option<u32> {
        let mac = Hmac::<Sha1>::new_from_slice(self.expose()).ok()?;
        let hash: [u8; 20] = mac.chain_update(step.to_be_bytes()).finalize().into_bytes().into();
        let offset = usize::from(hash.last()? & 0xf);
        let chosen = hash.get(offset..)?.first_chunk::<4>()?;
        Some((u32::from_be_bytes(*chosen) & 0x7fff_ffff) % MODULUS)
    }
}

/// Six digits, with whatever space an app shows between them.
fn digits(code: &str) -> Option<u32> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let are_digits = code.len() == DIGITS && code.bytes().all(|byte| byte.is_ascii_digit());
    code.parse().ok().filter(|_| are_digits)
}

/// Codes for whoever has lost the device, each good once.
pub fn recovery_codes(entropy: &dyn Entropy) -> Vec<String> {
    let code = |_| {
        let mut bytes = [0_u8; RECOVERY_BYTES];
        entropy.fill(&mut bytes);
        let mut text = String::new();
        for (place, letter) in base32(&bytes).chars().enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// What is kept of a recovery code; nothing of what can't be one.
pub fn recovery_hash(user: UserId, code: &str) -> Option<RecoveryHash> {
    const LETTERS: usize = RECOVERY_BYTES * 8 / 5;
    let written = code.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let letters: String = written.map(|c| c.to_ascii_lowercase()).take(LETTERS + 1).collect();
    let is_one = letters.len() == LETTERS && letters.bytes().all(|byte| BASE32.contains(&byte));
    let hash = Sha256::new()
        .chain_update(b"gittix recovery code")
        .chain_update(user.as_u128().to_be_bytes())
        .chain_update(&letters);
    is_one.then(|| RecoveryHash(hash.finalize().into()))
}

/// The text of whole groups of five bits.
fn base32(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0_u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let letter = usize::try_from((held >> bits) & 0x1f).ok().and_then(|at| BASE32.get(at));
            text.extend(letter.map(|letter| char::from(*letter)));
        }
        held &= (1 << bits) - 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::SystemEntropy;

    const ANA: UserId = UserId::from_u128(1);

    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890".to_vec())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(rfc().code(seconds / 30), Some(code), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_its_step_and_one_on_either_side() {
        let step = Some(TotpStep(1_234_567_890 / 30));
        for seconds in [1_234_567_890 - 30, 1_234_567_890, 1_234_567_890 + 30] {
            assert_eq!(rfc().step_of("005924", at(seconds), None), step, "{seconds}");
        }
        for seconds in [1_234_567_890 - 60, 1_234_567_890 + 60, 0, -1] {
            assert_eq!(rfc().step_of("005924", at(seconds), None), None, "{seconds}");
        }
    }

    #[test]
    fn no_code_is_good_twice_nor_one_before_it() {
        let now = at(1_234_567_890);
        let used = rfc().step_of("005924", now, None);
        assert!(used.is_some());
        assert_eq!(rfc().step_of("005924", now, used), None);
        let before = rfc().code(1_234_567_890 / 30 - 1).unwrap();
        assert_eq!(rfc().step_of(&format!("{before:06}"), now, used), None);
        let after = rfc().code(1_234_567_890 / 30 + 1).unwrap();
        assert!(rfc().step_of(&format!("{after:06}"), now, used).is_some());
    }

    #[test]
    fn what_is_not_six_digits_is_no_code() {
        let now = at(1_234_567_890);
        assert!(rfc().step_of(" 005 924", now, None).is_some());
        for code in ["", "5924", "0005924", "00592a", "+05924", "-05924", "٠٠٥٩٢٤"] {
            assert_eq!(rfc().step_of(code, now, None), None, "{code}");
        }
    }

    #[test]
    fn a_secret_is_told_as_apps_read_it() {
        assert_eq!(rfc().text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            rfc().uri("Ana+x@example.com"),
            "otpauth://totp/GitTix:Ana%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=GitTix&algorithm=SHA1&digits=6&period=30"
        );
        let shown = format!("{:?}", rfc());
        assert!(!shown.contains("49"), "{shown}");
    }

    #[test]
    fn recovery_codes_are_known_again_however_they_are_typed() {
        let codes = recovery_codes(&SystemEntropy);
        assert_eq!(codes.len(), 10);
        for code in &codes {
            assert_eq!(code.len(), 19, "{code}");
            assert!(code.split('-').all(|group| group.len() == 4), "{code}");
            let hash = recovery_hash(ANA, code);
            assert!(hash.is_some());
            let typed = format!(" {} ", code.replace('-', " ").to_uppercase());
            assert_eq!(recovery_hash(ANA, &typed), hash);
            assert_ne!(recovery_hash(UserId::from_u128(2), code), hash);
            assert_eq!(codes.iter().filter(|other| *other == code).count(), 1);
        }
        for none in
            ["", "123456", "aaaa-aaaa-aaaa-aaa", "aaaa-aaaa-aaaa-aaaa-a", "aaaa-aaaa-aaaa-aaa1"]
        {
            assert_eq!(recovery_hash(ANA, none), None, "{none}");
        }
    }
}
