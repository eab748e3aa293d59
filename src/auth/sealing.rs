//! Secrets that are kept with the data and can't be read with the data alone.
//!
//! What is sealed is encrypted with XChaCha20-Poly1305 under a key that follows from the key file,
//! bound to the account that it belongs to. The key stays the same when the one that signs is rolled,
//! or everything sealed would be lost.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::SigningKeys;
use crate::domain::UserId;
use crate::seams::Entropy;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// No session token or device cookie starts like this.
const PURPOSE: &[u8] = b"\0sealed\0";

/// Seals and opens.
pub struct Sealing(Option<XChaCha20Poly1305>);

/// Something could not be sealed, which would be a bug.
#[derive(Debug, thiserror::Error)]
#[error("a secret could not be sealed")]
pub struct SealError;

impl Sealing {
    /// With a key that follows from those of the key file.
    pub fn new(keys: &SigningKeys) -> Self {
        let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(keys.sealing().expose()).ok();
        let key: Option<[u8; 32]> =
            mac.map(|mac| mac.chain_update(PURPOSE).finalize().into_bytes().into());
        Self(key.map(|key| XChaCha20Poly1305::new(&key.into())))
    }

    /// Seals a secret of the account.
    ///
    /// # Errors
    ///
    /// Never; the error is there instead of a panic.
    pub fn seal(
        &self,
        owner: UserId,
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealError> {
        let cipher = self.0.as_ref().ok_or(SealError)?;
        let mut nonce = [0_u8; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let aad = owner.as_u128().to_be_bytes();
        let payload = Payload { msg: secret, aad: &aad };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        Ok([&[VERSION], nonce.as_slice(), sealed.as_slice()].concat())
    }

    /// Opens what was sealed for the account; nothing if it was not, or with another key.
    pub fn open(&self, owner: UserId, sealed: &[u8]) -> Option<Vec<u8>> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, msg) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let aad = owner.as_u128().to_be_bytes();
        self.0.as_ref()?.decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::SigningKey;
    use crate::seams::SystemEntropy;

    const ANA: UserId = UserId::from_u128(1);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn sealing(byte: u8) -> Sealing {
        Sealing::new(&SigningKeys::only(key(byte)))
    }

    #[test]
    fn what_was_sealed_is_opened_for_its_owner_alone() {
        let sealed = sealing(7).seal(ANA, b"secret", &SystemEntropy).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(sealing(7).open(ANA, &sealed).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(sealing(7).open(UserId::from_u128(2), &sealed), None);
        assert_eq!(sealing(8).open(ANA, &sealed), None);
        assert_ne!(sealing(7).seal(ANA, b"secret", &SystemEntropy).unwrap(), sealed);
    }

    #[test]
    fn damage_is_noticed_and_nothing_makes_it_panic() {
        let sealed = sealing(7).seal(ANA, b"secret", &SystemEntropy).unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(sealing(7).open(ANA, &damaged), None, "{at}");
            assert_eq!(sealing(7).open(ANA, &sealed[..at]), None, "{at}");
        }
    }

    #[test]
    fn what_was_sealed_outlives_any_number_of_rolled_keys() {
        let keys = SigningKeys::only(key(7));
        let sealed = Sealing::new(&keys).seal(ANA, b"secret", &SystemEntropy).unwrap();
        let rolled = keys.rolled(key(8)).rolled(key(9)).rolled(key(10));
        assert!(Sealing::new(&rolled).open(ANA, &sealed).is_some());
        let dropped = rolled.replaced(key(11));
        assert!(Sealing::new(&dropped).open(ANA, &sealed).is_some());
    }
}
