//! Who is there: password rules and hashing, session tokens, and the throttle of sign-ins.
//!
//! This room holds mechanisms. What is stored about users and sessions is the store's, and which
//! request asks for what is the HTTP edge's.

mod new_password;
mod passwords;

pub use new_password::{NewPassword, PasswordRule};
pub use passwords::{PasswordError, PasswordSettings, Passwords, StartError, Verdict};
