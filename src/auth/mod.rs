//! Who is there: password rules and hashing, second factors, session tokens, and the throttle of
//! sign-ins.
//!
//! This room holds mechanisms. What is stored about users and sessions is the store's, and which
//! request asks for what is the HTTP edge's.

mod api_tokens;
mod devices;
mod key_file;
mod limits;
mod links;
mod networks;
mod new_password;
mod pass_keys;
mod passwords;
mod private_file;
mod sealing;
mod session;
mod throttle;
mod tokens;
mod totp;
mod vault;

pub use api_tokens::{TokenSecret, presented_api_token};
pub use devices::{Device, Devices};
pub use key_file::{
    KeyFileError, OldKey, SigningKey, SigningKeys, load_keys, load_or_create_keys, rotate_keys,
};
pub use limits::{Limit, LimitSettings, Limits};
pub use links::{LinkToken, MailLinks};
pub use new_password::{NewPassword, PasswordRule};
pub use pass_keys::{
    PassKeyError, PassKeys, load_or_create_pass_keys, load_pass_keys, rotate_pass_keys,
};
pub use passwords::{PasswordError, PasswordSettings, Passwords, StartError, Verdict};
pub use sealing::{SealError, Sealing};
pub use session::{SESSION_COOKIE_NAMES, SessionCookie};
pub use throttle::{Attempt, Rate, RetryAfter, Standing, Throttle, ThrottleSettings};
pub use tokens::{Claims, IssuedToken, TokenError, Tokens};
pub use totp::{TotpSecret, recovery_codes, recovery_hash};
pub use vault::{Sealed, Vault, VaultError};
