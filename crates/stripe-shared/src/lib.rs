//! What async-stripe's client core needs of async-stripe-shared, and nothing else.
//!
//! The published async-stripe-shared has a type for every object of Stripe's API: 240,000 lines,
//! a fifth of the processor time of a first build. Its client core names three of them, and
//! gittix reads Stripe's answers with structs of its own. So the workspace patches the published
//! crate with this one. Built elsewhere, where the patch does not apply, gittix compiles against
//! the published crate and behaves the same.

// `def_id!` makes the place that miniserde reads into from this name.
miniserde::make_place!(Place);

stripe_types::def_id!(AccountId);
stripe_types::def_id!(ApplicationId);

/// A version of Stripe's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersion(&'static str);

impl ApiVersion {
    /// The version as the header `stripe-version` names it.
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

/// The version of the API that this release of async-stripe was made for.
pub mod version {
    use super::ApiVersion;

    /// The version of the API that this release of async-stripe was made for.
    pub const VERSION: ApiVersion = ApiVersion("2026-09-30.endive");
}
