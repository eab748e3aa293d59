//! The text of an API token: `gittix_` and, in base64url, the token's id and 256 random bits.
//!
//! The id finds the token, and the bits are the secret. They are too many to be guessed, so their
//! SHA-256 is all that has to be kept of them.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::session::bearer_token;
use crate::domain::{TokenHash, TokenId};
use crate::seams::Entropy;

/// Says to people and programs that look for secrets what it is. No session's token begins so.
const PREFIX: &str = "gittix_";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// What only the holder of a token knows.
#[derive(Debug)]
pub struct TokenSecret(SecretBox<[u8; SECRET_BYTES]>);

impl TokenSecret {
    /// A new one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut secret = [0_u8; SECRET_BYTES];
        entropy.fill(&mut secret);
        Self(SecretBox::new(Box::new(secret)))
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        let hash =
            Sha256::new().chain_update(b"gittix API token").chain_update(self.0.expose_secret());
        TokenHash(hash.finalize().into())
    }

    /// Whether it is the secret of that hash. The time does not tell how nearly it is.
    pub fn is_of(&self, hash: &TokenHash) -> bool {
        let own = self.hash();
        own.0.iter().zip(&hash.0).fold(0, |differs, (own, other)| differs | (own ^ other)) == 0
    }

    /// The token, to be told once.
    pub fn text(&self, id: TokenId) -> String {
        let bytes = [id.as_u128().to_be_bytes().as_slice(), self.0.expose_secret()].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The API token that a request presents, not yet verified; `None` if it presents something else or
/// nothing. It is `Some(None)` if it can't be one, though it begins like one.
pub fn presented_api_token(headers: &HeaderMap) -> Option<Option<(TokenId, TokenSecret)>> {
    let text = bearer_token(headers)?.strip_prefix(PREFIX)?;
    Some(read(text))
}

fn read(text: &str) -> Option<(TokenId, TokenSecret)> {
    let mut bytes = [0_u8; ID_BYTES + SECRET_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let (id, secret) = bytes.get(..length)?.split_first_chunk::<ID_BYTES>()?;
    let secret = secret.try_into().ok()?;
    let id = TokenId::from_u128(u128::from_be_bytes(*id));
    Some((id, TokenSecret(SecretBox::new(Box::new(secret)))))
}

#[cfg(test)]
mod tests {
    use axum::http::header::{AUTHORIZATION, COOKIE};
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;
    use crate::seams::SystemEntropy;

    const ID: TokenId = TokenId::from_u128(7);

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_token_is_known_again_by_its_id_and_its_hash() {
        let secret = TokenSecret::random(&SystemEntropy);
        let text = secret.text(ID);
        assert_eq!(text.len(), 7 + 64);
        let presented = presented_api_token(&headers(AUTHORIZATION, &format!("Bearer {text}")));
        let (id, presented) = presented.unwrap().unwrap();
        assert_eq!(id, ID);
        assert!(presented.is_of(&secret.hash()));
        assert!(!TokenSecret::random(&SystemEntropy).is_of(&secret.hash()));
        assert!(format!("{secret:?}").contains("REDACTED"), "it is never shown");
    }

    #[test]
    fn a_hash_that_differs_in_any_two_bytes_is_another_ones() {
        let secret = TokenSecret::random(&SystemEntropy);
        for (one, other) in (0..32).flat_map(|one| (0..one).map(move |other| (one, other))) {
            let TokenHash(mut hash) = secret.hash();
            hash[one] ^= 0x40;
            hash[other] ^= 0x40;
            assert!(!secret.is_of(&TokenHash(hash)), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_token_is_told_from_what_is_a_broken_one() {
        let text = TokenSecret::random(&SystemEntropy).text(ID);
        let broken =
            |text: &str| presented_api_token(&headers(AUTHORIZATION, &format!("Bearer {text}")));
        for text in
            ["gittix_", "gittix_AAAA", &format!("{text}A"), &text[..text.len() - 1], "gittix_!"]
        {
            assert!(matches!(broken(text), Some(None)), "{text}");
        }
        assert!(broken("a.b.c").is_none());
        assert!(broken(&text.to_uppercase()).is_none());
        assert!(presented_api_token(&headers(COOKIE, &format!("session={text}"))).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(gittix_)?[!-~]{0,100}") {
            let _ = presented_api_token(&headers(AUTHORIZATION, &format!("Bearer {text}")));
        }
    }
}
