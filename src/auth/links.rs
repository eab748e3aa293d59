//! The secrets of links that are sent by mail.
//!
//! A link ends in a token: in base64url, the account's id and 256 random bits. The id finds the link, and
//! the bits are the secret. Kept of them is a hash alone, over the secret and what the link is about, so
//! that it is good for nothing when that changes: the account's address, and for a reset its password as
//! well. Until a link is sent, its secret waits with the message, sealed.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::Sealing;
use crate::domain::{LinkHash, LinkPurpose, LinkSecrets, SealedSecret, User, UserId};
use crate::seams::Entropy;

const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// A link's token that somebody shows.
#[derive(Debug)]
pub struct LinkToken {
    /// Whose link it says it is.
    pub user: UserId,
    secret: SecretBox<[u8; SECRET_BYTES]>,
}

impl LinkToken {
    /// Reads one; `None` if it can't be one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; ID_BYTES + SECRET_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (id, secret) = bytes.get(..length)?.split_first_chunk::<ID_BYTES>()?;
        let secret: [u8; SECRET_BYTES] = secret.try_into().ok()?;
        let user = UserId::from_u128(u128::from_be_bytes(*id));
        Some(Self { user, secret: SecretBox::new(Box::new(secret)) })
    }

    /// What is kept of it, if it is a link of that account as it is now.
    pub fn hash(&self, purpose: LinkPurpose, user: &User) -> LinkHash {
        hash(self.secret.expose_secret(), purpose, user)
    }
}

fn hash(secret: &[u8; SECRET_BYTES], purpose: LinkPurpose, user: &User) -> LinkHash {
    let purpose_bytes: &[u8] = match purpose {
        LinkPurpose::Verification => b"gittix verification\0",
        LinkPurpose::Reset => b"gittix reset\0",
    };
    let key = user.email.key();
    let mut hasher = Sha256::new().chain_update(purpose_bytes).chain_update(secret);
    hasher.update(user.id.as_u128().to_be_bytes());
    hasher.update(key.as_str());
    if purpose == LinkPurpose::Reset {
        hasher.update(b"\0");
        hasher.update(&user.password_hash);
    }
    LinkHash(hasher.finalize().into())
}

/// Makes the secrets of links.
pub struct MailLinks {
    sealing: Sealing,
    entropy: Arc<dyn Entropy>,
}

impl MailLinks {
    /// Secrets by chance, sealed until they are sent.
    pub fn new(sealing: Sealing, entropy: Arc<dyn Entropy>) -> Self {
        Self { sealing, entropy }
    }
}

impl LinkSecrets for MailLinks {
    fn make(&self, purpose: LinkPurpose, user: &User) -> Option<(LinkHash, SealedSecret)> {
        let mut secret = [0_u8; SECRET_BYTES];
        self.entropy.fill(&mut secret);
        let sealed = self.sealing.seal(user.id, &secret, &*self.entropy).ok()?;
        Some((hash(&secret, purpose, user), SealedSecret(sealed)))
    }

    fn token(&self, user: UserId, sealed: &SealedSecret) -> Option<String> {
        let secret = self.sealing.open(user, &sealed.0)?;
        let bytes = [user.as_u128().to_be_bytes().as_slice(), &secret].concat();
        (secret.len() == SECRET_BYTES).then(|| URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::{SigningKey, SigningKeys};
    use crate::domain::{Email, Timestamp};
    use crate::seams::SystemEntropy;

    fn links(byte: u8) -> MailLinks {
        let key = SigningKey::from_bytes(&[byte; 32]).unwrap();
        MailLinks::new(Sealing::new(&SigningKeys::only(key)), Arc::new(SystemEntropy))
    }

    fn ana() -> User {
        let email = Email::parse("Ana@example.com").unwrap();
        User::new(UserId::from_u128(1), email, "hash".to_owned(), Timestamp::default())
    }

    #[test]
    fn a_token_is_known_again_as_long_as_what_it_is_about_is_the_same() {
        let (links, ana) = (links(7), ana());
        let changed = |email: Option<&str>, password: Option<&str>| {
            let email = email.map(|email| Email::parse(email).unwrap());
            ana.changed(email, password.map(str::to_owned))
        };
        for purpose in LinkPurpose::ALL {
            let (kept, sealed) = links.make(purpose, &ana).unwrap();
            let token = links.token(ana.id, &sealed).unwrap();
            let token = LinkToken::parse(&token).unwrap();
            assert_eq!((token.user, token.hash(purpose, &ana)), (ana.id, kept));
            let is_good = |user: &User| token.hash(purpose, user) == kept;
            assert!(is_good(&changed(Some("ana@EXAMPLE.com"), None)), "it is the same address");
            assert!(!is_good(&changed(Some("eve@example.com"), None)));
            let after = changed(None, Some("another"));
            assert_eq!(is_good(&after), purpose == LinkPurpose::Verification);
        }
        let (kept, sealed) = links.make(LinkPurpose::Reset, &ana).unwrap();
        let token = LinkToken::parse(&links.token(ana.id, &sealed).unwrap()).unwrap();
        assert_ne!(token.hash(LinkPurpose::Verification, &ana), kept);
    }

    #[test]
    fn a_sealed_secret_is_opened_for_its_account_and_with_its_key_alone() {
        let (_, sealed) = links(7).make(LinkPurpose::Reset, &ana()).unwrap();
        assert!(links(7).token(ana().id, &sealed).is_some());
        assert!(links(7).token(UserId::from_u128(2), &sealed).is_none());
        assert!(links(8).token(ana().id, &sealed).is_none());
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "[!-~]{0,100}") {
            let _ = LinkToken::parse(&text);
        }
    }
}
