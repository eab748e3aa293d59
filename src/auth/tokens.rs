//! Session tokens: JSON web tokens signed with HS256.
//!
//! `jsonwebtoken` does the format. Two things it would do are done here instead. Its cryptography
//! comes with every algorithm there is, and HS256 is one HMAC; so it is given a provider of ours
//! that knows nothing else. And it reads the system's clock with a minute's leeway to judge `exp`;
//! so that check is off, and the time that the caller gives is compared, to the second.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{SigningKey, SigningKeys};
use crate::domain::Timestamp;

/// No token of ours is nearly as long; what is longer is not worth looking at.
const MAX_TOKEN_BYTES: usize = 2048;

/// Signs and verifies session tokens.
pub struct Tokens {
    keys: ArcSwap<Keys>,
    validation: Validation,
    lifetime: Duration,
}

/// What is signed and verified with, and what was found to be good by it.
struct Keys {
    signing: EncodingKey,
    /// The one that signs, and the one before it while it is rolled.
    verifying: Vec<DecodingKey>,
    verified: Verified,
}

impl Keys {
    fn new(keys: &SigningKeys) -> Self {
        let verifying = |key: &SigningKey| DecodingKey::from_secret(key.expose());
        Self {
            signing: EncodingKey::from_secret(keys.current().expose()),
            verifying: keys.all().map(verifying).collect(),
            verified: Verified::new(Verified::SHELVES),
        }
    }
}

/// What a token says, once its signature and its time have been checked. Whether the session has
/// been revoked since is for the store to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id.
    pub user: String,
    /// The session's id.
    pub session: u128,
    /// When it was issued, to the second.
    pub issued_at: Timestamp,
    /// From when on it is worthless, to the second.
    pub expires_at: Timestamp,
}

/// A token just made.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    /// The token itself. Whoever has it is the user.
    pub token: String,
    /// From when on it is worthless.
    pub expires_at: Timestamp,
}

/// A token could not be made, which would be a bug.
#[derive(Debug, thiserror::Error)]
#[error("a session token could not be signed: {0}")]
pub struct TokenError(#[from] jsonwebtoken::errors::Error);

/// The claims as they are written. Every one is required.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
}

impl Tokens {
    /// Tokens that are signed with the current key and last for `lifetime`.
    pub fn new(keys: &SigningKeys, lifetime: Duration) -> Self {
        // Only this module uses the process-wide provider, so a refusal means that it is in place.
        let _ = PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { keys: ArcSwap::from_pointee(Keys::new(keys)), validation, lifetime }
    }

    /// Signs and verifies with other keys from now on. What only a key verified that is gone counts
    /// for nothing any more.
    pub fn replace_keys(&self, keys: &SigningKeys) {
        self.keys.store(Arc::new(Keys::new(keys)));
    }

    /// A token for the user's session, valid from `now` on.
    ///
    /// # Errors
    ///
    /// Never with a key of ours; the error is there instead of a panic.
    pub fn issue(
        &self,
        user: &str,
        session: u128,
        now: Timestamp,
    ) -> Result<IssuedToken, TokenError> {
        let expires = now.plus(self.lifetime).as_seconds();
        let claims = WireClaims {
            sub: user.to_owned(),
            sid: format!("{session:032x}"),
            iat: now.as_seconds(),
            exp: expires,
        };
        let token = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &self.keys.load().signing,
        )?;
        Ok(IssuedToken { token, expires_at: from_seconds(expires) })
    }

    /// What the token says, or nothing if it is not one of ours or has expired by `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let keys = self.keys.load();
        let claims = keys.verified.of(token, || self.read(token, &keys.verifying))?;
        (now < claims.expires_at).then_some(claims)
    }

    /// What a token says that is ours, whether or not it has expired.
    fn read(&self, token: &str, keys: &[DecodingKey]) -> Option<Claims> {
        let decode = |key| jsonwebtoken::decode::<WireClaims>(token, key, &self.validation).ok();
        let decoded = keys.iter().find_map(decode)?;
        let WireClaims { sub, sid, iat, exp } = decoded.claims;
        Some(Claims {
            user: sub,
            session: u128::from_str_radix(&sid, 16).ok()?,
            issued_at: from_seconds(iat),
            expires_at: from_seconds(exp),
        })
    }
}

/// Tokens whose signatures were found to be good, with what they say. A browser sends the same
/// token with every request, and a signature that was good is good for as long as the key is:
/// what can change, the time and the session, is looked at every time all the same.
///
/// A hash that nobody outside can predict tells a token's shelf, where it takes the place of the one
/// that was not seen for longest if there is none free. Only good tokens get in, so nobody can
/// fill the shelves.
struct Verified {
    shelves: Vec<Mutex<Shelf>>,
    hasher: RandomState,
}

/// Tokens, the one seen last first.
type Shelf = Vec<(Box<str>, Claims)>;

impl Verified {
    /// With about 350 bytes for each token, all shelves take less than 12 MB when they are full.
    const SHELVES: usize = 8192;
    /// With several places, tokens that share a shelf do not keep driving each other out.
    const PLACES: usize = 4;

    fn new(shelves: usize) -> Self {
        let shelves = std::iter::repeat_with(Mutex::default).take(shelves).collect();
        Self { shelves, hasher: RandomState::new() }
    }

    /// What a token says, by heart or by reading it.
    fn of(&self, token: &str, read: impl FnOnce() -> Option<Claims>) -> Option<Claims> {
        let hash = usize::try_from(self.hasher.hash_one(token)).unwrap_or_default();
        let Some(shelf) = self.shelves.get(hash % self.shelves.len()) else { return read() };
        let lock = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shelf = lock();
        if let Some(place) = shelf.iter().position(|(known, _)| **known == *token) {
            shelf.get_mut(..=place)?.rotate_right(1);
            return shelf.first().map(|(_, claims)| claims.clone());
        }
        drop(shelf);
        let claims = read()?;
        let mut shelf = lock();
        // Others may have read the same token meanwhile.
        shelf.retain(|(known, _)| **known != *token);
        shelf.truncate(Self::PLACES - 1);
        shelf.insert(0, (token.into(), claims.clone()));
        Some(claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

/// The one algorithm there is. Every other is refused here, too, should it get past the validation.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Ok(Box::new(Hs256::new(key.as_bytes())?) as Box<dyn JwtSigner>)
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?) as Box<dyn JwtVerifier>)
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    // These are for sets of public keys, which HMAC does not have.
    key_utils: KeyUtils::new_unimplemented(),
};

/// HMAC with SHA-256 (RFC 7518, section 3.2).
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self, ErrorKind> {
        Hmac::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Takes the same time wherever a wrong signature differs from the right one.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let expected = self.0.clone().chain_update(message);
        expected.verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const HOUR: Duration = Duration::from_secs(3600);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn tokens() -> Tokens {
        Tokens::new(&SigningKeys::only(key(7)), HOUR)
    }

    fn token() -> String {
        tokens().issue("user_1", 0xabc, NOW).unwrap().token
    }

    /// A token with this header and payload, signed as ours are.
    fn forge(header: &str, payload: &str) -> String {
        let body =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = Hs256::new(&[7; 32]).unwrap().try_sign(body.as_bytes()).unwrap();
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    const HS256: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
    const PAYLOAD: &str = r#"{"sub":"u","sid":"f","iat":1795319640,"exp":1795323240}"#;

    #[test]
    fn a_token_says_whom_it_was_issued_to() {
        let issued = tokens().issue("user_1", u128::MAX, NOW).unwrap();
        let claims = tokens().verify(&issued.token, NOW).unwrap();
        assert_eq!(claims.user, "user_1");
        assert_eq!(claims.session, u128::MAX);
        assert_eq!(claims.issued_at.as_seconds(), NOW.as_seconds());
        assert_eq!(claims.expires_at, issued.expires_at);
        assert_eq!(issued.expires_at.as_seconds(), NOW.as_seconds() + 3600);
    }

    #[test]
    fn a_token_is_what_any_other_library_would_sign() {
        // The example of RFC 7515, appendix A.1, whose key has 64 bytes.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75\
                   aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let hs256 = Hs256::new(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4\
                       MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = hs256.try_sign(message.as_bytes()).unwrap();
        let expected = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(URL_SAFE_NO_PAD.encode(signature), expected);
    }

    #[test]
    fn a_token_holds_its_four_claims_and_no_more() {
        let token = token();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let expected = serde_json::json!({
            "sub": "user_1",
            "sid": "00000000000000000000000000000abc",
            "iat": NOW.as_seconds(),
            "exp": NOW.as_seconds() + 3600,
        });
        assert_eq!(payload, expected);
    }

    #[test]
    fn a_token_ends_at_the_second_it_says() {
        let issued = tokens().issue("user_1", 1, NOW).unwrap();
        let end = issued.expires_at.as_millis();
        let verify = |millis| tokens().verify(&issued.token, Timestamp::from_millis(millis));
        assert!(verify(end - 1).is_some());
        assert!(verify(end).is_none());
        assert!(verify(i64::MAX).is_none());
        assert!(verify(0).is_some(), "a clock that steps back locks nobody out");
    }

    #[test]
    fn a_token_known_by_heart_is_judged_like_any_other() {
        let tokens = tokens();
        let issued = tokens.issue("user_1", 1, NOW).unwrap();
        let first = tokens.verify(&issued.token, NOW).unwrap();
        assert_eq!(tokens.verify(&issued.token, NOW), Some(first));
        assert_eq!(tokens.verify(&issued.token, issued.expires_at), None);
        let forged = format!("{}A", issued.token);
        assert_eq!(tokens.verify(&forged, NOW), None);
        assert_eq!(tokens.verify(&forged, NOW), None, "nor is a bad one remembered as good");
    }

    #[test]
    fn tokens_that_share_a_shelf_are_told_apart() {
        let verified = Verified::new(1);
        let claims = |user: &str| Claims {
            user: user.to_owned(),
            session: 1,
            issued_at: NOW,
            expires_at: NOW,
        };
        let see = |user: &str| {
            let found = verified.of(user, || Some(claims(user)));
            assert_eq!(found, Some(claims(user)));
        };
        let is_known = |user: &str| verified.of(user, || None) == Some(claims(user));
        for user in ["a", "b", "c", "d", "b", "a"] {
            see(user);
        }
        assert!(["a", "b", "c", "d", "a"].into_iter().all(is_known));
        see("e");
        assert!(!is_known("b"), "it was not seen for longest");
        assert!(["a", "c", "d", "e"].into_iter().all(is_known));
    }

    #[test]
    fn tokens_go_on_working_while_the_key_is_rolled_and_end_when_it_is_rolled_again() {
        let tokens = tokens();
        let old = tokens.issue("user_1", 1, NOW).unwrap().token;
        let rolled = SigningKeys::only(key(7)).rolled(key(8));
        tokens.replace_keys(&rolled);
        let new = tokens.issue("user_1", 1, NOW).unwrap().token;
        assert_ne!(old, new);
        assert!(tokens.verify(&old, NOW).is_some());
        assert!(tokens.verify(&new, NOW).is_some());
        tokens.replace_keys(&rolled.rolled(key(9)));
        assert!(tokens.verify(&old, NOW).is_none(), "not even one that was seen before");
        assert!(tokens.verify(&new, NOW).is_some());
    }

    #[test]
    fn a_forged_signature_is_refused() {
        assert!(tokens().verify(&forge(HS256, PAYLOAD), NOW).is_some(), "the forgery works");
        let other = Tokens::new(&SigningKeys::only(key(8)), HOUR);
        assert!(other.verify(&token(), NOW).is_none());
        let unsigned = token().rsplit_once('.').unwrap().0.to_owned();
        for bad in [format!("{unsigned}."), format!("{unsigned}.AAAA"), unsigned] {
            assert!(tokens().verify(&bad, NOW).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_other_algorithm_is_refused() {
        for alg in ["none", "None", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"] {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#);
            let signed = forge(&header, PAYLOAD);
            assert!(tokens().verify(&signed, NOW).is_none(), "{alg}");
            let unsigned = signed.rsplit_once('.').unwrap().0;
            assert!(tokens().verify(&format!("{unsigned}."), NOW).is_none(), "{alg}");
        }
    }

    #[test]
    fn claims_of_another_shape_are_refused() {
        for payload in [
            "{}",
            "null",
            "[]",
            r#"{"sub":"u","sid":"f","iat":1795319640}"#,
            r#"{"sub":1,"sid":"f","iat":1795319640,"exp":1795323240}"#,
            r#"{"sub":"u","sid":"xyz","iat":1795319640,"exp":1795323240}"#,
            r#"{"sub":"u","sid":"","iat":1795319640,"exp":1795323240}"#,
            r#"{"sub":"u","sid":"f","iat":1795319640,"exp":"never"}"#,
            r#"{"sub":"u","sid":"f","iat":1795319640,"exp":1e30}"#,
            r#"{"sub":"u","sid":"f","iat":1795319640,"exp":-9223372036854775808}"#,
        ] {
            assert!(tokens().verify(&forge(HS256, payload), NOW).is_none(), "{payload}");
        }
    }

    #[test]
    fn a_token_of_absurd_length_is_refused() {
        let long = tokens().issue(&"x".repeat(4000), 1, NOW).unwrap();
        assert!(tokens().verify(&long.token, NOW).is_none());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let issued = tokens().issue("user_1", 1, NOW).unwrap();
        assert!(!format!("{issued:?}").contains(&issued.token));
        assert!(!format!("{:?}", tokens()).contains("[7, 7"));
    }

    proptest! {
        #[test]
        fn what_was_issued_verifies(user in "[a-z0-9_]{1,60}", session: u128, millis in 0..1_i64 << 50) {
            let now = Timestamp::from_millis(millis);
            let issued = tokens().issue(&user, session, now).unwrap();
            let claims = tokens().verify(&issued.token, now).unwrap();
            prop_assert_eq!((claims.user, claims.session), (user, session));
        }

        #[test]
        fn one_changed_byte_is_refused(position: prop::sample::Index, change in 1_u8..128) {
            let mut bytes = token().into_bytes();
            let position = position.index(bytes.len());
            bytes[position] = (bytes[position] ^ change) & 0x7f;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(tokens().verify(&changed, NOW).is_none());
        }

        #[test]
        fn garbage_is_refused_and_does_not_panic(garbage in any::<String>(), json in any::<String>()) {
            prop_assert!(tokens().verify(&garbage, NOW).is_none());
            prop_assert!(tokens().verify(&forge(&json, PAYLOAD), NOW).is_none());
            prop_assert!(tokens().verify(&forge(HS256, &json), NOW).is_none());
        }
    }
}
