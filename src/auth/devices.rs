//! The cookie by which a browser is known again that somebody signed in on.
//!
//! It signs nobody in. It says which accounts somebody signed in to on this browser, by their ids, so
//! that wrong guesses of strangers don't keep the owner out there (see [`super::Throttle`]). It
//! outlasts the session: whoever signs out comes back as somebody known.
//!
//! The value is a version, up to four accounts with the time of their last sign-in, and an HMAC over
//! these, under the key that signs sessions but for another purpose, so neither passes for the other.

use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::session::cookies;
use super::{SigningKey, SigningKeys};
use crate::domain::{Timestamp, UserId};

const PLAIN_NAME: &str = "device";
const SECURE_NAME: &str = "__Host-device";

/// Browsers forget any cookie after 400 days.
const LASTS: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How many accounts one browser is known for; the one that signed in last comes first.
const MAX_ACCOUNTS: usize = 4;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
const ENTRY_BYTES: usize = 16 + 8;

/// No JSON web token starts like this, so none has the same signature.
const PURPOSE: &[u8] = b"\0device\0";

/// Writes and reads the cookie.
pub struct Devices {
    keys: ArcSwap<SigningKeys>,
    secure: bool,
}

/// What is known of the browser that a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    accounts: Vec<(UserId, i64)>,
}

impl Device {
    /// Whether somebody signed in to the account on it.
    pub fn knows(&self, user: UserId) -> bool {
        self.accounts.iter().any(|(known, _)| *known == user)
    }
}

impl Devices {
    /// Cookies that are signed with these keys, for TLS alone if `secure`.
    pub fn new(keys: &SigningKeys, secure: bool) -> Self {
        Self { keys: ArcSwap::from_pointee(keys.clone()), secure }
    }

    /// Uses other keys from now on.
    pub fn replace_keys(&self, keys: &SigningKeys) {
        self.keys.store(std::sync::Arc::new(keys.clone()));
    }

    /// What the request's cookies tell of its browser. What does not verify is passed over.
    pub fn read(&self, headers: &HeaderMap, now: Timestamp) -> Device {
        let oldest = now.as_seconds().saturating_sub_unsigned(LASTS.as_secs());
        let name = if self.secure { SECURE_NAME } else { PLAIN_NAME };
        let known = cookies(headers, name).filter_map(|value| self.verify(value)).flatten();
        let accounts = known.filter(|(_, at)| *at > oldest).take(MAX_ACCOUNTS).collect();
        Device { accounts }
    }

    /// The value of the `set-cookie` header after somebody signed in on that browser.
    pub fn remember(&self, device: &Device, user: UserId, now: Timestamp) -> String {
        let others = device.accounts.iter().copied().filter(|(known, _)| *known != user);
        let accounts = std::iter::once((user, now.as_seconds())).chain(others).take(MAX_ACCOUNTS);
        let mut bytes = vec![VERSION];
        for (user, at) in accounts {
            bytes.extend(user.as_u128().to_be_bytes());
            bytes.extend(at.to_be_bytes());
        }
        if let Some(mac) = mac(self.keys.load().current(), &bytes) {
            bytes.extend(mac.finalize().into_bytes());
        }
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let (name, secure) = if self.secure { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
        let seconds = LASTS.as_secs();
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }

    fn verify(&self, value: &str) -> Option<Vec<(UserId, i64)>> {
        const MAX_BYTES: usize = 1 + MAX_ACCOUNTS * ENTRY_BYTES + MAC_BYTES;
        if value.len() > MAX_BYTES * 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (body, signature) = bytes.split_last_chunk::<MAC_BYTES>()?;
        let keys = self.keys.load();
        let is_ours = |key| mac(key, body).is_some_and(|mac| mac.verify_slice(signature).is_ok());
        if !keys.all().any(is_ours) {
            return None;
        }
        let (&VERSION, entries) = body.split_first()? else { return None };
        let (entries, []) = entries.as_chunks::<ENTRY_BYTES>() else { return None };
        Some(entries.iter().filter_map(entry).collect())
    }
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Option<(UserId, i64)> {
    let (user, at) = bytes.split_first_chunk()?;
    let at = i64::from_be_bytes(at.try_into().ok()?);
    Some((UserId::from_u128(u128::from_be_bytes(*user)), at))
}

fn mac(key: &SigningKey, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    Some(mac.chain_update(PURPOSE).chain_update(body))
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Devices").field("secure", &self.secure).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::COOKIE;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const ANA: UserId = UserId::from_u128(1);
    const BEN: UserId = UserId::from_u128(2);

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn devices() -> Devices {
        Devices::new(&SigningKeys::only(key(7)), false)
    }

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    /// As a browser sends it back.
    fn sent(set_cookie: &str) -> HeaderMap {
        headers(set_cookie.split(';').next().unwrap())
    }

    fn after_sign_in(devices: &Devices, users: &[UserId]) -> HeaderMap {
        let mut device = Device::default();
        let mut cookie = headers("a=b");
        for user in users {
            cookie = sent(&devices.remember(&device, *user, NOW));
            device = devices.read(&cookie, NOW);
        }
        cookie
    }

    #[test]
    fn a_browser_is_known_for_the_accounts_that_signed_in_on_it() {
        let devices = devices();
        let device = devices.read(&after_sign_in(&devices, &[ANA, BEN]), NOW);
        assert!(device.knows(ANA) && device.knows(BEN));
        assert!(!device.knows(UserId::from_u128(3)));
        let many: Vec<_> = (1..=9).map(UserId::from_u128).collect();
        let device = devices.read(&after_sign_in(&devices, &many), NOW);
        assert_eq!(device.accounts.len(), MAX_ACCOUNTS);
        assert!(device.knows(UserId::from_u128(9)) && !device.knows(ANA));
    }

    #[test]
    fn the_cookie_is_out_of_reach_and_names_nobody() {
        let set = devices().remember(&Device::default(), ANA, NOW);
        assert!(set.starts_with("device="), "{set}");
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"), "{set}");
        let secure = Devices::new(&SigningKeys::only(key(7)), true);
        let set = secure.remember(&Device::default(), ANA, NOW);
        assert!(set.starts_with("__Host-device=") && set.ends_with("; Secure"), "{set}");
        assert!(secure.read(&sent(&set), NOW).knows(ANA));
    }

    #[test]
    fn what_does_not_verify_is_passed_over() {
        let devices = devices();
        let good = devices.remember(&Device::default(), ANA, NOW);
        let good = good.split(';').next().unwrap().strip_prefix("device=").unwrap();
        assert!(devices.read(&headers(&format!("device=x; device={good}")), NOW).knows(ANA));
        let other = Devices::new(&SigningKeys::only(key(8)), false);
        assert_eq!(other.read(&headers(&format!("device={good}")), NOW), Device::default());
        for place in 0..good.len() {
            let mut forged = good.as_bytes().to_vec();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            let device = devices.read(&headers(&format!("device={forged}")), NOW);
            assert!(device.accounts.is_empty(), "{place}");
        }
        for junk in ["", "=", "AAAA", &"A".repeat(5000), "e30.e30.e30"] {
            assert_eq!(devices.read(&headers(&format!("device={junk}")), NOW), Device::default());
        }
    }

    #[test]
    fn a_browser_is_forgotten_after_a_year() {
        let devices = devices();
        let cookie = after_sign_in(&devices, &[ANA]);
        let later = |days: u64| NOW.plus(Duration::from_secs(days * 24 * 3600));
        let a_second_less = NOW.plus(LASTS - Duration::from_secs(1));
        assert!(devices.read(&cookie, a_second_less).knows(ANA));
        assert!(!devices.read(&cookie, NOW.plus(LASTS)).knows(ANA));
        assert!(devices.read(&cookie, later(364)).knows(ANA));
        assert!(!devices.read(&cookie, later(366)).knows(ANA));
    }

    #[test]
    fn a_browser_stays_known_while_the_key_is_rolled() {
        let devices = devices();
        let cookie = after_sign_in(&devices, &[ANA]);
        devices.replace_keys(&SigningKeys::only(key(7)).rolled(key(8)));
        assert!(devices.read(&cookie, NOW).knows(ANA));
        devices.replace_keys(&SigningKeys::only(key(7)).rolled(key(8)).rolled(key(9)));
        assert!(!devices.read(&cookie, NOW).knows(ANA));
    }
}
