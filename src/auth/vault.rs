//! How contents are sealed that lie beside the data: each with a key of its own, which is wrapped under
//! the keys of the [pass key file](super::PassKeys) and kept with whatever the content belongs to.
//!
//! ```text
//! content ──▶ XChaCha20-Poly1305 under its key, bound to its number ──▶ a blob
//! its key ──▶ XChaCha20-Poly1305 under the key of the file          ──▶ its row
//! ```
//!
//! So neither the blobs, nor the data, nor both together can be read without the file; and once the row
//! is gone, its content can't be read by anybody. The key of the file may be rolled at any time: what the
//! ones before it wrapped is opened with those.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::PassKeys;
use super::pass_keys::PassKey;
use crate::seams::Entropy;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const NAME_BYTES: usize = 8;
/// What a key is used for is told to it, so that nothing made for one purpose is good for another.
const NAMING: &[u8] = b"the name of a key";

/// Seals and opens contents.
pub struct Vault(ArcSwap<PassKeys>);

/// A content that is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its key, wrapped.
    pub wrapped_key: Vec<u8>,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A content can't be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Its key is wrapped under one that the file does not hold.
    #[error("it is sealed under a key that the pass key file does not hold")]
    UnknownKey,
    /// It is not what was sealed.
    #[error("it is not what was sealed under its key")]
    Damaged,
    /// It could not be sealed, which would be a bug.
    #[error("it could not be sealed")]
    Unsealable,
}

impl Vault {
    /// With these keys.
    pub fn new(keys: PassKeys) -> Self {
        Self(ArcSwap::from_pointee(keys))
    }

    /// Seals and opens with other keys from now on.
    pub fn replace_keys(&self, keys: PassKeys) {
        self.0.store(Arc::new(keys));
    }

    /// By which a content is known again: a keyed hash, from which a short one can't be guessed.
    pub fn mark(&self, kind: &str, content: &[u8]) -> [u8; 32] {
        let keys = self.0.load();
        hash(keys.marks(), &[kind.as_bytes(), &[0], content])
    }

    /// Seals the content of that number.
    ///
    /// # Errors
    ///
    /// Never; the error is there instead of a panic.
    pub fn seal(
        &self,
        id: u128,
        content: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Sealed, VaultError> {
        let keys = self.0.load();
        let key = keys.wrapping().first().ok_or(VaultError::Unsealable)?;
        let mut own = [0; 32];
        entropy.fill(&mut own);
        let name = name_of(key);
        let wrapped = encrypt(key.expose(), id, &own, entropy)?;
        let wrapped_key = [&[VERSION], name.as_slice(), &wrapped].concat();
        let bytes = encrypt(&own, id, content, entropy)?;
        Ok(Sealed { wrapped_key, bytes })
    }

    /// Opens the content of that number.
    ///
    /// # Errors
    ///
    /// If the file does not hold its key, or it is another.
    pub fn open(&self, id: u128, wrapped_key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, VaultError> {
        let Some((&VERSION, rest)) = wrapped_key.split_first() else {
            return Err(VaultError::Damaged);
        };
        let (name, wrapped) = rest.split_first_chunk::<NAME_BYTES>().ok_or(VaultError::Damaged)?;
        let keys = self.0.load();
        let key = keys.wrapping().iter().find(|key| name_of(key) == *name);
        let own = decrypt(key.ok_or(VaultError::UnknownKey)?.expose(), id, wrapped)?;
        decrypt(&own.try_into().map_err(|_| VaultError::Damaged)?, id, bytes)
    }
}

fn hash(key: &PassKey, parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.expose()) else {
        // A key of any length is accepted.
        return [0; 32];
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Tells keys apart without telling them.
fn name_of(key: &PassKey) -> [u8; NAME_BYTES] {
    let hash = hash(key, &[NAMING]);
    hash.first_chunk().copied().unwrap_or_default()
}

fn encrypt(
    key: &[u8; 32],
    id: u128,
    msg: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0_u8; NONCE_BYTES];
    entropy.fill(&mut nonce);
    let payload = Payload { msg, aad: &id.to_be_bytes() };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
    let sealed = sealed.map_err(|_| VaultError::Unsealable)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(key: &[u8; 32], id: u128, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(VaultError::Damaged)?;
    let payload = Payload { msg, aad: &id.to_be_bytes() };
    let opened = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), payload);
    opened.map_err(|_| VaultError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{load_or_create_pass_keys, load_pass_keys, rotate_pass_keys};
    use crate::seams::SystemEntropy;

    fn vault() -> Vault {
        Vault::new(PassKeys::random(&SystemEntropy))
    }

    #[test]
    fn a_content_is_opened_under_its_own_number_alone() {
        let vault = vault();
        let sealed = vault.seal(1, b"%PDF-1.7 secret", &SystemEntropy).unwrap();
        assert!(!sealed.bytes.windows(6).any(|part| part == b"secret"));
        let open = |vault: &Vault, id| vault.open(id, &sealed.wrapped_key, &sealed.bytes);
        assert_eq!(open(&vault, 1).as_deref(), Ok(b"%PDF-1.7 secret".as_slice()));
        assert_eq!(open(&vault, 2), Err(VaultError::Damaged));
        assert_eq!(open(&self::vault(), 1), Err(VaultError::UnknownKey));
        assert_ne!(vault.seal(1, b"%PDF-1.7 secret", &SystemEntropy).unwrap(), sealed);
    }

    #[test]
    fn damage_is_noticed_and_nothing_makes_it_panic() {
        let vault = vault();
        let sealed = vault.seal(1, b"secret", &SystemEntropy).unwrap();
        for at in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[at] ^= 1;
            assert!(vault.open(1, &sealed.wrapped_key, &bytes).is_err(), "{at}");
            assert!(vault.open(1, &sealed.wrapped_key, &sealed.bytes[..at]).is_err(), "{at}");
        }
        for at in 0..sealed.wrapped_key.len() {
            let mut key = sealed.wrapped_key.clone();
            key[at] ^= 1;
            assert!(vault.open(1, &key, &sealed.bytes).is_err(), "{at}");
            assert!(vault.open(1, &sealed.wrapped_key[..at], &sealed.bytes).is_err(), "{at}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_was_sealed_and_marked_outlasts_any_number_of_rolled_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass.key");
        let vault = Vault::new(load_or_create_pass_keys(&path, &SystemEntropy).unwrap());
        let sealed = vault.seal(1, b"secret", &SystemEntropy).unwrap();
        let mark = vault.mark("code", b"secret");
        let wrapped_by = |sealed: &Sealed| sealed.wrapped_key[1..=NAME_BYTES].to_vec();
        for _ in 0..3 {
            rotate_pass_keys(&path, &SystemEntropy).unwrap();
            vault.replace_keys(load_pass_keys(&path).unwrap());
            assert!(vault.open(1, &sealed.wrapped_key, &sealed.bytes).is_ok());
            assert_eq!(vault.mark("code", b"secret"), mark);
            let another = vault.seal(1, b"secret", &SystemEntropy).unwrap();
            assert_ne!(wrapped_by(&another), wrapped_by(&sealed));
        }
    }

    #[test]
    fn a_mark_is_of_one_kind_content_and_key() {
        let vault = vault();
        assert_eq!(vault.mark("code", b"1234"), vault.mark("code", b"1234"));
        assert_ne!(vault.mark("code", b"1234"), vault.mark("code", b"1235"));
        assert_ne!(vault.mark("code", b"1234"), vault.mark("pdf", b"1234"));
        assert_ne!(vault.mark("code", b"1234"), self::vault().mark("code", b"1234"));
    }
}
