//! Who is there: password rules and hashing, session tokens, and the throttle of sign-ins.
//!
//! This room holds mechanisms. What is stored about users and sessions is the store's, and which
//! request asks for what is the HTTP edge's.

mod key_file;
mod new_password;
mod passwords;
mod session;
mod throttle;
mod tokens;

pub use key_file::{KeyFileError, SigningKey, load_or_create_key};
pub use new_password::{NewPassword, PasswordRule};
pub use passwords::{PasswordError, PasswordSettings, Passwords, StartError, Verdict};
pub use session::{Credential, SessionCookie, credential};
pub use throttle::{Attempt, Rate, RetryAfter, Throttle, ThrottleSettings};
pub use tokens::{Claims, IssuedToken, TokenError, Tokens, new_session_id};
